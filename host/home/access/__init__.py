"""Access to the HTTP API: tokens, the pairing window, the certificate. Needs no extra."""
