"""Plugins: modules of the planner that the owner adds, from files and from installed packages."""
