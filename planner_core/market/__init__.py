"""Prices and holdings valued, and the limits, costs and objective that follow from them."""
