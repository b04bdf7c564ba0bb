"""Believed prices, what the holdings are worth by them, and what the limits demand."""
