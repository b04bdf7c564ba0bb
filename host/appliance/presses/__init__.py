"""From a button's edges to a gesture, and from a gesture to what it asks for."""
