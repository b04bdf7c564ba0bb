"""Connections with limits: how many, and how long each may take to send and to read.

uvicorn waits forever for the headers of a first request, for a body, and for a client that does not
read. Here each has a deadline, and what comes of a body after the answer has a size as well. When
there are too many connections, the one that has been idle the longest makes room, so that idle
connections shut nobody out; when none is idle, the new one is answered 503. With TLS the handshake
counts as a connection, too.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from host.http.throttle import site_of

if TYPE_CHECKING:
    import ssl

    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from host.http.server_limits import ServerLimits

FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n"
    b"Retry-After: 10\r\n\r\n"
)


class Deadline:
    """A time after which something is done, unless it is stopped.

    Parameters
    ----------
    limit_s : float
    on_end : callable
    """

    def __init__(self, limit_s: float, on_end: Callable[[], None]) -> None:
        self._limit_s = limit_s
        self._on_end = on_end
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start it, unless it runs."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._limit_s, self._on_end)

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def set(self, *, is_running: bool) -> None:
        """Start or stop it."""
        if is_running:
            self.start()
        else:
            self.stop()


class Connection:
    """A connection in the register of all.

    Parameters
    ----------
    transport : asyncio.Transport
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        peer = transport.get_extra_info("peername")
        self.site = site_of(str(peer[0])) if peer else ""
        self.is_idle = True
        """No request is under way."""


class ConnectionRegister:
    """All open connections, the one that came first, or was idle first, first.

    Parameters
    ----------
    limits : ServerLimits
    """

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._open: dict[Connection, None] = {}
        self._by_site: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: Connection) -> bool:
        """Take a connection in; return False when there is no room for it."""
        limits, site = self._limits, connection.site
        if self._by_site[site] >= limits.connections_per_address_max and not self._make_room(site):
            return False
        if len(self._open) >= limits.connections_max and not self._make_room(None):
            return False
        self._open[connection] = None
        self._by_site[site] += 1
        return True

    def set_idle(self, connection: Connection, *, is_idle: bool) -> None:
        """Note that a request begins or has ended."""
        if connection.is_idle != is_idle and connection in self._open:
            connection.is_idle = is_idle
            del self._open[connection]
            self._open[connection] = None

    def release(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        if connection in self._open:
            del self._open[connection]
            self._by_site[connection.site] -= 1
            if not self._by_site[connection.site]:
                del self._by_site[connection.site]

    def abort_all(self) -> None:
        """End every connection at once."""
        for connection in list(self._open):
            connection.transport.abort()

    def _make_room(self, site: str | None) -> bool:
        """End the connection that is idle the longest, of a site or of all."""
        for connection in self._open:
            if connection.is_idle and site in {None, connection.site}:
                self.release(connection)
                connection.transport.abort()
                return True
        return False


class LimitedProtocol(H11Protocol):
    """uvicorn's protocol with deadlines.

    Parameters
    ----------
    limits : ServerLimits
    register : ConnectionRegister
    """

    def __init__(
        self,
        limits: ServerLimits,
        register: ConnectionRegister,
        **uvicorn_arguments: Any,  # noqa: ANN401 - as uvicorn passes them
    ) -> None:
        super().__init__(**uvicorn_arguments)
        self._limits = limits
        self._register = register
        self._connection: Connection | None = None
        self._early = bytearray()
        """What came with the last packet of a TLS handshake, before `connection_made`."""
        self._is_over = False
        self._head = Deadline(limits.head_s, self._abort)
        self._body = Deadline(limits.body_s, self._abort)
        self._rest = Deadline(limits.rest_s, self._abort)
        self._is_rest = False
        """The request is answered, such as with a refusal, and its body still comes."""
        self._rest_bytes = 0
        self._write = Deadline(limits.write_s, self._abort)

    def adopt(self, connection: Connection) -> None:
        """Take over a connection that is registered already, after its TLS handshake."""
        if self._is_over:  # it ended meanwhile
            self._register.release(connection)
            connection.transport.abort()
            return
        self._connection = connection
        self.connection_made(connection.transport)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Register the connection, or refuse it when there are too many."""
        if self._connection is None:
            connection = Connection(transport)
            if not self._register.admit(connection):
                self._is_over = True
                transport.write(FULL)
                transport.close()
                return
            self._connection = connection
        super().connection_made(transport)
        self._watch()
        if self._early:
            early, self._early = self._early, bytearray()
            self.data_received(bytes(early))

    def data_received(self, data: bytes) -> None:
        """Take bytes, and watch how long the rest takes."""
        if self._is_over:
            return
        if self._connection is None:
            self._early += data[: self._limits.head_bytes_max]
            return
        self._rest_bytes = self._rest_bytes + len(data) if self._is_rest else 0
        if self._rest_bytes > self._limits.body_bytes_max:
            self._abort()
            return
        try:
            super().data_received(data)
        except h11.LocalProtocolError:
            self.transport.abort()  # garbage after an answer that has begun: nothing can be said
        self._watch()

    def on_response_complete(self) -> None:
        """Watch the next request of the connection."""
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """Give a client that does not read some time."""
        super().pause_writing()
        self._write.start()

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        super().resume_writing()
        self._write.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection and its deadlines."""
        was_open, self._is_over = self._connection is not None and not self._is_over, True
        if self._connection is None or not was_open:
            return
        self._register.release(self._connection)
        super().connection_lost(exc)
        for deadline in (self._head, self._body, self._rest, self._write):
            deadline.stop()
        self._unset_keepalive_if_required()

    def timeout_keep_alive_handler(self) -> None:
        """End an idle connection, without waiting for a client that does not read."""
        self.transport.abort()

    def _watch(self) -> None:
        """Start and stop the deadlines of header and body as the state of the protocol asks.

        The rest of a body that nobody waits for is read for a short time only: enough for a client
        to send it and to read the answer, on a connection that can then be used again.
        """
        if self._connection is None or self._is_over:
            return
        if self.transport.is_closing():
            self._write.start()  # the last bytes go out, or nobody reads them
            return
        awaits_body = self.conn.their_state is h11.SEND_BODY
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn's type hides the None
        is_answering = cycle is not None and not cycle.response_complete
        self._is_rest = awaits_body and not is_answering
        self._register.set_idle(self._connection, is_idle=not is_answering)
        # Between two requests uvicorn's own timer runs, until any byte comes.
        awaits_head = self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None
        self._head.set(is_running=awaits_head)
        self._body.set(is_running=awaits_body and is_answering)
        self._rest.set(is_running=self._is_rest)

    def _abort(self) -> None:
        self.transport.abort()


class TlsGate(asyncio.Protocol):
    """A new connection until its TLS handshake is done, within a limit of time.

    Parameters
    ----------
    context : ssl.SSLContext
    protocol : LimitedProtocol
        Takes over after the handshake.
    limits : ServerLimits
    register : ConnectionRegister
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        protocol: LimitedProtocol,
        limits: ServerLimits,
        register: ConnectionRegister,
    ) -> None:
        self._context = context
        self._protocol = protocol
        self._limits = limits
        self._register = register
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake, or drop the connection when there are too many."""
        raw = cast("asyncio.Transport", transport)
        connection = Connection(raw)
        if not self._register.admit(connection):
            raw.abort()
            return
        raw.pause_reading()
        self._task = asyncio.ensure_future(self._shake_hands(raw, connection))

    async def _shake_hands(self, raw: asyncio.Transport, connection: Connection) -> None:
        protocol, loop = self._protocol, asyncio.get_running_loop()
        try:
            encrypted = await loop.start_tls(
                raw,
                protocol,
                self._context,
                server_side=True,
                ssl_handshake_timeout=self._limits.handshake_s,
            )
        except OSError:  # also of ssl: not TLS, too slow, or gone
            encrypted = None
        if encrypted is None:
            self._register.release(connection)
            raw.abort()
            return
        connection.transport = encrypted
        protocol.adopt(connection)


def protocol_factory(
    limits: ServerLimits, register: ConnectionRegister, context: ssl.SSLContext | None
) -> Callable[..., asyncio.Protocol]:
    """Return what uvicorn calls for each new connection, in place of its protocol's class."""

    def make_protocol(
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> asyncio.Protocol:
        protocol = LimitedProtocol(
            limits,
            register,
            config=config,
            server_state=server_state,
            app_state=app_state,
            _loop=_loop,
        )
        if context is None:
            return protocol
        return TlsGate(context, protocol, limits, register)

    return make_protocol
