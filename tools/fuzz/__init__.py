"""Input that nobody would write, for what reads files from people."""
