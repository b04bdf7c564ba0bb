"""Configurations that people edit: read, checked, kept as versions, shared as presets."""
