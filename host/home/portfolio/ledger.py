"""The ledgers of trades, `portfolios/<bucket>.trades.csv`: the bucket's own and related ones.

Cool-downs and turnover are counted from a bucket's own ledger. It fails closed: when it is missing
or unreadable the recent trades are unknown, and the plan is held. Every wrong line is reported.

Buckets with the same `tax_entity` are taxed together: a buy in one closes the wash-sale window in
the others. Their ledgers fail closed too. The tax office does not accept a loss that was harvested
here and bought again there.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from host import limits
from host.home.portfolio.market_layouts import own_names
from host.home.portfolio.portfolio_file import PortfolioFile, read_portfolio
from host.home.storage.atomic_file import may_exist
from host.home.storage.csv_table import (
    CsvTable,
    ProblemList,
    check_cell_counts,
    quoted,
    read_dates,
    read_decimal_mark,
    read_number,
    read_table,
    require_columns,
)
from host.home.storage.locale_values import number_advice
from host.home.storage.problems import LedgerError, PortfolioFileError
from planner_core.model.records import Finding, LedgerStatus, Severity, Side, Trade

if TYPE_CHECKING:
    from pathlib import Path

    from host.home.home import Home
    from host.home.storage.locale_values import DecimalMark

NEEDED = ("date", "security", "side", "quantity", "price")
OPTIONAL = ("fx_rate",)
NUMBERS = ("quantity", "price", "fx_rate")
SIDES = {
    **dict.fromkeys(("buy", "b", "bought", "bot", "purchase", "kauf"), "buy"),
    **dict.fromkeys(("sell", "s", "sold", "sld", "sale", "verkauf"), "sell"),
}
"""Sides as brokers write them, in small letters."""

RateOn = Callable[[str, datetime.date], float | None]
"""Base units per 1 unit of a security's trade currency on a day; None where unknown."""


RELATED_ACTION = "fix the file; until then no loss is harvested in this bucket"


@dataclass(frozen=True, slots=True)
class Ledger:
    """The trades up to as_of, oldest first, and whether they are complete."""

    trades: tuple[Trade, ...]
    status: LedgerStatus
    findings: tuple[Finding, ...] = ()
    places: tuple[str, ...] = ()
    """`file:line` of each trade."""
    own_rates: tuple[bool, ...] = ()
    """Whether its line has an `fx_rate`."""


def read_ledger(
    path: Path, as_of: datetime.date, price_divisors: Mapping[str, float], rate_on: RateOn
) -> Ledger:
    """Read a ledger; its problems are in status and findings, never raised.

    Parameters
    ----------
    path : Path
    as_of : date
        Later trades are left out, with a finding.
    price_divisors : mapping of security id to float
        Price units per unit of the trade currency.
    rate_on : callable
        For a row without `fx_rate`.
    """
    if not may_exist(path):
        message = f"{path}: the trade ledger is missing; no plan until it exists"
        action = (
            "create it with the header `date,security,side,quantity,price,fx_rate`, and one line"
            " per fill"
        )
        finding = Finding("ledger_missing", Severity.ERROR, message, action)
        return Ledger((), LedgerStatus.MISSING, (finding,))
    try:
        table = read_table(path, limits.LEDGER_BYTES_MAX, limits.LEDGER_ROWS_MAX, LedgerError)
        trades = _read_trades(table, price_divisors, rate_on)
        lines = zip(trades, table.line_numbers, _have_own_rate(table), strict=True)
    except LedgerError as error:
        return Ledger((), LedgerStatus.INVALID, _findings_of(error))
    counted = sorted((line for line in lines if line[0].on <= as_of), key=lambda line: line[0].on)
    findings = []
    if len(counted) < len(trades):
        count = len(trades) - len(counted)
        trades_after = "1 trade" if count == 1 else f"{count} trades"
        message = f"{path}: not counted, because later than {as_of}: {trades_after}"
        findings.append(Finding("ledger_rows_after_as_of", Severity.INFO, message))
    return Ledger(
        tuple(trade for trade, _, _ in counted),
        LedgerStatus.VALID,
        tuple(findings),
        places=tuple(f"{path}:{number}" for _, number, _ in counted),
        own_rates=tuple(is_own for _, _, is_own in counted),
    )


def _have_own_rate(table: CsvTable) -> list[bool]:
    """Return for each row whether it has an `fx_rate`."""
    names = [name.lower() for name in table.header]
    if "fx_rate" not in names:
        return [False] * len(table.rows)
    column = names.index("fx_rate")
    return [bool(table.cells(row)[column]) for row in range(len(table.rows))]


def _findings_of(error: LedgerError) -> tuple[Finding, ...]:
    action = "fix the line; no plan is made until then"
    return tuple(Finding("ledger_invalid", Severity.ERROR, line, action) for line in error.lines)


def _read_trades(
    table: CsvTable, price_divisors: Mapping[str, float], rate_on: RateOn
) -> list[Trade]:
    table = replace(table, header=tuple(name.lower() for name in table.header))
    require_columns(table, NEEDED, OPTIONAL, LedgerError)
    problems = ProblemList(table.source)
    check_cell_counts(table, problems)
    problems.refuse_if_any(LedgerError)
    cells = [table.cells(row) for row in range(len(table.rows))]
    at = table.header.index
    names = own_names([row[at("security")] for row in cells], price_divisors)
    days, _ = read_dates(table, at("date"), problems)
    places = [at(name) for name in NUMBERS if name in table.header]

    def numbers() -> Iterator[tuple[int, int, str]]:
        for row, texts in enumerate(cells):
            yield from ((row, place, texts[place]) for place in places)

    mark = read_decimal_mark(table, numbers, problems)
    trades = []
    for row, on in enumerate(days):
        reader = _RowReader(table, row, cells[row], problems, mark)
        written = reader.text("security")
        security = names.get(written, written)
        trade = _read_trade(reader, on, security, price_divisors, rate_on)
        if trade is not None:
            trades.append(trade)
    problems.refuse_if_any(LedgerError)
    return trades


class _RowReader:
    """One row; its cells are read by name, and their problems are collected."""

    def __init__(
        self,
        table: CsvTable,
        row: int,
        cells: list[str],
        problems: ProblemList,
        mark: DecimalMark,
    ) -> None:
        self._mark: DecimalMark = mark
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
        number = read_number(text, self._mark)
        if number is None or not 0 < number <= limit:
            advice = number_advice(text) if number is None else ""
            hint = f" ({advice})" if advice else ""
            what = f"is not a number above 0 and up to {limit:g}{hint}"
            self.refuse(name, f"{name}: {quoted(text)} {what}")
            return None
        return number


def _read_trade(
    reader: _RowReader,
    on: datetime.date | None,
    security: str,
    price_divisors: Mapping[str, float],
    rate_on: RateOn,
) -> Trade | None:
    """Return the trade of a row; None, with its problems, where it has any."""
    side = SIDES.get(reader.text("side").lower(), "")
    if not limits.SECURITY_ID.fullmatch(security):
        reader.refuse("security", f"{quoted(security)} is not a security id")
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
            message = f"no exchange rate for {security} on {on} (write it into fx_rate)"
            reader.refuse("fx_rate", message)
    if on is None or quantity is None or price is None or rate is None:
        return None
    if side not in ("buy", "sell"):
        return None
    unit_price = price / price_divisors.get(security, 1.0)
    return Trade(on, security, Side(side), quantity, unit_price, rate)


# --- related ledgers -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RelatedTrades:
    """Fills of other buckets in securities of this one, oldest first per bucket."""

    trades: tuple[Trade, ...] = ()
    findings: tuple[Finding, ...] = ()


def read_related_trades(
    home: Home, bucket_id: str, portfolio: PortfolioFile, rate_on: RateOn
) -> RelatedTrades:
    """Read the ledgers of all buckets of the same tax entity; never fails.

    Parameters
    ----------
    home : Home
    bucket_id : str
        The bucket that is planned.
    portfolio : PortfolioFile
        Its portfolio. Without a `tax_entity` it has no related buckets, and nothing is read.
    rate_on : callable
        Rates of its securities, for fills without a rate.
    """
    entity = portfolio.tables.tax_entity
    if entity is None:
        return RelatedTrades()
    trades: list[Trade] = []
    findings: list[Finding] = []
    for other in home.bucket_ids():
        if other == bucket_id:
            continue
        try:
            # Read as of its own day: a lot after our day is not an error there.
            related = read_portfolio(home.portfolio_file(other))
        except PortfolioFileError as error:
            findings.append(
                _unknown(f"{error.lines[0]}; whether {other} is taxed with this bucket")
            )
            continue
        if related.tables.tax_entity == entity:
            fills = _fills_of(home, other, related, portfolio, rate_on)
            trades.extend(fills.trades)
            findings.extend(fills.findings)
    if findings:
        trades.extend(_one_buy_each(portfolio))
    return RelatedTrades(tuple(trades), tuple(findings))


def _fills_of(
    home: Home, other: str, related: PortfolioFile, planned: PortfolioFile, rate_on: RateOn
) -> RelatedTrades:
    securities = planned.tables.securities

    def rate(security: str, day: datetime.date) -> float | None:
        # Securities of other buckets alone are left out below, so their rate does not matter.
        return rate_on(security, day) if security in securities else 1.0

    divisors = {key: table.price_divisor for key, table in related.tables.securities.items()}
    ledger = read_ledger(home.ledger_file(other), planned.as_of, divisors, rate)
    if ledger.status is not LedgerStatus.VALID:
        why = ledger.findings[0].message if ledger.findings else ledger.status.value
        return RelatedTrades((), (_unknown(f"{why}; whether {other} bought the same securities"),))
    return RelatedTrades(tuple(trade for trade in ledger.trades if trade.security in securities))


def _unknown(what: str) -> Finding:
    return Finding(
        "related_ledger_unreadable",
        Severity.ERROR,
        f"{what} is unknown, so every wash-sale window counts as closed",
        RELATED_ACTION,
    )


def _one_buy_each(portfolio: PortfolioFile) -> list[Trade]:
    """Return a buy of every security today: it closes all windows, the only use of the trades."""
    return [
        Trade(portfolio.as_of, security, Side.BUY, 1.0, 1.0)
        for security in portfolio.tables.securities
    ]
