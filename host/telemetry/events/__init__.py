"""The host's events, typed, and what may stand in them."""
