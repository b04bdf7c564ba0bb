"""Requests of other processes to the daemon of a home, over a socket in its `state/`."""
