"""The daemon's socket: one request per connection, as one line of JSON, and one line as answer.

    {"do": "plan", "bucket_id": "core"}      -> {"result": {"trace_id": ..., "joined": false}}
    {"do": "progress", "trace_id": "3fa2"}   -> {"result": {"progress": {...}}}
    {"do": "cancel", "trace_id": "3fa2"}     -> {"result": {"progress": {...}}}
    {"do": "board"}                          -> {"result": {"pixels": [...], ...}}
                                             or {"error": {"code": ..., "lines": [...]}}

Only processes of the daemon's own user may connect: the socket belongs to that user, and the daemon
asks the kernel who is at the other end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from host.errors import HostError

SOCKET_NAME: Final = "control.sock"
LINE_BYTES_MAX: Final = 16 * 1024
"""Of a request or an answer; the matrix takes less than one of them."""


class NoDaemonError(HostError):
    """No daemon serves the home, or it does not answer."""

    code = "no_daemon"


@contextmanager
def socket_path(state_dir: Path) -> Iterator[str]:
    """Yield a short path of the socket: the kernel takes at most 107 bytes, a home may have more.

    Raises
    ------
    OSError
        When there is no such folder.
    """
    descriptor = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)
