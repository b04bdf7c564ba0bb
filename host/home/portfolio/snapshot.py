"""Read the files of a home into the frozen context that a plan is made from."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from host.clock import utc_now
from host.home.portfolio.accepted_moves import AcceptedMoves, read_accepted_moves
from host.home.portfolio.advice import read_advice_state
from host.home.portfolio.bond_quotes import (
    DEFAULT_DENOMINATION,
    bond_terms,
    quote_findings,
    refused_quotes,
    security_kind,
)
from host.home.portfolio.contradictions.cross_check import (
    BucketFiles,
    cross_check,
    units_in_plans,
)
from host.home.portfolio.contradictions.lots import PlacedLot
from host.home.portfolio.ledger import read_ledger, read_related_trades
from host.home.portfolio.market_data import (
    DailyTable,
    adjust_for_splits,
    read_splits,
)
from host.home.portfolio.portfolio_file import PortfolioFile, read_portfolio
from host.home.portfolio.portfolio_prices import (
    missing_column,
    pair_column,
    read_portfolio_prices,
    read_portfolio_rates,
)
from host.home.portfolio.recurring_flows import expected_flows
from host.home.storage.problems import FileProblem, MarketDataError
from planner_core.market.bonds import accrued_interest
from planner_core.model.context import PlanningContext
from planner_core.model.records import (
    PERCENT,
    CashBalance,
    CashFlow,
    Finding,
    GroupRule,
    PendingOrder,
    Security,
    SecurityKind,
    Severity,
    Side,
    TaxLot,
    Trade,
)

if TYPE_CHECKING:
    from host.home.home import Home
    from host.home.portfolio.contradictions.targets import WrittenCap
    from host.home.portfolio.portfolio_file import SecurityTable
    from planner_core.model.arrays import FloatArray

HISTORY_DAYS = 756
ROWS_BEYOND_HISTORY = 260 + 60
"""A year for highs and momentum, and a quarter for days on which a market was closed."""
BASE_RATE_TOLERANCE = 1e-9


def take_snapshot(
    home: Home,
    bucket_id: str,
    as_of: datetime.date | None = None,
    *,
    history_days: int = HISTORY_DAYS,
    now: Callable[[], datetime.datetime] = utc_now,
    written_cap: WrittenCap | None = None,
) -> PlanningContext:
    """Read a bucket: portfolio, ledger, market data and the state of earlier advice.

    Parameters
    ----------
    home : Home
    bucket_id : str
    as_of : date, optional
        None: the portfolio's own `as_of`, else today in its time zone.
    history_days : int, market days
        `estimation.history_days` of the bucket's configuration.
    now : callable returning an aware datetime
    written_cap : WrittenCap, optional
        Of the bucket's configuration, where its owner wrote one; see `find_written_cap`.

    Raises
    ------
    HomeError
        There is no such bucket.
    PortfolioFileError
        The portfolio file is wrong; with all problems.
    MarketDataError
        The market data is unusable; with all problems.
    """
    home.require_bucket(bucket_id)
    portfolio = read_portfolio(home.portfolio_file(bucket_id), as_of, now)
    files = _read_files(home, bucket_id, portfolio, history_days + ROWS_BEYOND_HISTORY, written_cap)
    checked = cross_check(files)
    ledger, tables = files.ledger, portfolio.tables
    related = read_related_trades(
        home, bucket_id, portfolio, _Reader(portfolio, files.rates, []).rate_of_security
    )
    advice = read_advice_state(home, bucket_id, portfolio.as_of, ledger.trades)
    accepted = read_accepted_moves(home.accepted_moves_file)
    expected = expected_flows(portfolio)
    findings = [
        *files.prices.findings,
        *(files.rates.findings if files.rates is not None else ()),
        *quote_findings(portfolio, files.closes),
        *_missing_columns(portfolio, files.prices),
        *ledger.findings,
        *checked.findings,
        *related.findings,
        *advice.findings,
        *accepted.findings,
        *expected.findings,
    ]
    return PlanningContext(
        bucket_id=bucket_id,
        as_of=portfolio.as_of,
        base_currency=tables.base_currency,
        securities=tuple(security_of(key, table) for key, table in tables.securities.items()),
        dates=files.prices.dates,
        prices=files.closes,
        fx_rates=_aligned_rates(files.rates, files.prices, tables.base_currency),
        lots=checked.lots,
        cash=tuple(
            CashBalance(currency, table.settled, table.unsettled, table.cash_yield)
            for currency, table in tables.cash.items()
        ),
        cash_flows=(*_listed_flows(portfolio), *expected.withdrawals),
        trades=_with_interest(ledger.trades, tables.securities),
        ledger_status=ledger.status,
        pending_orders=_pending_orders(portfolio),
        group_rules=_group_rules(portfolio),
        related_trades=related.trades,
        refused=advice.refused,
        incumbent=advice.incumbent,
        accepted_prices=_accepted_prices(portfolio, accepted),
        held_back=checked.held_back,
        value_factors=checked.value_factors,
        hold_reason=checked.hold_reason,
        findings=tuple(findings),
        deposits_per_year=expected.deposits_per_year,
        next_deposit=expected.next_deposit,
    )


def _listed_flows(portfolio: PortfolioFile) -> tuple[CashFlow, ...]:
    return tuple(CashFlow(table.date, table.amount) for table in portfolio.tables.cash_flows)


def _group_rules(portfolio: PortfolioFile) -> tuple[GroupRule, ...]:
    return tuple(
        GroupRule(classification, group, table.target, table.cap)
        for classification, groups in portfolio.tables.groups.items()
        for group, table in groups.items()
    )


def _read_files(
    home: Home,
    bucket_id: str,
    portfolio: PortfolioFile,
    rows: int,
    written_cap: WrittenCap | None,
) -> BucketFiles:
    """Read market data and ledger; raise MarketDataError with all that a plan cannot do without."""
    securities = portfolio.tables.securities
    prices = read_portfolio_prices(home, portfolio, tuple(securities), rows)
    rates = _read_rates(home, portfolio)
    splits = read_splits(home.corporate_actions_file, portfolio.as_of, tuple(securities))
    adjusted, without_jump = adjust_for_splits(prices, splits)
    closes = _closes_in_major_units(portfolio, prices, adjusted)
    reader = _Reader(portfolio, rates, [])
    lots = reader.lots()
    reader.check(home, prices, closes)
    ledger = read_ledger(
        home.ledger_file(bucket_id),
        portfolio.as_of,
        {key: table.price_divisor for key, table in securities.items()},
        reader.rate_of_security,
    )
    return BucketFiles(
        portfolio=portfolio,
        prices=prices,
        closes=closes,
        rates=rates,
        splits=splits,
        splits_source=str(home.corporate_actions_file),
        without_jump=without_jump,
        lots=lots,
        ledger=ledger,
        written_cap=written_cap,
        stored_plans=units_in_plans(home, bucket_id),
    )


def security_of(security_id: str, table: SecurityTable) -> Security:
    """Turn a `[securities.ID]` table into the planner's security."""
    kind, in_percent = security_kind(table), table.price_unit == PERCENT
    return Security(
        id=security_id,
        name=table.name or security_id,
        currency=table.currency,
        lot_size=table.lot_size or (DEFAULT_DENOMINATION if in_percent else 1.0),
        min_trade_value=table.min_trade_value,
        fractional=kind is SecurityKind.CRYPTO if table.fractional is None else table.fractional,
        groups=table.groups,
        allow_buy=table.allow_buy,
        allow_sell=table.allow_sell,
        quality=table.quality,
        half_spread_bps=table.half_spread_bps,
        adv_value=table.adv_value,
        target=table.target,
        cap=table.cap,
        kind=kind,
        diversified=kind is SecurityKind.FUND if table.diversified is None else table.diversified,
        quote_unit="" if table.price_unit in (None, "unit") else table.price_unit,
        quote_factor=1 / table.price_divisor,
        bond=bond_terms(table),
        accrued=None if table.accrued is None else table.accrued / table.price_divisor,
    )


@dataclass(slots=True)
class _Reader:
    """Joins portfolio and rates, and collects the problems between them."""

    portfolio: PortfolioFile
    rates: DailyTable | None
    problems: list[FileProblem]

    def lots(self) -> tuple[PlacedLot, ...]:
        """Return every tax lot with its place, in trade currency, with its purchase's rate."""
        lots = []
        for security, table in self.portfolio.tables.securities.items():
            divisor = table.price_divisor
            for index, lot in enumerate(table.lots):
                rate = lot.fx_rate
                if rate is None and table.currency == self.portfolio.tables.base_currency:
                    rate = 1.0
                elif rate is None and lot.date is not None:
                    rate = self._rate_on(table.currency, lot.date)
                if rate is None:
                    when = f"on {lot.date}" if lot.date else "on an unknown day"
                    self._refuse(
                        ("securities", security, "lots", index),
                        f"{security}: no {table.currency} rate {when}"
                        " (write fx_rate = ... into the lot, or add the day to market/fx.csv)",
                    )
                    continue
                cost = lot.unit_cost / divisor
                place = self.portfolio.place("securities", security, "lots", index)
                tax_lot = TaxLot(security, lot.quantity, cost, rate, lot.date)
                lots.append(PlacedLot(tax_lot, place, lot.unit_cost))
        return tuple(lots)

    def rate_of_security(self, security: str, day: datetime.date) -> float | None:
        """Return the rate of a security's currency on a day; 1 for a security that is gone.

        Its currency is unknown by now; its fills only count for the turnover.
        """
        table = self.portfolio.tables.securities.get(security)
        return 1.0 if table is None else self._rate_on(table.currency, day)

    def check(self, home: Home, prices: DailyTable, closes: FloatArray) -> None:
        """Raise MarketDataError with all problems, those of the lots included."""
        self._check_prices(prices, closes)
        self._check_currencies(home)
        for path, message in refused_quotes(self.portfolio, closes):
            self._refuse(path, message)
        if self.problems:
            raise MarketDataError(self.problems)

    def _check_prices(self, prices: DailyTable, closes: FloatArray) -> None:
        """Report held securities without a price: never leave them out or value them at cost."""
        for column, (security, table) in enumerate(self.portfolio.tables.securities.items()):
            if not table.lots or not np.all(np.isnan(closes[:, column])):
                continue
            faults = prices.faults.get(security)
            if security not in prices.columns:
                what = f"{security} is held, but {missing_column(prices, security)}"
                self._refuse(("securities", security), f"{what} (add it, with closes)")
            elif faults is not None:
                # The cause is in the table: show the first cell, not the portfolio's line.
                cause = f"{faults.first.message}{faults.others()}"
                message = f"no usable close of {security}, which is held: {cause}"
                self.problems.append(replace(faults.first, message=message))
            else:
                what = f"no usable close of {security}, which is held ({prices.source})"
                self._refuse(("securities", security), f"{what}: add closes up to as_of")

    def _check_currencies(self, home: Home) -> None:
        """Report currencies without a rate: a missing rate is never taken as 1."""
        columns = self.rates.columns if self.rates is not None else ()
        others = self.rates.other_columns if self.rates is not None else ()
        base = self.portfolio.tables.base_currency
        for security, table in self.portfolio.tables.securities.items():
            if table.currency not in (base, *columns):
                cure = pair_column(table.currency, base, others)
                self._refuse(
                    ("securities", security, "currency"),
                    f"{security} is quoted in {table.currency}, but {home.fx_file} has no column"
                    f" {table.currency} ({cure or f'add it: {base} per 1 {table.currency}'})",
                )
        for currency in self.portfolio.tables.cash:
            if currency not in (base, *columns):
                cure = pair_column(currency, base, others)
                self._refuse(
                    ("cash", currency),
                    f"cash in {currency}, but {home.fx_file} has no column {currency}"
                    f" ({cure or f'add it: {base} per 1 {currency}'})",
                )

    def _rate_on(self, currency: str, day: datetime.date) -> float | None:
        if currency == self.portfolio.tables.base_currency:
            return 1.0
        if self.rates is None or currency not in self.rates.columns:
            return None
        return self.rates.value_on(currency, day)

    def _refuse(self, path: tuple[str | int, ...], message: str) -> None:
        self.problems.append(self.portfolio.document.problem(path, message))


def _read_rates(home: Home, portfolio: PortfolioFile) -> DailyTable | None:
    """Read the rates that are needed; a portfolio in one currency needs no file."""
    base = portfolio.tables.base_currency
    foreign = currencies_in_use(portfolio)
    if not foreign:
        return None
    rates = read_portfolio_rates(home, portfolio, (*foreign, base))
    if base in rates.columns:
        own = rates.series(base)
        if np.nanmax(np.abs(own - 1.0), initial=0.0) > BASE_RATE_TOLERANCE:
            message = (
                f"the column {base} is not 1, so these rates are not per {base}, the base currency"
                f" of {portfolio.document.source} (give rates in {base} per 1 unit)"
            )
            raise MarketDataError([FileProblem(rates.source, None, None, message)])
    return rates


def _closes_in_major_units(
    portfolio: PortfolioFile, prices: DailyTable, adjusted: FloatArray
) -> FloatArray:
    """Return closes per security of the portfolio, in trade currency; NaN without prices."""
    tables = portfolio.tables.securities
    closes = np.full((len(prices.dates), len(tables)), np.nan)
    column_of = {security: column for column, security in enumerate(prices.columns)}
    for column, (security, table) in enumerate(tables.items()):
        if security in column_of:
            closes[:, column] = adjusted[:, column_of[security]] / table.price_divisor
    return closes


def _with_interest(
    trades: Sequence[Trade], securities: Mapping[str, SecurityTable]
) -> tuple[Trade, ...]:
    """Return the fills with the interest that was paid beside the price of a bond."""
    terms = {name: bond_terms(table) for name, table in securities.items()}
    return tuple(
        trade
        if (bond := terms.get(trade.security)) is None
        else replace(trade, accrued=float(accrued_interest(bond, np.array([trade.on], "M8[D]"))[0]))
        for trade in trades
    )


def _missing_columns(portfolio: PortfolioFile, prices: DailyTable) -> list[Finding]:
    """Return a finding for each security without prices: it cannot be planned with."""
    return [
        Finding(
            "price_column_missing",
            Severity.WARNING,
            f"{missing_column(prices, security)}: it is left out",
            f"add closes of {security}, or delete {portfolio.place('securities', security)}",
            security,
        )
        for security in portfolio.tables.securities
        if security not in prices.columns
    ]


def _aligned_rates(
    rates: DailyTable | None, prices: DailyTable, base: str
) -> dict[str, FloatArray]:
    if rates is None:
        return {}
    return {
        currency: rates.aligned(currency, prices.dates)
        for currency in rates.columns
        if currency != base
    }


def _accepted_prices(
    portfolio: PortfolioFile, accepted: AcceptedMoves
) -> frozenset[tuple[str, datetime.date]]:
    """Return the moves accepted in the portfolio and for all buckets, of names in use here."""
    tables = portfolio.tables
    names = {*tables.securities, *currencies_in_use(portfolio)}
    own = {(table.security, table.date) for table in tables.accepted_prices}
    return frozenset(own | {move for move in accepted.moves if move[0] in names})


def currencies_in_use(portfolio: PortfolioFile) -> tuple[str, ...]:
    """Return the foreign currencies of securities and accounts, sorted."""
    in_use = {table.currency for table in portfolio.tables.securities.values()}
    return tuple(sorted((in_use | set(portfolio.tables.cash)) - {portfolio.tables.base_currency}))


def _pending_orders(portfolio: PortfolioFile) -> tuple[PendingOrder, ...]:
    orders = []
    for table in portfolio.tables.pending_orders:
        divisor = portfolio.tables.securities[table.security].price_divisor
        limit = None if table.limit_price is None else table.limit_price / divisor
        orders.append(PendingOrder(table.security, Side(table.side), table.quantity, limit))
    return tuple(orders)
