"""What the LED matrix shows, and the legend that explains it."""
