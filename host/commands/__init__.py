"""One file per command group of `trader`; see `host/cli.py` for what such a file holds."""
