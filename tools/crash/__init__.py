"""Kills, failing disks and power cuts on purpose: no acknowledged version may be lost."""
