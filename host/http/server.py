"""The server: an address of this computer, uvicorn on it, and an end in order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import uvicorn

from host.errors import HostError
from host.http.access import LoopbackAccess, is_loopback
from host.http.api import Api
from host.http.app import build_app

if TYPE_CHECKING:
    from fastapi import FastAPI

    from host.home.home import Home

BACKLOG: Final = 64
CONNECTIONS_MAX: Final = 200
"""Of all clients; more are answered 503 at once. 50 clients use about 100."""
KEEP_ALIVE_S: Final = 15
SHUTDOWN_S: Final = 3
"""Time for answers under way at the end; event streams are closed at once."""
HEAD_BYTES_MAX: Final = 16 * 1024
"""Of a request's line and headers together."""
LOCALHOST: Final = "localhost"


class ListenError(HostError):
    """The API cannot listen on its address."""

    code = "listen"


def open_listener(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address of this computer.

    Raises
    ------
    ListenError
        When the address is not one of this computer alone, or the port is in use.
    """
    address = "127.0.0.1" if host == LOCALHOST else host
    if not is_loopback(address):
        raise ListenError(
            f"web.host: {host!r:.80} is not an address of this computer alone (use 127.0.0.1 or"
            f" ::1; from elsewhere: ssh -L {port}:localhost:{port} THIS-COMPUTER)"
        )
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        why = (error.strerror or str(error)).lower()
        raise ListenError(
            f"web.port: cannot listen on {address} port {port}: {why} (choose another port in"
            " device.toml, or with `trader serve --port N`)"
        ) from None
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the address of a listener for a browser."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class ApiServer(uvicorn.Server):
    """uvicorn, which leaves the signals to us and ends the event streams first.

    Parameters
    ----------
    api : Api
    """

    def __init__(self, api: Api) -> None:
        super().__init__(_settings(build_app(api)))
        self._api = api

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals as they are: uvicorn would raise them again after its end."""
        yield

    def stop(self) -> None:
        """End soon: no new requests, and no more events on open streams."""
        self._api.feed.close()
        self.should_exit = True


def _settings(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S,
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
    )


async def serve(home: Home, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve a home until SIGTERM or SIGINT.

    Parameters
    ----------
    home : Home
    listener : socket
        As `open_listener` returned it.
    on_ready : callable
        Called when requests are about to be answered.
    """
    server = ApiServer(Api(home, LoopbackAccess()))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    on_ready()
    await server.serve(sockets=[listener])
