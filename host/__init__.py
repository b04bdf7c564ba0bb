"""Composes planner and link: files, commands, the daemon and the API."""
