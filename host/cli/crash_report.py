"""What happens to an error that nobody expected: one line, and the details in a file."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


def report_crashes() -> None:
    """Replace Python's traceback on the terminal, unless `--debug` asks for it."""
    if "--debug" not in sys.argv:
        sys.excepthook = _report


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    import traceback

    summary = " ".join(f"{kind.__name__}: {error}".split())[:200]
    text = "".join(traceback.format_exception(kind, error, trace))
    try:
        path = _write(text)
    except OSError as problem:
        place = f"they could not be written: {problem.strerror}; run it again with --debug"
    else:
        place = f"details, to report it with: {path}"
    sys.stderr.write(f"trader: unexpected error: {ascii(summary)[1:-1]} ({place})\n")


def _write(text: str) -> str:
    """Write the details where only their owner can read them; they may hold amounts."""
    import platform
    import tempfile

    descriptor, path = tempfile.mkstemp(prefix="arduino-trader-crash-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
        file.write(f"command: {sys.argv!r}\npython: {platform.python_version()}\n\n{text}")
    return path
