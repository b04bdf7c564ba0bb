"""Metrics of plans: counted, stored, and shown to people and programs."""
