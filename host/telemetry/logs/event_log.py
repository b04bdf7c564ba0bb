"""Puts every event on the log, each under the name of its bucket."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from host.telemetry.journal.record import JournalRecord
from host.telemetry.logs.log_format import BUCKET_PREFIX, EVENT, LEVELS, ROOT

if TYPE_CHECKING:
    from planner_core.events import Event


def is_logged(event: Event) -> bool:
    """Tell whether the log wants an event; most of a plan's are for those who look closely."""
    return is_logged_type(type(event), event.bucket_id)


def is_logged_type(event_type: type[Event], bucket_id: str) -> bool:
    """Tell whether the log wants a type of event of a bucket."""
    return _logger_of(bucket_id).isEnabledFor(_level_of(event_type))


def log_event(event: Event) -> None:
    """Log an event; a subscriber of the bus."""
    logger, level = _logger_of(event.bucket_id), _level_of(type(event))
    if logger.isEnabledFor(level):
        # Made here: `logger.log` would look through the stack for a place that says nothing.
        record = logging.LogRecord(logger.name, level, "", 0, event.event_type, None, None)
        setattr(record, EVENT, JournalRecord.of(event))
        logger.handle(record)


def _logger_of(bucket_id: str) -> logging.Logger:
    return logging.getLogger(BUCKET_PREFIX + bucket_id if bucket_id else ROOT)


def _level_of(event_type: type[Event]) -> int:
    return LEVELS.get(event_type.severity, logging.INFO)
