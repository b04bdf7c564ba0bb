"""The appliance as a service of systemd: its unit files, written with the right paths."""
