"""Sets of candidates: evaluated, ranked, and improved by local search."""
