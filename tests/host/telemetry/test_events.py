"""Every event can be sent as plain data, and its fields stay as they were pinned."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest

from host.telemetry.events import ENVELOPE, EVENT_TYPES, event_of
from planner_core.events import Event, payload_names

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PINNED = Path(__file__).parents[2] / "vectors" / "events.json"
EXAMPLES: dict[str, object] = {
    "str": "text",
    "int": 3,
    "float": 0.5,
    "bool": True,
    "tuple[str, ...]": ("a", "b"),
    "tuple[tuple[int, int], ...]": (),
    "Mapping[str, object]": {"a": 1},
    "Mapping[str, str]": {"core": "DEBUG"},
}


def example(event_type: type[Event]) -> Event:
    payload = {
        field.name: EXAMPLES[str(field.type).removesuffix(" | None")]
        for field in fields(event_type)
        if field.name not in ENVELOPE
    }
    return event_type(timestamp=NOON, bucket_id="core", trace_id="t", **payload)


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_an_event_survives_being_sent_as_plain_data(name: str) -> None:
    event = example(EVENT_TYPES[name])
    assert event_of(json.loads(json.dumps(event.to_record()))) == event


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_an_event_has_a_severity_a_version_and_a_sentence(name: str) -> None:
    event_type = EVENT_TYPES[name]
    assert event_type.severity in {"DEBUG", "INFO", "WARN", "ERROR"}
    assert event_type.schema_version >= 1
    assert (event_type.__doc__ or "").split("\n")[0].endswith((".", ":"))


def test_a_pinned_field_is_gone_only_when_the_version_was_raised() -> None:
    pinned = json.loads(PINNED.read_bytes())
    for name, promise in pinned.items():
        event_type = EVENT_TYPES[name]
        if event_type.schema_version == promise["schema_version"]:
            present = {field.name: str(field.type) for field in fields(event_type)}
            missing = {k: v for k, v in promise["data"].items() if present.get(k) != v}
            assert not missing, f"{name}: raise schema_version, or keep {missing}"
    new = sorted(set(EVENT_TYPES) - set(pinned))
    assert not new, f"new events: run `python tools/generators/event_docs.py` to pin {new}"


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"event_type": "Nonsense", "data": {}, "timestamp": NOON.isoformat()},
        {"event_type": "StageCompleted", "data": {}, "timestamp": NOON.isoformat()},
        {"event_type": "DaemonStopped", "data": {}, "timestamp": "2026-11-22"},
        {"event_type": "DaemonStopped", "data": {}, "timestamp": "2026-11-22T12:00:00"},
        {"event_type": "DaemonStopped", "data": [], "timestamp": NOON.isoformat()},
        {"event_type": ["x"], "data": None},
    ],
)
def test_a_record_that_is_not_an_event_gives_none(record: dict[str, object]) -> None:
    assert event_of(record) is None


def test_a_field_of_a_newer_version_is_left_out() -> None:
    record = {
        "event_type": "WorkerReady",
        "data": {"pid": 1, "new": 2},
        "timestamp": NOON.isoformat(),
    }
    event = event_of(record)
    assert event is not None
    assert payload_names(type(event)) == ("pid",)


def names_in_calls(tree: ast.Module) -> Iterator[str]:
    """Yield the names that are called or handed to a call; an import or a `case` does not count."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or ast.unparse(call.func) == "isinstance":
            continue
        for node in (call.func, *call.args):
            name = ast.unparse(node).rpartition(".")[2]
            if name.isidentifier():
                yield name


def test_every_event_that_is_declared_is_published_somewhere() -> None:
    root = Path(__file__).parents[3]
    tables = {root / "host/telemetry/events.py", root / "host/health/catalogue.py"}
    tables.add(root / "planner_core/events.py")
    published = {
        name
        for package in ("host", "planner_core")
        for path in (root / package).rglob("*.py")
        if path not in tables
        for name in names_in_calls(ast.parse(path.read_text(encoding="utf-8")))
    }
    unused = set(EVENT_TYPES) - published
    assert unused <= {"ModuleSkipped"}, "published by breakers"
