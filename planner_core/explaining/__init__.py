"""Why this plan: its trades judged again, and what would change the answer."""
