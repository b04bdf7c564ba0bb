"""Prices and exchange rates from `market/`, as arrays that the planner can rely on.

A cell that is no price is a finding and counts as missing: the planner blocks what depends on it.
What makes the whole table doubtful (dates twice or out of order, rows of another length, an unknown
header) is a `MarketDataError`, and the plan is held. Columns that the bucket does not use are not
read, nor are rows older than the planner looks back.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from host import limits
from host.home.storage.csv_table import (
    CsvTable,
    ProblemList,
    check_cell_counts,
    parse_date,
    parse_number,
    quoted,
    read_table,
)
from host.home.storage.problems import MarketDataError
from planner_core.model.records import Finding, Severity

if TYPE_CHECKING:
    from pathlib import Path

    from host.home.storage.problems import FileProblem
    from planner_core.model.arrays import DateArray, FloatArray

RATE_AGE_DAYS_MAX = 7
"""A purchase takes the exchange rate of its day, or of the last market day before it."""


@dataclass(frozen=True, slots=True, eq=False)
class DailyTable:
    """A table of days by columns.

    Parameters
    ----------
    source : str
        The file.
    columns : tuple of str
        Those of the wanted ones that the file has, in the order they were asked for.
    dates : ndarray of shape (n_days,), datetime64[D]
        Oldest first, none after as_of.
    values : ndarray of shape (n_days, n_columns)
        Positive and finite; NaN where there was nothing usable.
    findings : tuple of Finding
    """

    source: str
    columns: tuple[str, ...]
    dates: DateArray
    values: FloatArray
    findings: tuple[Finding, ...] = ()

    def series(self, column: str) -> FloatArray:
        """Return one column, shape (n_days,)."""
        values: FloatArray = self.values[:, self.columns.index(column)]
        return values

    def aligned(self, column: str, dates: DateArray) -> FloatArray:
        """Return one column on other days, NaN where this table lacks the day."""
        at = np.searchsorted(self.dates, dates)
        at_most = np.minimum(at, max(len(self.dates) - 1, 0))
        if not len(self.dates):
            return np.full(len(dates), np.nan)
        same = (at < len(self.dates)) & (self.dates[at_most] == dates)
        return np.where(same, self.series(column)[at_most], np.nan)

    def value_on(self, column: str, day: date) -> float | None:
        """Return the value of a day, or the last one within the week before it."""
        end = int(np.searchsorted(self.dates, np.datetime64(day), side="right"))
        begin = int(np.searchsorted(self.dates, np.datetime64(day) - RATE_AGE_DAYS_MAX))
        known = self.series(column)[begin:end]
        known = known[~np.isnan(known)]
        return float(known[-1]) if known.size else None


def read_prices(
    path: Path, securities: Sequence[str], as_of: date, rows_max: int | None = None
) -> DailyTable:
    """Read the closes of some securities.

    Parameters
    ----------
    path : Path
        `prices.csv`: days by securities, in each security's own price unit.
    securities : sequence of str
    as_of : date
        Later rows are cut, with a finding.
    rows_max : int, optional
        Only so many of the last rows are turned into numbers; the dates of all are checked.

    Raises
    ------
    MarketDataError
        When the table as a whole cannot be trusted.
    """
    table = read_table(path, limits.PRICES_BYTES_MAX, limits.TABLE_ROWS_MAX, MarketDataError)
    _check_names(table, limits.SECURITY_ID.fullmatch, "a security", "letters, digits and . _ -")
    return _read_daily(table, "price", securities, as_of, rows_max)


def read_rates(path: Path, currencies: Sequence[str], as_of: date) -> DailyTable:
    """Read exchange rates, base units per 1 unit of the currency; see `read_prices`."""
    table = read_table(path, limits.FX_BYTES_MAX, limits.TABLE_ROWS_MAX, MarketDataError)
    _check_names(table, limits.CURRENCY.fullmatch, "a currency", "three capitals such as EUR")
    return _read_daily(table, "fx", currencies, as_of, None)


def _check_names(table: CsvTable, matches: object, what: str, allowed: str) -> None:
    problems = ProblemList(table.source)
    if table.header[0].lower() != "date":
        message = f"the first column is {quoted(table.header[0])} (it must be `date`)"
        problems.add(table.header_problem(0, message))
    assert callable(matches)
    for column, name in enumerate(table.header[1:], 1):
        if not matches(name):
            message = f"unknown header {quoted(name)} does not name {what} (allowed: {allowed})"
            problems.add(table.header_problem(column, message))
    problems.refuse_if_any(MarketDataError)


def _read_daily(
    table: CsvTable, kind: str, wanted: Sequence[str], as_of: date, rows_max: int | None
) -> DailyTable:
    problems = ProblemList(table.source)
    check_cell_counts(table, problems)
    days = _read_days(table, problems)
    problems.refuse_if_any(MarketDataError)
    end = bisect.bisect_right(days, as_of.isoformat())
    findings = list(_shape_findings(table, kind, days, end, as_of))
    begin = 0 if rows_max is None else max(0, end - rows_max)
    at = {name: column for column, name in enumerate(table.header)}
    columns = tuple(name for name in wanted if name in at)
    places = [at[name] for name in columns]
    values = _read_values(table, begin, end, places)
    findings.extend(_reread_suspects(table, kind, begin, values, places))
    dates: DateArray = np.array(days[begin:end], dtype="datetime64[D]")
    return DailyTable(table.source, columns, dates, values, tuple(findings))


def _read_days(table: CsvTable, problems: ProblemList) -> list[str]:
    """Return the date of every row; each must be later than the one before."""
    days = [line.split(",", 1)[0].strip().strip('"') for line in table.rows]
    if not days:
        message = "there are no rows below the header (add closes, oldest first)"
        problems.add(table.header_problem(0, message))
        return days
    for row, day in enumerate(days):
        if parse_date(day) is None:
            problems.add(table.problem(row, 0, f"{quoted(day)} is no date (write YYYY-MM-DD)"))
    if problems.count:
        return days
    wrong = [row for row in range(1, len(days)) if days[row] <= days[row - 1]]
    if len(wrong) == len(days) - 1 > 1 and len(set(days)) == len(days):
        message = f"the rows run newest first, {days[0]} down to {days[-1]} (turn them round)"
        problems.add(table.problem(0, 0, message))
        return days
    first_line = {day: table.line_numbers[row] for row, day in reversed(list(enumerate(days)))}
    for row in wrong:
        day = days[row]
        if first_line[day] != table.line_numbers[row]:
            message = f"{day} stands in line {first_line[day]} too (keep one row per day)"
        else:
            message = f"{day} stands after {days[row - 1]} (sort the rows, oldest first)"
        problems.add(table.problem(row, 0, message))
    return days


def _shape_findings(
    table: CsvTable, kind: str, days: list[str], end: int, as_of: date
) -> list[Finding]:
    found = []
    if end == 0:
        message = f"the first row is of {days[0]}, after as_of {as_of} (add earlier closes)"
        raise MarketDataError([table.problem(0, 0, message)])
    if end < len(days):
        found.append(
            Finding(
                f"{kind}_rows_after_as_of",
                Severity.INFO,
                f"{table.source}: {len(days) - end} rows after {as_of} are not used",
            )
        )
    if not table.is_terminated:
        found.append(
            Finding(
                f"{kind}_file_unterminated",
                Severity.WARNING,
                f"{table.source}:{table.line_numbers[-1]}: the last line has no line end: was the"
                " file cut off?",
                "check the last row, and end it with a line break",
            )
        )
    return found


def _read_values(table: CsvTable, begin: int, end: int, places: list[int]) -> FloatArray:
    """Turn cells into numbers, fast where a row is plain; NaN where a cell is not a number.

    What a cell that looks odd really is, `_reread_suspects` finds out.
    """
    if not places:
        return np.empty((end - begin, 0))
    rows = table.rows[begin:end]
    if len(places) == 1:
        place = places[0]
        return np.array([[_number_or_nan(line.split(",")[place])] for line in rows])
    take = itemgetter(*places)
    numbers: list[Sequence[float]] = []
    for line in rows:
        cells = take(line.split(","))
        try:
            numbers.append(list(map(float, cells)))
        except ValueError:
            numbers.append([_number_or_nan(cell) for cell in cells])
    return np.array(numbers, dtype=np.float64).reshape(len(rows), len(places))


def _number_or_nan(cell: str) -> float:
    number = parse_number(cell.strip().strip('"'))
    return float("nan") if number is None else number


def _reread_suspects(
    table: CsvTable, kind: str, begin: int, values: FloatArray, places: list[int]
) -> list[Finding]:
    """Judge every cell that gave no believable number; set what is unusable to NaN, in place."""
    with np.errstate(invalid="ignore"):
        suspect = ~((values > 0) & (values <= limits.PRICE_MAX))
    for row in _rows_with_lenient_numbers(table, begin, begin + len(values)):
        suspect[row - begin] = True
    problems: list[tuple[FileProblem, str]] = []
    for offset, index in np.argwhere(suspect):
        row, place = begin + int(offset), places[index]
        cell = table.rows[row].split(",")[place].strip().strip('"')
        number = parse_number(cell)
        if number is not None and 0 < number <= limits.PRICE_MAX:
            values[offset, index] = number
            continue
        values[offset, index] = np.nan
        if cell:
            message = _complaint(table.header[place], cell, number)
            problems.append((table.problem(row, place, message), table.header[place]))
    return _cell_findings(table, kind, problems)


def _rows_with_lenient_numbers(table: CsvTable, begin: int, end: int) -> list[int]:
    """Return rows that `float` may have read too kindly: 1_000, digits of other scripts."""
    return [
        row for row in range(begin, end) if "_" in table.rows[row] or not table.rows[row].isascii()
    ]


def _complaint(column: str, cell: str, number: float | None) -> str:
    if number is None:
        what = "is no number"
    elif number == 0:
        what = "is zero"
    elif number < 0:
        what = "is negative"
    else:
        what = f"is above {limits.PRICE_MAX:g}"
    return f"{column}: {quoted(cell)} {what}; it counts as missing"


def _cell_findings(
    table: CsvTable, kind: str, problems: list[tuple[FileProblem, str]]
) -> list[Finding]:
    action = f"correct the cell in {table.source}, or leave it empty"
    found = [
        Finding(
            f"{kind}_invalid",
            Severity.WARNING,
            str(problem),
            action,
            column if kind == "price" else None,
        )
        for problem, column in problems[: limits.FINDINGS_PER_FILE_MAX]
    ]
    hidden = len(problems) - len(found)
    if hidden:
        message = f"{table.source}: and {hidden} more cells that are no prices or rates"
        found.append(Finding(f"{kind}_invalid", Severity.WARNING, message, action))
    return found
