"""Layouts of tables with closes or rates: which cell is whose value on which day.

The layout that we ask for is wide: a column per name, a row per day. Downloads have others, and
where their meaning is clear they are read as they are:

- long: a row per day and name (date, security, close), also with more columns;
- one security: Date, Open, High, Low, Close, Adj Close, Volume. Nothing in it says which security
  it is of, so it is read only where there is one to choose from;
- levels: two header rows, a level (Close, Open, ...) and a ticker, in either order, as yfinance
  writes them, with or without a third row that says `Date`.

What cannot be told apart is refused, with the layout that is wanted and the first two lines of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from host import limits
from host.home.storage.csv_table import (
    CsvTable,
    ProblemList,
    check_cell_counts,
    column_texts,
    quoted,
    read_dates,
)
from host.home.storage.locale_values import date_readings, split_amount
from host.home.storage.problems import MarketDataError

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray

Closes = Literal["price", "total_return"]
"""Closes as they were traded, or with dividends added back."""

DATE_NAMES = frozenset(("date", "day", "datetime", "timestamp", "time", "datum", "data", "fecha"))
NAME_NAMES = (
    *("security", "symbol", "ticker", "id", "isin", "code", "instrument", "currency", "asset"),
    "name",
)
PRICE_NAMES = (
    *("close", "price", "last", "rate", "closing price", "close/last"),
    *("zamkniecie", "schlusskurs", "schluss", "kurs"),
)
ADJUSTED_NAMES = ("adj close", "adj_close", "adjclose", "adjusted close", "adjusted_close")
OPEN_NAMES = frozenset(("open", "otwarcie", "erster"))
HIGH_NAMES = frozenset(("high", "najwyzszy", "hoch"))
LOW_NAMES = frozenset(("low", "najnizszy", "tief"))
LEVEL_NAMES = (
    OPEN_NAMES | HIGH_NAMES | LOW_NAMES | frozenset((*PRICE_NAMES, *ADJUSTED_NAMES))
) | frozenset(("volume", "dividends", "stock splits", "capital gains", "repaired?"))
EXAMPLE_NAMES = 2
"""Columns in the example of a table."""
LISTED_NAMES = 5
NAMES_LOOKED_UP = 1000
"""Rows that show which column of a long table has the names."""


@dataclass(frozen=True, slots=True, eq=False)
class DailyGrid:
    """The cells of some names, by day.

    Parameters
    ----------
    table : CsvTable
        Its rows in the order of the days, unless `row_of` says where each cell is.
    days : list of date
        Oldest first, each once.
    column_of : mapping of str to int
        The requested names that the table has, and the column of each.
    row_of : ndarray of shape (n_days, n_names), optional
        The row of each cell, -1 where there is none. None: row n is day n.
    notes : tuple of str
        What was read in another way than ours.
    other_names : tuple of str
        Names in the table that were not requested.
    closes : {"price", "total_return"}, optional
        What the name of the column says about the closes; None: nothing.
    is_download : bool
        The layout is that of a provider, whose closes may count dividends back.
    """

    table: CsvTable
    days: list[date]
    column_of: Mapping[str, int]
    row_of: NDArray[np.int32] | None = None
    notes: tuple[str, ...] = ()
    other_names: tuple[str, ...] = ()
    closes: Closes | None = None
    is_download: bool = False

    def place(self, day: int, name: str) -> tuple[int, int] | None:
        """Return row and column of a cell in the table; None where there is no such cell."""
        column = self.column_of[name]
        if self.row_of is None:
            return day, column
        row = int(self.row_of[day, list(self.column_of).index(name)])
        return None if row < 0 else (row, column)


@dataclass(frozen=True, slots=True)
class Request:
    """The names to read from a table, and how.

    Parameters
    ----------
    names : sequence of str
        Securities or currencies.
    noun : str
        What a name is, for messages.
    only_name : str, optional
        The one name that a table without names can be of.
    closes : {"price", "total_return"}, optional
        Which closes to take where a table has both; None: the price.
    """

    names: Sequence[str]
    noun: str
    only_name: str | None = None
    closes: Closes | None = None


def arrange(table: CsvTable, request: Request) -> DailyGrid:
    """Recognise the layout of a table and return its cells by day.

    Raises
    ------
    MarketDataError
        When the layout or the dates are not clear: with the place, and what is wanted.
    """
    header = [_plain(name) for name in table.header]
    levels = _levels_of(table, header)
    if levels is not None:
        return _arrange_levels(table, levels, request)
    problems = ProblemList(table.source)
    check_cell_counts(table, problems, blank_ends=True)
    problems.refuse_if_any(MarketDataError)
    if not table.rows:
        message = "there are no rows below the header (add closes, oldest first)"
        raise MarketDataError([table.header_problem(0, message)])
    dates_at = _date_place(table, header)
    if dates_at is None:
        name = quoted(table.header[0])
        message = f"the first column is {name} (it must be `date`)"
        raise MarketDataError([table.header_problem(0, message)])
    candle = all(names & set(header) for names in (OPEN_NAMES, HIGH_NAMES, LOW_NAMES))
    close = _close_place(header, request.closes)
    names_columns = any(name in table.header for name in request.names)
    if close is not None and (candle or not names_columns):
        names_at = _name_place(table, header, request)
        if names_at is not None:
            grid = _arrange_long(table, (dates_at, names_at, close[0]), request)
            return replace(grid, closes=close[1], is_download=candle)
        if candle or len(table.header) == EXAMPLE_NAMES:
            return _arrange_one(table, dates_at, close, request)
    return _arrange_wide(table, dates_at, request)


def _plain(name: str) -> str:
    """Return the name of a column as the sets above have it."""
    return " ".join(name.strip("<>").lower().split())


# --- the columns of a layout ---------------------------------------------------------------


def _date_place(table: CsvTable, header: Sequence[str]) -> int | None:
    """Return the column of the dates: the first one, or else one that is called so."""
    cells = table.cells(0)
    if header[0] in DATE_NAMES or date_readings(cells[0]):
        return 0
    named = (at for at, name in enumerate(header) if name in DATE_NAMES)
    return next((at for at in named if date_readings(cells[at])), None)


def _close_place(
    header: Sequence[str], preferred: Closes | None
) -> tuple[int, Closes | None] | None:
    """Return the column of the closes, and what they are if the header says so."""
    price = next((header.index(name) for name in PRICE_NAMES if name in header), None)
    adjusted = next((header.index(name) for name in ADJUSTED_NAMES if name in header), None)
    if adjusted is not None and (price is None or preferred == "total_return"):
        return adjusted, "total_return"
    if price is None:
        return None
    # A close beside an adjusted one is a price; alone it may be adjusted as well.
    return price, None if adjusted is None else "price"


def _name_place(table: CsvTable, header: Sequence[str], request: Request) -> int | None:
    """Return the column with the names of the rows: the one that has requested names in it."""
    places = [header.index(name) for name in NAME_NAMES if name in header]
    if not places:
        return None
    names = {name.casefold() for name in request.names}
    cells = [table.cells(row) for row in range(min(len(table.rows), NAMES_LOOKED_UP))]

    def hits(place: int) -> int:
        return len(names & {row[place].casefold() for row in cells})

    return max(places, key=hits)


def _levels_of(table: CsvTable, header: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """Return levels and names of two header rows, each by column; None for one header row."""
    if len(header) < EXAMPLE_NAMES or not table.rows:
        return None
    second = table.cells(0)
    if len(second) != len(header) or date_readings(second[0]):
        return None
    if any(split_amount(cell) for cell in second):
        return None
    upper = _filled(header[1:]), list(table.header[1:])
    lower = _filled([_plain(name) for name in second[1:]]), second[1:]
    if upper[0] and set(upper[0]) <= LEVEL_NAMES and not set(lower[0]) <= LEVEL_NAMES:
        return ["", *upper[0]], ["", *_filled(lower[1])]
    if lower[0] and set(lower[0]) <= LEVEL_NAMES and not set(upper[0]) <= LEVEL_NAMES:
        return ["", *lower[0]], ["", *_filled(upper[1])]
    return None


def _filled(names: Sequence[str]) -> list[str]:
    """Return names with each empty one taken from the left: spreadsheets merge such cells."""
    filled: list[str] = []
    for name in names:
        filled.append(name or (filled[-1] if filled else ""))
    return filled


def matches(requested: Sequence[str], available: Iterable[str]) -> dict[str, str]:
    """Return the available name of each request: the same one, or the only one but for its case."""
    names = set(available)
    folded: dict[str, list[str]] = {}
    for name in names:
        folded.setdefault(name.casefold(), []).append(name)
    rivals: dict[str, int] = {}
    for name in requested:
        rivals[name.casefold()] = rivals.get(name.casefold(), 0) + 1
    pairs = {}
    for name in requested:
        alike = folded.get(name.casefold(), [])
        if name in names:
            pairs[name] = name
        elif len(alike) == 1 and rivals[name.casefold()] == 1:
            pairs[name] = alike[0]
    return pairs


def own_names(written: Iterable[str], securities: Iterable[str]) -> dict[str, str]:
    """Return the id in the portfolio of each id that a file of rows writes in whatever case.

    Unlike columns, rows of one security may have its id in several cases.
    """
    ids = tuple(securities)
    pairs = {name: matches((name,), ids).get(name) for name in dict.fromkeys(written)}
    return {name: own for name, own in pairs.items() if own is not None}


# --- the layouts ---------------------------------------------------------------------------


def _arrange_wide(table: CsvTable, dates_at: int, request: Request) -> DailyGrid:
    """Return the cells of a table with a column per name."""
    places: dict[str, int] = {}
    again: dict[str, int] = {}
    for place, name in enumerate(table.header):
        if place != dates_at and name:
            (again if name in places else places).setdefault(name, place)
    pairs = matches(request.names, places)
    problems = ProblemList(table.source)
    for name in sorted(again.keys() & set(pairs.values())):
        message = f"the column {quoted(name)} is there twice (keep one of them)"
        problems.add(table.header_problem(again[name], message))
    problems.refuse_if_any(MarketDataError)
    return _by_rows(
        table,
        dates_at,
        {name: places[column] for name, column in pairs.items()},
        _case_notes(pairs),
        tuple(name for name in places if name not in pairs.values()),
    )


def _arrange_one(
    table: CsvTable, dates_at: int, close: tuple[int, Closes | None], request: Request
) -> DailyGrid:
    """Return the closes of a table that does not say which security it is of."""
    place, closes = close
    if request.only_name is None:
        message = (
            f"these are prices of one {request.noun}, but the file does not say which"
            f" ({_example_of(table, dates_at, place, request)})"
        )
        raise MarketDataError([table.header_problem(place, message)])
    note = f"{table.header[place]} as the closes of {request.only_name}, the only {request.noun}"
    grid = _by_rows(table, dates_at, {request.only_name: place}, [note], ())
    return replace(grid, closes=closes, is_download=True)


def _arrange_levels(
    table: CsvTable, levels: tuple[list[str], list[str]], request: Request
) -> DailyGrid:
    """Return the closes of a table whose columns have a level and a name."""
    rows = 1
    second = table.cells(1) if len(table.rows) > 1 else []
    if second and _plain(second[0]) in (*DATE_NAMES, "") and not any(second[1:]):
        rows = 2
    body = replace(table, rows=table.rows[rows:], line_numbers=table.line_numbers[rows:])
    problems = ProblemList(table.source)
    # A name over several levels fills the cells to its right, so these have a name as well.
    named = replace(body, header=("date", *levels[1][1:]))
    check_cell_counts(named, problems, blank_ends=True)
    if not body.rows:
        message = "there are no rows below the header (add closes, oldest first)"
        problems.add(table.header_problem(0, message))
    problems.refuse_if_any(MarketDataError)
    available: dict[str, dict[str, int]] = {}
    for place, (level, name) in enumerate(zip(*levels, strict=True)):
        if place and name:
            available.setdefault(name, {}).setdefault(level, place)
    pairs = matches(request.names, available)
    places, kinds = {}, set()
    for requested, name in pairs.items():
        columns = list(available[name])
        close = _close_place(columns, request.closes)
        if close is not None:
            places[requested] = available[name][columns[close[0]]]
            kinds.add(close[1])
    names = sorted({levels[0][place] for place in places.values()})
    notes = [f"a table of levels, of which `{' and '.join(names)}` is used", *_case_notes(pairs)]
    others = tuple(name for name in available if name not in pairs.values())
    grid = _by_rows(body, 0, places, notes, others)
    closes = kinds.pop() if len(kinds) == 1 else None
    return replace(grid, closes=closes, is_download=True)


def _by_rows(
    table: CsvTable,
    dates_at: int,
    places: Mapping[str, int],
    notes: Sequence[str],
    others: tuple[str, ...],
) -> DailyGrid:
    """Return a table with a row per day, turned round if its newest row is first."""
    if len(table.rows) > limits.TABLE_ROWS_MAX:
        message = f"more than {limits.TABLE_ROWS_MAX:,} rows (keep the newest ones)"
        raise MarketDataError([table.problem(limits.TABLE_ROWS_MAX, 0, message)])
    days, date_notes = _dates_of(table, dates_at)
    pairs = list(itertools.pairwise(days))
    notes = [*notes, *date_notes]
    if len(pairs) > 1 and all(later < earlier for earlier, later in pairs):
        notes.append("newest row first")
        table = replace(table, rows=table.rows[::-1], line_numbers=table.line_numbers[::-1])
        days.reverse()
    else:
        _check_order(table, dates_at, days)
    return DailyGrid(table, days, places, None, tuple(notes), others)


def _arrange_long(table: CsvTable, at: tuple[int, int, int], request: Request) -> DailyGrid:
    """Return the cells of a table with a row per day and name; `at`: dates, names, closes."""
    dates_at, names_at, close_at = at
    days, notes = _dates_of(table, dates_at)
    names = column_texts(table, names_at)
    pairs = matches(request.names, names)
    index_of = {column: index for index, column in enumerate(pairs.values())}
    rows = [row for row, name in enumerate(names) if name in index_of]
    in_use = sorted({days[row] for row in rows})
    if not in_use:
        message = (
            f"no row is of a {request.noun} that is asked for: {_listed(request.names)}"
            f" (write one of these into the column {table.header[names_at]})"
        )
        raise MarketDataError([table.problem(0, names_at, message)])
    day_at = {day: index for index, day in enumerate(in_use)}
    row_of = np.full((len(in_use), len(pairs)), -1, dtype=np.int32)
    problems = ProblemList(table.source)
    for row in rows:
        cell = day_at[days[row]], index_of[names[row]]
        if row_of[cell] >= 0:
            first = table.line_numbers[row_of[cell]]
            message = f"{names[row]} {days[row]} is also in line {first} (keep one of them)"
            problems.add(table.problem(row, dates_at, message))
        row_of[cell] = row
    if len(in_use) > limits.TABLE_ROWS_MAX:
        message = f"more than {limits.TABLE_ROWS_MAX:,} days (keep the newest ones)"
        problems.add(table.problem(0, dates_at, message))
    problems.refuse_if_any(MarketDataError)
    notes = ["a row per day and name", *_case_notes(pairs), *notes]
    others = tuple(dict.fromkeys(name for name in names if name not in index_of))
    places = dict.fromkeys(pairs, close_at)
    return DailyGrid(table, in_use, places, row_of, tuple(notes), others)


# --- dates ---------------------------------------------------------------------------------


def _dates_of(table: CsvTable, place: int) -> tuple[list[date], list[str]]:
    """Return the day of every row, and a note if they are not written as 2019-06-05."""
    problems = ProblemList(table.source)
    days, note = read_dates(table, place, problems)
    problems.refuse_if_any(MarketDataError)
    return [day for day in days if day is not None], [note] if note else []


def _check_order(table: CsvTable, place: int, days: Sequence[date]) -> None:
    """Refuse rows that are not in the order of their days."""
    problems = ProblemList(table.source)
    first_line = {day: table.line_numbers[row] for row, day in reversed(list(enumerate(days)))}
    for row, (before, day) in enumerate(itertools.pairwise(days), 1):
        if day > before:
            continue
        if first_line[day] != table.line_numbers[row]:
            message = f"{day} is also in line {first_line[day]} (keep one row per day)"
        else:
            message = f"{day} comes after {before} (sort the rows, oldest first)"
        problems.add(table.problem(row, place, message))
    problems.refuse_if_any(MarketDataError)


# --- words ---------------------------------------------------------------------------------


def _case_notes(pairs: Mapping[str, str]) -> list[str]:
    return [f"{column} for {name}" for name, column in pairs.items() if name != column]


def _listed(names: Sequence[str]) -> str:
    hidden = len(names) - LISTED_NAMES
    shown = ", ".join(names[:LISTED_NAMES])
    return f"{shown} and {hidden} more" if hidden > 0 else shown


def _example_of(table: CsvTable, dates_at: int, close: int, request: Request) -> str:
    """Return the layout that is wanted, with its first two lines."""
    names = [*request.names[:EXAMPLE_NAMES]]
    cells = table.cells(0)
    days = date_readings(cells[dates_at])
    day = str(days[0]) if days else "2024-01-31"
    values = [cells[close], *["..."] * (len(names) - 1)]
    return (
        f"write one table with a column per {request.noun}:"
        f" first line `{','.join(['date', *names])}`, then lines such as"
        f" `{','.join([day, *values])}`"
    )
