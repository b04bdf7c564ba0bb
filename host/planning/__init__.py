"""One run of the planner on a home, and its result as data."""
