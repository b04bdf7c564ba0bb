"""Every version of a configuration is an event, once, whoever made it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from host.configuration.active import look, pick_up, replace
from host.configuration.history import ConfigHistory
from host.daemon.config_desk import ConfigDesk
from host.daemon.presses import PressLedger
from host.daemon.recorder import Recorder
from host.daemon.screen import Screen
from host.errors import StorageError
from host.files.home import Home
from host.journal.journal import Journal
from host.observability.bus import EventBus
from planner_core.events import ConfigurationChanged, Event
from tests.host.small_home import small_home

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def at_the_desk(home: Home, *, recovers: bool = False) -> list[Event]:
    """Let a daemon's desk look once, or recover; return what it told."""
    heard: list[Event] = []

    async def work() -> None:
        ledger = PressLedger()
        journal = Journal(home.journal_dir, state=ledger.state)
        journal.open(ledger.note)
        bus = EventBus(lambda: NOON)
        bus.subscribe("test", heard.append)
        recorder = Recorder(journal, ledger, bus, lambda: NOON, lambda _failing: None)
        screen = Screen(lambda _frame, _brightness: 0)
        desk = ConfigDesk(home, recorder, screen)
        await (desk.recover() if recovers else desk.look())
        screen.close()
        await recorder.close()
        await bus.close()
        journal.close()

    asyncio.run(work())
    return heard


def save(home: Home, text: str) -> None:
    path = home.bucket_file("core")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_an_edit_a_command_and_what_happened_while_nobody_looked_are_each_told_once(
    tmp_path: Path,
) -> None:
    home = small_home(tmp_path)
    save(home, "# reason: I begin\nmax_plan_depth = 3\n")
    first = at_the_desk(home)
    for depth, reason in ((4, "by command"), (5, "again")):
        text = f"max_plan_depth = {depth}\n"
        replace(home, "core", text, reason=reason, seen=look(home, "core"), changed_by="system")
    later = at_the_desk(home)
    assert at_the_desk(home) == [], "a daemon that starts again has told it already"
    found = [event for event in (*first, *later) if isinstance(event, ConfigurationChanged)]
    assert [(e.version, e.changed_by, e.reason) for e in found] == [
        (1, "user", "I begin"),
        (2, "system", "by command"),
        (3, "system", "again"),
    ]
    assert found[-1].sha256 == pick_up(home, "core").sha256
    assert {event.bucket_id for event in found} == {"core"}


def test_a_wrong_file_is_told_with_its_problems_and_no_version(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    save(home, "max_plan_depth = 99\n")
    (event,) = at_the_desk(home)
    assert event.event_type == "ConfigurationRejected"
    assert "core.toml:1:" in event.problems[0]  # type: ignore[attr-defined]


def test_a_sound_home_is_nothing_to_tell_of(tmp_path: Path) -> None:
    assert at_the_desk(small_home(tmp_path), recovers=True) == []


def test_a_disk_that_refuses_is_told_of_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: ConfigHistory) -> None:
        raise StorageError("history: cannot be read")

    monkeypatch.setattr(ConfigHistory, "recover", refuse)
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / ".tmp-1-0123456789ab").touch()
    events = [event.event_type for event in at_the_desk(small_home(tmp_path), recovers=True)]
    assert events == ["ConfigHistoryNotRepaired", "HalfFilesRemoved"]
