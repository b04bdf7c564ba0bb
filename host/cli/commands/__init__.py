"""One file per command group of `trader`; `host/cli/main.py` says what such a file holds."""
