"""Boards at the end of a line: reach one, test it, trace its packets, flash it."""
