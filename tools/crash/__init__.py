"""Kills, failing disks and power cuts, made on purpose: what a writer promised is looked for."""
