"""An event on its way to the journal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from host.observability.journal_record import JournalRecord
from host.observability.redaction import redacted

if TYPE_CHECKING:
    from planner_core.events import Event


def clean_record(event: Event) -> JournalRecord:
    """Return an event as it may stand on disk: without secrets."""
    record = JournalRecord.of(event)
    return replace(record, data=redacted(record.data))
