"""Random input for the code that reads files from people."""
