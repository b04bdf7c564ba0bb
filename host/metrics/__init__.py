"""What was measured: kept on disk, and shown to people and programs."""
