"""docs/events.md: every type of event, from its class.

python tools/generators/event_docs.py    pin new events and new fields in tests/vectors/events.json

What is pinned already is left alone: a field that goes, or means something else, needs a higher
schema_version, and its pin is changed by hand.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING

from host.limits import JOURNAL_BYTES_MAX, JOURNAL_FILE_BYTES_MAX, JOURNAL_FILE_DAYS_MAX
from host.telemetry.events.catalogue import (
    DAEMON_EVENTS,
    ENVELOPE,
    EVENT_TYPES,
    PLANNER_EVENTS,
    PRESS_EVENTS,
)

if TYPE_CHECKING:
    from planner_core.events import Event

FILE_MIB = JOURNAL_FILE_BYTES_MAX // 1024**2
ALL_MIB = JOURNAL_BYTES_MAX // 1024**2
HEAD = f"""\
# Events

Generated from the classes of the events: do not edit.

Everything that happens in the appliance is an event: typed, versioned, and one JSON object per line
in the home's `journal/`. `trader events tail --follow` shows them as they come.

```json
{{"n":4711,"prev":"<sha256 of the line before>","timestamp":"2026-11-22T18:32:01.123456+00:00",
 "event_type":"PlanStored","bucket_id":"core","trace_id":"3fa2...","schema_version":1,
 "data":{{...}}}}
```

`trace_id` joins all that follows from one press or one `trader plan`: the edges of the button, the
planner's events, the plan's file, the frame on the board, the lines of the log. An event that
concerns no bucket or no trace leaves them empty. Secrets are left out by key and by look.

`schema_version` belongs to the type. A field more keeps it; one less, or another meaning, raises
it. A reader ignores what it does not know.

## The journal

- Only added to. Presses, plans and configurations are on disk (fsync) before anything is built on
  them; what is only worth knowing follows within a moment.
- Each line carries the sha256 of the line before. `state/journal.head` says how far the journal was
  safe on disk. `trader events verify` finds edits, gaps and a lost end. It finds accidents and
  careless edits. Who can write all files of the home can also write a chain that fits.
- A file of {FILE_MIB} MiB or {JOURNAL_FILE_DAYS_MAX} days is finished and another begun
  (`JournalContinued`); beyond {ALL_MIB} MiB in all the oldest go, after a record that says so
  (`JournalPruned`).
- A line that a crash left unfinished is cut off by the next writer, which records that
  (`JournalRepaired`). Anything else that has to be cut off is kept beside the journal, as
  `journal.jsonl.corrupt.<time>`.
- The daemon and commands may write at the same time; each holds `journal/.lock` for one append.

What each module and each stage of a plan took is told and counted (`trader metrics`), drawn on
demand (`trader plan --profile`), and logged at level `debug`; the journal leaves it out. It would
be most of what a plan writes, on memory that wears.

An event that comes too often, as with a loose cable, is kept up to a number per hour; the rest is
counted (`EventsDropped`). That never concerns presses, plans and configurations.

## Subscribers

In the daemon's process an `EventBus` (`host/telemetry/event_bus.py`) delivers every event to
its subscribers. Each has a queue of bounded length. A slow one loses events, one that raises loses
that event; both are reported (`EventsDropped`, `SubscriberFailed`). Other subscribers do not
notice.

"""


def events_markdown() -> str:
    """The page."""
    sections = (
        ("Planning", "Told by the planner, in the order of a run.", PLANNER_EVENTS),
        ("Presses and plans", "What became of every press.", PRESS_EVENTS),
        ("The appliance", "Daemon, board, worker, configuration, log, journal.", DAEMON_EVENTS),
    )
    return HEAD + "\n".join(_section(*section) for section in sections)


def pin(path: Path) -> None:
    """Add what is new to the events that are promised."""
    pinned = json.loads(path.read_bytes()) if path.is_file() else {}
    for name, event in EVENT_TYPES.items():
        promise = pinned.setdefault(name, {"schema_version": event.schema_version, "data": {}})
        for found in fields(event):
            if found.name not in ENVELOPE:
                promise["data"].setdefault(found.name, str(found.type))
    path.write_text(json.dumps(dict(sorted(pinned.items())), indent=2) + "\n", encoding="utf-8")


def _section(title: str, text: str, events: Mapping[str, type[Event]]) -> str:
    parts = [f"## {title}\n\n{text}\n"]
    parts += [_event(name, event) for name, event in events.items()]
    return "\n".join(parts)


def _event(name: str, event: type[Event]) -> str:
    said = inspect.cleandoc(event.__doc__ or "")
    kept = "" if event.is_journaled else ", not in the journal"
    head = f"### {name}\n\n{said} *({event.severity}, version {event.schema_version}{kept})*\n"
    rows = [
        f"| `{found.name}` | {_type_name(str(found.type))} | {_default(found.default)} |"
        for found in fields(event)
        if found.name not in ENVELOPE
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
