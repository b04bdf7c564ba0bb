"""Figures about plans: collected, stored, and shown to people and programs."""
