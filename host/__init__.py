"""The host: everything that is neither planner nor link."""
