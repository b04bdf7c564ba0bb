"""Configurations from outside: loading, schema and comparison."""
