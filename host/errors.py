"""Every error of the host, under one root, each with a stable `code` for machines."""

from __future__ import annotations


class HostError(Exception):
    """Root of the host's errors.

    `code` names the kind of failure and never changes; the message is for people.
    """

    code = "host"
