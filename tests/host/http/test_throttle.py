"""Guessing is slow, memory is bounded, and nobody locks out others."""

from __future__ import annotations

import pytest

from host.http.throttle import Throttle, ThrottleLimits, site_of


class Now:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


LIMITS = ThrottleLimits(per_address=3, wait_s=10.0, in_all=20, wait_in_all_s=1.0, addresses_max=5)


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def throttle(now: Now) -> Throttle:
    return Throttle(LIMITS, now)


def test_an_address_may_fail_three_times_in_a_row(throttle: Throttle) -> None:
    for _ in range(3):
        assert throttle.wait_s("192.0.2.7") == 0
        throttle.note_failure("192.0.2.7")
    assert throttle.wait_s("192.0.2.7") == 10
    assert throttle.wait_s("192.0.2.8") == 0


def test_a_failure_is_forgiven_after_a_while(throttle: Throttle, now: Now) -> None:
    for _ in range(3):
        throttle.note_failure("192.0.2.7")
    now.now_s = 9.5
    assert throttle.wait_s("192.0.2.7") == 1
    now.now_s = 10.0
    assert throttle.wait_s("192.0.2.7") == 0
    throttle.note_failure("192.0.2.7")
    assert throttle.wait_s("192.0.2.7") == 10
    now.now_s = 1000.0
    assert throttle.wait_s("192.0.2.7") == 0


def test_many_addresses_together_are_slow_but_lock_out_nobody_else(throttle: Throttle) -> None:
    for n in range(20):
        throttle.note_failure(f"192.0.2.{n % 5}")
    assert throttle.wait_s("192.0.2.1") > 0
    assert throttle.wait_s("198.51.100.1") == 0


def test_a_mistake_that_is_forgiven_does_not_open_an_address_to_the_limit_of_all(
    throttle: Throttle, now: Now
) -> None:
    throttle.note_failure("198.51.100.1")
    now.now_s = 10.0
    for n in range(30):
        throttle.note_failure(f"192.0.2.{n % 3}")
    assert throttle.wait_s("192.0.2.1") > 0
    assert throttle.wait_s("198.51.100.1") == 0
    assert len(throttle._by_address) == 3, "a record that is back at 0 is dropped"


def test_a_success_ends_a_row_of_failures(throttle: Throttle) -> None:
    for _ in range(10):
        throttle.note_failure("192.0.2.7")
        throttle.note_failure("192.0.2.7")
        throttle.note_success("192.0.2.7")
    assert throttle.wait_s("192.0.2.7") == 0
    throttle.note_success("192.0.2.8")


def test_no_more_addresses_are_remembered_than_allowed(throttle: Throttle) -> None:
    for n in range(1000):
        throttle.note_failure(f"10.0.{n // 256}.{n % 256}")
    assert len(throttle._by_address) == 5


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("fe80::1%eth0", "fe80::2", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("", "x", False),
    ],
)
def test_an_ipv6_device_counts_once_whatever_its_address(
    one: str, other: str, *, is_same: bool
) -> None:
    assert (site_of(one) == site_of(other)) is is_same
