"""Log lines for people and programs, and where they are written."""
