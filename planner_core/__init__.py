"""The planner: from a frozen context to a plan, without IO, clock or randomness."""
