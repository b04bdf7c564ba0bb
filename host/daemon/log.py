"""Puts every event on the log, each under the name of its bucket."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from host.observability.journal_record import JournalRecord
from host.observability.log_format import BUCKET_PREFIX, EVENT, LEVELS, ROOT

if TYPE_CHECKING:
    from planner_core.events import Event


def log_event(event: Event) -> None:
    """Log an event; a subscriber of the bus."""
    logger = logging.getLogger(BUCKET_PREFIX + event.bucket_id if event.bucket_id else ROOT)
    level = LEVELS.get(event.severity, logging.INFO)
    if logger.isEnabledFor(level):
        logger.log(level, "%s", event.event_type, extra={EVENT: JournalRecord.of(event)})
