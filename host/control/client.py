"""A process that asks the daemon of a home."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from host.control.protocol import LINE_BYTES_MAX, NoDaemonError, socket_path
from host.errors import HostError, NotFoundError

if TYPE_CHECKING:
    from host.home.home import Home

TIMEOUT_S: Final = 10.0
"""The daemon answers at once, except that a request waits for the disk."""


class RefusedError(HostError):
    """The daemon refused a request; `code` is that of its error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


async def ask_daemon(home: Home, **request: object) -> dict[str, Any]:
    """Send a request and return its result.

    Raises
    ------
    NoDaemonError
        When no daemon serves the home, or it does not answer.
    NotFoundError, RefusedError
        As the daemon says.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reply = await _converse(home, request)
    except (OSError, ValueError, TimeoutError):
        raise NoDaemonError(f"{home.root}: no daemon answers (run: trader run)") from None
    error = reply.get("error")
    if error is None:
        return dict(reply["result"])
    message = "\n".join(error["lines"])
    if error["code"] == NotFoundError.code:
        raise NotFoundError(message)
    raise RefusedError(str(error["code"]), message)


async def _converse(home: Home, request: object) -> dict[str, Any]:
    """Send a line and read one; OSError or ValueError when there is no answer."""
    with socket_path(home.state_dir) as path:
        reader, writer = await asyncio.open_unix_connection(path, limit=LINE_BYTES_MAX)
    try:
        writer.write(json.dumps(request).encode() + b"\n")
        await writer.drain()
        reply = json.loads(await reader.readline())
    finally:
        writer.close()
    if not isinstance(reply, dict):
        raise ValueError("not an object")  # noqa: TRY004 - damaged content
    return reply
