"""A health monitor on a bench."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from host import clock
from host.home.home import Home
from tests.host.appliance.health_bench import Act, Bench, Scene


@pytest.fixture(autouse=True)
def clock_without_time_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "is_synchronised", lambda: False)


@pytest.fixture
def act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Act:
    """Run a scene with a monitor, within a loop."""
    home = Home(tmp_path)
    for bucket_id in ("core", "other"):
        home.portfolio_file(bucket_id).parent.mkdir(exist_ok=True)
        home.portfolio_file(bucket_id).write_text("# empty\n", "utf-8")

    def run(scene: Scene, silence_h: float = 24.0, *, has_restored: bool = True) -> None:
        async def play() -> None:
            await scene(Bench(home, monkeypatch, silence_h, has_restored=has_restored))

        asyncio.run(play())

    return run
