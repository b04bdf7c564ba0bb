"""Each promise is seen broken: a home is made whole, then one thing in it is spoilt."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from host.home.config.history import ConfigHistory
from host.home.home import Home
from host.simulation.appliance import SimulatedEvent
from host.telemetry.journal.journal import Journal
from host.telemetry.journal.record import JournalRecord
from tools.chaos.promises import broken_acknowledgements, broken_promises
from tools.chaos.witness import Witness

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TRACE = "a" * 32
TEXT = b"max_plan_depth = 3\n"


def record(event_type: str, **data: object) -> JournalRecord:
    return JournalRecord(event_type, NOW, TRACE, "core", data)


def edge(event_id: int, kind: str) -> JournalRecord:
    return record("ButtonEdge", boot_id=7, event_id=event_id, button=0, edge=kind)


def verdict(*event_ids: int) -> JournalRecord:
    return record("PlanRequested", edges=[[7, event_id] for event_id in event_ids])


PRESS = (edge(1, "down"), edge(2, "up"), verdict(1, 2))
ANSWER = record("PlanStored", file=f"plan-{TRACE}.json")


@dataclass(slots=True)
class Played:
    """A home after a press, and what was witnessed of it."""

    root: Path
    witness: Witness = field(default_factory=lambda: Witness(7))

    def write(self, *records: JournalRecord) -> None:
        journal = Journal(self.root / "journal", self.root / "state" / "journal.head")
        journal.open(lambda _record: None)
        asyncio.run(journal.append(*records, durable=True))
        journal.close()

    @property
    def plan(self) -> Path:
        return self.root / "plans" / "core" / f"plan-{TRACE}.json"

    def see(self, source: str, kind: str, **record: object) -> None:
        self.witness.follow(SimulatedEvent(source, kind, record, 0.0))

    def announce(self, version: int, sha256: str) -> None:
        data = {"version": version, "sha256": sha256}
        names = {"event_type": "ConfigurationChanged", "bucket_id": "core", "trace_id": ""}
        self.see("daemon", "ConfigurationChanged", **names, data=data)

    def broken(self) -> list[str]:
        return [*broken_promises(self.root), *broken_acknowledgements(self.root, self.witness)]


@pytest.fixture
def played(tmp_path: Path) -> Played:
    """A home in which all promises were kept."""
    home = Played(tmp_path)
    home.write(*PRESS, ANSWER)
    home.plan.parent.mkdir(parents=True)
    home.plan.write_text(json.dumps({"trace_id": TRACE}))
    history = ConfigHistory(Home(tmp_path).config_history_dir("core"))
    history.commit(TEXT, reason="first")
    home.announce(1, hashlib.sha256(TEXT).hexdigest())
    for event_id in (1, 2):
        home.see("board", "edge", event_id=event_id)
        home.see("board", "edge_acked", event_id=event_id)
    home.see("daemon", "PlanStored", event_type="PlanStored", trace_id=TRACE, data={})
    return home


def test_a_home_where_all_was_kept_breaks_nothing(played: Played) -> None:
    assert played.broken() == []


def spoil_journal(played: Played) -> None:
    file = played.root / "journal" / "journal.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"down"', b'"DOWN"'))


def spoil_version(played: Played) -> None:
    (version,) = (played.root / "history").glob("config/core/0*.toml")
    version.unlink()


SPOILT: dict[str, Callable[[Played], object]] = {
    "damaged": spoil_journal,
    "was journaled 2 times": lambda played: played.write(edge(1, "down")),
    "was judged 2 times": lambda played: played.write(record("PressIgnored", edges=[[7, 1]])),
    "has no verdict": lambda played: played.write(edge(3, "down"), edge(4, "up")),
    "1 requests, 2 answers": lambda played: played.write(record("PlanFailed", code="x")),
    "2 requests, 1 answers": lambda played: played.write(verdict()),
    "plan files []": lambda played: played.plan.unlink(),
    "is not whole": lambda played: played.plan.write_text("{"),
    "is the plan of": lambda played: played.plan.write_text('{"trace_id": "b"}'),
    "edge 9 of boot 7 was acknowledged": lambda played: played.see(
        "board", "edge_acked", event_id=9
    ),
    "was published and is not in the journal": lambda played: played.see(
        "daemon", "PlanStored", event_type="PlanStored", trace_id="b", data={}
    ),
    "version 2 of core was announced and is gone": lambda played: played.announce(2, "x"),
    "version 1 of core was announced and is gone": spoil_version,
    "has another text than was announced": lambda played: played.announce(1, "x"),
}


@pytest.mark.parametrize("says", SPOILT)
def test_a_broken_promise_is_reported(played: Played, says: str) -> None:
    SPOILT[says](played)
    assert any(says in what for what in played.broken()), played.broken()


def test_edges_of_a_board_that_restarted_are_those_of_another_boot(played: Played) -> None:
    played.see("board", "reset", boot_id=8, lost_reset=0)
    played.see("board", "edge", event_id=1)
    assert played.witness.waiting == {(8, 1)}
    played.see("board", "edge_acked", event_id=1)
    assert played.witness.waiting == set()
    assert any("edge 1 of boot 8" in what for what in played.broken())
