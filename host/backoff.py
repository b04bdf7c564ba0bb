"""Exponential backoff: the wait before the next try."""

from __future__ import annotations

from typing import Final

DOUBLINGS_MAX: Final = 10
"""1,024 times the first wait, more than any `max_s`: without a limit the power would overflow."""


def backoff_s(n_failures: int, min_s: float, max_s: float) -> float:
    """Return the wait after this many failures in a row: min_s, then twice as long, up to max_s."""
    return min(min_s * 2.0 ** min(n_failures - 1, DOUBLINGS_MAX), max_s)
