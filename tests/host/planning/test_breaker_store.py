"""Breakers on disk, compared with a model: clocks jump, and processes end."""

from __future__ import annotations

import errno
import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from host.home.home import Home
from host.home.storage.atomic_file import read_state
from host.planning.breaker_store import BreakerStore
from planner_core.model.circuit_breaker import BreakerState, Signal
from tests.builders import FakeClock

KEYS = st.sampled_from(["filters.a", "filters.b"])
START = datetime(2024, 6, 28, 12, tzinfo=UTC)


class WallClock:
    """A time of day that can be set."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class Expected:
    """The expected state of one module, timed with a stopwatch."""

    off: bool = False
    bad_runs: int = 0
    lockouts: int = 0
    """In a row; 0: it is not locked out."""
    left_s: float = 0.0
    clock_was_set: bool = False


class Watched(RuleBasedStateMachine):
    """Processes that use the breakers of a home one after the other."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.home = Home(Path(self.folder.name))
        self.wall = WallClock()
        self.expected: dict[str, Expected] = {}
        self.restart_quietly()

    def teardown(self) -> None:
        self.folder.cleanup()

    def restart_quietly(self) -> None:
        self.clock = FakeClock()
        self.clock.advance(1e6)
        self.store = BreakerStore(self.home, self.clock, self.wall)
        self.store.refresh()

    def of(self, key: str) -> Expected:
        return self.expected.setdefault(key, Expected())

    def lock_out(self, module: Expected) -> None:
        module.lockouts += 1
        module.left_s = {1: 300.0, 2: 600.0, 3: 1200.0, 4: 2400.0}.get(module.lockouts, 3600.0)
        module.clock_was_set = False

    @rule(key=KEYS, verdict=st.sampled_from(["good", "bad", "none"]))
    def a_run(self, key: str, verdict: str) -> None:
        module = self.of(key)
        may = not module.off and (module.lockouts == 0 or module.left_s <= 0)
        self.store.refresh()
        admitted, _ = self.store.breakers.admit(key)
        assert admitted is may
        if not may:
            return
        if verdict == "good":
            self.store.breakers.signal(key, Signal.SUCCESS)
            self.expected[key] = Expected()
        elif verdict == "bad":
            self.store.breakers.signal(key, Signal.FAILURE, "bad")
            module.bad_runs += 1
            if module.lockouts or module.bad_runs == 3:
                self.lock_out(module)
        else:
            self.store.breakers.signal(key, Signal.ABANDONED)
            module.left_s = 0.0
        assert self.store.save()

    @rule(key=KEYS)
    def a_crash(self, key: str) -> None:
        module = self.of(key)
        admitted, _ = self.store.breakers.admit(key)
        if admitted:  # a module that is not called cannot crash
            self.store.save()
            self.other().signal(key, Signal.CRASH, "died")
            self.lock_out(module)

    @rule(key=KEYS)
    def a_reset_by_another_process(self, key: str) -> None:
        self.other().signal(key, Signal.RESET)
        self.expected[key] = Expected()

    @rule(key=KEYS)
    def switched_off_by_another_process(self, key: str) -> None:
        self.other().signal(key, Signal.DISABLE)
        self.expected[key] = Expected(off=True)

    def other(self) -> BreakerStore:
        store = BreakerStore(self.home, self.clock, self.wall)
        store.refresh()
        return store

    @rule(seconds=st.sampled_from([1.0, 150.0, 300.0, 1199.0, 3600.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.wall.advance(seconds)
        for module in self.expected.values():
            module.left_s = max(0.0, module.left_s - seconds)

    @rule(seconds=st.sampled_from([-4e8, -90_000.0, -200.0, 200.0, 90_000.0, 4e8]))
    def the_clock_is_set(self, seconds: float) -> None:
        self.wall.advance(seconds)
        for module in self.expected.values():
            module.clock_was_set = True

    @rule()
    def a_restart(self) -> None:
        self.restart_quietly()
        self.adopt_waits()

    def adopt_waits(self) -> None:
        """Adopt waits after the clock was set during a restart: only a bound on them is known."""
        for key, module in self.expected.items():
            if module.clock_was_set and module.lockouts:
                wait_s = self.store.breakers.wait_s(key)
                assert wait_s is not None
                wait_max_s = min(300.0 * 2 ** (module.lockouts - 1), 3600.0)
                assert 0 <= wait_s <= wait_max_s
                module.left_s = wait_s

    @invariant()
    def waits_are_those_of_the_stopwatch(self) -> None:
        self.store.refresh()
        self.adopt_waits()
        for key, module in self.expected.items():
            wait_s = self.store.breakers.wait_s(key)
            if module.off:
                assert wait_s is None
            else:
                assert wait_s == pytest.approx(module.left_s if module.lockouts else 0.0, abs=1e-3)


TestWatched = Watched.TestCase
TestWatched.settings = settings(max_examples=60, stateful_step_count=30)


def test_inside_a_process_a_clock_that_is_set_changes_nothing(tmp_path: Path) -> None:
    clock, wall = FakeClock(), WallClock()
    store = BreakerStore(Home(tmp_path), clock, wall)
    store.signal("filters.a", Signal.CRASH)
    wall.advance(-86_400)
    store.refresh()
    assert store.breakers.wait_s("filters.a") == 300.0
    clock.advance(300.0)
    assert store.breakers.wait_s("filters.a") == 0.0


def test_a_clock_far_in_the_past_cannot_lock_a_module_out_for_longer_than_its_time(
    tmp_path: Path,
) -> None:
    wall = WallClock()
    BreakerStore(Home(tmp_path), FakeClock(), wall).signal("filters.a", Signal.CRASH)
    wall.advance(-3e8)
    clock = FakeClock()
    store = BreakerStore(Home(tmp_path), clock, wall)
    for _ in range(10):  # a restart every minute: the wait goes on and does not begin again
        clock.advance(60)
        wall.advance(60)
        store = BreakerStore(Home(tmp_path), clock, wall)
        store.refresh()
        store.save()
    assert store.breakers.wait_s("filters.a") == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"schema_version": 2, "breakers": []}',
        '{"schema_version": 1}',
        '{"schema_version": 1, "breakers": [7]}',
        '{"schema_version": 1, "breakers": [{"key": ""}]}',
        "[" * 100_000,
        json.dumps(
            {
                "schema_version": 1,
                "breakers": [
                    {
                        "key": "filters.a", "state": "open", "failures": 3, "openings": 1,
                        "retry_at": "2024-01-01T00:00:00", "since": None, "reason": "no offset",
                    }
                ],
            }
        ),
    ],
)  # fmt: skip
def test_an_invalid_file_is_set_aside_and_every_breaker_is_closed(
    tmp_path: Path, text: str
) -> None:
    home = Home(tmp_path)
    store = BreakerStore(home, FakeClock(), WallClock())
    store.path.parent.mkdir(parents=True)
    store.path.write_text(text, encoding="utf-8")
    store.refresh()
    assert store.breakers.tracked == ()
    assert store.problem is not None
    assert "set aside as breakers.json.corrupt." in store.problem
    assert [path.read_text("utf-8") for path in home.state_dir.glob("*.corrupt.*")] == [text]
    store.signal("filters.a", Signal.CRASH)
    assert json.loads(store.path.read_text("utf-8"))["breakers"][0]["state"] == "open"


def test_two_processes_do_not_undo_each_other(tmp_path: Path) -> None:
    clock, wall = FakeClock(), WallClock()
    one, two = (BreakerStore(Home(tmp_path), clock, wall) for _ in range(2))
    one.breakers.signal("filters.a", Signal.CRASH)
    two.breakers.signal("filters.b", Signal.CRASH)
    assert one.save()
    assert two.save()
    one.refresh()
    assert [breaker.key for breaker in one.breakers.tracked] == ["filters.a", "filters.b"]
    assert {breaker.state for breaker in one.breakers.tracked} == {BreakerState.OPEN}


def test_a_file_that_cannot_be_read_once_changes_nothing_and_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, wall = FakeClock(), WallClock()
    one, two = (BreakerStore(Home(tmp_path), clock, wall) for _ in range(2))
    one.signal("filters.a", Signal.CRASH)
    two.signal("filters.b", Signal.CRASH)
    errors = [OSError(errno.EIO, "Input/output error")]

    def fail_once(path: Path, bytes_max: int, schema_version: int) -> dict[str, Any] | None:
        if errors:
            raise errors.pop()
        return read_state(path, bytes_max, schema_version)

    monkeypatch.setattr("host.planning.breaker_store.read_state", fail_once)
    one.refresh()
    assert one.problem is not None
    assert [breaker.key for breaker in one.breakers.tracked] == ["filters.a"]
    one.refresh()
    assert [breaker.key for breaker in one.breakers.tracked] == ["filters.a", "filters.b"]


def test_a_file_that_cannot_be_read_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, wall = FakeClock(), WallClock()
    BreakerStore(Home(tmp_path), clock, wall).signal("filters.a", Signal.CRASH)
    store = BreakerStore(Home(tmp_path), clock, wall)

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as disk:
        disk.setattr("host.planning.breaker_store.read_state", refuse)
        store.signal("filters.b", Signal.CRASH)
        assert not store.save()
        assert store.problem is not None
    assert store.save()
    other = BreakerStore(Home(tmp_path), clock, wall)
    other.refresh()
    assert [breaker.key for breaker in other.breakers.tracked] == ["filters.a", "filters.b"]
