"""Export of the journal for other programs: JSON lines, or a table for a spreadsheet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import TextIO

    from host.telemetry.journal.record import JournalLine

COLUMNS: Final = (
    "n",
    "timestamp",
    "event_type",
    "schema_version",
    "bucket_id",
    "trace_id",
    "data",
)
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would execute."""


def line_to_json(line: JournalLine) -> dict[str, object]:
    """Return a record as plain data, with its number in the journal."""
    return {"n": line.entry.n, **line.record.to_json()}


def json_line(line: JournalLine) -> str:
    """Return a record as one JSON object, without the line feed."""
    return json.dumps(line_to_json(line), separators=(",", ":"), ensure_ascii=True)


def write_lines(lines: Iterable[JournalLine], file: TextIO, form: str) -> int:
    """Write records in a format; return how many."""
    count = 0
    table = csv.writer(file) if form == "csv" else None
    if table is not None:
        table.writerow(COLUMNS)
    for line in lines:
        if table is None:
            file.write(json_line(line) + "\n")
        else:
            table.writerow(_row(line))
        count += 1
    return count


def _row(line: JournalLine) -> list[str]:
    content = line_to_json(line)
    data = json.dumps(content["data"], separators=(",", ":"), ensure_ascii=True)
    return [_cell(str(content[name])) for name in COLUMNS[:-1]] + [data]


def _cell(text: str) -> str:
    """Return a text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text
