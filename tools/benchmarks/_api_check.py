"""Check of what clients of the HTTP API saw, against the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from host.telemetry.journal.export import line_to_json
from host.telemetry.journal.reader import open_journal, read_files
from tools.benchmarks._api_clients import digest_of

if TYPE_CHECKING:
    from host.telemetry.journal.record import JournalLine

ACCEPTED: Final = 202
OK: Final = 200
ENDINGS: Final = frozenset({"PlanStored", "PlanFailed", "PlanCancelled", "PlanExpired"})
FULFILLED: Final = frozenset({"PlanRequested", "PressJoined", "PageTurned"})
"""Verdicts on a press that was executed."""

Report = Mapping[str, Any]


def lines_of_home(root: Path) -> list[JournalLine]:
    """Return the journal of a home, with the number of each record."""
    lines: list[JournalLine] = []
    with open_journal(root / "journal") as files:
        read_files(files, lines.append)
    return lines


@dataclass(frozen=True)
class StreamErrors:
    """Errors of event streams, over all clients."""

    lost: int
    doubled: int
    out_of_order: int
    wrong: int
    """Events that the journal does not have, or has with another content."""


def check_streams(report: Report, lines: Iterable[JournalLine], after: int) -> StreamErrors:
    """Compare every stream with the journal; `after` is its last number when all were open."""
    lines = list(lines)
    expected = {line.entry.n for line in lines if line.entry.n > after}
    lost = doubled = out_of_order = 0
    for stream in report["streams"]:
        numbers: list[int] = stream["numbers"]
        lost += len(expected.difference(numbers))
        doubled += len(numbers) - len(set(numbers))
        out_of_order += sum(b <= a for a, b in pairwise(numbers))
    journaled = {line.entry.n: digest_of(line_to_json(line)) for line in lines}
    wrong = sum(
        set(digests) != {journaled.get(int(n))} for n, digests in report["contents"].items()
    )
    return StreamErrors(lost, doubled, out_of_order, wrong)


@dataclass(frozen=True)
class PlanSpan:
    """A requested plan: from its request to its answer, on the wall clock."""

    bucket_id: str
    via: str
    began_s: float
    ended_s: float | None = None
    ending: str = ""


def spans_of(
    lines: Iterable[JournalLine], first_s: Mapping[str, float]
) -> tuple[dict[str, PlanSpan], list[str]]:
    """Return the requested plans by trace id, and the errors: two of a bucket at a time.

    A plan has ended when somebody can know it: when the first stream had its end (`first_s`, by
    number). The time in the event itself is that before its record went to the disk.
    """
    spans: dict[str, PlanSpan] = {}
    open_of: dict[str, str] = {}
    errors = []
    for line in lines:
        record = line.record
        trace_id, at_s = record.trace_id, record.timestamp.timestamp()
        if record.event_type == "PlanRequested":
            if record.bucket_id in open_of:
                errors.append(f"{trace_id} was requested while {open_of[record.bucket_id]} ran")
            open_of[record.bucket_id] = trace_id
            via = str(record.data.get("via", "press"))
            spans[trace_id] = PlanSpan(record.bucket_id, via, at_s)
        elif record.event_type in ENDINGS and trace_id in spans:
            ended_s = first_s.get(str(line.entry.n), at_s)
            spans[trace_id] = replace(spans[trace_id], ended_s=ended_s, ending=record.event_type)
            if open_of.get(record.bucket_id) == trace_id:
                del open_of[record.bucket_id]
    return spans, errors


def check_triggers(calls: Sequence[Report], spans: Mapping[str, PlanSpan]) -> list[str]:
    """Return what is wrong with the answers to triggers: each names the plan that ran then."""
    errors = []
    for call in calls:
        problem = _trigger_error(call, spans)
        if problem:
            errors.append(f"trigger at {call['sent_s']:.3f}: {problem}")
    by_answer = Counter(call["record"]["trace_id"] for call in calls if is_new(call))
    errors += [
        f"{trace_id} began {times} times" for trace_id, times in by_answer.items() if times > 1
    ]
    by_api = {trace_id for trace_id, span in spans.items() if span.via == "api"}
    errors += [
        f"{trace_id} was begun, and no answer says so" for trace_id in by_api - by_answer.keys()
    ]
    return errors


def is_new(call: Report) -> bool:
    """Return whether a trigger was answered that its plan is a new one."""
    return call["status"] == ACCEPTED and not call["error"] and not call["record"]["joined"]


def is_joined(call: Report) -> bool:
    """Return whether a trigger was answered that it joined a plan under way."""
    return call["status"] == ACCEPTED and not call["error"] and call["record"]["joined"]


def _trigger_error(call: Report, spans: Mapping[str, PlanSpan]) -> str:
    if call["error"] or call["status"] != ACCEPTED:
        return call["error"] or f"status {call['status']}"
    span = spans.get(call["record"]["trace_id"])
    if span is None:
        return "its plan was never requested"
    if span.began_s > call["received_s"]:
        return "its plan was requested later"
    if is_new(call):
        if span.via != "api" or span.began_s < call["sent_s"]:
            return "its plan was requested before"
    elif span.ended_s is not None and span.ended_s < call["sent_s"]:
        return "its plan had ended before"
    return ""


def check_reads(calls: Sequence[Report]) -> list[str]:
    """Return what is wrong with answers to readers."""
    return [
        f"{call['path']}: {call['error'] or call['status']}"
        for call in calls
        if call["error"] or call["status"] != OK
    ]


def lost_presses(lines: Sequence[JournalLine], n_pressed: int) -> int:
    """Return how many of so many presses were not executed, or led to no stored plan."""
    spans, _ = spans_of(lines, {})
    fulfilled = 0
    for line in lines:
        record = line.record
        if record.event_type in FULFILLED and record.data.get("via", "press") == "press":
            span = spans.get(record.trace_id)
            is_lost = record.event_type != "PageTurned" and (
                span is None or span.ending != "PlanStored"
            )
            fulfilled += not is_lost
    return n_pressed - fulfilled
