"""Rights of requests: the one place that decides who may do what, before any route runs.

Writing needs a token that may write. Reading needs a token as well, unless only programs on this
computer can connect: the server listens on loopback, and the request names it so.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from host.home.access.secret_file import SecretFileError
from host.home.access.token_store import Right, TokenStore
from host.home.config.device_settings import is_loopback
from host.http.problems import RequestError
from host.http.throttle import Throttle
from host.operations.access import journal_events
from host.telemetry.events import AccessRefused, HostEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.datastructures import Headers
    from starlette.types import Scope

    from host.home.access.token_store import Token
    from host.home.config.device_settings import WebTable
    from host.home.home import Home
    from host.http.throttle import ThrottleLimits

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
PAIRING_PATH: Final = "/pair"
SCHEME: Final = "bearer"
FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""Of a proxy: the client may be anywhere."""
REPORT_S: Final = 600.0
"""An attack must not push a year of plans out of the journal."""
CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="arduino-trader"'}
"""One of 401."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The right that a request was given; `token` is None where none was needed."""

    token: Token | None = None


class Access(Protocol):
    """Decides about requests."""

    async def check(self, scope: Scope, headers: Headers, *, is_own_host: bool) -> Grant:
        """Return the right to do this; raise RequestError if the client may not."""

    def is_valid(self, grant: Grant) -> bool:
        """Return whether a right still holds."""

    async def note_failure(self, address: str, what: str) -> None:
        """Count a wrong token or code of an address."""

    def note_success(self, address: str) -> None:
        """Forgive an address its wrong tokens and codes: it sent a right one."""


class TokenAccess:
    """Access by tokens.

    Parameters
    ----------
    store : TokenStore
    throttle : Throttle
    reads_are_free : bool
        Reading from this computer needs no token.
    publish : callable taking a HostEvent
        Called from a thread.
    """

    def __init__(
        self,
        store: TokenStore,
        throttle: Throttle,
        *,
        reads_are_free: bool,
        publish: Callable[[HostEvent], object],
    ) -> None:
        self._store = store
        self.throttle = throttle
        self._reads_are_free = reads_are_free
        self._publish = publish
        self._reported_s = -math.inf

    async def check(self, scope: Scope, headers: Headers, *, is_own_host: bool) -> Grant:
        """Return the right to do this.

        Raises
        ------
        RequestError
            401 without a token that is known, 403 for a right that it does not give, 429 after too
            many wrong ones, 503 when the tokens cannot be used.
        """
        address = scope["client"][0] if scope.get("client") else ""
        if scope["path"] == PAIRING_PATH and scope["method"] == "POST":
            self.refuse_throttled(address)
            return Grant()
        right = Right.READ if scope["method"] in READING else Right.WRITE
        values = headers.getlist("authorization")
        if not values and right is Right.READ and self._is_free(scope, headers, is_own_host):
            return Grant()
        if not values:
            raise RequestError(
                401, "no_token", f"a token is needed to {right.value} (see docs/api.md)", CHALLENGE
            )
        token = await self._authenticate(values, address)
        if not token.allows(right):
            raise RequestError(403, "right", f"the token {token.name!r} may only read")
        if self._store.is_use_due(token):
            await asyncio.to_thread(self._store.note_use, token)
        return Grant(token)

    def is_valid(self, grant: Grant) -> bool:
        """Return whether the token was not revoked meanwhile."""
        try:
            return grant.token is None or self._store.is_valid(grant.token)
        except SecretFileError:
            return False

    def refuse_throttled(self, address: str) -> None:
        """Refuse an address that failed too often."""
        wait_s = self.throttle.wait_s(address)
        if wait_s > 0:
            raise RequestError(
                429,
                "throttled",
                f"too many wrong tokens or codes; wait {wait_s} s",
                {"Retry-After": str(wait_s), "Connection": "close"},
            )

    async def note_failure(self, address: str, what: str) -> None:
        """Count a wrong token or code; that an address has to wait is recorded, now and then."""
        self.throttle.note_failure(address)
        now_s = time.monotonic()
        if self.throttle.wait_s(address) > 0 and now_s - self._reported_s >= REPORT_S:
            self._reported_s = now_s
            event = AccessRefused(address=address, why=f"too many wrong {what}")
            await asyncio.to_thread(self._publish, event)

    def note_success(self, address: str) -> None:
        """Forgive an address its wrong tokens and codes: it sent a right one."""
        self.throttle.note_success(address)

    async def _authenticate(self, values: Sequence[str], address: str) -> Token:
        """Return the token of the Authorization headers.

        It is compared before the failures of its address are looked at: 256 bits cannot be guessed,
        so a right token is no guess, and wrong ones of a neighbour must not lock its owner out.
        """
        text = bearer_token(values[0]) if len(values) == 1 else None
        if text is None:
            raise RequestError(
                401,
                "scheme",
                "the token was sent in another form (send one header: Authorization: Bearer TOKEN)",
                CHALLENGE,
            )
        token = self._match(text)
        if token is None:
            self.refuse_throttled(address)
            await self.note_failure(address, "tokens")
            raise RequestError(401, "wrong_token", "the token is not known, or revoked", CHALLENGE)
        self.note_success(address)
        return token

    def _match(self, text: str) -> Token | None:
        """Return the token of a request; None for an unknown one."""
        try:
            return self._store.match(text)
        except SecretFileError:
            raise unusable_secrets() from None

    def _is_free(self, scope: Scope, headers: Headers, is_own_host: bool) -> bool:
        client, server = scope.get("client"), scope.get("server")
        is_local = bool(
            client and server and is_loopback(client[0]) and is_loopback(server[0]) and is_own_host
        )
        is_forwarded = any(name in headers for name in FORWARDED)
        return self._reads_are_free and is_local and not is_forwarded


def unusable_secrets() -> RequestError:
    """Return the problem of a file that others can read; its path is no business of a client."""
    return RequestError(503, "secret_file", "access cannot be checked (`trader health` says why)")


def bearer_token(value: str) -> str | None:
    """Return the token of an Authorization header; None for another scheme."""
    scheme, _, token = value.partition(" ")
    return token.strip() if scheme.lower() == SCHEME else None


def open_access(home: Home, web: WebTable, limits: ThrottleLimits) -> TokenAccess:
    """Return the access to a home as its `[web]` table asks for it."""
    return TokenAccess(
        TokenStore(home),
        Throttle(limits),
        reads_are_free=web.is_loopback and not web.token_for_reads,
        publish=lambda event: journal_events(home, [event]),
    )
