"""The planner's process, and the daemon's side of it."""
