"""How good the plan is, proven: bounds on every set of the candidates."""
