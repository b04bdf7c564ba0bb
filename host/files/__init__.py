"""What every file of a home goes through: whole writes, limits, problems that can be found."""
