"""CSV tables that a person edits: limits first, then cells with their line and column.

The dialect is plain: UTF-8, a header line, commas, `#` comment lines, points in numbers. Quotes,
byte order marks and carriage returns, as spreadsheets add them, are accepted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from host.home.storage.atomic_file import NotRegularFileError, open_file
from host.home.storage.problems import FileProblem
from host.limits import CELL_LENGTH_MAX, COLUMNS_MAX, PROBLEMS_SHOWN_MAX

if TYPE_CHECKING:
    from host.home.storage.problems import FileRefusedError

NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
ISO_DATE_LENGTH = 10


@dataclass(frozen=True, slots=True)
class CsvTable:
    """The lines of a table, not yet split into cells.

    Parameters
    ----------
    source : str
        The path, for messages.
    header : tuple of str
    header_text : str
        The line of the header.
    header_line : int
        From 1.
    rows : list of str
        Without comments, blank lines and line ends.
    line_numbers : list of int
        Of each row, from 1.
    is_terminated : bool
        Whether the last line has a line end; without one the file may have been cut off.
    """

    source: str
    header: tuple[str, ...]
    header_text: str
    header_line: int
    rows: list[str]
    line_numbers: list[int]
    is_terminated: bool = True

    def problem(self, row: int, column: int, message: str) -> FileProblem:
        """Return a problem with a cell; row and column count from 0."""
        place = cell_column(self.rows[row], column)
        return FileProblem(self.source, self.line_numbers[row], place, message)

    def header_problem(self, column: int, message: str) -> FileProblem:
        """Return a problem with the name of a column, counted from 0."""
        place = cell_column(self.header_text, column)
        return FileProblem(self.source, self.header_line, place, message)


@dataclass(slots=True)
class ProblemList:
    """Problems of one file: the first ones in full, the rest counted."""

    source: str
    shown: list[FileProblem] = field(default_factory=list)
    count: int = 0

    def add(self, problem: FileProblem) -> None:
        """Add a problem, or only count it when there are too many to show."""
        self.count += 1
        if len(self.shown) < PROBLEMS_SHOWN_MAX:
            self.shown.append(problem)

    def all(self) -> list[FileProblem]:
        """Return the problems to show, and a line that counts the rest."""
        hidden = self.count - len(self.shown)
        if not hidden:
            return self.shown
        return [*self.shown, FileProblem(self.source, None, None, f"and {hidden} more problems")]

    def refuse_if_any(self, error: type[FileRefusedError]) -> None:
        """Raise the error if there is a problem."""
        if self.count:
            raise error(self.all())


def read_table(
    path: Path, max_bytes: int, rows_max: int, error: type[FileRefusedError]
) -> CsvTable:
    """Read a CSV file.

    Parameters
    ----------
    path : Path
    max_bytes, rows_max : int
        More is refused.
    error : type of FileRefusedError
        The error to raise.

    Raises
    ------
    FileRefusedError
        Of this type: no such file, not a regular file, unreadable, empty, too large, not UTF-8,
        control characters, no header.
    """
    return parse_table(_read_bytes(path, max_bytes, error), str(path), rows_max, error)


def parse_table(data: bytes, source: str, rows_max: int, error: type[FileRefusedError]) -> CsvTable:
    """Split the bytes of a table into lines; see `read_table`."""
    text = _decode(data, source, error)
    lines = text.split("\n")
    is_terminated = lines[-1] == ""
    header_line, rows, numbers = 0, [], []
    header = ""
    for number, line in enumerate(lines, 1):
        if not line or line[0] == "#" or line.isspace():
            continue
        if not header_line:
            header_line, header = number, line
            continue
        rows.append(line)
        numbers.append(number)
    if not header_line:
        message = "there is no header line (the first line that is not a comment names the columns)"
        raise error([FileProblem(source, 1, 1, message)])
    if len(rows) > rows_max:
        message = f"more than {rows_max:,} rows (keep the newest ones)"
        raise error([FileProblem(source, numbers[rows_max], 1, message)])
    table = CsvTable(
        source, tuple(cells_of(header)), header, header_line, rows, numbers, is_terminated
    )
    _check_header(table, error)
    return table


def cells_of(line: str) -> list[str]:
    """Return the cells of a line without surrounding blanks and quotes."""
    return [cell.strip().strip('"') for cell in line.split(",")]


def cell_column(line: str, index: int) -> int:
    """Return the column of the text, from 1, at which a cell's content begins."""
    cells = line.split(",")
    begin = sum(len(cell) + 1 for cell in cells[:index])
    cell = cells[index] if index < len(cells) else ""
    return min(begin + len(cell) - len(cell.lstrip()), len(line)) + 1


def parse_date(text: str) -> date | None:
    """Return a date written YYYY-MM-DD, None for anything else."""
    if len(text) != ISO_DATE_LENGTH or text[4] != "-" or text[7] != "-" or not text.isascii():
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def parse_number(text: str) -> float | None:
    """Return a finite decimal number, None for anything else: no NaN, no blanks, no separators."""
    if not NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if abs(value) != float("inf") else None


def quoted(text: str) -> str:
    """Return a cell in quotes for a message, cut to a bounded length."""
    return repr(text if len(text) <= CELL_LENGTH_MAX else text[: CELL_LENGTH_MAX - 3] + "...")


def check_cell_counts(table: CsvTable, problems: ProblemList) -> None:
    """Report every row whose number of cells differs from the header's."""
    commas = len(table.header) - 1
    for row, line in enumerate(table.rows):
        if line.count(",") == commas:
            continue
        n_cells = line.count(",") + 1
        what = f"{n_cells} cells where the header has {commas + 1}"
        if row == len(table.rows) - 1 and not table.is_terminated:
            advice = "the file ends here without a line end: restore the file, or delete the row"
        elif ";" in line:
            advice = "separate cells by commas, and use a point in numbers"
        else:
            advice = "for an unknown value leave a cell empty, with both commas"
        problems.add(table.problem(row, min(n_cells, commas + 1) - 1, f"{what} ({advice})"))


def require_columns(
    table: CsvTable, needed: Sequence[str], optional: Sequence[str], error: type[FileRefusedError]
) -> None:
    """Check the header of a table with fixed columns, in any order."""
    problems = ProblemList(table.source)
    allowed = ", ".join([*needed, *(f"[{name}]" for name in optional)])
    for column, name in enumerate(table.header):
        if name not in needed and name not in optional:
            message = f"unknown column {quoted(name)} (allowed: {allowed})"
            problems.add(table.header_problem(column, message))
    for name in needed:
        if name not in table.header:
            problems.add(table.header_problem(0, f"no column `{name}` (needed: {allowed})"))
    problems.refuse_if_any(error)


def _read_bytes(path: Path, max_bytes: int, error: type[FileRefusedError]) -> bytes:
    """Read a file, one byte more than allowed at most."""
    try:
        with open_file(path) as file:
            data = file.read(max_bytes + 1)
    except NotRegularFileError:
        raise _refusal(path, "is not a regular file (put a CSV file there)", error) from None
    except FileNotFoundError:
        message = "there is no such file (`trader init` writes one with comments)"
        raise _refusal(path, message, error) from None
    except OSError as failure:
        reason = (failure.strerror or str(failure)).lower()
        message = f"cannot be read: {reason} (check the path, its owner and permissions)"
        raise _refusal(path, message, error) from None
    if len(data) > max_bytes:
        message = f"the file is larger than {max_bytes:,} bytes (keep the newest rows)"
        raise _refusal(path, message, error)
    return data


def _refusal(path: Path, message: str, error: type[FileRefusedError]) -> FileRefusedError:
    return error([FileProblem(str(path), None, None, message)])


def _decode(data: bytes, source: str, error: type[FileRefusedError]) -> str:
    if not data.strip():
        message = "the file is empty: a write may have been cut off (restore it)"
        raise error([FileProblem(source, 1, 1, message)])
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as failure:
        line = data.count(b"\n", 0, failure.start) + 1
        column = failure.start - data.rfind(b"\n", 0, failure.start)
        message = (
            f"byte {failure.start} (0x{data[failure.start]:02x}) is not UTF-8"
            " (save the file as UTF-8 text)"
        )
        raise error([FileProblem(source, line, column, message)]) from None
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    bad = UNPRINTABLE.search(text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        column = bad.start() - text.rfind("\n", 0, bad.start())
        message = (
            f"the control character U+{ord(bad.group()):04X}"
            " (a write was cut off, or it is not a text file: restore it)"
        )
        raise error([FileProblem(source, line, column, message)])
    return text


def _check_header(table: CsvTable, error: type[FileRefusedError]) -> None:
    problems = ProblemList(table.source)
    if len(table.header) > COLUMNS_MAX:
        message = f"{len(table.header):,} columns, at most {COLUMNS_MAX:,} (split the file)"
        raise error([table.header_problem(COLUMNS_MAX, message)])
    if len(table.header) == 1 and re.search(r"[;\t]", table.header[0]):
        message = "only one column (separate cells by commas, not by semicolons or tabs)"
        raise error([table.header_problem(0, message)])
    first_at: dict[str, int] = {}
    for column, name in enumerate(table.header):
        if len(name) > CELL_LENGTH_MAX:
            message = f"the name {quoted(name)} is longer than {CELL_LENGTH_MAX} characters"
            problems.add(table.header_problem(column, message))
        elif not name:
            message = "a column without a name (delete it, or the comma at the end)"
            problems.add(table.header_problem(column, message))
        elif name in first_at:
            message = f"the column {quoted(name)} is there twice (keep one of them)"
            problems.add(table.header_problem(column, message))
        first_at.setdefault(name, column)
    problems.refuse_if_any(error)
