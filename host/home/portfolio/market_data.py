"""The files of `market/`: prices, exchange rates and splits, as checked arrays.

A cell that is not a price is a finding and counts as missing: the planner blocks what depends on
it. A fault that makes the whole table doubtful is a `MarketDataError`, and the plan is held: dates
that are repeated or out of order, rows of another length, an unknown header. Columns that the
bucket does not use are not read, nor are rows before the planner's history.
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
from host.home.storage.atomic_file import may_exist
from host.home.storage.csv_table import (
    CsvTable,
    ProblemList,
    cells_of,
    check_cell_counts,
    parse_date,
    parse_number,
    quoted,
    read_table,
    require_columns,
)
from host.home.storage.problems import MarketDataError
from planner_core.model.records import Finding, Severity

if TYPE_CHECKING:
    from pathlib import Path

    from host.home.storage.problems import FileProblem
    from planner_core.model.arrays import DateArray, FloatArray

RATE_AGE_DAYS_MAX = 7
"""A purchase uses the exchange rate of its day, or of the last market day before it."""


@dataclass(frozen=True, slots=True, eq=False)
class DailyTable:
    """A table of days by columns.

    Parameters
    ----------
    source : str
        The file.
    columns : tuple of str
        The requested columns that the file has, in the order of the request.
    dates : ndarray of shape (n_days,), datetime64[D]
        Oldest first, none after as_of.
    values : ndarray of shape (n_days, n_columns)
        Positive and finite; NaN where there was no usable value.
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
        if not len(self.dates):
            return np.full(len(dates), np.nan)
        # searchsorted gives the insertion point: it is a match only where the dates are equal.
        rows = np.minimum(np.searchsorted(self.dates, dates), len(self.dates) - 1)
        return np.where(self.dates[rows] == dates, self.series(column)[rows], np.nan)

    def value_on(self, column: str, day: date) -> float | None:
        """Return the value of a day, or the last one within the week before it."""
        end = int(np.searchsorted(self.dates, np.datetime64(day), side="right"))
        begin = int(np.searchsorted(self.dates, np.datetime64(day) - RATE_AGE_DAYS_MAX))
        values = self.series(column)[begin:end]
        values = values[~np.isnan(values)]
        return float(values[-1]) if values.size else None


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
        Later rows are not used, with a finding.
    rows_max : int, optional
        Only the last rows are turned into numbers; the dates of all are checked.

    Raises
    ------
    MarketDataError
        When the table as a whole is unusable.
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
            message = f"unknown header {quoted(name)} is not {what} (allowed: {allowed})"
            problems.add(table.header_problem(column, message))
    problems.refuse_if_any(MarketDataError)


def _read_daily(
    table: CsvTable, kind: str, requested: Sequence[str], as_of: date, rows_max: int | None
) -> DailyTable:
    problems = ProblemList(table.source)
    check_cell_counts(table, problems)
    days = _read_days(table, problems)
    problems.refuse_if_any(MarketDataError)
    end = bisect.bisect_right(days, as_of.isoformat())
    findings = list(_shape_findings(table, kind, days, end, as_of))
    begin = 0 if rows_max is None else max(0, end - rows_max)
    at = {name: column for column, name in enumerate(table.header)}
    columns = tuple(name for name in requested if name in at)
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
            problems.add(table.problem(row, 0, f"{quoted(day)} is not a date (write YYYY-MM-DD)"))
    if problems.count:
        return days
    wrong = [row for row in range(1, len(days)) if days[row] <= days[row - 1]]
    if len(wrong) == len(days) - 1 > 1 and len(set(days)) == len(days):
        message = f"the rows are newest first, {days[0]} down to {days[-1]} (reverse their order)"
        problems.add(table.problem(0, 0, message))
        return days
    first_line = {day: table.line_numbers[row] for row, day in reversed(list(enumerate(days)))}
    for row in wrong:
        day = days[row]
        if first_line[day] != table.line_numbers[row]:
            message = f"{day} is also in line {first_line[day]} (keep one row per day)"
        else:
            message = f"{day} comes after {days[row - 1]} (sort the rows, oldest first)"
        problems.add(table.problem(row, 0, message))
    return days


def _shape_findings(
    table: CsvTable, kind: str, days: list[str], end: int, as_of: date
) -> list[Finding]:
    findings = []
    if end == 0:
        message = f"the first row is of {days[0]}, after as_of {as_of} (add earlier closes)"
        raise MarketDataError([table.problem(0, 0, message)])
    if end < len(days):
        findings.append(
            Finding(
                f"{kind}_rows_after_as_of",
                Severity.INFO,
                f"{table.source}: {len(days) - end} rows after {as_of} are not used",
            )
        )
    if not table.is_terminated:
        findings.append(
            Finding(
                f"{kind}_file_unterminated",
                Severity.WARNING,
                f"{table.source}:{table.line_numbers[-1]}: the last line has no line end; the"
                " file may have been cut off",
                "check the last row, and end it with a line break",
            )
        )
    return findings


def _read_values(table: CsvTable, begin: int, end: int, places: list[int]) -> FloatArray:
    """Turn cells into numbers, fast where a row is plain; NaN where a cell is not a number.

    `_reread_suspects` checks the cells that look odd.
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
    """Read every implausible cell again; set the unusable ones to NaN, in place."""
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
            message = _cell_message(table.header[place], cell, number)
            problems.append((table.problem(row, place, message), table.header[place]))
    return _cell_findings(table, kind, problems)


def _rows_with_lenient_numbers(table: CsvTable, begin: int, end: int) -> list[int]:
    """Return rows that `float` may have read too leniently: 1_000, digits of other scripts."""
    return [
        row for row in range(begin, end) if "_" in table.rows[row] or not table.rows[row].isascii()
    ]


def _cell_message(column: str, cell: str, number: float | None) -> str:
    if number is None:
        what = "is not a number"
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
    action = f"fix the cell in {table.source}, or leave it empty"
    findings = [
        Finding(
            f"{kind}_invalid",
            Severity.WARNING,
            str(problem),
            action,
            column if kind == "price" else None,
        )
        for problem, column in problems[: limits.FINDINGS_PER_FILE_MAX]
    ]
    hidden = len(problems) - len(findings)
    if hidden:
        message = f"{table.source}: and {hidden} more unusable cells"
        findings.append(Finding(f"{kind}_invalid", Severity.WARNING, message, action))
    return findings


# --- splits --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Split:
    """A split: from the day `on`, every old unit is `ratio` new ones."""

    on: date
    security: str
    ratio: float
    line: int


def read_splits(path: Path, as_of: date) -> tuple[Split, ...]:
    """Read the declared splits up to as_of; no file means none.

    Raises
    ------
    MarketDataError
        With every line that cannot be read. A misread split would look like a fall in price.
    """
    if not may_exist(path):
        return ()
    table = read_table(path, limits.ACTIONS_BYTES_MAX, limits.TABLE_ROWS_MAX, MarketDataError)
    require_columns(table, ("date", "security", "ratio"), (), MarketDataError)
    problems = ProblemList(table.source)
    check_cell_counts(table, problems)
    problems.refuse_if_any(MarketDataError)
    splits = []
    first_lines: dict[tuple[str, date], int] = {}
    for row, line in enumerate(table.rows):
        split = _read_split(table, row, line, problems)
        if split is None:
            continue
        first = first_lines.setdefault((split.security, split.on), split.line)
        if first != split.line:
            message = f"{split.security} {split.on} is also in line {first} (keep one of them)"
            problems.add(table.problem(row, 0, message))
        splits.append(split)
    problems.refuse_if_any(MarketDataError)
    return tuple(split for split in splits if split.on <= as_of)


def adjust_for_splits(
    prices: DailyTable, splits: Sequence[Split]
) -> tuple[FloatArray, list[Finding]]:
    """Divide the closes before each split by its ratio.

    Returns
    -------
    values : ndarray of shape (n_days, n_columns)
    findings : list of Finding
        Where the closes do not show the declared jump: they may be adjusted already.
    """
    values = prices.values.copy()
    findings = []
    for split in sorted(splits, key=lambda s: s.on):
        if split.security not in prices.columns:
            continue
        column = prices.columns.index(split.security)
        row = int(np.searchsorted(prices.dates, np.datetime64(split.on)))
        move = _move_at(values[:, column], row)
        # A split by r moves the close to 1 / r: then move * r is nearer to 1 than move itself.
        if move is not None and abs(np.log(move * split.ratio)) > abs(np.log(move)):
            findings.append(
                Finding(
                    "split_without_jump",
                    Severity.WARNING,
                    f"{split.security}: a split of {split.ratio:g} is declared for {split.on}, but"
                    f" the close moved by only {move - 1:+.1%}",
                    "if prices.csv is adjusted already, delete the line from corporate_actions.csv",
                    split.security,
                )
            )
        values[:row, column] /= split.ratio
    return values, findings


def _move_at(closes: FloatArray, row: int) -> float | None:
    """Return the first close from a row on, divided by the last one before it."""
    before, after = closes[:row], closes[row:]
    before, after = before[~np.isnan(before)], after[~np.isnan(after)]
    return float(after[0] / before[-1]) if before.size and after.size else None


def _read_split(table: CsvTable, row: int, line: str, problems: ProblemList) -> Split | None:
    cells = dict(zip(table.header, cells_of(line), strict=True))
    at = {name: column for column, name in enumerate(table.header)}
    on = parse_date(cells["date"])
    new, _, old = cells["ratio"].partition(":")
    parts = parse_number(new), parse_number(old or "1")
    ratio = parts[0] / parts[1] if parts[0] and parts[1] else 0.0
    if on is None:
        message = f"{quoted(cells['date'])} is not a date (write YYYY-MM-DD)"
        problems.add(table.problem(row, at["date"], message))
    if not limits.SECURITY_ID.fullmatch(cells["security"]):
        message = f"{quoted(cells['security'])} is not a security id"
        problems.add(table.problem(row, at["security"], message))
    if not 1 / limits.SPLIT_RATIO_MAX <= ratio <= limits.SPLIT_RATIO_MAX:
        message = (
            f"{quoted(cells['ratio'])} is not a split ratio"
            " (new units per old unit: 4 or 4:1, for a reverse split 1:10)"
        )
        problems.add(table.problem(row, at["ratio"], message))
        return None
    return None if on is None else Split(on, cells["security"], ratio, table.line_numbers[row])
