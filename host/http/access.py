"""Rights of requests: the one place that decides who may do what, before any route runs.

The API serves this computer only, so whoever can connect may read and write.
"""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from typing import Final, Protocol

from fastapi import Request

from host.http.problems import RequestError

READING: Final = frozenset({"GET", "HEAD"})


class Right(StrEnum):
    """The right that a request needs."""

    READ = "read"
    WRITE = "write"


class Access(Protocol):
    """Decides about requests."""

    def check(self, request: Request, right: Right) -> None:
        """Raise RequestError if the client may not do this."""


class LoopbackAccess:
    """Every right, for clients on this computer."""

    def check(self, request: Request, right: Right) -> None:
        """Refuse a client of another computer."""
        host = request.client.host if request.client is not None else ""
        if not is_loopback(host):
            raise RequestError(403, "access", f"no right to {right.value} from {host!r:.80}")


def is_loopback(host: str) -> bool:
    """Return whether an address is one of this computer's loopback."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def check_access(request: Request) -> None:
    """Refuse a request without the right that it needs; a dependency of every route."""
    right = Right.READ if request.method in READING else Right.WRITE
    access: Access = request.app.state.api.access
    access.check(request, right)
