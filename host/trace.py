"""The id that joins a press, its events, its plan and its frame."""

from __future__ import annotations

import uuid


def new_trace_id() -> str:
    """Return an id as OpenTelemetry has them: 32 hexadecimal digits."""
    return uuid.uuid4().hex
