"""Deposits and withdrawals that come back: the `[[recurring_flows]]` of a portfolio.

The days of a flow are its first day plus whole months, quarters or years. Where a month lacks that
day, its last day stands in. Without `first` they are the first days of each month, quarter or year.
"""

from __future__ import annotations

import calendar
import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from planner_core.model.records import CashFlow, Finding, Severity

if TYPE_CHECKING:
    from host.home.portfolio.portfolio_file import PortfolioFile, RecurringFlowTable

MONTHS: Final = {"month": 1, "quarter": 3, "year": 12}
"""Months between two days of a flow."""
HORIZON_DAYS: Final = 365
"""A year ahead; also the longest notice of a withdrawal."""
MONTHS_PER_YEAR: Final = 12


@dataclass(frozen=True, slots=True)
class ExpectedFlows:
    """The flows of the year ahead, base currency.

    Parameters
    ----------
    withdrawals : tuple of CashFlow
        Today's included; their amounts are negative.
    deposits_per_year : float
        Deposits less withdrawals; 0 if that is negative.
    next_deposit : CashFlow, optional
        The next one after today.
    findings : tuple of Finding
    """

    withdrawals: tuple[CashFlow, ...] = ()
    deposits_per_year: float = 0.0
    next_deposit: CashFlow | None = None
    findings: tuple[Finding, ...] = ()


def expected_flows(portfolio: PortfolioFile) -> ExpectedFlows:
    """Return what the recurring flows of a portfolio come to from its day on.

    A withdrawal that `[[cash_flows]]` lists for the same day is not counted twice.
    """
    tables, today = portfolio.tables.recurring_flows, portfolio.as_of
    days_left = (datetime.date.max - today).days
    horizon = today + datetime.timedelta(days=min(HORIZON_DAYS, days_left))
    flows = [
        CashFlow(day, table.amount) for table in tables for day in days_of(table, today, horizon)
    ]
    listed = {flow.date for flow in portfolio.tables.cash_flows if flow.amount < 0}
    # Money of today is in the accounts already, but a withdrawal of today may not have left yet.
    deposits = [flow for flow in flows if flow.amount > 0 and flow.on > today]
    withdrawals = [flow for flow in flows if flow.amount < 0]
    net = sum(flow.amount for flow in flows if flow.on > today)
    return ExpectedFlows(
        withdrawals=tuple(flow for flow in withdrawals if flow.on not in listed),
        deposits_per_year=max(0.0, net),
        next_deposit=min(deposits, key=lambda flow: flow.on, default=None),
        findings=tuple(_ended_findings(portfolio, tables)),
    )


def days_of(
    table: RecurringFlowTable, start: datetime.date, end: datetime.date
) -> Iterator[datetime.date]:
    """Yield the days of a flow from `start` to `end`, both included."""
    step = MONTHS[table.every]
    # Without a first day, any first day of a period long ago is one.
    first = table.first or datetime.date(max(datetime.MINYEAR, start.year - 1), 1, 1)
    last = end if table.until is None else min(end, table.until)
    # The first day at or after `start` is at least this many steps on.
    months = (start.year - first.year) * MONTHS_PER_YEAR + start.month - first.month
    number = max(0, months // step)
    while (day := _months_later(first, number * step)) is not None and day <= last:
        if day >= start:
            yield day
        number += 1


def _months_later(day: datetime.date, months: int) -> datetime.date | None:
    """Return the same day some months later, or the last day of a month that lacks it.

    None beyond the last year that a date can have.
    """
    year, month = divmod(day.year * MONTHS_PER_YEAR + day.month - 1 + months, MONTHS_PER_YEAR)
    if year > datetime.MAXYEAR:
        return None
    last = calendar.monthrange(year, month + 1)[1]
    return datetime.date(year, month + 1, min(day.day, last))


def _ended_findings(
    portfolio: PortfolioFile, tables: Sequence[RecurringFlowTable]
) -> Iterator[Finding]:
    """Yield a finding for each flow that is over: it no longer counts."""
    for index, table in enumerate(tables):
        if table.until is not None and table.until < portfolio.as_of:
            place = portfolio.place("recurring_flows", index)
            yield Finding(
                "recurring_flow_ended",
                Severity.WARNING,
                f"{place}: the {'deposit' if table.amount > 0 else 'withdrawal'} of"
                f" {abs(table.amount):,.2f} every {table.every} ended on {table.until}; it counts"
                " no more",
                "delete it, or write a later `until`",
            )
