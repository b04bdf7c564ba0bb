"""Rank sets of candidates, and climb from a set to better ones."""
