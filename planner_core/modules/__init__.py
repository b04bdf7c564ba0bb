"""The planner's exchangeable parts, their registry and their contracts."""
