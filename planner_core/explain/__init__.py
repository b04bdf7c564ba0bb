"""Why this plan: its trades scored again, and what would change the answer."""
