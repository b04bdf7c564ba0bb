"""Parsers of the values on a command line; each error says what is allowed.

All commands import this file, so it imports nothing slow: neither pathlib nor dataclasses.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from host import limits
from host.text import printable

if TYPE_CHECKING:
    from pathlib import Path

PROVE_S_MAX: Final = 3600.0
EVENTS_SHOWN_MAX: Final = 100_000
TIME_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
TRACE_ID: Final = r"[0-9A-Za-z_-]{1,64}"
DAY_S: Final = 86_400


def parse_date(text: str) -> date:
    """Parse a day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"{text[:40]!r} is not a date (write it like 2022-12-28)"
        raise argparse.ArgumentTypeError(message) from None


def parse_proof_time(text: str) -> float:
    """Parse how long a proof may take."""
    try:
        seconds = float(text)
    except ValueError:
        message = f"{text[:40]!r} is not a number of seconds (BUCKET goes before --prove)"
        raise argparse.ArgumentTypeError(message) from None
    if not math.isfinite(seconds) or not 0 < seconds <= PROVE_S_MAX:
        message = f"{text[:40]} s: must be more than 0 and at most {PROVE_S_MAX:.0f} s"
        raise argparse.ArgumentTypeError(message)
    return seconds


def parse_amount(text: str) -> tuple[float, str]:
    """Parse an amount of money, with its currency or "": 500, 500.50, 500EUR, "500 EUR"."""
    match = re.fullmatch(r"(\d{1,16}(?:\.\d{1,6})?) ?([A-Za-z]{3})?", text.strip(), re.ASCII)
    if match is None:
        message = f"{text[:40]!r} is not an amount (write it like 500, 500.50 or 500EUR)"
        raise argparse.ArgumentTypeError(message)
    amount = float(match[1])
    if not 0 < amount <= limits.MONEY_MAX:
        message = f"{text[:40]!r}: must be more than 0 and at most {limits.MONEY_MAX:.0f}"
        raise argparse.ArgumentTypeError(message)
    return amount, (match[2] or "").upper()


def parse_plot_path(text: str) -> Path:
    """Parse the file of a plot; only formats that can be drawn."""
    from pathlib import Path  # start-up time of all other commands

    path = Path(text).expanduser()
    if path.suffix.lower() not in (".png", ".svg"):
        message = f"{text[-60:]!r}: must end in .png or .svg"
        raise argparse.ArgumentTypeError(message)
    return path


def parse_refused_days(text: str) -> int:
    """Parse for how many days a trade is refused."""
    if (
        not text.isascii()
        or not text.isdigit()
        or not 1 <= int(text[:9]) <= limits.REFUSED_DAYS_MAX
    ):
        message = f"{text[:40]!r}: must be 1 to {limits.REFUSED_DAYS_MAX}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def parse_reason(text: str) -> str:
    """Parse the reason of a refusal."""
    if len(text) > limits.TEXT_LENGTH_MAX:
        message = f"longer than {limits.TEXT_LENGTH_MAX} characters (shorten it)"
        raise argparse.ArgumentTypeError(message)
    return printable(text)[: limits.TEXT_LENGTH_MAX]


def parse_event_count(text: str) -> int:
    """Parse how many events are shown."""
    if not text.isdecimal() or not 0 < int(text[:9]) <= EVENTS_SHOWN_MAX:
        message = f"{text[:40]!r}: must be a number from 1 to {EVENTS_SHOWN_MAX}"
        raise argparse.ArgumentTypeError(message)
    return int(text[:9])


def parse_trace_id(text: str) -> str:
    """Parse a trace id, or the beginning of one."""
    if not re.fullmatch(TRACE_ID, text):
        message = f"{text[:40]!r} is not a trace id (32 hexadecimal digits, or the first of them)"
        raise argparse.ArgumentTypeError(message)
    return text


def parse_since(text: str) -> datetime:
    """Parse a time, or how long ago it was; a time without a zone is local."""
    match = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    try:
        if match:
            return datetime.now(UTC) - timedelta(**{TIME_UNITS[match[2]]: int(match[1])})
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        message = f"{text[:40]!r} is not a time (write 30m, 2h, 7d, 2026-11-22 or 2026-11-22T18:00)"
        raise argparse.ArgumentTypeError(message) from None


def parse_duration(text: str) -> float:
    """Parse a number of seconds, a day at most."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= DAY_S:
        message = f"{text[:40]!r}: must be a number of seconds, more than 0 and at most {DAY_S}"
        raise argparse.ArgumentTypeError(message)
    return number


def number_parser(least: int, most: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from `least` to `most`."""

    def parse_number(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text[:12]) <= most:
            message = f"{text[:40]!r}: must be a number from {least} to {most}"
            raise argparse.ArgumentTypeError(message)
        return int(text)

    return parse_number
