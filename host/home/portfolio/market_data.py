"""The files of `market/`: prices, exchange rates and splits, as checked arrays.

A cell that is not a price is a finding and counts as missing: the planner blocks what depends on
it. A fault that makes the whole table doubtful is a `MarketDataError`, and the plan is held: dates
that are repeated or out of order, rows of another length, numbers with two meanings. Columns that
the bucket does not use are not read, whatever they are called, nor are rows before the planner's
history. Other layouts, separators and dates are read where their meaning is clear; a finding says
how.
"""

from __future__ import annotations

import bisect
import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from host import limits
from host.home.portfolio.market_layouts import Closes, DailyGrid, Request, arrange, own_names
from host.home.storage.atomic_file import may_exist
from host.home.storage.csv_table import (
    CsvTable,
    ProblemList,
    cell_text,
    check_cell_counts,
    parse_number,
    quoted,
    read_dates,
    read_decimal_mark,
    read_table,
    require_columns,
    split_cells,
)
from host.home.storage.locale_values import DecimalMark, number_advice, split_amount
from host.home.storage.problems import MarketDataError
from planner_core.model.records import Finding, Severity

if TYPE_CHECKING:
    from pathlib import Path

    from host.home.storage.problems import FileProblem
    from planner_core.model.arrays import DateArray, FloatArray

FINDING_LENGTH_MAX = 600
WITNESS_ROWS = 5
RATE_AGE_DAYS_MAX = 7
"""A purchase uses the exchange rate of its day, or of the last market day before it."""
SATURDAY = 5
SPLIT_DAYS_OFF_MAX = 10
"""A split is announced weeks before its first day of trade: record and pay date lie days apart."""
SPLIT_RATIO_TOLERANCE = 0.05
"""An ordinary day of a share beside the ratio of its split."""
SPLIT_DAY_MOVE_MAX = 0.15
"""Log move that the market may add on the day of a split: more than the worst days of an index."""


@dataclass(frozen=True, slots=True)
class CellFaults:
    """The cells of a column that are not prices: the first of them, and their number."""

    first: FileProblem
    count: int

    def others(self) -> str:
        """Return the number of the others in words; empty for a single one."""
        return f", and so do {self.count - 1} more" if self.count > 1 else ""


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
    other_columns : tuple of str
        Names in the file that were not requested.
    faults : mapping of str to CellFaults
        Of the columns with cells that are not prices.
    signs : mapping of str to tuple of str
        The currency signs and codes in the cells of a column.
    closes : {"price", "total_return"}, optional
        What the file says about its closes; None: nothing.
    is_long : bool
        The file has a row per day and name.
    is_download : bool
        The file has the layout of a provider, whose closes may count dividends back.
    witnesses : mapping of str to float
        The last rates of currencies that are not needed.
    """

    source: str
    columns: tuple[str, ...]
    dates: DateArray
    values: FloatArray
    findings: tuple[Finding, ...] = ()
    other_columns: tuple[str, ...] = ()
    faults: Mapping[str, CellFaults] = field(default_factory=dict)
    signs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    closes: Closes | None = None
    is_long: bool = False
    is_download: bool = False
    witnesses: Mapping[str, float] = field(default_factory=dict)

    def last_values(self) -> dict[str, float]:
        """Return the last value of each column that has one."""
        return {
            name: float(values[-1])
            for name in self.columns
            if len(values := self.series(name)[~np.isnan(self.series(name))])
        }

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
    path: Path,
    securities: Sequence[str],
    as_of: date,
    rows_max: int | None = None,
    only_security: str | None = None,
    closes: Closes | None = None,
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
        Only the last weekdays, and the weekends between them, are turned into numbers; the dates
        of all are checked.
    only_security : str, optional
        The security of a file that does not say which one it is of.
    closes : {"price", "total_return"}, optional
        Which closes to take from a file that has both; None: the price.

    Raises
    ------
    MarketDataError
        When the table as a whole is unusable.
    """
    table = read_table(path, limits.PRICES_BYTES_MAX, limits.LONG_ROWS_MAX, MarketDataError)
    request = Request(securities, "security", only_security, closes)
    return _read_daily(table, "price", request, as_of, rows_max)


def read_rates(
    path: Path, currencies: Sequence[str], as_of: date, witnesses: Sequence[str] = ()
) -> DailyTable:
    """Read exchange rates, base units per 1 unit of the currency; see `read_prices`.

    Of `witnesses`, currencies that are not needed, only the last rate is read.
    """
    table = read_table(path, limits.FX_BYTES_MAX, limits.LONG_ROWS_MAX, MarketDataError)
    rates = _read_daily(table, "fx", Request(currencies, "currency"), as_of, None)
    others = set(rates.other_columns)
    names = [name for name in witnesses if name in others and table.header.count(name) <= 1]
    if not names:
        return rates
    last = _read_daily(table, "fx", Request(names, "currency"), as_of, WITNESS_ROWS)
    return replace(rates, witnesses=last.last_values())


def _row_of_weekday(days: Sequence[date], end: int, weekdays: int) -> int:
    """Return the row from which on there are so many weekdays: weekend rows come on top."""
    begin = max(0, end - weekdays)
    missing = sum(day.weekday() >= SATURDAY for day in days[begin:end])
    while begin and missing:
        begin -= 1
        missing -= days[begin].weekday() < SATURDAY
    return begin


def _read_daily(
    table: CsvTable, kind: str, request: Request, as_of: date, rows_max: int | None
) -> DailyTable:
    grid = arrange(table, request)
    days = grid.days
    end = bisect.bisect_right(days, as_of)
    findings = list(_shape_findings(grid, kind, end, as_of))
    begin = 0 if rows_max is None else _row_of_weekday(days, end, rows_max)
    columns = tuple(name for name in request.names if name in grid.column_of)
    cells = _Cells(grid, columns, begin, end)
    values = cells.read()
    findings.extend(_cell_findings(table, kind, cells.faults))
    notes = (*grid.notes, *cells.notes())
    if notes:
        message = f"{table.source}: read with {'; '.join(notes)}"
        findings.append(
            Finding(f"{kind}_layout", Severity.INFO, f"{message:.{FINDING_LENGTH_MAX}}")
        )
    dates: DateArray = np.array(days[begin:end], dtype="datetime64[D]")
    return DailyTable(
        table.source,
        columns,
        dates,
        values,
        tuple(findings),
        grid.other_names,
        cells.faults,
        {name: tuple(signs) for name, signs in cells.signs.items()},
        grid.closes,
        grid.row_of is not None,
        grid.is_download,
    )


def _shape_findings(grid: DailyGrid, kind: str, end: int, as_of: date) -> Iterator[Finding]:
    table, days = grid.table, grid.days
    if end == 0:
        message = f"the first row is of {days[0]}, after as_of {as_of} (add earlier closes)"
        raise MarketDataError([table.problem(0, 0, message)])
    if end < len(days):
        message = f"{table.source}: {len(days) - end} rows after {as_of} are not used"
        yield Finding(f"{kind}_rows_after_as_of", Severity.INFO, message)
    if not table.is_terminated:
        yield Finding(
            f"{kind}_file_unterminated",
            Severity.WARNING,
            f"{table.source}:{max(table.line_numbers)}: the last line has no line end; the"
            " file may have been cut off",
            "check the last row, and end it with a line break",
        )


class _Cells:
    """The cells of a grid as numbers: NaN where a cell is not a price."""

    def __init__(self, grid: DailyGrid, columns: tuple[str, ...], begin: int, end: int) -> None:
        self._grid = grid
        self._columns = columns
        self._days = range(begin, end)
        names = list(grid.column_of)
        self._picks = [(names.index(name), grid.column_of[name]) for name in columns]
        self._mark: DecimalMark = "."
        self.faults: dict[str, CellFaults] = {}
        self.signs: dict[str, dict[str, None]] = {}

    def read(self) -> FloatArray:
        """Return the values, shape (n_days, n_columns)."""
        if not self._columns:
            return np.empty((len(self._days), 0))
        problems = ProblemList(self._grid.table.source)
        self._mark = read_decimal_mark(self._grid.table, self._marked_cells, problems)
        problems.refuse_if_any(MarketDataError)
        numbers = _plain_numbers if self._mark == "." else _numbers_with_commas
        values = np.array([numbers(self._texts(day)) for day in self._days], dtype=np.float64)
        self._reread_suspects(values)
        return values

    def _texts(self, day: int) -> list[str]:
        """Return the cells of a day as they are written; empty where there is none."""
        table, row_of = self._grid.table, self._grid.row_of
        if row_of is None:
            cells = split_cells(table.rows[day], table.delimiter)
            return [cells[place] for _, place in self._picks]
        rows = row_of[day]
        return [
            "" if rows[index] < 0 else split_cells(table.rows[rows[index]], table.delimiter)[place]
            for index, place in self._picks
        ]

    def _marked_cells(self) -> Iterator[tuple[int, int, str]]:
        """Yield place and text of every cell."""
        row_of = self._grid.row_of
        for day in self._days:
            for (index, place), cell in zip(self._picks, self._texts(day), strict=True):
                row = day if row_of is None else int(row_of[day, index])
                if row >= 0:
                    yield row, place, cell_text(cell)

    def _reread_suspects(self, values: FloatArray) -> None:
        """Read every implausible cell again; set the unusable ones to NaN, in place."""
        with np.errstate(invalid="ignore"):
            suspect = ~((values > 0) & (values <= limits.PRICE_MAX))
        for offset in np.flatnonzero(suspect.any(axis=1)):
            day = self._days[offset]
            cells = self._texts(day)
            for index in np.flatnonzero(suspect[offset]):
                values[offset, index] = self._careful(day, self._columns[index], cells[index])

    def _careful(self, day: int, name: str, raw: str) -> float:
        """Return a cell's number, or NaN with its problem."""
        text = cell_text(raw)
        if not text:
            return float("nan")
        number = parse_number(text) if self._mark == "." else None
        amount = split_amount(text) if number is None else None
        if amount is not None:
            number = amount.value(self._mark)
        if number is not None and 0 < number <= limits.PRICE_MAX:
            if amount is not None and amount.sign:
                self.signs.setdefault(name, {})[amount.sign] = None
            return number
        place = self._grid.place(day, name)
        assert place is not None, "a cell that does not exist is empty"
        problem = self._grid.table.problem(*place, _cell_message(name, text, number, self._mark))
        faults = self.faults.get(name, CellFaults(problem, 0))
        self.faults[name] = CellFaults(faults.first, faults.count + 1)
        return float("nan")

    def notes(self) -> tuple[str, ...]:
        """Return how the numbers were read, where that is not our way."""
        signs = sorted({sign for signs in self.signs.values() for sign in signs})
        return (
            *(["decimal commas"] if self._mark == "," else []),
            *([f"the signs {' '.join(signs)} at numbers"] if signs else []),
        )


def _plain_number(cell: str) -> float:
    """Return a number with a point; NaN for a cell that needs a closer look."""
    try:
        # `float` also reads 1_000 and digits of other scripts, which are no numbers here.
        return float(cell.strip(' "')) if cell.isascii() and "_" not in cell else math.nan
    except ValueError:
        return math.nan


def _plain_numbers(cells: Sequence[str]) -> list[float]:
    """Return the numbers of cells with a point; see `_plain_number`."""
    joined = "".join(cells)
    if joined.isascii() and "_" not in joined:
        # Most rows are plain, and reading a row as a whole is twice as fast.
        with contextlib.suppress(ValueError):
            return list(map(float, cells))
    return [_plain_number(cell) for cell in cells]


def _numbers_with_commas(cells: Sequence[str]) -> list[float]:
    """Return the numbers of cells with a decimal comma, without groups; NaN for other cells."""
    return [math.nan if "." in cell else _plain_number(cell.replace(",", ".")) for cell in cells]


def _cell_message(column: str, cell: str, number: float | None, mark: DecimalMark) -> str:
    if number is None:
        advice = number_advice(cell) if mark == "." else "numbers here have a decimal comma"
        what = f"is not a number ({advice})" if advice else "is not a number"
    elif number == 0:
        what = "is zero"
    elif number < 0:
        what = "is negative"
    else:
        what = f"is above {limits.PRICE_MAX:g}"
    return f"{column}: {quoted(cell)} {what}; it counts as missing"


def _cell_findings(table: CsvTable, kind: str, faults: Mapping[str, CellFaults]) -> list[Finding]:
    """Return a finding per column with unusable cells: the first of them, and how many more."""
    action = f"fix the cell in {table.source}, or leave it empty"
    findings = []
    for name, cells in list(faults.items())[: limits.FINDINGS_PER_FILE_MAX]:
        security = name if kind == "price" else None
        message = f"{cells.first}{cells.others()}"
        findings.append(Finding(f"{kind}_invalid", Severity.WARNING, message, action, security))
    hidden = len(faults) - len(findings)
    if hidden > 0:
        message = f"{table.source}: and unusable cells in {hidden} more columns"
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


def read_splits(path: Path, as_of: date, securities: Sequence[str] = ()) -> tuple[Split, ...]:
    """Read the declared splits up to as_of; no file means none.

    Parameters
    ----------
    path : Path
    as_of : date
    securities : sequence of str
        The ids of the portfolio: one that the file writes in another case is that security.

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
    days, _ = read_dates(table, table.header.index("date"), problems)
    place = table.header.index("security")
    written = [table.cells(row)[place] for row in range(len(days))]
    names = own_names(written, securities)
    for row, on in enumerate(days):
        split = _read_split(table, row, on, problems, names)
        if split is None:
            continue
        first = first_lines.setdefault((split.security, split.on), split.line)
        if first != split.line:
            message = f"{split.security} {split.on} is also in line {first} (keep one of them)"
            problems.add(table.problem(row, 0, message))
        splits.append(split)
    problems.refuse_if_any(MarketDataError)
    return tuple(split for split in splits if split.on <= as_of)


@dataclass(frozen=True, slots=True)
class SplitWithoutJump:
    """A declared split that the closes do not show on its day.

    Parameters
    ----------
    split : Split
    move : float
        First close of its day or later, over the last one before.
    jump_on : date, optional
        A day near it on which they do show it; there it is applied.
    ratio_shown : float, optional
        Another ratio that they show on its day; that one is applied. Without either, none is.
    """

    split: Split
    move: float
    jump_on: date | None = None
    ratio_shown: float | None = None


def adjust_for_splits(
    prices: DailyTable, splits: Sequence[Split]
) -> tuple[FloatArray, list[SplitWithoutJump]]:
    """Divide the closes before each split by its ratio.

    A split that the closes do not show is not applied: it would put in the jump that it explains.

    Returns
    -------
    values : ndarray of shape (n_days, n_columns)
    without_jump : list of SplitWithoutJump
    """
    values = prices.values.copy()
    without_jump = []
    for split in sorted(splits, key=lambda s: s.on):
        if split.security not in prices.columns:
            continue
        column = prices.columns.index(split.security)
        row = int(np.searchsorted(prices.dates, np.datetime64(split.on)))
        move = _move_at(values[:, column], row)
        ratio = split.ratio
        if move is not None and not _shows(move, ratio):
            entry = _what_closes_show(split, move, values[:, column], row, prices.dates)
            without_jump.append(entry)
            if entry.jump_on is None and entry.ratio_shown is None:
                continue
            ratio = entry.ratio_shown or ratio
            row = int(np.searchsorted(prices.dates, np.datetime64(entry.jump_on or split.on)))
        values[:row, column] /= ratio
    return values, without_jump


def _shows(move: float, ratio: float) -> bool:
    """Return whether a move of closes is that of a split, or near enough to be judged as a move."""
    residual, whole = abs(np.log(move * ratio)), abs(np.log(move))
    # A split by r moves the close to 1 / r: then move * r is nearer to 1 than move itself.
    return bool(residual <= whole) and (residual <= SPLIT_DAY_MOVE_MAX or _ratio_of(move) is None)


def _what_closes_show(
    split: Split, move: float, closes: FloatArray, row: int, dates: DateArray
) -> SplitWithoutJump:
    near = _jump_near(closes, row, split.ratio)
    if near is not None:
        return SplitWithoutJump(split, move, jump_on=dates[near].astype(object))
    return SplitWithoutJump(split, move, ratio_shown=_ratio_of(move))


def _ratio_of(move: float) -> float | None:
    """Return the whole ratio, or its inverse, that a move of closes is near; None: near none."""
    growth = max(move, 1 / move)
    whole = round(growth)
    if whole == 1 or abs(growth / whole - 1) > SPLIT_RATIO_TOLERANCE:
        return None
    return float(whole) if move < 1 else 1 / whole


def _jump_near(closes: FloatArray, row: int, ratio: float) -> int | None:
    """Return the row within `SPLIT_DAYS_OFF_MAX` rows whose close shows a split, if any."""
    days = range(max(1, row - SPLIT_DAYS_OFF_MAX), min(len(closes), row + SPLIT_DAYS_OFF_MAX + 1))
    for day in sorted(days, key=lambda near: abs(near - row)):
        move = None if np.isnan(closes[day]) else _move_at(closes, day)
        if move is not None and abs(np.log(move * ratio)) < SPLIT_DAY_MOVE_MAX:
            return day
    return None


def _move_at(closes: FloatArray, row: int) -> float | None:
    """Return the first close from a row on, divided by the last one before it."""
    before, after = closes[:row], closes[row:]
    before, after = before[~np.isnan(before)], after[~np.isnan(after)]
    return float(after[0] / before[-1]) if before.size and after.size else None


def _read_split(
    table: CsvTable,
    row: int,
    on: date | None,
    problems: ProblemList,
    names: Mapping[str, str],
) -> Split | None:
    cells = dict(zip(table.header, table.cells(row), strict=True))
    at = {name: column for column, name in enumerate(table.header)}
    new, _, old = cells["ratio"].partition(":")
    parts = parse_number(new), parse_number(old or "1")
    ratio = parts[0] / parts[1] if parts[0] and parts[1] else 0.0
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
    security = names.get(cells["security"], cells["security"])
    return None if on is None else Split(on, security, ratio, table.line_numbers[row])
