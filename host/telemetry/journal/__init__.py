"""The journal: every event on a line, each chained to the one before it."""
