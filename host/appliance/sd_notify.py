"""Report the daemon's state to the service manager, by the datagrams of sd_notify(3).

Without systemd nothing is sent. The watchdog is fed from the loop and never from a thread, so that
a loop that hangs is noticed. Sending never waits and never fails the daemon.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

STATUS_LENGTH_MAX: Final = 300
MICROSECOND: Final = 1e-6
MANAGER_VARIABLES: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class ServiceNotifier:
    """Sends to the socket of the service manager, if there is one.

    Parameters
    ----------
    environ : mapping of str to str
        `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`, as sd_notify(3) has them.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        self._socket: socket.socket | None = None
        self._status = ""
        self._is_ready = False
        self._timer: asyncio.TimerHandle | None = None
        self.watchdog_s = watchdog_s(environ)
        if self._address[:1] in ("/", "\0"):
            kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            self._socket = socket.socket(socket.AF_UNIX, kind)

    def ready(self) -> None:
        """Report, once, that the start is over."""
        if not self._is_ready:
            self._is_ready = True
            self._send("READY=1")

    def status(self, text: str) -> None:
        """Report the state as one line, if it has changed."""
        line = " ".join(text.split())[:STATUS_LENGTH_MAX]
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def stopping(self) -> None:
        """Report that the daemon ends, and stop feeding the watchdog."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._send("STOPPING=1")

    def feed_watchdog(self) -> None:
        """Feed the watchdog now, and from now on twice in each of its intervals."""
        if self.watchdog_s is None:
            return
        self._send("WATCHDOG=1")
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self.watchdog_s / 2, self.feed_watchdog)

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, state: str) -> None:
        if self._socket is not None:
            with suppress(OSError):  # the manager is gone or slow: nothing can be done
                self._socket.sendto(state.encode(), self._address)


def watchdog_s(environ: Mapping[str, str]) -> float | None:
    """Return the watchdog's interval; None when this process is not watched."""
    try:
        microseconds = int(environ.get("WATCHDOG_USEC", ""))
        pid = int(environ.get("WATCHDOG_PID") or os.getpid())
    except ValueError:
        return None
    return microseconds * MICROSECOND if microseconds > 0 and pid == os.getpid() else None


SILENT: Final = ServiceNotifier({})
"""For a daemon without a service manager."""
