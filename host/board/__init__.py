"""What the commands `trader board ...` do: reach a board, try it, trace it, flash it."""
