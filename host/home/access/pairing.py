"""Pairing: for two minutes after a press on the board, a code of six digits gives a token.

The window is a file, `secrets/pairing.json`, because the board's daemon, the server and `trader
pair` may be three processes. A try is counted on disk before the code is compared, so that neither
a crash nor a second process gives more tries. Time is counted since the boot of the computer:
setting its clock does not prolong the window.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from host.clock import boot_id, boot_time_s
from host.errors import HostError
from host.home.access.secret_file import (
    SecretFileError,
    damaged,
    read_secret_record,
    write_secret_record,
)
from host.home.storage.atomic_file import locked_file
from host.limits import (
    PAIRING_DIGITS,
    PAIRING_S,
    PAIRING_TRIES_MAX,
    SECRET_FILE_BYTES_MAX,
)

if TYPE_CHECKING:
    from host.home.access.token_store import Right, TokenStore
    from host.home.home import Home

PAIRED_BY: Final = "pairing"


class PairingClosedError(HostError):
    """No pairing window is open."""

    code = "pairing_closed"


class WrongCodeError(HostError):
    """The code is not that of the open window."""

    code = "wrong_code"


@dataclass(frozen=True, slots=True)
class PairingWindow:
    """An open window.

    Parameters
    ----------
    code : str
        Six digits.
    closes_s : float, s since the boot
    tries_left : int
    """

    code: str
    closes_s: float
    tries_left: int = PAIRING_TRIES_MAX


class Pairing:
    """The pairing window of a home.

    Parameters
    ----------
    home : Home
    now_s : callable returning float, s since the boot
    """

    def __init__(self, home: Home, now_s: Callable[[], float] = boot_time_s) -> None:
        self.path = home.secrets_dir / "pairing.json"
        self._lock = home.secrets_dir / "pairing.lock"
        self._now_s = now_s

    def open(self) -> PairingWindow:
        """Open a window with a new code; one that is open gets it, and its tries back.

        Raises
        ------
        StorageError
            When the file cannot be written.
        """
        code = f"{secrets.randbelow(10**PAIRING_DIGITS):0{PAIRING_DIGITS}d}"
        window = PairingWindow(code, self._now_s() + PAIRING_S)
        with locked_file(self._lock):
            self._write(window)
        return window

    def close(self) -> None:
        """Close the window, if one is open.

        Raises
        ------
        StorageError
            When the lock cannot be taken.
        """
        with locked_file(self._lock):
            self._remove()

    def window(self) -> PairingWindow | None:
        """Return the open window; None when none is.

        Raises
        ------
        SecretFileError
            When others could read the file, or it is damaged.
        """
        record = read_secret_record(self.path, SECRET_FILE_BYTES_MAX)
        if record is None:
            return None
        window, boot = self._parse(record)
        left_s = window.closes_s - self._now_s()
        # Longer than a window: written before a reboot, whose id could not be read.
        is_open = boot == boot_id() and 0 < left_s <= PAIRING_S and window.tries_left > 0
        return window if is_open else None

    def left_s(self, window: PairingWindow) -> float:
        """Return for how many seconds a window stays open."""
        return max(window.closes_s - self._now_s(), 0.0)

    def redeem(self, code: str, name: str, right: Right, store: TokenStore) -> str:
        """Return a new token for the right code, and close the window.

        Raises
        ------
        PairingClosedError
            When no window is open, also after the last try.
        WrongCodeError
            When the code is wrong; a try is used up.
        UsageError, TokenExistsError
            When the name cannot be used; the window stays open, a try is used up.
        SecretFileError, StorageError
            When a file cannot be used.
        """
        with locked_file(self._lock):
            window = self.window()
            if window is None:
                raise PairingClosedError(
                    "pairing is closed (hold the board's button, or run `trader pair`)"
                )
            window = replace(window, tries_left=window.tries_left - 1)
            self._write(window)
            if not hmac.compare_digest(code.encode("utf-8", "replace"), window.code.encode()):
                raise WrongCodeError(_wrong_code(window.tries_left))
            text = store.add(name, right, PAIRED_BY)
            self._remove()
        return text

    def _remove(self) -> None:
        try:
            self.path.unlink()
        except FileNotFoundError:
            return
        except OSError:
            self._write(PairingWindow("", 0.0, 0))

    def _parse(self, record: dict[str, Any]) -> tuple[PairingWindow, str]:
        try:
            code, closes_s = str(record["code"]), float(record["closes_s"])
            return PairingWindow(code, closes_s, int(record["tries_left"])), str(record["boot_id"])
        except (KeyError, TypeError, ValueError):
            raise damaged(self.path) from None

    def _write(self, window: PairingWindow) -> None:
        write_secret_record(
            self.path,
            {
                "code": window.code,
                "closes_s": window.closes_s,
                "tries_left": window.tries_left,
                "boot_id": boot_id(),
            },
        )


def _wrong_code(tries_left: int) -> str:
    if tries_left <= 0:
        return "wrong code; pairing is closed now (hold the button again for a new code)"
    return f"wrong code; tries left: {tries_left}"


def is_pairing_open(pairing: Pairing) -> bool:
    """Return whether a window is open; a file that cannot be used is none."""
    try:
        return pairing.window() is not None
    except SecretFileError:
        return False
