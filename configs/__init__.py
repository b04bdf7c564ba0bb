"""Defaults, presets, demo data and schema, shipped as package data."""
