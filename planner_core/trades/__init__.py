"""From wishes to legal trades: sized, converted, and what is left of an accepted plan."""
