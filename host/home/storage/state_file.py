"""Small JSON files of `state/`: read with a limit, put aside when they make no sense."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from host.home.storage.safe_open import open_file


def signature(path: Path) -> tuple[int, ...] | None:
    """Return what changes when a file is replaced; None when it is not there.

    One that may not be looked at is there: reading it says why it cannot be used.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return (error.errno or 0,)
    return found.st_ino, found.st_mtime_ns, found.st_size


def read_state(path: Path, bytes_max: int, schema_version: int) -> dict[str, Any] | None:
    """Return the object in a file; None when there is no file.

    Raises
    ------
    OSError
        When it cannot be read.
    ValueError
        When it is too large, no JSON object, or of another version.
    """
    try:
        with open_file(path) as file:
            data = file.read(bytes_max + 1)
    except FileNotFoundError:
        return None
    if len(data) > bytes_max:
        raise ValueError(f"more than {bytes_max} bytes")
    try:
        found = json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict) or found.get("schema_version") != schema_version:
        raise ValueError(f"no object of schema version {schema_version}")
    return found


def quarantine(path: Path, error: Exception, now: datetime) -> str:
    """Put a file that makes no sense aside, and return a line that says so."""
    why = " ".join(str(error).split())[:100]
    aside = path.with_name(f"{path.name}.corrupt.{now:%Y%m%dT%H%M%SZ}")
    with suppress(OSError):
        path.rename(aside)
    return f"{path}: unusable ({why}); put aside as {aside.name}, beginning anew"
