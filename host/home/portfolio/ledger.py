"""The ledger of trades beside a portfolio: cool-downs and turnover are counted from it.

A ledger that is missing or unreadable fails closed: the planner cannot know what was just traded,
and holds. Every line that cannot be read is named, not only the first.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
from host.home.storage.problems import LedgerError
from planner_core.model.records import Finding, LedgerStatus, Severity, Side, Trade

if TYPE_CHECKING:
    from pathlib import Path

NEEDED = ("date", "security", "side", "quantity", "price")
OPTIONAL = ("fx_rate",)

RateOn = Callable[[str, datetime.date], float | None]
"""Base units per 1 unit of a security's trade currency on a day; None where it is not known."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The trades up to as_of, oldest first, and whether they are all there."""

    trades: tuple[Trade, ...]
    status: LedgerStatus
    findings: tuple[Finding, ...] = ()


def read_ledger(
    path: Path, as_of: datetime.date, price_divisors: Mapping[str, float], rate_on: RateOn
) -> Ledger:
    """Read a ledger; what is wrong with it is told by status and findings, never raised.

    Parameters
    ----------
    path : Path
    as_of : date
        Later trades are left out, with a finding.
    price_divisors : mapping of security id to float
        How many price units make one unit of the trade currency.
    rate_on : callable
        For a row without `fx_rate`.
    """
    if not may_exist(path):
        message = f"{path}: the trade ledger is missing; no plan without it"
        action = (
            "create it: `date,security,side,quantity,price,fx_rate`, one line per fill, or none"
        )
        finding = Finding("ledger_missing", Severity.ERROR, message, action)
        return Ledger((), LedgerStatus.MISSING, (finding,))
    try:
        table = read_table(path, limits.LEDGER_BYTES_MAX, limits.LEDGER_ROWS_MAX, LedgerError)
        trades = _read_trades(table, price_divisors, rate_on)
    except LedgerError as error:
        return Ledger((), LedgerStatus.INVALID, _findings_of(error))
    known = tuple(sorted((t for t in trades if t.on <= as_of), key=lambda trade: trade.on))
    findings = []
    if len(known) < len(trades):
        count = len(trades) - len(known)
        message = f"{path}: {count} trades after {as_of} are not counted"
        findings.append(Finding("ledger_rows_after_as_of", Severity.INFO, message))
    return Ledger(known, LedgerStatus.VALID, tuple(findings))


def _findings_of(error: LedgerError) -> tuple[Finding, ...]:
    action = "fix the line; no plan until then"
    return tuple(Finding("ledger_invalid", Severity.ERROR, line, action) for line in error.lines)


def _read_trades(
    table: CsvTable, price_divisors: Mapping[str, float], rate_on: RateOn
) -> list[Trade]:
    require_columns(table, NEEDED, OPTIONAL, LedgerError)
    problems = ProblemList(table.source)
    check_cell_counts(table, problems)
    problems.refuse_if_any(LedgerError)
    trades = []
    for row, line in enumerate(table.rows):
        reader = _RowReader(table, row, cells_of(line), problems)
        trade = _read_trade(reader, price_divisors, rate_on)
        if trade is not None:
            trades.append(trade)
    problems.refuse_if_any(LedgerError)
    return trades


class _RowReader:
    """One row, whose cells are read by name; what is wrong is collected."""

    def __init__(self, table: CsvTable, row: int, cells: list[str], problems: ProblemList) -> None:
        self._table = table
        self._row = row
        self._cells = cells
        self._problems = problems

    def text(self, name: str) -> str:
        """Return a cell, empty when there is no such column."""
        header = self._table.header
        return self._cells[header.index(name)] if name in header else ""

    def refuse(self, name: str, message: str) -> None:
        """Report a problem with a cell."""
        header = self._table.header
        column = header.index(name) if name in header else 0
        self._problems.add(self._table.problem(self._row, column, message))

    def positive(self, name: str, limit: float) -> float | None:
        """Return a positive number, reporting anything else."""
        text = self.text(name)
        number = parse_number(text)
        if number is None or not 0 < number <= limit:
            self.refuse(name, f"{name}: {quoted(text)} is no number above 0 and up to {limit:g}")
            return None
        return number


def _read_trade(
    reader: _RowReader, price_divisors: Mapping[str, float], rate_on: RateOn
) -> Trade | None:
    on, security = parse_date(reader.text("date")), reader.text("security")
    side = reader.text("side").lower()
    if on is None:
        reader.refuse("date", f"{quoted(reader.text('date'))} is no date (write YYYY-MM-DD)")
    if not limits.SECURITY_ID.fullmatch(security):
        reader.refuse("security", f"{quoted(security)} is no security id")
    if side not in ("buy", "sell"):
        reader.refuse("side", f"{quoted(reader.text('side'))} is neither buy nor sell")
    quantity = reader.positive("quantity", limits.QUANTITY_MAX)
    price = reader.positive("price", limits.PRICE_MAX)
    rate: float | None
    if reader.text("fx_rate"):
        rate = reader.positive("fx_rate", limits.PRICE_MAX)
    else:
        rate = None if on is None else rate_on(security, on)
        if rate is None and on is not None:
            message = f"no exchange rate is known for {security} on {on} (write it into fx_rate)"
            reader.refuse("fx_rate", message)
    if on is None or quantity is None or price is None or rate is None:
        return None
    if side not in ("buy", "sell"):
        return None
    unit_price = price / price_divisors.get(security, 1.0)
    return Trade(on, security, Side(side), quantity, unit_price, rate)
