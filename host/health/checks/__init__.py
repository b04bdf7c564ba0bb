"""The health checks, by subject."""
