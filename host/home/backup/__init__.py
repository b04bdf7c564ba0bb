"""Backups of a home: one file, verified, restored as a whole."""
