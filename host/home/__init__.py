"""The owner's folder: its files, configurations, portfolio and backups."""
