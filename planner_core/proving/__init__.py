"""Prove how good a plan is: bounds on every set of the candidates."""
