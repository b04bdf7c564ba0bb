"""A plan of a command is in the journal, from its first event to its file, under one trace id."""

from __future__ import annotations

import os
from pathlib import Path

from host.home.home import Home
from host.telemetry.journal.reader import read_journal
from host.telemetry.journal.record import JournalRecord
from tests.host.conftest import Trader
from tests.host.small_home import small_home


def journaled(home: Home) -> list[JournalRecord]:
    found: list[JournalRecord] = []
    assert read_journal(home.journal_dir, found.append).is_sound
    return found


def test_one_trace_id_joins_a_command_its_events_and_its_plan(
    trader: Trader, own_home: Home
) -> None:
    plan = trader("plan", "core", "--json", "--home", own_home.root).json
    found = journaled(own_home)
    assert {record.trace_id for record in found} == {plan["trace_id"]}
    assert {record.bucket_id for record in found} == {"core"}
    types = [record.event_type for record in found]
    order = [
        "PlanningStarted",
        "SequenceGenerationStarted",
        "SequenceEvaluationStarted",
        "BestSequenceUpdated",
        "SequenceGenerationCompleted",
        "SequenceEvaluationCompleted",
        "PlanningCompleted",
        "PlanStored",
    ]
    assert [name for name in dict.fromkeys(types) if name in order] == order
    stored = found[-1].data
    assert (stored["via"], stored["outcome"]) == ("command", "PLANNED")
    assert stored["config_version"] == plan["config_version"] == 1
    (file,) = own_home.plans_dir("core").glob(f"*{plan['trace_id']}.json")
    assert stored["file"] == file.name


def test_a_plan_that_data_holds_back_ends_its_story_too(trader: Trader, tmp_path: Path) -> None:
    home = small_home(tmp_path, prices="date,AAA,BBB\n2024-01-02,x,y\n")
    home.bucket_file("core").parent.mkdir()
    home.bucket_file("core").write_text("# defaults\n", encoding="utf-8")
    assert trader("plan", "core", "--home", home.root).code == 1
    found = journaled(home)
    assert [record.event_type for record in found] == ["PlanningCompleted", "PlanStored"]
    assert {record.data["outcome"] for record in found} == {"HELD"}


def test_a_plan_that_is_not_to_be_kept_leaves_no_trace(trader: Trader, own_home: Home) -> None:
    trader("plan", "core", "--no-store", "--home", own_home.root)
    assert not own_home.journal_dir.exists()


def test_a_journal_that_cannot_be_written_is_said_and_the_plan_shown(
    trader: Trader, own_home: Home
) -> None:
    own_home.journal_dir.touch()
    said = trader("plan", "core", "--json", "--home", own_home.root)
    assert said.code == 1
    assert said.json["outcome"] == "PLANNED"
    assert "events were not kept" in said.err
    assert os.linesep not in said.err.strip()
