"""Journals written and read at once, in the calling thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from host.telemetry.journal.journal import Journal
from host.telemetry.journal.reader import Reading, open_journal, read_files
from host.telemetry.journal.record import JournalRecord


def append_now(journal: Journal, record: JournalRecord, durable: bool) -> None:
    """Add a record without the journal's own thread."""
    journal._append((record,), durable)


def read_journal(folder: Path, on_record: Callable[[JournalRecord], None]) -> Reading:
    """Call `on_record` with every record that can be read, oldest first.

    Raises
    ------
    StorageError
        When a file exists and cannot be read.
    """
    with open_journal(folder) as files:
        return read_files(files, lambda line: on_record(line.record))
