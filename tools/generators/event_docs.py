"""Generator of docs/events.md: every type of event, from its class.

python tools/generators/event_docs.py    pin new events and new fields in tests/vectors/events.json

A pin is never changed here: a field that goes, or changes its meaning, needs a higher
schema_version, and its pin is edited by hand.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING

from host.limits import JOURNAL_BYTES_MAX, JOURNAL_FILE_BYTES_MAX, JOURNAL_FILE_DAYS_MAX
from host.telemetry.events import (
    ENVELOPE,
    EVENT_TYPES,
    FLAPPING_PER_HOUR,
    HOST_EVENTS,
    PLANNER_EVENTS,
    HostEvent,
    PressTraceEvent,
)

if TYPE_CHECKING:
    from planner_core.events import Event

FILE_MIB = JOURNAL_FILE_BYTES_MAX // 1024**2
ALL_MIB = JOURNAL_BYTES_MAX // 1024**2
HEAD = f"""\
# Events

Generated from the classes of the events: do not edit.

Everything that happens in the appliance is an event: typed, versioned, and one JSON object per line
in the home's `journal/`. `trader events tail --follow` prints them as they happen.

```json
{{"n":4711,"prev":"<sha256 of the line before>","timestamp":"2026-11-22T18:32:01.123456+00:00",
 "event_type":"PlanStored","bucket_id":"core","trace_id":"3fa2...","schema_version":1,
 "data":{{...}}}}
```

`trace_id` joins everything that follows from one press or one `trader plan`: the edges of the
button, the planner's events, the plan's file, the frame on the board, the lines of the log. It is
empty for an event without a trace, and `bucket_id` for an event without a bucket. Secrets are left
out, by the name of their key and by their form in a text.

`schema_version` belongs to the type. A new field keeps it. Removing a field, or changing its
meaning, raises it. A reader ignores fields that it does not know.

## The journal

- Records are only added. Presses, plans and configurations are on disk (fsync) before anything
  depends on them. Other events follow within a second.
- Each line carries the sha256 of the line before. `state/journal.head` records how far the journal
  was safe on disk. `trader events verify` finds accidents and careless edits: changed lines, gaps,
  and a lost end. It does not find a forgery by somebody who can write all files of the home.
- A file of {FILE_MIB} MiB or {JOURNAL_FILE_DAYS_MAX} days is finished and another begun
  (`JournalContinued`). Above {ALL_MIB} MiB in total the oldest files are removed, after a record
  that says so (`JournalPruned`).
- A line that a crash left unfinished is cut off by the next writer, which records that
  (`JournalRepaired`). Anything else that has to be cut off is kept beside the journal, as
  `journal.jsonl.corrupt.<time>`.
- The daemon and commands may write at the same time; each holds `journal/.lock` for one append.

The time of each module and each stage of a plan is not in the journal. It would be most of what a
plan writes, on flash memory that wears. It is counted (`trader metrics`), drawn on demand (`trader
plan --profile`), and logged at level `debug`.

The journal limits events that come too often. It keeps {FLAPPING_PER_HOUR} an hour of each type
that a loose cable repeats, and {HostEvent.per_hour_max:,} of each other type. The rest is counted
(`EventsDropped`). Presses, plans and configurations are always kept.

## Subscribers

In the daemon's process an `EventBus` (`host/telemetry/event_bus.py`) delivers every event to
its subscribers. Each has a queue of bounded length. A slow one loses events, and one that raises
loses that event; both are reported (`EventsDropped`, `SubscriberFailed`). Other subscribers are
unaffected.

"""


def events_markdown() -> str:
    """Return docs/events.md."""
    presses = {
        name: event for name, event in HOST_EVENTS.items() if issubclass(event, PressTraceEvent)
    }
    appliance = {name: event for name, event in HOST_EVENTS.items() if name not in presses}
    sections = (
        ("Planning", "Events of the planner, in the order of a run.", PLANNER_EVENTS),
        ("Presses and plans", "Presses, their effects and their plans.", presses),
        ("The appliance", "Daemon, board, worker, configuration, log, journal, access.", appliance),
    )
    return HEAD + "\n".join(_section(*section) for section in sections)


def pin(path: Path) -> None:
    """Add new events and new fields to the pinned ones."""
    pinned = json.loads(path.read_bytes()) if path.is_file() else {}
    for name, event in EVENT_TYPES.items():
        pin_of_event = pinned.setdefault(name, {"schema_version": event.schema_version, "data": {}})
        for field in fields(event):
            if field.name not in ENVELOPE:
                pin_of_event["data"].setdefault(field.name, str(field.type))
    path.write_text(json.dumps(dict(sorted(pinned.items())), indent=2) + "\n", encoding="utf-8")


def _section(title: str, text: str, events: Mapping[str, type[Event]]) -> str:
    parts = [f"## {title}\n\n{text}\n"]
    parts += [_event(name, event) for name, event in events.items()]
    return "\n".join(parts)


def _event(name: str, event: type[Event]) -> str:
    text = inspect.cleandoc(event.__doc__ or "")
    note = "" if event.is_journaled else ", not in the journal"
    head = f"### {name}\n\n{text} *({event.severity}, version {event.schema_version}{note})*\n"
    rows = [
        f"| `{field.name}` | {_type_name(str(field.type))} | {_default(field.default)} |"
        for field in fields(event)
        if field.name not in ENVELOPE
    ]
    if not rows:
        return head
    return "\n".join([head, "| field | type | if left out |", "|---|---|---|", *rows, ""])


def _type_name(text: str) -> str:
    plain = text.removesuffix(" | None")
    words = {
        "str": "text",
        "int": "whole number",
        "float": "number",
        "bool": "true or false",
        "tuple[str, ...]": "list of texts",
        "tuple[tuple[int, int], ...]": "list of pairs of whole numbers",
        "Mapping[str, object]": "object",
        "Mapping[str, str]": "object of texts",
    }
    return words[plain] + (" or null" if plain != text else "")


def _default(value: object) -> str:
    if value is MISSING:
        return ""
    return f"`{json.dumps(value)}`"


if __name__ == "__main__":
    pin(Path(__file__).parents[2] / "tests" / "vectors" / "events.json")
