"""Slow down who guesses tokens and codes: per address, and all addresses together.

An address may fail a few times in a row; each failure is forgiven after a while, and all of them
when it succeeds. The next failure of an address that has used them up is refused. So is that of an
address with a failure once all together have failed too often, but never of one without: others
cannot lock it out. A code is refused before it is compared; a token only if it is wrong.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from host.limits import (
    HTTP_FAILING_ADDRESSES_MAX,
    HTTP_FAILURE_WAIT_IN_ALL_S,
    HTTP_FAILURE_WAIT_S,
    HTTP_FAILURES_IN_ALL,
    HTTP_FAILURES_PER_ADDRESS,
)

IPV6_SITE_BITS: Final = 64
"""A device has a whole /64 of addresses to choose from."""


@dataclass(frozen=True, slots=True)
class ThrottleLimits:
    """The limits of a throttle."""

    per_address: int = HTTP_FAILURES_PER_ADDRESS
    wait_s: float = HTTP_FAILURE_WAIT_S
    in_all: int = HTTP_FAILURES_IN_ALL
    wait_in_all_s: float = HTTP_FAILURE_WAIT_IN_ALL_S
    addresses_max: int = HTTP_FAILING_ADDRESSES_MAX


@dataclass(slots=True)
class FailureCount:
    """Failures that are not forgiven yet.

    Parameters
    ----------
    count : float
    at_s : float
        When it was counted last.
    """

    count: float
    at_s: float

    def now(self, now_s: float, wait_s: float) -> float:
        """Return the failures that are left: one is forgiven each `wait_s`."""
        return max(self.count - (now_s - self.at_s) / wait_s, 0.0)


class Throttle:
    """Counts failures.

    Parameters
    ----------
    limits : ThrottleLimits
    now_s : callable returning float
    """

    def __init__(
        self,
        limits: ThrottleLimits = ThrottleLimits(),
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._now_s = now_s
        self._by_address: OrderedDict[str, FailureCount] = OrderedDict()
        self._in_all = FailureCount(0.0, now_s())

    def wait_s(self, address: str) -> int:
        """Return for how many seconds an address has to wait; 0: it may try."""
        limits, now_s = self._limits, self._now_s()
        site = site_of(address)
        own = self._by_address.get(site)
        if own is None:
            return 0
        if own.now(now_s, limits.wait_s) <= 0:
            del self._by_address[site]
            return 0
        excess_s = (own.now(now_s, limits.wait_s) - limits.per_address + 1) * limits.wait_s
        in_all = self._in_all.now(now_s, limits.wait_in_all_s)
        excess_in_all_s = (in_all - limits.in_all + 1) * limits.wait_in_all_s
        return math.ceil(max(excess_s, excess_in_all_s, 0.0))

    def note_failure(self, address: str) -> None:
        """Count a wrong token or code."""
        limits, now_s = self._limits, self._now_s()
        site = site_of(address)
        own = self._by_address.pop(site, FailureCount(0.0, now_s))
        self._by_address[site] = FailureCount(own.now(now_s, limits.wait_s) + 1, now_s)
        self._drop_forgiven(now_s)
        while len(self._by_address) > limits.addresses_max:
            self._by_address.popitem(last=False)
        in_all = self._in_all.now(now_s, limits.wait_in_all_s)
        self._in_all = FailureCount(in_all + 1, now_s)

    def note_success(self, address: str) -> None:
        """Forgive an address all its failures."""
        self._by_address.pop(site_of(address), None)

    def _drop_forgiven(self, now_s: float) -> None:
        """Drop the oldest records that are back at 0, up to the first that is not."""
        while self._by_address:
            site, oldest = next(iter(self._by_address.items()))
            if oldest.now(now_s, self._limits.wait_s) > 0:
                return
            del self._by_address[site]


def site_of(address: str) -> str:
    """Return what counts as one address: an IPv4 address, or the first half of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, IPV6_SITE_BITS), strict=False))
