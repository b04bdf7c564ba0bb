"""Generated files: each a pure function that returns the text."""
