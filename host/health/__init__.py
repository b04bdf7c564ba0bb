"""Health of the appliance: problems, since when, and what to do about them."""
