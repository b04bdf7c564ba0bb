"""CSV tables that a person edits: limits first, then cells with their line and column.

The dialect is plain: UTF-8, a header line, commas, `#` comment lines, points in numbers. What
spreadsheets write is read as well: semicolons or tabs between cells, quotes, byte order marks,
carriage returns, a first line `sep=;`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from host.home.storage.atomic_file import NotRegularFileError, open_file
from host.home.storage.locale_values import (
    Amount,
    DecimalMark,
    date_column,
    date_readings,
    decimal_mark,
    number_advice,
    split_amount,
    spreadsheet_day,
)
from host.home.storage.problems import FileProblem
from host.limits import CELL_LENGTH_MAX, COLUMNS_MAX, PROBLEMS_SHOWN_MAX

if TYPE_CHECKING:
    from host.home.storage.problems import FileRefusedError

NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
DELIMITERS = ",;\t"
DELIMITER_LINE = re.compile(r"sep=([,;\t])\s*", re.IGNORECASE)
"""The first line with which a spreadsheet says what separates its cells."""
CELLS = {
    # A quoted cell up to its delimiter; else, and with text behind the quotes, all before the next.
    mark: re.compile(rf'( *+"(?:[^"]|"")*+" *+(?={mark})|[^{mark}]*+){mark}')
    for mark in DELIMITERS
}
"""Matches the cells of a line, by delimiter; the line has one more delimiter at its end."""
QUOTED_TEXT = re.compile(r'"[^"]*+"')
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
    delimiter : str
        The character between cells.
    """

    source: str
    header: tuple[str, ...]
    header_text: str
    header_line: int
    rows: list[str]
    line_numbers: list[int]
    is_terminated: bool = True
    delimiter: str = ","

    def cells(self, row: int) -> list[str]:
        """Return the cells of a row without surrounding blanks and quotes."""
        return cells_of(self.rows[row], self.delimiter)

    def problem(self, row: int, column: int, message: str) -> FileProblem:
        """Return a problem with a cell; row and column count from 0."""
        place = cell_column(self.rows[row], column, self.delimiter)
        return FileProblem(self.source, self.line_numbers[row], place, message)

    def header_problem(self, column: int, message: str) -> FileProblem:
        """Return a problem with the name of a column, counted from 0."""
        place = cell_column(self.header_text, column, self.delimiter)
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
    header, delimiter = "", ""
    for number, line in enumerate(lines, 1):
        if not line or line[0] == "#" or line.isspace():
            continue
        if not header_line:
            declared = DELIMITER_LINE.fullmatch(line)
            if declared and not delimiter:
                delimiter = declared[1]
                continue
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
    delimiter = delimiter or _delimiter_of(header)
    names = tuple(cells_of(header, delimiter))
    table = CsvTable(source, names, header, header_line, rows, numbers, is_terminated, delimiter)
    if len(names) > COLUMNS_MAX:
        message = f"{len(names):,} columns, at most {COLUMNS_MAX:,} (split the file)"
        raise error([table.header_problem(COLUMNS_MAX, message)])
    return table


def _delimiter_of(header: str) -> str:
    """Return what separates the names of a header: what stands there most often, else a comma."""
    outside = QUOTED_TEXT.sub("", header)
    return max(DELIMITERS, key=outside.count)


def cells_of(line: str, delimiter: str = ",") -> list[str]:
    """Return the cells of a line without surrounding blanks and quotes."""
    return [cell_text(cell) for cell in split_cells(line, delimiter)]


def cell_text(cell: str) -> str:
    """Return the content of a cell, without surrounding blanks and quotes."""
    return cell.strip().strip('"').strip()


def split_cells(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line as they are written; a delimiter inside quotes is part of one."""
    if '"' not in line:
        return line.split(delimiter)
    return CELLS[delimiter].findall(line + delimiter)


def cell_column(line: str, index: int, delimiter: str = ",") -> int:
    """Return the column of the text, from 1, at which a cell's content begins."""
    cells = split_cells(line, delimiter)
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


def read_number(text: str, mark: DecimalMark) -> float | None:
    """Return a number with this decimal mark, also with thousands separators; None for others."""
    number = parse_number(text) if mark == "." else None
    if number is not None:
        return number
    amount = split_amount(text)
    return amount.value(mark) if amount is not None and not amount.sign else None


def quoted(text: str) -> str:
    """Return a cell in quotes for a message, cut to a bounded length."""
    return repr(text if len(text) <= CELL_LENGTH_MAX else text[: CELL_LENGTH_MAX - 3] + "...")


def check_cell_counts(table: CsvTable, problems: ProblemList, *, blank_ends: bool = False) -> None:
    """Report every row whose number of cells differs from the header's.

    With `blank_ends`, header and rows may end in empty cells, as spreadsheets leave them.
    """
    delimiter, needed = table.delimiter, len(table.header)
    n_named = max((place for place, name in enumerate(table.header, 1) if name), default=0)
    for row, line in enumerate(table.rows):
        n_cells = len(split_cells(line, delimiter)) if '"' in line else line.count(delimiter) + 1
        if n_cells == needed:
            continue
        if blank_ends and n_cells >= n_named and not any(table.cells(row)[n_named:]):
            continue
        what = f"{n_cells} cells where the header has {needed}"
        advice = _count_advice(table, row, n_cells)
        problems.add(table.problem(row, min(n_cells, needed) - 1, f"{what} ({advice})"))


def _count_advice(table: CsvTable, row: int, n_cells: int) -> str:
    needed, line = len(table.header), table.rows[row]
    if row == len(table.rows) - 1 and not table.is_terminated:
        return "the file ends here without a line end: restore the file, or delete the row"
    if table.delimiter == "," and ";" in line:
        return "separate all cells of the file by the same character"
    if table.delimiter == "," and n_cells == 2 * needed - 1:
        # Every number fell into two cells: a decimal comma.
        first = ".".join(cells_of(line)[1:3])
        return f"write numbers with a point, as {first[:CELL_LENGTH_MAX]}"
    if n_cells > needed:
        return "delete what is too much; a number with a comma in it needs quotes"
    return "for an unknown value leave a cell empty, with both commas"


def read_dates(table: CsvTable, place: int, problems: ProblemList) -> tuple[list[date | None], str]:
    """Read a column of dates, which may be written as 05.06.2019 and in other ways.

    Returns
    -------
    days : list of date or None
        Per row; None, and a problem, where the date is missing or has two meanings.
    note : str
        An example of a date that is not written as 2019-06-05; else empty.
    """
    texts = column_texts(table, place)
    distinct = list(dict.fromkeys(texts))
    plain = [parse_date(text) for text in distinct]
    readings = date_column(distinct) if None in plain else plain
    if readings is None:
        row = next(row for row, text in enumerate(texts) if len(date_readings(text)) > 1)
        first, second = date_readings(texts[row])
        message = (
            f"{quoted(texts[row])} can be {first} or {second}, and no other row decides"
            " (write all dates as YYYY-MM-DD)"
        )
        problems.add(table.problem(row, place, message))
        return [None] * len(texts), ""
    day_of = dict(zip(distinct, readings, strict=True))
    for row, text in enumerate(texts):
        if day_of[text] is None:
            number = parse_number(text)
            day = None if number is None else spreadsheet_day(number)
            advice = "write YYYY-MM-DD"
            if day is not None:
                advice = f"a spreadsheet's number for {day}? format the column as dates, YYYY-MM-DD"
            message = f"{quoted(text)} is not a date ({advice})"
            problems.add(table.problem(row, place, message))
    odd = next((text for text, day in zip(distinct, plain, strict=True) if day is None), None)
    note = "" if odd is None else f"dates such as {odd} for {day_of[odd]}"
    return [day_of[text] for text in texts], note


def column_texts(table: CsvTable, place: int) -> list[str]:
    """Return the contents of a column, row by row."""
    delimiter = table.delimiter
    return [
        cell_text(
            # Of most tables it is the first cell, and nothing behind it needs splitting.
            line.split(delimiter, 1)[0]
            if place == 0 and '"' not in line
            else split_cells(line, delimiter)[place]
        )
        for line in table.rows
    ]


def read_decimal_mark(
    table: CsvTable, cells: Callable[[], Iterable[tuple[int, int, str]]], problems: ProblemList
) -> DecimalMark:
    """Return the decimal mark of numbers; a problem where they have two meanings.

    Parameters
    ----------
    table : CsvTable
    cells : callable returning an iterable of (row, column, text)
        The numbers; called again to find the place of one.
    problems : ProblemList
    """
    if table.delimiter == "," and not any('"' in line for line in table.rows):
        # No comma can be inside a cell, and a point is what we ask for.
        return "."
    mark = decimal_mark((text for _, _, text in cells()), table.delimiter)
    if not isinstance(mark, Amount):
        return mark
    row, column, text = next(cell for cell in cells() if split_amount(cell[2]) == mark)
    message = (
        f"{quoted(text)} has two meanings: {number_advice(text)}"
        " (in the whole file no thousands separators, and a point for decimals)"
    )
    problems.add(table.problem(row, column, message))
    return "."


def require_columns(
    table: CsvTable, needed: Sequence[str], optional: Sequence[str], error: type[FileRefusedError]
) -> None:
    """Check the header of a table with fixed columns, in any order."""
    problems = ProblemList(table.source)
    _check_names(table, problems)
    problems.refuse_if_any(error)
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


def _check_names(table: CsvTable, problems: ProblemList) -> None:
    """Report columns without a name, with a long one, or with the name of another one."""
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
