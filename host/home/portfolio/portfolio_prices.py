"""Closes and rates for a portfolio, checked against what it says of currencies and price units."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from host.home.portfolio.contradictions.rates import directions_as_toml
from host.home.portfolio.market_data import DailyTable, read_prices, read_rates
from host.home.storage.locale_values import units_of_sign
from host.home.storage.problems import FileProblem, MarketDataError
from planner_core.model.currencies import UNITS_PER_EURO, is_inverted, is_witness
from planner_core.model.records import Finding, Severity

if TYPE_CHECKING:
    from host.home.home import Home
    from host.home.portfolio.portfolio_file import PortfolioFile

CLOSES_WORDS = {"price": "prices", "total_return": "total return"}
CODES_SHOWN_MAX = 3
SIMILARITY_MIN = 0.6
"""`AAPL` and `AAPL.US` have 0.73, `EUR` and `EURUSD=X` 0.55."""


def read_portfolio_prices(
    home: Home, portfolio: PortfolioFile, names: Sequence[str], rows_max: int | None = None
) -> DailyTable:
    """Read the closes of securities of a portfolio.

    Raises
    ------
    MarketDataError
        The table is unusable, or its currency signs contradict the portfolio.
    """
    securities = tuple(portfolio.tables.securities)
    # Another bucket reads the same file, so one security here is not the only one it can be of.
    has_one = len(securities) == 1 and len(home.bucket_ids()) == 1
    only = securities[0] if has_one else None
    kind = portfolio.tables.market.closes
    prices = read_prices(home.prices_file, names, portfolio.as_of, rows_max, only, kind)
    prices = replace(prices, findings=(*prices.findings, *_closes_findings(prices, portfolio)))
    problems = []
    for name, signs in prices.signs.items():
        table = portfolio.tables.securities[name]
        unit = table.quote_currency
        for sign in signs:
            if unit not in units_of_sign(sign):
                message = (
                    f"{name} is quoted in {unit}, but its closes in {prices.source} have the sign"
                    f" {sign} ({_cure(unit, units_of_sign(sign))})"
                )
                path = ("securities", name, "currency" if unit == table.currency else "price_unit")
                problems.append(portfolio.document.problem(path, message))
    if problems:
        raise MarketDataError(problems)
    return prices


def _closes_findings(prices: DailyTable, portfolio: PortfolioFile) -> Iterator[Finding]:
    """Yield what is open or contradictory about the kind of closes."""
    setting, source = portfolio.tables.market.closes, portfolio.document.source
    if setting is None and prices.closes is None and prices.is_download:
        yield Finding(
            "price_closes_unknown",
            Severity.INFO,
            f"{prices.source}: closes of a download may be prices, or count dividends back",
            f'write closes = "price" or closes = "total_return" under [market] in {source}',
        )
    elif setting is not None and prices.closes not in (None, setting):
        yield Finding(
            "price_closes_contradict",
            Severity.WARNING,
            f"{prices.source}: the closes are named as {CLOSES_WORDS[prices.closes]}, but {source}"
            f" says {CLOSES_WORDS[setting]}",
            f"correct `closes` under [market] in {source}, or use the other column",
        )


def read_portfolio_rates(
    home: Home, portfolio: PortfolioFile, currencies: Sequence[str]
) -> DailyTable:
    """Read rates in the base currency of a portfolio; see `read_portfolio_prices`."""
    base = portfolio.tables.base_currency
    witnesses = [name for name in UNITS_PER_EURO if is_witness(name, base)]
    rates = read_rates(home.fx_file, currencies, portfolio.as_of, witnesses)
    market = portfolio.tables.market
    powers = np.array([-1.0 if market.direction_of(n) == "inverse" else 1.0 for n in rates.columns])
    rates = replace(
        rates,
        values=rates.values**powers,
        witnesses={
            name: 1 / rate if market.direction_of(name) == "inverse" else rate
            for name, rate in rates.witnesses.items()
        },
    )
    _refuse_inverted(rates, portfolio)
    for name, signs in rates.signs.items():
        for sign in signs:
            if base not in units_of_sign(sign):
                message = (
                    f"rates of {name} have the sign {sign}, but the base currency is {base}"
                    f" (write {base} per 1 {name})"
                )
                raise MarketDataError([FileProblem(rates.source, None, None, message)])
    return rates


def _refuse_inverted(rates: DailyTable, portfolio: PortfolioFile) -> None:
    """Refuse a table with a rate that only makes sense upside down: then all of it may be."""
    base, market = portfolio.tables.base_currency, portfolio.tables.market
    for name, rate in {**rates.witnesses, **rates.last_values()}.items():
        direction = market.direction_of(name)
        if direction != "direct" and is_inverted(rate, name, base):
            turned = "inverse" if direction is None else "direct"
            written = {other: market.direction_of(other) for other in rates.columns}
            alone = directions_as_toml({**written, name: turned})
            message = (
                f"the last rate of {name} is {rate:g}: that is {name} per 1 {base}, as the ECB"
                f" writes it (write {base} per 1 {name}, that is {1 / rate:.6g}, every column the"
                f' same way; or write rates_direction = "{turned}" under [market] in'
                f" {portfolio.document.source}, for this column alone {alone})"
            )
            raise MarketDataError([FileProblem(rates.source, None, None, message)])


def _cure(unit: str, others: Sequence[str]) -> str:
    if "GBX" in (unit, *others):
        return 'write price_unit = "GBX" for closes in pence, none for closes in pounds'
    choices = " or ".join(f'"{other}"' for other in others[:CODES_SHOWN_MAX])
    return f"write closes in {unit}, or set currency = {choices}"


def similar_name(name: str, names: Iterable[str]) -> str | None:
    """Return the most similar name, whatever its case; None without a similar one."""
    folded = {other.casefold(): other for other in names}
    close = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=SIMILARITY_MIN)
    return folded[close[0]] if close else None


def missing_column(table: DailyTable, name: str) -> str:
    """Return that a table lacks a name, with a similar one that it has."""
    close = similar_name(name, table.other_columns)
    hint = f"; did you mean {close!r:.80}, which it has?" if close else ""
    return f"{table.source} has no {'rows of' if table.is_long else 'column'} {name}{hint}"


def pair_column(name: str, base: str, columns: Iterable[str]) -> str | None:
    """Return what to do with a column named after a pair of currencies, such as EURUSD."""
    for column in columns:
        letters = "".join(char for char in column.upper().removesuffix("=X") if char.isalpha())
        if letters == name + base:
            # A pair XXXYYY is the price of 1 XXX in YYY.
            return f"if {column!r:.80} is {base} per 1 {name}, call that column {name}"
        if letters == base + name:
            return f"{column!r:.80} is {name} per 1 {base}: write 1 / rate, and call it {name}"
    return None
