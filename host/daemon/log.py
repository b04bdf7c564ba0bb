"""Puts every event on the log, each under the name of its bucket."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from host.observability.journal_record import JournalRecord
from host.observability.log_format import BUCKET_PREFIX, EVENT, LEVELS, ROOT

if TYPE_CHECKING:
    from planner_core.events import Event


def is_logged(event: Event) -> bool:
    """Tell whether the log wants an event; most of a plan's are for those who look closely."""
    return _logger_of(event).isEnabledFor(_level_of(event))


def log_event(event: Event) -> None:
    """Log an event; a subscriber of the bus."""
    logger, level = _logger_of(event), _level_of(event)
    if logger.isEnabledFor(level):
        # Made here: `logger.log` would look through the stack for a place that says nothing.
        record = logging.LogRecord(logger.name, level, "", 0, event.event_type, None, None)
        setattr(record, EVENT, JournalRecord.of(event))
        logger.handle(record)


def _logger_of(event: Event) -> logging.Logger:
    return logging.getLogger(BUCKET_PREFIX + event.bucket_id if event.bucket_id else ROOT)


def _level_of(event: Event) -> int:
    return LEVELS.get(event.severity, logging.INFO)
