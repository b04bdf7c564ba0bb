"""Files as the home needs them: whole writes, limits, problems with their place."""
