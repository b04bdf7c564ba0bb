"""The clocks of this computer, in one object, so that a test can replace both."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final


def utc_now() -> datetime:
    """Return the time of day in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock that only moves forward, and the time of day in UTC.

    Parameters
    ----------
    monotonic : callable returning float, seconds
    now : callable returning an aware datetime
    """

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = utc_now


SYSTEM_CLOCK: Final = Clock()
