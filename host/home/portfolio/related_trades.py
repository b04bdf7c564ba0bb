"""Fills in other buckets that are taxed together: a buy there closes the wash-sale window here.

Buckets with the same `tax_entity` belong together. What cannot be read fails closed: a loss that is
harvested although it was bought again elsewhere is a loss the tax office does not accept.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

from host.home.portfolio.ledger import RateOn, read_ledger
from host.home.portfolio.portfolio_files import PortfolioFile, read_portfolio
from host.home.storage.problems import PortfolioFileError
from planner_core.model.records import Finding, LedgerStatus, Severity, Side, Trade

if TYPE_CHECKING:
    from host.home.home import Home

ACTION = "correct the file; until then no loss is harvested in this bucket"


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
        Its portfolio. Without a `tax_entity` it shares with nobody, and nothing is read.
    rate_on : callable
        Rates of its securities, for fills that name none.
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
            # Read for their own day: a lot that is younger than our day is not wrong there.
            theirs = read_portfolio(home.portfolio_file(other))
        except PortfolioFileError as error:
            findings.append(_unknown(f"{error.lines[0]}: whether it is taxed with this bucket"))
            continue
        if theirs.tables.tax_entity == entity:
            found = _fills_of(home, other, theirs, portfolio, rate_on)
            trades.extend(found.trades)
            findings.extend(found.findings)
    if findings:
        trades.extend(_as_if_bought_today(portfolio))
    return RelatedTrades(tuple(trades), tuple(findings))


def _fills_of(
    home: Home, other: str, theirs: PortfolioFile, ours: PortfolioFile, rate_on: RateOn
) -> RelatedTrades:
    known = ours.tables.securities

    def rate(security: str, day: datetime.date) -> float | None:
        # A security that is not in this bucket is left out below, so its rate does not matter.
        return rate_on(security, day) if security in known else 1.0

    divisors = {key: table.price_divisor for key, table in theirs.tables.securities.items()}
    ledger = read_ledger(home.ledger_file(other), ours.as_of, divisors, rate)
    if ledger.status is not LedgerStatus.VALID:
        why = ledger.findings[0].message if ledger.findings else ledger.status.value
        return RelatedTrades((), (_unknown(f"{why}; what was bought in {other}"),))
    return RelatedTrades(tuple(trade for trade in ledger.trades if trade.security in known))


def _unknown(what: str) -> Finding:
    return Finding(
        "related_ledger_unreadable",
        Severity.ERROR,
        f"{what} is not known, so every wash-sale window counts as closed",
        ACTION,
    )


def _as_if_bought_today(portfolio: PortfolioFile) -> list[Trade]:
    """Return a buy of everything: with it no window is open. Related trades serve nothing else."""
    return [
        Trade(portfolio.as_of, security, Side.BUY, 1.0, 1.0)
        for security in portfolio.tables.securities
    ]
