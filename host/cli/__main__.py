"""`python -m host.cli`: what the service's units and the worker's parent start."""

import sys

from host.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
