"""The HTTP API: FastAPI over `host.operations`; imported only where it is switched on."""
