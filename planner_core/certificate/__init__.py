"""Bounds on every set of the candidates: how far the plan can be from the best."""
