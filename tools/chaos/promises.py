"""The invariants of a home, whatever happened to its daemon.

No acknowledged press, plan or configuration is lost or doubled, and the journal is undamaged.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_bridge.events import EdgeId
from host.appliance.presses.press_log import ANSWERS, VERDICTS, edge_ids
from host.home.config.history import ConfigHistory
from host.home.home import Home
from host.telemetry.journal.reader import Reading, open_journal, read_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from host.telemetry.journal.record import JournalRecord
    from tools.chaos.witness import Witness


def read_records(root: Path, records: list[JournalRecord]) -> Reading:
    """Add the records of a home's journal to a list; return what was read."""
    with open_journal(root / "journal") as files:
        return read_files(files, lambda line: records.append(line.record))


def journal(root: Path) -> list[JournalRecord]:
    """Return the records in the journal of a home."""
    records: list[JournalRecord] = []
    read_records(root, records)
    return records


def plan_files(root: Path) -> list[Path]:
    """Return all stored plans of a home."""
    return sorted((root / "plans").glob("*/*.json"))


def edge_of(record: JournalRecord) -> EdgeId:
    """Return the edge of a record."""
    return EdgeId(int(str(record.data["boot_id"])), int(str(record.data["event_id"])))


def presses_without_verdict(records: Iterable[JournalRecord]) -> set[EdgeId]:
    """Return the acknowledged presses that have no verdict."""
    records = list(records)
    downs = {
        edge_of(record)
        for record in records
        if record.event_type == "ButtonEdge" and record.data["edge"] == "down"
    }
    return downs - {edge for r in records if r.event_type in VERDICTS for edge in edge_ids(r.data)}


def broken_promises(root: Path) -> Iterator[str]:
    """Yield the violations in a home after its daemon has settled everything and ended."""
    records: list[JournalRecord] = []
    reading = read_records(root, records)
    flaws = (reading.bytes_cut, reading.lines_damaged, reading.links_broken)
    if any(flaws):
        yield f"the journal is damaged: bytes cut, lines damaged, links broken {flaws}"
    yield from _presses(records)
    yield from _plans(root, records)


def _presses(records: list[JournalRecord]) -> Iterator[str]:
    edges = Counter(edge_of(record) for record in records if record.event_type == "ButtonEdge")
    yield from (f"{edge} was journaled {n} times" for edge, n in edges.items() if n > 1)
    verdicts = Counter(
        edge for r in records if r.event_type in VERDICTS for edge in edge_ids(r.data)
    )
    yield from (f"{edge} was judged {n} times" for edge, n in verdicts.items() if n > 1)
    yield from (f"{edge} has no verdict" for edge in sorted(presses_without_verdict(records)))


def _plans(root: Path, records: list[JournalRecord]) -> Iterator[str]:
    """Check that each request has one answer, and each stored plan one undamaged file."""
    requested = Counter(r.trace_id for r in records if r.event_type == "PlanRequested")
    answered = Counter(r.trace_id for r in records if r.event_type in ANSWERS)
    for trace_id in sorted(requested.keys() | answered.keys()):
        if (requested[trace_id], answered[trace_id]) != (1, 1):
            yield f"{trace_id}: {requested[trace_id]} requests, {answered[trace_id]} answers"
    stored = [str(r.data["file"]) for r in records if r.event_type == "PlanStored"]
    files = {path.name: path for path in plan_files(root)}
    if sorted(stored) != sorted(files):
        yield f"stored plans {sorted(stored)}, plan files {sorted(files)}"
    for name, path in files.items():
        try:
            trace_id = json.loads(path.read_bytes())["trace_id"]
        except (ValueError, KeyError):
            yield f"{name} is not whole"
            continue
        if not path.stem.endswith(trace_id):
            yield f"{name} is the plan of {trace_id}"


def broken_acknowledgements(root: Path, witness: Witness) -> Iterator[str]:
    """Yield what was acknowledged to board or daemon, but is not stored."""
    records = journal(root)
    journaled_edges = {edge_of(record) for record in records if record.event_type == "ButtonEdge"}
    for boot_id, event_id in witness.acked:
        if EdgeId(boot_id, event_id) not in journaled_edges:
            yield f"edge {event_id} of boot {boot_id} was acknowledged and is not in the journal"
    journaled = {(r.event_type, r.trace_id) for r in records}
    for event in witness.events_of("PlanRequested", "PlanStored"):
        if (event["event_type"], event["trace_id"]) not in journaled:
            name = f"{event['event_type']} of {event['trace_id']}"
            yield f"{name} was published and is not in the journal"
    yield from _configurations(root, witness)


def _configurations(root: Path, witness: Witness) -> Iterator[str]:
    """Check that every announced version exists with its announced text."""
    for event in witness.events_of("ConfigurationChanged"):
        history = ConfigHistory(Home(root).config_history_dir(str(event["bucket_id"])))
        versions = {stored.meta.version: stored for stored in history.newest_first()}
        stored = versions.get(int(event["data"]["version"]))
        name = f"version {event['data']['version']} of {event['bucket_id']}"
        if stored is None:
            yield f"{name} was announced and is gone"
        elif hashlib.sha256(stored.data).hexdigest() != event["data"]["sha256"]:
            yield f"{name} has another text than was announced"
