"""The records of a whole journal, as tests look at them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from host.telemetry.journal.reader import Reading, open_journal, read_files
from host.telemetry.journal.record import JournalRecord


def read_journal(folder: Path, on_record: Callable[[JournalRecord], None]) -> Reading:
    """Call `on_record` with every record that can be read, oldest first.

    Raises
    ------
    StorageError
        When a file exists and cannot be read.
    """
    with open_journal(folder) as files:
        return read_files(files, lambda line: on_record(line.record))
