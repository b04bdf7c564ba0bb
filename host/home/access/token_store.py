"""Tokens of the HTTP API: 256 random bits each, of which only the hash is stored.

    secrets/tokens.json      name, right and SHA-256 of each; written under a lock
    state/token_use.json     when each was used last, to the hour; the server alone writes it

The file is read again whenever it has changed, so a revoked token ends at once. A hash without salt
and stretching is enough, because 2^256 tokens cannot be tried.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from host.clock import utc_now
from host.errors import HostError, UsageError, did_you_mean
from host.home.access.secret_file import (
    damaged,
    read_secret_record,
    secret_signature,
    write_secret_record,
)
from host.home.storage.atomic_file import locked_file, read_state, write_atomic
from host.limits import SECRET_FILE_BYTES_MAX, TOKEN_LENGTH_MAX, TOKEN_NAME, TOKENS_MAX

if TYPE_CHECKING:
    from host.home.home import Home

PREFIX: Final = "trader_"
"""Lets a person, and a scanner for leaked secrets, recognize a token."""
TOKEN_BYTES: Final = 32
USE_RESOLUTION: Final = timedelta(hours=1)
"""Of the last use: a disk need not be written for every request."""
USE_SCHEMA_VERSION: Final = 1
SHA256_HEX: Final = re.compile(r"[0-9a-f]{64}")


class Right(StrEnum):
    """The right that a request needs, or that a token gives; WRITE includes READ."""

    READ = "read"
    WRITE = "write"


class TokenExistsError(HostError):
    """A token of that name exists."""

    code = "token_exists"


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is stored.

    Parameters
    ----------
    name : str
    right : Right
    sha256 : str
        Of the token; the token itself is stored nowhere.
    created_at : datetime
    created_by : str
        terminal or pairing.
    """

    name: str
    right: Right
    sha256: str
    created_at: datetime
    created_by: str

    def allows(self, right: Right) -> bool:
        """Return whether the token gives a right."""
        return right is Right.READ or self.right is Right.WRITE

    def to_json(self) -> dict[str, Any]:
        """Return the token as it is stored."""
        return {
            "name": self.name,
            "right": self.right.value,
            "sha256": self.sha256,
            "created_at": self.created_at.isoformat(timespec="seconds"),
            "created_by": self.created_by,
        }


class TokenStore:
    """The tokens of a home.

    Parameters
    ----------
    home : Home
    now : callable returning datetime
    """

    def __init__(self, home: Home, now: Callable[[], datetime] = utc_now) -> None:
        self.path = home.secrets_dir / "tokens.json"
        self._lock = home.secrets_dir / "tokens.lock"
        self._use_path = home.state_dir / "token_use.json"
        self._now = now
        self._signature: tuple[int, ...] | None = None
        self._tokens: tuple[Token, ...] = ()
        self._used_at: dict[str, datetime] = {}

    def tokens(self) -> tuple[Token, ...]:
        """Return all tokens by name; the file is read only when it has changed.

        Raises
        ------
        SecretFileError
            When others could read the file, or it is damaged.
        """
        signature = secret_signature(self.path)
        if signature != self._signature:
            self._tokens = ()
            self._tokens = self._read()
            self._signature = signature
        return self._tokens

    def match(self, text: str) -> Token | None:
        """Return the token of a request; None when there is none like it.

        Every stored hash is compared, in a time that does not depend on the text.

        Raises
        ------
        SecretFileError
            As `tokens`.
        """
        digest = _sha256(text[:TOKEN_LENGTH_MAX])
        match = None
        for token in self.tokens():
            if hmac.compare_digest(token.sha256, digest):
                match = token
        return match

    def is_valid(self, token: Token) -> bool:
        """Return whether a token that matched before is still allowed.

        Raises
        ------
        SecretFileError
            As `tokens`.
        """
        return token in self.tokens()

    def add(self, name: str, right: Right, created_by: str) -> str:
        """Add a token and return it: it can be seen this once.

        Raises
        ------
        UsageError
            For a name that is not allowed, or when there are too many.
        TokenExistsError
            When the name is in use.
        SecretFileError, StorageError
            When the file cannot be used.
        """
        if TOKEN_NAME.fullmatch(name) is None:
            raise UsageError(
                f"{name!r:.80} is not a name for a token (letters, digits, spaces, . _ and -;"
                " at most 40)"
            )
        with self._locked() as tokens:
            if any(token.name.casefold() == name.casefold() for token in tokens):
                raise TokenExistsError(
                    f"a token {name!r} exists (choose another name, or run: trader token revoke"
                    f" {_quoted(name)})"
                )
            if len(tokens) >= TOKENS_MAX:
                raise UsageError(
                    f"there are {len(tokens)} tokens, and no more are allowed (revoke one:"
                    " trader token revoke NAME)"
                )
            text = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
            self._write((*tokens, Token(name, right, _sha256(text), self._now(), created_by)))
        return text

    def revoke(self, name: str) -> Token:
        """Withdraw a token; it is refused from now on.

        Raises
        ------
        UsageError
            When there is no such token, with the nearest name.
        SecretFileError, StorageError
            When the file cannot be used.
        """
        with self._locked() as tokens:
            by_name = {token.name: token for token in tokens}
            if name not in by_name:
                hint = did_you_mean(name, sorted(by_name), otherwise="see `trader token list`")
                raise UsageError(f"there is no token {name!r:.80} ({hint})")
            self._write(token for token in tokens if token.name != name)
        return by_name[name]

    # --- last use --------------------------------------------------------------------------

    def is_use_due(self, token: Token) -> bool:
        """Return whether the last use of a token is to be written again."""
        last = self._used_at.get(token.sha256)
        return last is None or not timedelta(0) <= self._now() - last < USE_RESOLUTION

    def note_use(self, token: Token) -> None:
        """Remember that a token was used now; on disk once an hour at most.

        An error of the disk is not raised: the time is only shown.
        """
        if not self.is_use_due(token):
            return
        now = self._now()
        uses = {**self._read_uses(), **self._used_at, token.sha256: now}
        hashes = {each.sha256 for each in self.tokens()}
        self._used_at = {key: at for key, at in uses.items() if key in hashes}
        used = {key: at.isoformat(timespec="seconds") for key, at in self._used_at.items()}
        record = {"schema_version": USE_SCHEMA_VERSION, "used": used}
        try:
            write_atomic(self._use_path, json.dumps(record, indent=1).encode())
        except HostError:
            return

    def last_uses(self) -> Mapping[str, datetime]:
        """Return when tokens were used last, to the hour, by their hash."""
        return self._read_uses()

    def _read_uses(self) -> dict[str, datetime]:
        try:
            record = read_state(self._use_path, SECRET_FILE_BYTES_MAX, USE_SCHEMA_VERSION)
            uses = record["used"].items() if record is not None else ()
            return {str(key): datetime.fromisoformat(at) for key, at in uses}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    # --- the file --------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[tuple[Token, ...]]:
        """Hold the lock over a change: a token that another process revokes must stay revoked."""
        with locked_file(self._lock):
            yield self._read()

    def _read(self) -> tuple[Token, ...]:
        record = read_secret_record(self.path, SECRET_FILE_BYTES_MAX)
        if record is None:
            return ()
        try:
            tokens = tuple(_token(entry) for entry in record["tokens"])
        except (KeyError, TypeError, ValueError):
            raise damaged(self.path) from None
        if len(tokens) > TOKENS_MAX:
            raise damaged(self.path)
        return tokens

    def _write(self, tokens: Iterator[Token] | tuple[Token, ...]) -> None:
        ordered = sorted(tokens, key=lambda token: token.name.casefold())
        write_secret_record(self.path, {"tokens": [token.to_json() for token in ordered]})


def _token(entry: Mapping[str, Any]) -> Token:
    name, sha256 = str(entry["name"]), str(entry["sha256"])
    created_at = datetime.fromisoformat(entry["created_at"])
    if not (TOKEN_NAME.fullmatch(name) and SHA256_HEX.fullmatch(sha256) and created_at.tzinfo):
        raise ValueError("not a token")
    return Token(name, Right(entry["right"]), sha256, created_at, str(entry["created_by"])[:20])


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name
