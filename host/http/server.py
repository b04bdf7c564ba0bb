"""The server: an address of this computer, uvicorn on it, and an end in order."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, cast

import uvicorn

from host.errors import HostError
from host.home.config.device_settings import LOCALHOST, is_loopback
from host.http.access import open_access
from host.http.api import Api
from host.http.app import build_app
from host.http.certificate import (
    ensure_certificate,
    load_certificate,
    names_of_computer,
    tls_context,
)
from host.http.connection import ConnectionRegister, protocol_factory
from host.http.guard import Guard
from host.http.server_limits import ServerLimits

if TYPE_CHECKING:
    import ssl

    from host.home.config.device_settings import WebTable
    from host.home.home import Home

BACKLOG: Final = 64
SHUTDOWN_S: Final = 3
"""Time for answers under way at the end; event streams are closed at once."""
RENEWAL_CHECK_S: Final = 24 * 3600.0
"""The certificate is renewed a month before its end, also while the server runs."""


class ListenError(HostError):
    """The API cannot listen on its address."""

    code = "listen"


def open_listener(host: str, port: int, *, has_tls: bool = False) -> socket.socket:
    """Return a socket that listens on an address.

    Parameters
    ----------
    host : str
        Without TLS an address of loopback.
    port : int
    has_tls : bool

    Raises
    ------
    ListenError
        When others could read what is sent, or the address is not one of this computer, or the
        port is in use.
    """
    if not has_tls and not is_loopback(host):
        raise ListenError(
            f"web.host: {host!r:.80} is not an address of this computer alone, and web.tls switches"
            ' encryption off (set web.tls = "auto", or use 127.0.0.1 or ::1)'
        )
    address = "127.0.0.1" if host == LOCALHOST else host
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ipaddress.ip_address(address)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except ValueError:
        listener.close()
        raise ListenError(
            f"web.host: {host!r:.80} is not an address (write one such as 127.0.0.1 or 0.0.0.0)"
        ) from None
    except OSError as error:
        listener.close()
        why = (error.strerror or str(error)).lower()
        raise ListenError(
            f"web.port: cannot listen on {address} port {port}: {why} (choose another port in"
            " device.toml, or with `trader serve --port N`)"
        ) from None
    return listener


class ApiServer(uvicorn.Server):
    """uvicorn with our limits, which leaves the signals to us and ends the event streams first.

    Parameters
    ----------
    api : Api
    names : iterable of str
        Host names that requests may use, beside `localhost` and the address that they came to.
    limits : ServerLimits
    context : ssl.SSLContext, optional
        Encrypts the connections.
    """

    def __init__(
        self,
        api: Api,
        names: Iterable[str] = (),
        limits: ServerLimits = ServerLimits(),  # noqa: B008 - it is frozen
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.register = ConnectionRegister(limits)
        guard = Guard(build_app(api), api.access, names, limits)
        super().__init__(
            server_settings(guard, protocol_factory(limits, self.register, context), limits)
        )
        self._api = api

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals as they are: uvicorn would raise them again after its end."""
        yield

    def stop(self) -> None:
        """End soon: no new requests, and no more events on open streams."""
        self._api.feed.close()
        self.should_exit = True


def server_settings(
    app: Guard, make_protocol: Callable[..., asyncio.Protocol], limits: ServerLimits
) -> uvicorn.Config:
    """Return uvicorn's settings; what it has no setting for is in `make_protocol`."""
    return uvicorn.Config(
        app,
        loop="asyncio",
        # uvicorn calls it as it would call the class.
        http=cast("type[asyncio.Protocol]", make_protocol),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # else any local program could claim another address
        timeout_keep_alive=cast("int", limits.idle_s),
        timeout_graceful_shutdown=SHUTDOWN_S,
        h11_max_incomplete_event_size=limits.head_bytes_max,
    )


async def serve(
    home: Home, web: WebTable, listener: socket.socket, on_ready: Callable[[], None]
) -> None:
    """Serve a home until SIGTERM or SIGINT.

    Parameters
    ----------
    home : Home
    web : WebTable
        With the address of the listener.
    listener : socket
        As `open_listener` returned it.
    on_ready : callable
        Called when requests are about to be answered.

    Raises
    ------
    SecretFileError, CertificateError, StorageError
        When there is no certificate, and none can be made.
    """
    limits = ServerLimits()
    names = names_of_computer(web.host, web.names) if not web.is_loopback else tuple(web.names)
    context = None
    if web.has_tls:
        await asyncio.to_thread(ensure_certificate, home, names_of_computer(web.host, web.names))
        context = tls_context(home)
    access = open_access(home, web, limits.throttle)
    server = ApiServer(Api(home, access), names, limits, context)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    renewing = asyncio.create_task(_renew_forever(home, web, context))
    on_ready()
    try:
        await server.serve(sockets=[listener])
    finally:
        renewing.cancel()
        server.register.abort_all()


async def _renew_forever(home: Home, web: WebTable, context: ssl.SSLContext | None) -> None:
    """Renew the certificate before it ends; a failure is a finding of `trader health`."""
    while context is not None:
        await asyncio.sleep(RENEWAL_CHECK_S)
        names = names_of_computer(web.host, web.names)
        try:
            await asyncio.to_thread(ensure_certificate, home, names)
            load_certificate(context, home)
        except HostError:
            continue  # tried again tomorrow
