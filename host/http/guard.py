"""The guard before all routes: from where, with which right, how much; and what a page may see.

    Host (DNS rebinding) -> Origin (other web pages) -> token -> type and size of the body
    -> the routes -> security headers, number and end of event streams

A request that fails a check is answered with a problem, and no route runs.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect

from host.errors import HostError
from host.home.config.device_settings import LOCALHOST, is_loopback
from host.http.access import READING
from host.http.bodies import JSON, TOML
from host.http.problems import RequestError, problem_of
from host.http.throttle import site_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from host.http.access import Access
    from host.http.server_limits import ServerLimits

EVENT_STREAM: Final = "text/event-stream"
OWN_FETCHES: Final = frozenset({"same-origin", "none"})
"""Of Sec-Fetch-Site: a page of ours, or a person who typed the address."""
SECURITY_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


TOO_MANY_STREAMS: Final = RequestError(
    429, "streams", "too many event streams are open (close one)", {"Retry-After": "10"}
)


class Guard:
    """An ASGI application around another one.

    Parameters
    ----------
    app : ASGI application
    access : Access
    names : iterable of str
        Host names that requests may use, beside the address that they came to.
    limits : ServerLimits
    """

    def __init__(
        self, app: ASGIApp, access: Access, names: Iterable[str], limits: ServerLimits
    ) -> None:
        self._app = app
        self._access = access
        self._names = frozenset(name.lower().rstrip(".") for name in names) | {LOCALHOST}
        self._limits = limits
        self._streams = StreamRegister(limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = {
            **scope,
            "client": plain(scope.get("client")),
            "server": plain(scope.get("server")),
        }
        headers = Headers(scope=scope)
        exchange = Exchange(scope, receive, send)
        try:
            self._check_head(scope)
            host = self._check_host(scope, headers)
            check_origin(scope, headers)
            grant = await self._access.check(scope, headers, is_own_host=is_loopback(host))
            self._check_body(scope, headers)
        except HostError as error:
            await exchange.refuse(error)
            return
        await exchange.run(
            self._app,
            lambda: self._access.is_valid(grant),
            self._streams,
            self._limits.token_check_s,
        )

    # --- checks before the routes ----------------------------------------------------------

    def _check_head(self, scope: Scope) -> None:
        """Refuse a large head; h11 limits only one that comes in pieces."""
        size = len(scope["raw_path"]) + len(scope["query_string"])
        size += sum(len(name) + len(value) for name, value in scope["headers"])
        if size > self._limits.head_bytes_max:
            raise RequestError(
                431,
                "head",
                f"address and headers have {size:,} bytes; at most"
                f" {self._limits.head_bytes_max:,} are allowed (send less)",
                {"Connection": "close"},
            )

    def _check_host(self, scope: Scope, headers: Headers) -> str:
        """Return the name in Host; a name that is not ours may have been rebound to our address."""
        values = headers.getlist("host")
        host = host_of(values[0]) if len(values) == 1 else None
        server = scope.get("server")
        own = {*self._names, server[0].lower()} if server else self._names
        if host is None or (host not in own and not is_loopback_of(host, server)):
            raise RequestError(
                421,
                "host",
                f"Host is {(values or ['missing'])[0]!r:.100}, which is not a name of this"
                " computer (add it to web.names in device.toml)",
            )
        return host

    def _check_body(self, scope: Scope, headers: Headers) -> None:
        """Refuse a body that is too large, or of a type that a web form could send."""
        length = headers.get("content-length", "0")
        if "content-length" in headers and "transfer-encoding" in headers:
            # A proxy in front may believe the other one, and see other requests than we do.
            raise RequestError(
                400,
                "framing",
                "Content-Length and Transfer-Encoding together",
                {"Connection": "close"},
            )
        if length.isdigit() and int(length[:20]) > self._limits.body_bytes_max:
            raise RequestError(
                413,
                "too_large",
                f"the body has {int(length[:20]):,} bytes; at most"
                f" {self._limits.body_bytes_max:,} are allowed (send less)",
                {"Connection": "close"},
            )
        if scope["method"] in READING:
            return
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        has_body = length not in {"", "0"} or "transfer-encoding" in headers
        if (kind or has_body) and kind not in {JSON, TOML}:
            raise RequestError(
                415,
                "media_type",
                f"Content-Type is {kind or 'missing'!r:.100} (send {JSON} or {TOML})",
                {"Accept": f"{JSON}, {TOML}"},
            )


class StreamRegister:
    """The open streams of events.

    Parameters
    ----------
    limits : ServerLimits
    """

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._by_site: Counter[str] = Counter()

    def admit(self, site: str) -> bool:
        """Count a stream; return False when there are too many."""
        limits = self._limits
        if (
            self._by_site.total() >= limits.streams_max
            or self._by_site[site] >= limits.streams_per_address_max
        ):
            return False
        self._by_site[site] += 1
        return True

    def release(self, site: str) -> None:
        """Forget a stream that has ended."""
        self._by_site[site] -= 1
        if not self._by_site[site]:
            del self._by_site[site]


class Exchange:
    """A request and its answer, as the guard lets them pass.

    Parameters
    ----------
    scope, receive, send : of ASGI
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._has_started = False
        self._has_ended = False
        self._is_cut = False
        self._is_stream = False
        self._task: asyncio.Future[None] | None = None

    @property
    def _site(self) -> str:
        client = self._scope.get("client")
        return site_of(client[0]) if client else ""

    async def refuse(self, error: HostError) -> None:
        """Answer with a problem."""
        await problem_of(error)(self._scope, self._receive, self._pass_on)

    async def run(
        self, app: ASGIApp, is_valid: Callable[[], bool], streams: StreamRegister, check_s: float
    ) -> None:
        """Run the routes; end a stream of events when it is no longer valid.

        Parameters
        ----------
        app : ASGI application
        is_valid : callable returning bool
            Whether the token still holds.
        streams : StreamRegister
        check_s : float
            How often that is asked while nothing is sent.
        """

        async def send(message: Message) -> None:
            if is_stream_start(message) and not self._is_cut:
                self._is_stream = streams.admit(self._site)
                if not self._is_stream:
                    await self.refuse(TOO_MANY_STREAMS)
                    await self._cut()
            if self._is_stream and not is_valid():
                await self._cut()
            if not self._is_cut:
                await self._pass_on(message)

        task = self._task = asyncio.ensure_future(app(self._scope, self._receive, send))
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=check_s)
                if self._is_stream and not is_valid():
                    await self._cut()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
            if self._is_stream:
                streams.release(self._site)
        self._take_result(task)

    def _take_result(self, task: asyncio.Future[None]) -> None:
        """Raise what the routes raised, unless the end was ours or nobody waits for an answer."""
        if self._is_cut:
            task.cancelled() or task.exception()  # else asyncio reports it as never looked at
            return
        with suppress(ClientDisconnect):
            task.result()

    async def _cut(self) -> None:
        """End the answer where it is, and the routes with it."""
        if self._is_cut:
            return
        self._is_cut = True
        if self._has_started and not self._has_ended:
            await self._pass_on({"type": "http.response.body", "body": b"", "more_body": False})
        assert self._task is not None, "only a running exchange is cut"
        self._task.cancel()

    async def _pass_on(self, message: Message) -> None:
        """Send a message, with the security headers."""
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            self._has_started = True
        elif message["type"] == "http.response.body":
            self._has_ended = not message.get("more_body", False)
        await self._send(message)


def is_stream_start(message: MutableMapping[str, Any]) -> bool:
    """Return whether a message begins an answer that is a stream of events."""
    if message["type"] != "http.response.start":
        return False
    kinds = [value for name, value in message.get("headers", ()) if name.lower() == b"content-type"]
    return any(kind.startswith(EVENT_STREAM.encode()) for kind in kinds)


def check_origin(scope: Scope, headers: Headers) -> None:
    """Refuse requests that a page of another site makes: it may neither write nor read.

    Browsers send `Origin` with all of them that can change something, and newer ones
    `Sec-Fetch-Site` with all. Other programs send neither.
    """
    site = headers.get("sec-fetch-site", "none").lower()
    origins = headers.getlist("origin")
    own = f"{scope['scheme']}://{headers.get('host', '')}".lower()
    if site not in OWN_FETCHES or any(origin.lower() != own for origin in origins):
        raise RequestError(
            403,
            "origin",
            f"a page of another site ({(origins or [site])[0]!r:.100}) asks; only programs and this"
            " computer's own pages may",
        )


def host_of(header: str) -> str | None:
    """Return the host in a Host header, in lower case and without its port; None: it is not one."""
    try:
        parts = urlsplit(f"//{header}")
        if parts.path or parts.query or parts.fragment or parts.username is not None:
            return None
        _ = parts.port  # raises for a port that is not a number
        return None if not parts.hostname else parts.hostname.rstrip(".")
    except ValueError:
        return None


def plain(address: tuple[str, int] | None) -> tuple[str, int] | None:
    """Return an address without its zone, and an IPv4 one of a dual socket as such."""
    if address is None:
        return None
    host = address[0].partition("%")[0].lower()
    return host.removeprefix("::ffff:") if "." in host else host, address[1]


def is_loopback_of(host: str, server: tuple[str, int] | None) -> bool:
    """Return whether a host is a loopback address, and the request came to one."""
    return server is not None and is_loopback(server[0]) and is_loopback(host)
