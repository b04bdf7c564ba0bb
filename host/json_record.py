"""The version that every JSON object carries: of the command line, the log and the HTTP API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

SCHEMA_VERSION: Final = 1
"""Raised when a key changes its meaning; new keys do not raise it."""
SCHEMA_VERSION_KEY: Final = "schema_version"


def versioned(record: Mapping[str, object]) -> dict[str, object]:
    """Return a record with its schema version first; one of its own is kept."""
    return {SCHEMA_VERSION_KEY: SCHEMA_VERSION, **record}


def json_text(record: Mapping[str, object], indent: int | None = 2) -> str:
    """Return a record as JSON text with its schema version, without NaN."""
    return json.dumps(versioned(record), indent=indent, ensure_ascii=False, allow_nan=False)
