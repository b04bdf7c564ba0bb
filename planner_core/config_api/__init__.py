"""A configuration from outside: loaded, described by a schema, compared."""
