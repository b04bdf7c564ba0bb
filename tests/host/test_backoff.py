"""The wait doubles with each failure, up to its limit."""

from __future__ import annotations

import pytest

from host.backoff import backoff_s


@pytest.mark.parametrize(
    ("n_failures", "wait_s"), [(1, 2.0), (2, 4.0), (5, 32.0), (6, 60.0), (1_000_000, 60.0)]
)
def test_each_wait_is_twice_the_one_before_up_to_the_limit(n_failures: int, wait_s: float) -> None:
    assert backoff_s(n_failures, 2.0, 60.0) == wait_s
