"""A plan as data: made from the files of a home, reported, and stored."""
