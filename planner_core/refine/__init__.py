"""From good sets to the best sizes: which trades, how large, in whole lots."""
