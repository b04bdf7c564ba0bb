"""arduino-router for tests, on a virtual clock, failing in every way that the real one was seen to.

- What it passes on arrives in any order: each message is handled by a task of its own.
- A call whose provider dies, or says nothing, is never answered.
- A code that its decoder does not know closes the connection, and all routes of that connection go.
- A damaged length makes it wait for bytes that never come: deaf to that side, the other way works.
- ASCII between two messages is passed over; a message cut short swallows the next one.
- A restart forgets all routes, and tells nobody.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from random import Random

from tests.firmware_bridge.router_stream import Stream, StreamBrokenError, Text, pack

REORDER_S = 0.002
REQUEST, ANSWER, NOTICE = 0, 1, 2
INVALID_PARAMETERS, NOT_AVAILABLE, ROUTE_EXISTS = 1, 2, 5
SERIAL = "/dev/ttyHS1"
COMPACT_MAX = 1 << 32


@dataclass
class Connection:
    """A client of the router: a socket, or the board's serial line."""

    name: str
    stream: Stream = field(default_factory=Stream)
    is_open: bool = True
    outgoing: bytearray = field(default_factory=bytearray)
    calls: int = 0
    pending: dict[int, tuple[Connection, int]] = field(default_factory=dict)


class FakeRouter:
    """The router; `board` is the end that its serial line has, `connect` gives it a socket."""

    def __init__(self, seed: int = 0, *, reorder_s: float = REORDER_S) -> None:
        self.now_s = 0.0
        self.is_up = True
        self.is_serial_open = True
        self.board = Connection("serial")
        self.closings: list[str] = []
        self.calls: list[tuple[str, str]] = []
        self._reorder_s = reorder_s
        self._random = Random(seed)  # noqa: S311 - repeatable, not secret
        self._routes: dict[str, Connection] = {}
        self._tasks: list[tuple[float, int, Connection, list[object]]] = []
        self._order = 0
        self._sockets: list[Connection] = []

    # --- what a test does ------------------------------------------------------------------

    def connect(self) -> Connection | None:
        """Open a socket, or None while the router is down."""
        if not self.is_up:
            return None
        self._sockets.append(Connection(f"socket {len(self._sockets)}"))
        return self._sockets[-1]

    def disconnect(self, connection: Connection) -> None:
        """Close a client's socket: its routes go."""
        connection.is_open = False
        self._forget_routes(connection)

    def receive(self, connection: Connection, data: bytes) -> None:
        """Take bytes from a client."""
        if not (self.is_up and connection.is_open) or (
            connection is self.board and not self.is_serial_open
        ):
            return
        try:
            values = connection.stream.feed(data)
        except StreamBrokenError as error:
            self._close(connection, str(error))
            return
        for value in values:
            if isinstance(value, list):
                self._later(connection, value)

    def fetch(self, connection: Connection) -> bytes:
        """Return the bytes for a client since the last call."""
        data = bytes(connection.outgoing)
        connection.outgoing.clear()
        return data

    def run(self, now_s: float) -> None:
        """Do what is due by then."""
        self.now_s = now_s
        while self._tasks and self._tasks[0][0] <= now_s:
            _, _, connection, message = heapq.heappop(self._tasks)
            self._handle(connection, message)

    def stop(self) -> None:
        """Go down: every socket is closed, every route forgotten."""
        self.is_up = False
        for connection in self._sockets:
            connection.is_open = False
        self._sockets.clear()
        self._routes.clear()
        self._tasks.clear()

    def start(self) -> None:
        """Come back, knowing nothing."""
        self.is_up = True
        self._reopen_serial()

    def routes(self) -> dict[str, str]:
        """Return who provides what."""
        return {method: connection.name for method, connection in self._routes.items()}

    # --- inside ----------------------------------------------------------------------------

    def _later(self, connection: Connection, message: list[object]) -> None:
        self._order += 1
        due_s = self.now_s + self._random.random() * self._reorder_s
        heapq.heappush(self._tasks, (due_s, self._order, connection, message))

    def _close(self, connection: Connection, why: str) -> None:
        """End a connection; the board's is opened again at once, without its routes."""
        self.closings.append(why)
        self.disconnect(connection)
        if connection is self.board:
            self._reopen_serial()

    def _reopen_serial(self) -> None:
        self._forget_routes(self.board)
        self.board.pending.clear()  # whoever called waits forever
        self.board.outgoing.clear()
        self.board.stream = Stream()
        self.board.is_open = True
        self.is_serial_open = True

    def _forget_routes(self, connection: Connection) -> None:
        for method in [m for m, provider in self._routes.items() if provider is connection]:
            del self._routes[method]

    def _send(self, connection: Connection, message: list[object]) -> None:
        reachable = connection is not self.board or self.is_serial_open
        if connection.is_open and reachable:
            connection.outgoing += pack(message)

    def _handle(self, connection: Connection, message: list[object]) -> None:
        match message:
            case [0, int(call_id), Text(raw=method), list(parameters)] if call_id >= 0:
                self._call(connection, call_id, method.decode(errors="replace"), parameters)
            case [1, int(call_id), error, result]:
                origin = connection.pending.pop(call_id, None)
                if origin is not None:
                    self._send(origin[0], [ANSWER, origin[1], error, result])
            case [2, Text(raw=method), list(parameters)]:
                name = method.decode(errors="replace")
                self.calls.append((connection.name, name))
                provider = self._routes.get(name)
                if provider is not None:
                    self._send(provider, [NOTICE, Text(method), parameters])
            case _:
                pass

    def _call(
        self, connection: Connection, call_id: int, method: str, parameters: list[object]
    ) -> None:
        self.calls.append((connection.name, method))
        if method.startswith("$/"):
            error, result = self._own_method(connection, method, parameters)
            self._send(connection, [ANSWER, call_id, error, result])
            return
        provider = self._routes.get(method)
        if provider is None:
            error = [NOT_AVAILABLE, Text(f"method {method} not available".encode())]
            self._send(connection, [ANSWER, call_id, error, None])
            return
        provider.calls = provider.calls % COMPACT_MAX + 1
        provider.pending[provider.calls] = (connection, call_id)
        self._send(provider, [REQUEST, provider.calls, Text(method.encode()), parameters])

    def _own_method(
        self, connection: Connection, method: str, parameters: list[object]
    ) -> tuple[object, object]:
        """Return error and result of one of the router's own methods."""
        match parameters:
            case [Text(raw=raw)]:
                name = raw.decode(errors="replace")
            case _:
                return [INVALID_PARAMETERS, Text(b"invalid params")], None
        match method:
            case "$/register" if name in self._routes:
                return [ROUTE_EXISTS, Text(f"route already exists: {name}".encode())], None
            case "$/register":
                self._routes[name] = connection
            case "$/serial/open" | "$/serial/close" if name != SERIAL:
                return [INVALID_PARAMETERS, Text(b"Invalid serial port address")], None
            case "$/serial/open":
                self._open_serial()
            case "$/serial/close":
                self._forget_routes(self.board)
                self.is_serial_open = False
            case _:
                return [NOT_AVAILABLE, Text(f"method {method} not available".encode())], None
        return None, True

    def _open_serial(self) -> None:
        if not self.is_serial_open:
            self._reopen_serial()
