"""Turn opportunities into legal trades; conversions; the rest of an accepted plan."""
