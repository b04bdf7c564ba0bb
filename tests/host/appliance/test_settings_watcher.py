"""Log levels change while the daemon runs; an invalid file is reported and changes nothing."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from host.appliance.presses.press_log import PressLog
from host.appliance.presses.recorder import Recorder
from host.appliance.settings_watcher import SettingsWatcher, levels_of
from host.home.config.device_settings import DeviceConfig, LogTable
from host.home.home import Home
from host.home.storage import atomic_file
from host.telemetry.event_bus import EventBus
from host.telemetry.journal.journal import Journal
from host.telemetry.logs import LogLevels, set_levels
from planner_core.events import Event
from tests.host.small_home import small_home

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CORE = "trader.bucket.core"


@pytest.fixture(autouse=True)
def _levels() -> Iterator[None]:
    set_levels(LogLevels())
    yield
    set_levels(LogLevels())


class Bench:
    """A settings watcher with what it tells."""

    def __init__(self, home: Home, *, is_applied: bool = True) -> None:
        self.home = home
        self.events: list[Event] = []
        self.bus = EventBus(lambda: NOON)
        self.bus.subscribe("test", self.events.append)
        self.journal = Journal(home.journal_dir)
        recorder = Recorder(self.journal, PressLog(), self.bus, lambda: NOON, lambda _failing: None)
        self.recorder = recorder
        self.watcher = SettingsWatcher(home, recorder, DeviceConfig().log, is_applied=is_applied)
        self.watcher.quiet_s = 0.01

    def save(self, text: str) -> None:
        """Save as an editor does: a new file over the old one."""
        beside = self.home.root / "device.toml.new"
        beside.write_text(text, encoding="utf-8")
        beside.replace(self.home.device_file)

    async def close(self) -> None:
        await self.recorder.close()
        await self.bus.close()
        self.journal.close()


def run(home: Home, *texts: str) -> list[Event]:
    async def work() -> Bench:
        bench = Bench(home)
        for text in texts:
            bench.save(text)
            await bench.watcher.check()
            await bench.watcher.check()
        await bench.close()
        return bench

    return asyncio.run(work()).events


def test_saved_levels_are_in_force_and_published_once(tmp_path: Path) -> None:
    events = run(small_home(tmp_path), '[log]\nlevel = "error"\nbuckets = { core = "debug" }\n')
    assert [event.event_type for event in events] == ["LogLevelChanged"]
    assert logging.getLogger("trader").level == logging.ERROR
    assert logging.getLogger(CORE).level == logging.DEBUG


def test_a_wrong_file_changes_nothing_and_is_reported(tmp_path: Path) -> None:
    good = '[log]\nbuckets = { core = "debug" }\n'
    events = run(small_home(tmp_path), good, '[log]\nlevel = "loud"\n')
    assert [event.event_type for event in events] == ["LogLevelChanged", "ConfigurationRejected"]
    assert "device.toml:2" in events[1].problems[0]  # type: ignore[attr-defined]
    assert logging.getLogger(CORE).level == logging.DEBUG


def fail_to_read(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let the disk report an error the next times that a TOML file is read."""
    errors = [OSError(errno.EIO, "Input/output error")] * times
    really_open = atomic_file._open_nonblocking

    def fail_first(path: str, flags: int) -> int:
        if errors:
            raise errors.pop()
        return really_open(path, flags)

    monkeypatch.setattr(atomic_file, "_open_nonblocking", fail_first)


def test_a_file_that_cannot_be_read_is_read_at_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_to_read(monkeypatch, times=1)
    events = run(small_home(tmp_path), '[log]\nlevel = "error"\n')
    assert [event.event_type for event in events] == ["ConfigurationNotKept", "LogLevelChanged"]
    assert "device.toml: cannot be read: input/output error" in events[0].problem  # type: ignore[attr-defined]
    assert logging.getLogger("trader").level == logging.ERROR


def test_a_file_that_could_not_be_read_at_the_start_is_read_again(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    home.device_file.write_text('[log]\nlevel = "error"\n', encoding="utf-8")

    async def work() -> list[Event]:
        bench = Bench(home, is_applied=False)
        await bench.watcher.check()
        await bench.watcher.check()
        await bench.close()
        return bench.events

    assert [event.event_type for event in asyncio.run(work())] == ["LogLevelChanged"]
    assert logging.getLogger("trader").level == logging.ERROR


def test_an_error_that_stays_is_published_once_and_a_new_one_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_to_read(monkeypatch, times=3)
    good = '[log]\nlevel = "error"\n'
    events = run(small_home(tmp_path), good, good)
    assert [event.event_type for event in events] == ["ConfigurationNotKept", "LogLevelChanged"]
    fail_to_read(monkeypatch, times=1)
    events = run(small_home(tmp_path), '[log]\nlevel = "warn"\n')
    assert [event.event_type for event in events] == ["ConfigurationNotKept", "LogLevelChanged"]


def test_what_does_not_concern_the_log_is_not_published(tmp_path: Path) -> None:
    assert run(small_home(tmp_path), "[display]\nbrightness = 3\n") == []


def test_a_change_is_noticed_by_itself(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(small_home(tmp_path))
        serving = asyncio.create_task(bench.watcher.serve())
        await asyncio.sleep(0)  # it watches
        bench.save('[log]\nlevel = "warn"\n')
        async with asyncio.timeout(20):
            while not bench.events:  # noqa: ASYNC110 - events are in a list
                await asyncio.sleep(0.005)
        serving.cancel()
        await bench.close()

    asyncio.run(work())
    assert logging.getLogger("trader").level == logging.WARNING


def test_a_bucket_in_the_table_is_a_bucket_id() -> None:
    with pytest.raises(ValueError, match=r"core\.x"):
        LogTable.model_validate({"buckets": {"core.x": "debug"}})
    table = LogTable.model_validate({"level": "warn", "buckets": {"core": "debug"}})
    assert levels_of(table) == LogLevels("WARN", {"core": "DEBUG"})
