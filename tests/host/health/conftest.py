"""A clock without a time server, on any machine that runs the tests."""

from __future__ import annotations

import pytest

from host import clock


@pytest.fixture(autouse=True)
def clock_without_time_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "is_synchronised", lambda: False)
