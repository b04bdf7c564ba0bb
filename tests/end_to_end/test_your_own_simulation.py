"""A whole appliance in a test: copy this file and make it yours (see docs/simulation.md).

A virtual board and the daemon run as two processes, joined by a pseudo terminal; nothing is mocked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.home.home import create_home
from host.simulation.appliance import Simulation


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("appliance") / "home"
    return create_home(root, demo=True).home.root


@pytest.fixture(scope="module")
def appliance(home: Path) -> Iterator[Simulation]:
    with Simulation(home) as running:
        yield running


def test_a_press_shows_a_plan(appliance: Simulation) -> None:
    appliance.press()
    answer = appliance.wait_for_answer()

    assert answer.plan["outcome"] == "PLANNED"
    assert answer.plan["bucket_id"] == "core"
    assert [len(row) for row in answer.frame] == [13] * 8
    assert any(level > 0 for row in answer.frame for level in row)


def test_one_trace_id_joins_press_plan_frame_and_journal(appliance: Simulation, home: Path) -> None:
    appliance.press()
    answer = appliance.wait_for_answer()

    (plan_file,) = home.glob(f"plans/core/*-{answer.trace_id}.json")
    assert json.loads(plan_file.read_bytes()) == answer.plan
    lines = (home / "journal" / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    types = [r["event_type"] for r in records if r["trace_id"] == answer.trace_id]
    assert types[:3] == ["ButtonEdge", "ButtonEdge", "PlanRequested"]
    assert "PlanningCompleted" in types[: types.index("PlanStored")]


def test_a_hold_leads_to_the_next_bucket(appliance: Simulation) -> None:
    appliance.hold()
    selected = appliance.wait_for("daemon", "BucketSelected", where=is_satellite)

    appliance.press()
    answer = appliance.wait_for_answer()

    assert answer.plan["bucket_id"] == selected.record["bucket_id"]


def is_satellite(record: dict[str, str]) -> bool:
    return record["bucket_id"].startswith("satellite")
