"""Answers to requests, for the command line and the HTTP API: plain data, or one of our errors."""
