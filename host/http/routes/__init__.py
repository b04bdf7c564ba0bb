"""The routes of the API, a file per subject: each takes a request apart and calls an operation."""
