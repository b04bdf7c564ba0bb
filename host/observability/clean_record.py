"""An event on its way to the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host.observability.journal_record import JournalRecord
from host.observability.redaction import redacted

if TYPE_CHECKING:
    from planner_core.events import Event


def clean_record(event: Event) -> JournalRecord:
    """Return an event as it may stand on disk: without secrets."""
    record = JournalRecord.of(event)
    return JournalRecord(
        record.event_type,
        record.timestamp,
        record.trace_id,
        record.bucket_id,
        redacted(record.data),
        record.schema_version,
    )
