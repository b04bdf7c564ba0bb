"""How the appliance is: what is wrong, since when, and what to do about it."""
