"""`trader events`: what is shown, what is found wrong, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from host.home.home import Home
from host.telemetry.journal.journal import Journal, JournalLimits
from host.telemetry.journal.reader import HEAD_NAME
from host.telemetry.journal.record import JournalRecord
from tests.host.conftest import Trader
from tests.host.small_home import small_home

NOW = datetime.now(UTC)


def written(
    home: Home, records: Sequence[JournalRecord], limits: JournalLimits | None = None
) -> Journal:
    journal = Journal(home.journal_dir, home.state_dir / HEAD_NAME, limits=limits)
    for record in records:
        journal.append_now(record, durable=True)
    journal.close()
    return journal


def stored(number: int, *, bucket: str = "core", days_ago: int = 0) -> JournalRecord:
    at = NOW - timedelta(days=days_ago)
    return JournalRecord("PlanStored", at, f"{number:032x}", bucket, {"file": f"{number}.json"})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = small_home(tmp_path)
    records = [stored(number, days_ago=10 - number) for number in range(10)]
    other = JournalRecord("PlanFailed", NOW, "ff", "gone", {"code": "x", "lines": ["a\x1b[2J"]})
    written(home, [*records, other])
    return home


def tail(trader: Trader, home: Home, *arguments: str) -> list[dict[str, Any]]:
    result = trader("events", "tail", "--json", "--home", home.root, *arguments)
    assert result.code == 0, result.err
    return [json.loads(line) for line in result.out.splitlines()]


def test_the_last_events_are_shown_oldest_first(trader: Trader, home: Home) -> None:
    assert [report["n"] for report in tail(trader, home, "-n", "3")] == [9, 10, 11]
    assert len(tail(trader, home)) == 11


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--bucket", "core"], 10),
        (["--bucket", "gone"], 1),
        (["--bucket", "core", "--bucket", "gone"], 11),
        (["--type", "PlanFailed"], 1),
        (["--type", "PlanFailed", "--type", "PlanStored", "-n", "5"], 5),
        (["--trace", "ff"], 1),
        (["--since", "60h"], 3),
        (["--since", "1h", "--bucket", "core"], 0),
        (["--since", (NOW - timedelta(days=4, hours=1)).isoformat()], 5),
    ],
)
def test_conditions_narrow_what_is_shown(
    trader: Trader, home: Home, arguments: list[str], count: int
) -> None:
    assert len(tail(trader, home, *arguments)) == count


def test_a_line_for_people_cannot_move_the_cursor(trader: Trader, home: Home) -> None:
    result = trader("events", "tail", "--home", home.root, "--type", "PlanFailed")
    assert "ERROR gone PlanFailed code=x" in result.out
    assert "\x1b" not in result.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["tail", "--type", "PlanStord"], "did you mean `PlanStored`"),
        (["tail", "--bucket", "cor"], "did you mean `core`"),
        (["tail", "--bucket", "../x"], "not a bucket id"),
        (["tail", "--since", "soon"], "is not a time"),
        (["tail", "--since", "999999w"], "is not a time"),
        (["tail", "-n", "0"], "from 1 to"),
        (["tail", "-n", "-3"], "from 1 to"),
        (["tail", "--trace", "x/y"], "is not a trace id"),
        (["export", "x.txt"], "name it .jsonl or .csv"),
        (["export"], "required: FILE"),
        (["nonsense"], "invalid choice"),
    ],
)
def test_a_wrong_command_line_is_answered_with_what_to_do(
    trader: Trader, home: Home, arguments: list[str], complaint: str
) -> None:
    result = trader("events", *arguments, "--home", home.root)
    assert (result.code, result.out) == (2, "")
    assert complaint in result.err
    assert len(result.err.strip().splitlines()) == 1


def test_a_home_without_a_journal_has_had_no_events(trader: Trader, tmp_path: Path) -> None:
    home = small_home(tmp_path)
    assert tail(trader, home) == []
    assert trader("events", "verify", "--home", home.root).code == 0
    assert trader("events", "tail", "--home", tmp_path / "none").code == 2


def test_a_sound_journal_is_verified(trader: Trader, home: Home) -> None:
    result = trader("events", "verify", "--json", "--home", home.root)
    assert result.code == 0
    assert result.json["sound"] is True
    assert (result.json["records"], result.json["head"]["n"]) == (11, 11)
    assert "intact: 11 records, 1 to 11" in trader("events", "verify", "--home", home.root).out


def test_damage_is_told_with_its_place_and_the_rest_is_shown(trader: Trader, home: Home) -> None:
    path = home.journal_dir / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"rubbish\n", *lines[4:]]))
    result = trader("events", "verify", "--home", home.root)
    assert result.code == 1
    assert "journal.jsonl:4: 1 damaged before line 5" in result.err
    shown = trader("events", "tail", "--json", "--home", home.root)
    assert shown.code == 1
    assert "journal.jsonl:4" in shown.err
    assert len(shown.out.splitlines()) == 10


@pytest.mark.parametrize("name", ["out.jsonl", "out.json", "out.csv"])
def test_events_are_exported(trader: Trader, home: Home, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    result = trader("events", "export", path, "--bucket", "core", "--home", home.root)
    assert result.code == 0
    text = path.read_text(encoding="utf-8")
    if name.endswith("csv"):
        rows = list(csv.DictReader(io.StringIO(text)))
        report = [json.loads(row["data"]) for row in rows]
    else:
        report = [json.loads(line)["data"] for line in text.splitlines()]
    assert report == [{"file": f"{number}.json"} for number in range(10)]
    again = trader("events", "export", path, "--home", home.root)
    assert (again.code, path.read_text(encoding="utf-8")) == (2, text)
    assert trader("events", "export", path, "--home", home.root, "--force").code == 0
    assert len(path.read_text(encoding="utf-8")) > len(text)


def test_an_export_to_nowhere_leaves_nothing(trader: Trader, home: Home, tmp_path: Path) -> None:
    result = trader("events", "export", tmp_path / "no" / "out.csv", "--home", home.root)
    assert result.code == 1
    assert "cannot be written" in result.err
    (tmp_path / "folder.csv").mkdir()
    before = sorted(tmp_path.iterdir())
    assert trader("events", "export", tmp_path / "folder.csv", "--force", "--home", home.root).code
    assert sorted(tmp_path.iterdir()) == before


def test_a_cell_is_never_a_formula(trader: Trader, home: Home) -> None:
    written(home, [JournalRecord("=cmd()", NOW, "", "core")])
    result = trader("events", "export", "-", "--format", "csv", "--home", home.root)
    assert "'=cmd()" in result.out


def test_following_ends_when_nobody_reads_any_more(home: Home) -> None:
    command = (sys.executable, "-m", "host.cli", "events", "tail", "--home", str(home.root))
    with subprocess.Popen(
        (*command, "--follow", "-n", "1"), stdout=subprocess.PIPE, text=True
    ) as following:
        assert following.stdout is not None
        assert following.stdout.readline()
        following.stdout.close()  # as `| head -1` does, and nothing happens that could be written
        try:
            assert following.wait(20) == 0
        finally:
            following.kill()


def test_following_goes_on_through_finished_files_and_ends_with_an_interrupt(
    tmp_path: Path,
) -> None:
    home = small_home(tmp_path)
    written(home, [stored(0)])
    command = (sys.executable, "-m", "host.cli", "--home", str(home.root), "events", "tail")
    with subprocess.Popen(
        (*command, "--follow", "--json", "--bucket", "core"), stdout=subprocess.PIPE, text=True
    ) as following:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["trace_id"] == f"{0:032x}"
        written(home, [stored(n) for n in range(1, 40)], JournalLimits(file_bytes=1_000))
        texts = [json.loads(following.stdout.readline())["trace_id"] for _ in range(1, 40)]
        following.send_signal(signal.SIGINT)
        assert following.wait(20) == 0
    assert texts == [f"{n:032x}" for n in range(1, 40)]
