"""Every version of a configuration is published once, also those of commands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from host.appliance import config_watcher
from host.appliance.config_watcher import ConfigWatcher
from host.appliance.presses.press_log import PressLog
from host.appliance.presses.recorder import Recorder
from host.appliance.screen import Screen
from host.errors import StorageError
from host.home.config.history import ConfigHistory, ConfigVersion
from host.home.config.load import commit_edit, read_edit_base, replace_config
from host.home.home import Home
from host.telemetry.event_bus import EventBus
from host.telemetry.events import ConfigurationNotKept
from host.telemetry.journal.journal import Journal
from planner_core.events import ConfigurationChanged, Event
from tests.host.small_home import small_home

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


Use = Callable[[ConfigWatcher, list[Event]], Awaitable[None]]


async def check_once(watcher: ConfigWatcher, _events: list[Event]) -> None:
    await watcher.commit_changes()


async def recover(watcher: ConfigWatcher, _events: list[Event]) -> None:
    await watcher.recover()


def events_of(home: Home, use: Use = check_once) -> list[Event]:
    """Let a daemon's watcher check once, or do something else; return its events."""
    events: list[Event] = []

    async def work() -> None:
        press_log = PressLog()
        journal = Journal(home.journal_dir, state=press_log.state)
        journal.open(press_log.note)
        bus = EventBus(lambda: NOON)
        bus.subscribe("test", events.append)
        recorder = Recorder(journal, press_log, bus, lambda: NOON, lambda _failing: None)
        screen = Screen(lambda _frame, _brightness: 0)
        watcher = ConfigWatcher(home, recorder, screen)
        await use(watcher, events)
        screen.close()
        await recorder.close()
        await bus.close()
        journal.close()

    asyncio.run(work())
    return events


def save(home: Home, text: str) -> None:
    path = home.bucket_file("core")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_an_edit_a_command_and_a_change_without_a_daemon_are_each_published_once(
    tmp_path: Path,
) -> None:
    home = small_home(tmp_path)
    save(home, "# reason: I begin\nmax_plan_depth = 3\n")
    first = events_of(home)
    for depth, reason in ((4, "by command"), (5, "again")):
        text = f"max_plan_depth = {depth}\n"
        replace_config(
            home,
            "core",
            text,
            reason=reason,
            base=read_edit_base(home, "core"),
            changed_by="system",
        )
    later = events_of(home)
    assert events_of(home) == [], "it is in the journal already"
    changes = [event for event in (*first, *later) if isinstance(event, ConfigurationChanged)]
    assert [(e.version, e.changed_by, e.reason) for e in changes] == [
        (1, "user", "I begin"),
        (2, "system", "by command"),
        (3, "system", "again"),
    ]
    assert changes[-1].sha256 == commit_edit(home, "core").sha256
    assert {event.bucket_id for event in changes} == {"core"}


def test_an_invalid_file_is_reported_with_its_problems_and_no_version(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    save(home, "max_plan_depth = 99\n")
    (event,) = events_of(home)
    assert event.event_type == "ConfigurationRejected"
    assert "core.toml:1:" in event.problems[0]  # type: ignore[attr-defined]


def test_a_folder_where_the_daemon_was_started_is_not_taken_for_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = small_home(tmp_path / "home")
    save(home, "max_plan_depth = 3\n")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "host").mkdir(parents=True)
    (elsewhere / "host" / "__init__.py").write_text("raise SystemExit(7)\n", "utf-8")
    monkeypatch.chdir(elsewhere)
    (event,) = events_of(home)
    assert isinstance(event, ConfigurationChanged)


def test_a_sound_home_publishes_nothing(tmp_path: Path) -> None:
    assert events_of(small_home(tmp_path), recover) == []


def test_a_disk_that_refuses_is_reported_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: ConfigHistory) -> None:
        raise StorageError("history: cannot be read")

    monkeypatch.setattr(ConfigHistory, "recover", refuse)
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / ".tmp-1-0123456789ab").touch()
    events = [event.event_type for event in events_of(small_home(tmp_path), recover)]
    assert events == ["ConfigHistoryNotRepaired", "HalfFilesRemoved"]


def test_an_edit_that_a_disk_refused_is_committed_later_without_another_edit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config_watcher, "RETRY_MIN_S", 0.01)
    home = small_home(tmp_path)
    save(home, "max_plan_depth = 4\n")
    history = home.config_history_dir("core")
    history.parent.mkdir(parents=True, exist_ok=True)
    history.write_text("in the way", encoding="utf-8")

    async def use(watcher: ConfigWatcher, events: list[Event]) -> None:
        serving = asyncio.ensure_future(watcher.serve())
        async with asyncio.timeout(30):
            while not events:  # noqa: ASYNC110 - seen from outside, as a person does
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.5)  # it may try in vain, too
            history.unlink()
            while len(events) < 2:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        assert watcher.retry_s() is None, "all is kept: nothing to try again"

    events = events_of(home, use)
    assert [type(event) for event in events] == [ConfigurationNotKept, ConfigurationChanged]


def test_the_waits_between_two_tries_grow_up_to_a_minute(tmp_path: Path) -> None:
    async def use(watcher: ConfigWatcher, _events: list[Event]) -> None:
        assert watcher.retry_s() is None
        watcher._problems["core"] = "no room"
        assert [watcher.retry_s() for _ in range(7)] == [2, 4, 8, 16, 32, 60, 60]
        watcher._problems.clear()
        assert watcher.retry_s() is None
        watcher._problems["core"] = "no room"
        assert watcher.retry_s() == 2, "begins anew"

    events_of(small_home(tmp_path), use)


def test_a_version_that_could_not_be_recorded_is_recorded_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = small_home(tmp_path)
    save(home, "max_plan_depth = 4\n")
    read_versions = ConfigWatcher._versions_after
    errors = [StorageError("history: cannot be read"), ValueError("no number")]

    def fail_first(watcher: ConfigWatcher, bucket_id: str, version: int) -> list[ConfigVersion]:
        if errors:
            raise errors.pop()
        return read_versions(watcher, bucket_id, version)

    monkeypatch.setattr(ConfigWatcher, "_versions_after", fail_first)

    async def look_often(watcher: ConfigWatcher, _events: list[Event]) -> None:
        for _ in range(2):
            await watcher.commit_changes()
            assert watcher.retry_s() is not None
        await watcher.commit_changes()
        assert watcher.retry_s() is None
        await watcher.commit_changes()

    first, second, last = events_of(home, look_often)
    assert isinstance(first, ConfigurationNotKept)
    assert "no number" in first.problem
    assert isinstance(second, ConfigurationNotKept)
    assert "cannot be read" in second.problem
    assert isinstance(last, ConfigurationChanged)
    assert (last.bucket_id, last.version) == ("core", 1)


@pytest.mark.parametrize("answer", ["", "[]", '{"config_version": null}', "{}"])
def test_an_answer_that_makes_no_sense_is_reported_and_asked_for_again(
    answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = small_home(tmp_path)
    save(home, "max_plan_depth = 4\n")
    commit = ConfigWatcher._run_commit
    answers = [answer]

    async def answer_once(watcher: ConfigWatcher, bucket_id: str) -> tuple[int, str, list[str]]:
        result = await commit(watcher, bucket_id)
        return (0, answers.pop(), []) if answers else result

    monkeypatch.setattr(ConfigWatcher, "_run_commit", answer_once)

    async def look_twice(watcher: ConfigWatcher, _events: list[Event]) -> None:
        await watcher.commit_changes()
        await watcher.commit_changes()

    events = events_of(home, look_twice)
    assert [type(event) for event in events] == [ConfigurationNotKept, ConfigurationChanged]


def test_what_fails_unexpectedly_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = small_home(tmp_path)
    save(home, "max_plan_depth = 4\n")
    record_new_versions = ConfigWatcher._record_new_versions
    errors = [RuntimeError("unexpected")]

    async def fail_once(watcher: ConfigWatcher, bucket_id: str, version: int) -> None:
        if errors:
            raise errors.pop()
        await record_new_versions(watcher, bucket_id, version)

    monkeypatch.setattr(ConfigWatcher, "_record_new_versions", fail_once)

    async def look_again(watcher: ConfigWatcher, _events: list[Event]) -> None:
        with pytest.raises(RuntimeError):
            await watcher.commit_changes()
        await watcher.commit_changes()

    assert [type(event) for event in events_of(home, look_again)] == [ConfigurationChanged]


def test_a_file_that_cannot_be_read_is_not_rejected_but_read_again(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    path = home.bucket_file("core")
    path.parent.mkdir()
    path.symlink_to(path)  # even root cannot read that
    shown: list[str | None] = []
    target = tmp_path / "readable.toml"
    target.write_text("max_plan_depth = 4\n", encoding="utf-8")

    async def use(watcher: ConfigWatcher, _events: list[Event]) -> None:
        await watcher.commit_changes()
        shown.append(watcher._screen.state.config_rejected)
        assert watcher.retry_s() is not None
        path.unlink()
        path.symlink_to(target)
        await watcher.commit_changes()
        shown.append(watcher._screen.state.config_rejected)
        assert watcher.retry_s() is None

    events = events_of(home, use)
    assert [type(event) for event in events] == [ConfigurationNotKept, ConfigurationChanged]
    assert shown == ["core.toml", None]
