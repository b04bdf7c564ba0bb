"""Access to the HTTP API: tokens and pairing, each change in the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from host.clock import utc_now
from host.errors import StorageError
from host.home.access.pairing import PAIRED_BY, Pairing
from host.home.access.token_store import Right, TokenStore

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from host.home.access.pairing import PairingWindow
    from host.home.access.token_store import Token
    from host.home.home import Home
    from host.telemetry.events import HostEvent

TERMINAL = "terminal"


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was added.

    Parameters
    ----------
    name : str
    right : Right
    text : str
        The token itself, which is shown this once.
    problem : str, optional
        Why the journal does not have it.
    """

    name: str
    right: Right
    text: str
    problem: str | None = None


def add_token(home: Home, name: str, right: Right) -> NewToken:
    """Add a token from the command line.

    Raises
    ------
    UsageError, TokenExistsError
        When the name cannot be used, or there are too many.
    SecretFileError, StorageError
        When the file cannot be used.
    """
    text = TokenStore(home).add(name, right, TERMINAL)
    return _granted(home, name, right, text, TERMINAL)


def pair_device(home: Home, code: str, name: str, right: Right) -> NewToken:
    """Exchange the code of the open pairing window for a token.

    Raises
    ------
    PairingClosedError, WrongCodeError
        When no window is open, or the code is wrong.
    UsageError, TokenExistsError
        When the name cannot be used.
    SecretFileError, StorageError
        When a file cannot be used.
    """
    text = Pairing(home).redeem(code, name, right, TokenStore(home))
    return _granted(home, name, right, text, PAIRED_BY)


def _granted(home: Home, name: str, right: Right, text: str, via: str) -> NewToken:
    from host.telemetry.events import AccessGranted

    event = AccessGranted(name=name, right=right.value, via=via)
    return NewToken(name, right, text, journal_events(home, [event]))


def revoke_token(home: Home, name: str) -> str | None:
    """Withdraw a token; return why the journal does not have that.

    Raises
    ------
    UsageError
        When there is no such token.
    SecretFileError, StorageError
        When the file cannot be used.
    """
    from host.telemetry.events import AccessRevoked

    TokenStore(home).revoke(name)
    return journal_events(home, [AccessRevoked(name=name)])


def open_pairing(home: Home) -> tuple[PairingWindow, str | None]:
    """Open the pairing window from the command line; also why the journal does not have that."""
    from host.telemetry.events import PairingOpened

    window = Pairing(home).open()
    return window, journal_events(home, [PairingOpened(via=TERMINAL)])


def close_pairing(home: Home) -> str | None:
    """Close the pairing window; return why the journal does not have that."""
    from host.telemetry.events import PairingClosed

    Pairing(home).close()
    return journal_events(home, [PairingClosed(via=TERMINAL)])


def tokens_to_json(home: Home) -> dict[str, object]:
    """Return all tokens without anything that would give access.

    Raises
    ------
    SecretFileError
        When others could read the file, or it is damaged.
    """
    store = TokenStore(home)
    uses = store.last_uses()
    return {"tokens": [_token_to_json(token, uses.get(token.sha256)) for token in store.tokens()]}


def _token_to_json(token: Token, last_use: datetime | None) -> dict[str, object]:
    return {
        "name": token.name,
        "right": token.right.value,
        "created_at": token.created_at.isoformat(timespec="seconds"),
        "created_by": token.created_by,
        "last_used_at": None if last_use is None else last_use.isoformat(timespec="seconds"),
    }


def journal_events(home: Home, events: Iterable[HostEvent]) -> str | None:
    """Append events to the journal; return why that failed, None: it did not."""
    from host.telemetry.events import stamped
    from host.telemetry.journal.journal import Journal
    from host.telemetry.journal.reader import HEAD_NAME
    from host.telemetry.journal.record import clean_record

    journal = Journal(home.journal_dir, home.state_dir / HEAD_NAME)
    try:
        records = [clean_record(stamped(event, utc_now())) for event in events]
        journal.append_now(*records, durable=True)
    except StorageError as error:
        return f"the event was not stored: {error}"
    finally:
        journal.close()
    return None
