"""The matrix shows the code while the pairing window is open, whoever opened it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from firmware_bridge.matrix import Frame
from host.appliance.pairing_watcher import PairingWatcher
from host.appliance.presses.press_log import PressLog
from host.appliance.presses.recorder import Recorder
from host.appliance.screen import Screen
from host.clock import utc_now
from host.display.compositor import Layer, picture_at
from host.home.access.certificate import certificate_file
from host.home.access.pairing import Pairing, WrongCodeError
from host.home.access.token_store import Right, TokenStore
from host.home.home import Home
from host.home.storage.atomic_file import write_atomic
from host.limits import PAIRING_S, PAIRING_TRIES_MAX
from host.telemetry.event_bus import EventBus
from host.telemetry.journal.journal import Journal
from planner_core.events import Event
from tests.host.home.access.test_certificate import CERTIFICATE, FINGERPRINT


class Bench:
    """A watcher with its screen, and the events that it publishes."""

    def __init__(self, home: Home, *, has_tls: bool = False) -> None:
        self.home = home
        self.pairing = Pairing(home)
        self.events: list[Event] = []
        self.bus = EventBus(utc_now)
        self.bus.subscribe("test", self.events.append)
        self.journal = Journal(home.journal_dir)
        self.recorder = Recorder(self.journal, PressLog(), self.bus, utc_now, lambda _: None)
        self.screen = Screen(self.show)
        self.watcher = PairingWatcher(home, self.recorder, self.screen, has_tls=has_tls)

    def show(self, _frame: Frame, _brightness: int) -> int:
        return 1

    @property
    def code(self) -> str | None:
        """The code on the matrix."""
        state, now_s = self.screen.state, self.screen.now_s()
        if picture_at(state.with_link(is_linked=True), now_s).layer is not Layer.PAIRING:
            return None
        assert state.pairing is not None
        return state.pairing.code

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():  # noqa: ASYNC110 - what changes is a file
            await asyncio.sleep(0.005)

    async def close(self) -> None:
        await self.recorder.close()
        await self.bus.close()
        self.journal.close()


def play(
    tmp_path: Path, scene: Callable[[Bench], Awaitable[None]], *, has_tls: bool = False
) -> None:
    async def run() -> None:
        bench = Bench(Home(tmp_path), has_tls=has_tls)
        serving = asyncio.create_task(bench.watcher.serve())
        try:
            async with asyncio.timeout(60):
                await scene(bench)
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await bench.close()

    asyncio.run(run())


def test_a_press_opens_the_window_and_another_closes_it(tmp_path: Path) -> None:
    async def scene(bench: Bench) -> None:
        bench.watcher.open()
        await bench.until(lambda: bench.code is not None)
        window = bench.pairing.window()
        assert window is not None
        assert bench.code == window.code
        pairing = bench.screen.state.pairing
        assert pairing is not None
        assert pairing.until_s - pairing.since_s <= PAIRING_S
        bench.watcher.close()
        await bench.until(lambda: bench.code is None)
        assert bench.pairing.window() is None

    play(tmp_path, scene)


def test_a_window_that_another_process_opens_is_shown_until_a_device_has_used_it(
    tmp_path: Path,
) -> None:
    async def scene(bench: Bench) -> None:
        await bench.until(bench.home.secrets_dir.is_dir)
        window = await asyncio.to_thread(bench.pairing.open)
        await bench.until(lambda: bench.code == window.code)
        store = TokenStore(bench.home)
        await asyncio.to_thread(bench.pairing.redeem, window.code, "phone", Right.WRITE, store)
        await bench.until(lambda: bench.code is None)

    play(tmp_path, scene)


def test_after_the_last_try_the_code_is_shown_no_longer(tmp_path: Path) -> None:
    async def scene(bench: Bench) -> None:
        bench.watcher.open()
        await bench.until(lambda: bench.code is not None)
        window = bench.pairing.window()
        assert window is not None
        wrong = f"{(int(window.code) + 1) % 1_000_000:06d}"
        for _ in range(PAIRING_TRIES_MAX):
            with pytest.raises(WrongCodeError):
                bench.pairing.redeem(wrong, "phone", Right.WRITE, TokenStore(bench.home))
        await bench.until(lambda: bench.code is None)

    play(tmp_path, scene)


@pytest.mark.parametrize("has_tls", [False, True])
def test_the_fingerprint_is_shown_where_the_api_is_encrypted(
    tmp_path: Path, *, has_tls: bool
) -> None:
    write_atomic(certificate_file(Home(tmp_path)), CERTIFICATE.encode())

    async def scene(bench: Bench) -> None:
        bench.watcher.open()
        await bench.until(lambda: bench.code is not None)
        pairing = bench.screen.state.pairing
        assert pairing is not None
        digits = FINGERPRINT.replace(":", "")
        assert "".join(pairing.fingerprint) == (digits[:18] if has_tls else "")

    play(tmp_path, scene, has_tls=has_tls)


def test_a_file_that_others_can_read_is_reported_and_its_code_not_shown(tmp_path: Path) -> None:
    async def scene(bench: Bench) -> None:
        bench.watcher.open()
        await bench.until(lambda: bench.code is not None)
        bench.pairing.path.chmod(0o644)
        await bench.watcher.update()
        assert bench.code is None
        await bench.until(lambda: bool(bench.events))
        assert "chmod 600" in str(bench.events[-1].payload()["problem"])

    play(tmp_path, scene)


def test_no_event_has_the_code(tmp_path: Path) -> None:
    async def scene(bench: Bench) -> None:
        bench.watcher.open()
        await bench.until(lambda: bench.code is not None)
        assert str(bench.code) not in str([event.payload() for event in bench.events])

    play(tmp_path, scene)
