"""The process that serves the board: presses in, plans out, everything recorded."""
