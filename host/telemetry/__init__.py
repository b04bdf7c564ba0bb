"""Events, and where they go: journal, logs and metrics."""
