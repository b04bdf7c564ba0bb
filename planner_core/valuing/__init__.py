"""Check prices, value the holdings, and turn the limits into numbers."""
