"""A guarded server with small limits, and an attacker with raw sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import uvicorn

from host.home.access.token_store import Right, TokenStore
from host.home.config.device_settings import WebTable
from host.http.access import open_access
from host.http.connection import ConnectionRegister, protocol_factory
from host.http.guard import Guard
from host.http.server import open_listener, server_settings
from host.http.server_limits import ServerLimits
from host.http.throttle import ThrottleLimits

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from host.home.home import Home

WAIT_S = 30.0
"""For what comes in milliseconds: a busy machine may take longer."""
LONG_S = 3600.0
"""A deadline that a test is not about."""
LIMITS = ServerLimits(
    handshake_s=LONG_S,
    head_s=LONG_S,
    body_s=LONG_S,
    rest_s=LONG_S,
    write_s=LONG_S,
    idle_s=LONG_S,
    token_check_s=0.05,
    throttle=ThrottleLimits(per_address=10_000, in_all=10_000),
)

LOOPBACK = WebTable()


class Routes:
    """An application that answers what it was asked, and counts what reaches it."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.ended_streams = 0
        self.largest_body = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._live(receive, send)
        self.requests.append(f"{scope['method']} {scope['path']}")
        if scope["path"] == "/stream":
            return await self._stream(receive, send)
        if scope["path"] == "/endless":
            return await self._endless(send)
        body = b""
        while scope["method"] == "POST":
            message = await receive()
            body += message.get("body", b"")
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                break
        self.largest_body = max(self.largest_body, len(body))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})
        return None

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        with contextlib.suppress(asyncio.CancelledError):  # a forced end asks for no shutdown
            await receive()

    async def _stream(self, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self.ended_streams += 1

    async def _endless(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(2_000):  # 128 MB: no socket takes it
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})


@dataclass
class Target:
    """A server that is attacked.

    Parameters
    ----------
    port : int
    token, read_token : str
    routes : Routes
    register : ConnectionRegister
    """

    home: Home
    port: int
    token: str
    read_token: str
    routes: Routes
    register: ConnectionRegister
    context: ssl.SSLContext | None = None
    sockets: list[socket.socket] = field(default_factory=list)

    def connect(self) -> socket.socket:
        """Open a connection, encrypted if the server is."""
        raw = socket.create_connection(("127.0.0.1", self.port), WAIT_S)
        one = raw if self.context is None else self.context.wrap_socket(raw)
        self.sockets.append(one)
        return one

    def ask(self, head: str, body: bytes = b"") -> Answer:
        """Send a request as it stands, on a connection of its own, and read the answer."""
        with self.connect() as one:
            one.sendall(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body)
            return read_answer(one)

    def get(self, path: str = "/x", *headers: str) -> Answer:
        """Read from this computer, as a program would."""
        return self.ask("\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *headers]))

    def post(self, *headers: str, body: bytes = b"{}", token: str | None = None) -> Answer:
        """Write with a token."""
        lines = [
            "POST /x HTTP/1.1",
            "Host: localhost",
            f"Authorization: Bearer {self.token if token is None else token}",
            f"Content-Length: {len(body)}",
            *(headers or ("Content-Type: application/json",)),
        ]
        return self.ask("\n".join(lines), body)


@dataclass(frozen=True)
class Answer:
    """A status, the headers in lower case, and the body."""

    status: int
    headers: dict[str, str]
    body: str


def read_answer(one: socket.socket) -> Answer:
    """Read an answer; status 0 when the connection ended without one."""
    head, mark, body = _read_more(one, b"", lambda data: b"\r\n\r\n" in data).partition(b"\r\n\r\n")
    if not mark:
        return Answer(0, {}, "")
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    length = int(headers.get("content-length", "0"))
    body = _read_more(one, body, lambda data: len(data) >= length)
    return Answer(int(lines[0].split()[1]), headers, body.decode())


def _read_more(one: socket.socket, data: bytes, is_enough: Callable[[bytes], bool]) -> bytes:
    """Read until there is enough, or the connection ends."""
    while not is_enough(data):
        try:
            chunk = one.recv(65536)
        except ConnectionError:
            break
        if not chunk:
            break
        data += chunk
    return data


def is_ended(one: socket.socket) -> bool:
    """Return whether the other side ended a connection, after reading all that it sent."""
    try:
        while one.recv(65536):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what comes soon."""
    until_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until_s, "it did not come"
        time.sleep(0.01)


@contextlib.contextmanager
def attacked(
    home: Home,
    limits: ServerLimits = LIMITS,
    web: WebTable = LOOPBACK,
    contexts: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
    names: tuple[str, ...] = (),
    **changes: object,
) -> Iterator[Target]:
    """Serve `Routes` behind the guard; keywords change the limits."""
    limits = replace(limits, **changes)  # type: ignore[arg-type]
    routes, register, store = Routes(), ConnectionRegister(limits), TokenStore(home)
    access = open_access(home, web, limits.throttle)
    factory = protocol_factory(limits, register, None if contexts is None else contexts[0])
    guard = Guard(routes, access, names, limits)
    server = uvicorn.Server(server_settings(guard, factory, limits))
    token = store.add("writer", Right.WRITE, "terminal")
    read_token = store.add("reader", Right.READ, "terminal")
    with open_listener("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        client = None if contexts is None else contexts[1]
        target = Target(home, port, token, read_token, routes, register, client)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
        thread.start()
        try:
            yield target
        finally:
            for one in target.sockets:
                one.close()
            server.should_exit = server.force_exit = True
            thread.join(WAIT_S)
            assert not thread.is_alive(), "an attack must not keep the server from its end"
