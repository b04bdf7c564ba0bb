"""A clock that no time server keeps, on whatever machine the tests run."""

from __future__ import annotations

import pytest

from host.health import clock_check


@pytest.fixture(autouse=True)
def nobody_keeps_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_check, "is_synchronised", lambda: False)
