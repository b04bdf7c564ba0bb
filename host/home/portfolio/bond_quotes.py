"""Bonds in a portfolio: their terms, and holdings that look as if they were quoted in percent.

10,000 nominal at 98 percent are worth 9,800. Without `price_unit = "percent"` they count as
980,000, and every weight of the portfolio is wrong. So a holding that looks like such a bond is
refused or held back, until the portfolio says how it is quoted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from planner_core.market.bonds import accrued_interest
from planner_core.model.records import PERCENT, BondTerms, DayCount, Finding, SecurityKind, Severity

if TYPE_CHECKING:
    from host.home.portfolio.portfolio_file import PortfolioFile, SecurityTable
    from planner_core.model.arrays import FloatArray

DEFAULT_DENOMINATION = 1_000.0
"""Nominal that trades are a multiple of, where the portfolio does not say."""
QUOTE_NEAR_PAR = (50.0, 150.0)
"""Quotes of bonds lie in it, but for those in distress and long ones without coupons."""
QUOTE_OF_BOND = (5.0, 250.0)
"""The same for what the portfolio calls a bond."""
QUOTE_LOW = 2.0
"""Percent of par below which a quote looks like a fraction: 0.98 for 98 %."""
ACCRUED_DIFFERENCE = 0.25
"""Percent of par by which typed interest may differ from what the terms give."""
NOMINAL_STEP = 100.0
"""Nominal amounts are multiples of it, the smallest denomination that is common."""
NOMINAL_MIN = 1_000.0
"""Without the name of a bond they are multiples of the usual denomination."""
CALM_DAILY_MOVE = 0.0035
"""Median daily move below which closes look like a bond's. The calmest two years of 20 large US
shares, 2012 to 2022, have 0.0039; yields that move by 3 bp move ten years by about 0.0025."""
COUPON_LOW = 0.1
"""Percent per year; a lower coupon looks like a fraction: 0.05 for 5 %."""
BOND_WORDS = re.compile(
    r"\d\s?%|\b(bonds?|treasury|treasuries|t-?bills?|t-?notes?|gilts?|bunds?|bundesanleihe|btps?"
    r"|oat|bobl|schatz|anleihe|obligations?|obligaci[oó]n|schuldverschreibung|notes?|nominal)\b",
    re.IGNORECASE,
)
FUND_WORDS = re.compile(
    r"\b(etfs?|etc|ucits|funds?|fonds|index|trust|ishares|vanguard|spdr|xtrackers|amundi|lyxor"
    r"|invesco)\b",
    re.IGNORECASE,
)


def security_kind(table: SecurityTable) -> SecurityKind:
    """Return the kind of a security; without one in the portfolio its price unit tells."""
    if table.kind is not None:
        return SecurityKind(table.kind)
    return SecurityKind.BOND if table.price_unit == PERCENT else SecurityKind.SHARE


def bond_terms(table: SecurityTable) -> BondTerms | None:
    """Return the terms of a security; None without coupons or maturity in the portfolio."""
    if table.coupon is None or table.maturity is None:
        return None
    # Per 1 of nominal, as closes and accrued interest are.
    coupon = table.coupon / 100
    return BondTerms(coupon, table.coupon_frequency or 1, table.maturity, DayCount(table.day_count))


def refused_quotes(
    portfolio: PortfolioFile, closes: FloatArray
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield path and message of each holding that cannot be meant as it is valued.

    Parameters
    ----------
    portfolio : PortfolioFile
    closes : ndarray of shape (n_days, n_securities), trade currency per unit
    """
    tables = portfolio.tables.securities
    for name, doubt in _doubts(portfolio, closes).items():
        if doubt.stops_plan:
            yield ("securities", name), _question(name, tables[name], doubt.quote)


def held_quotes(portfolio: PortfolioFile, closes: FloatArray) -> list[Finding]:
    """Return the findings of holdings that are held back until it is said how they are quoted."""
    doubts = _doubts(portfolio, closes)
    return [
        _quote_finding(portfolio, name, doubt, Severity.ERROR)
        for name, doubt in doubts.items()
        if doubt.is_held
    ]


def _quote_finding(
    portfolio: PortfolioFile, name: str, doubt: _Doubt, severity: Severity
) -> Finding:
    return Finding(
        "quote_looks_like_percent",
        severity,
        _question(name, portfolio.tables.securities[name], doubt.quote),
        f"write one of the two at {_place(portfolio, name)}",
        name,
    )


def quote_findings(portfolio: PortfolioFile, closes: FloatArray) -> list[Finding]:
    """Return what is doubtful or assumed about quotes in percent; see `refused_quotes`."""
    tables = portfolio.tables.securities
    findings = [
        _quote_finding(portfolio, name, doubt, Severity.WARNING)
        for name, doubt in _doubts(portfolio, closes).items()
        if not doubt.is_held
    ]
    for column, (name, table) in enumerate(tables.items()):
        if table.price_unit == PERCENT:
            quote = _last(closes[:, column]) * table.price_divisor
            findings.extend(_bond_findings(portfolio, name, table))
            findings.extend(_contradictions(portfolio, name, table, quote))
    return findings


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A security that may be quoted in percent, with its last close."""

    quote: float
    stops_plan: bool = False
    is_held: bool = False


def _doubts(portfolio: PortfolioFile, closes: FloatArray) -> dict[str, _Doubt]:
    """Return the securities that look like bonds in percent and are not declared as such.

    What counts is the evidence, not the size of the holding. A bond by kind or name, in hundreds,
    stops the plan: nothing else is meant. Without a name, thousands as calm as a bond are held
    back. A bond in other quantities is a warning.
    """
    doubts = {}
    for column, (name, table) in enumerate(portfolio.tables.securities.items()):
        quote = _last(closes[:, column])
        is_bond = security_kind(table) is SecurityKind.BOND
        if not _is_undeclared(table) or not _is_near_par(quote, is_bond=is_bond):
            continue
        if (is_bond or _is_named_like_a_bond(name, table)) and _is_nominal(table, NOMINAL_STEP):
            doubts[name] = _Doubt(quote, stops_plan=True)
        elif is_bond:
            doubts[name] = _Doubt(quote)
        elif (
            _is_nominal(table, NOMINAL_MIN)
            and _is_calm(closes[:, column])
            and not FUND_WORDS.search(_text(name, table))
        ):
            doubts[name] = _Doubt(quote, is_held=True)
    return doubts


def _contradictions(
    portfolio: PortfolioFile, name: str, table: SecurityTable, quote: float
) -> Iterator[Finding]:
    """Yield closes and interest that do not fit what the portfolio says of a bond."""
    place = _place(portfolio, name)
    if quote < QUOTE_LOW:
        yield Finding(
            "quote_is_not_percent",
            Severity.WARNING,
            f"{name}: the last close is {quote:g}, in percent of par a bond costs about 100",
            f"write closes such as {quote * 100:.6g}, or delete price_unit at {place}",
            name,
        )
    terms = bond_terms(table)
    if terms is not None and table.accrued is not None:
        today = np.array([portfolio.as_of], dtype="datetime64[D]")
        computed = float(accrued_interest(terms, today)[0]) * 100
        if abs(computed - table.accrued) > ACCRUED_DIFFERENCE:
            yield Finding(
                "bond_accrued_differs",
                Severity.WARNING,
                f"{name}: accrued = {table.accrued:g}, but by the coupon it is {computed:.4g} on"
                f" {portfolio.as_of}",
                f"delete accrued at {place}, or correct coupon, coupon_frequency and maturity",
                name,
            )


def _bond_findings(portfolio: PortfolioFile, name: str, table: SecurityTable) -> Iterator[Finding]:
    """Yield what is assumed about a bond in percent, or missing."""
    place = _place(portfolio, name)
    if table.lot_size is None and not table.fractional:
        yield Finding(
            "bond_lot_assumed",
            Severity.INFO,
            f"{name}: trades are multiples of {DEFAULT_DENOMINATION:,.0f} nominal, as lot_size is"
            " not set",
            f"write lot_size = the denomination of the bond at {place}",
            name,
        )
    if table.coupon is None:
        accrued = "as typed" if table.accrued is not None else "left out"
        yield Finding(
            "bond_without_terms",
            Severity.INFO,
            f"{name}: coupon and maturity are not set, so accrued interest is {accrued} and returns"
            " are without coupons",
            f"write coupon, coupon_frequency and maturity at {place}",
            name,
        )
    elif 0 < table.coupon < COUPON_LOW:
        yield Finding(
            "bond_coupon_low",
            Severity.INFO,
            f"{name}: coupon = {table.coupon:g} is {table.coupon:g} % a year",
            f"for {table.coupon * 100:g} % write {table.coupon * 100:g} at {place}",
            name,
        )
    if table.maturity is not None and table.maturity <= portfolio.as_of and table.lots:
        yield Finding(
            "bond_matured",
            Severity.WARNING,
            f"{name} matured on {table.maturity}; it is not traded",
            f"delete its lots at {place} and add what was paid back to the cash",
            name,
        )


def _is_undeclared(table: SecurityTable) -> bool:
    """Return whether the portfolio leaves open how a security is quoted."""
    is_open = table.price_unit is None and table.price_multiplier is None
    return is_open and security_kind(table) in (SecurityKind.SHARE, SecurityKind.BOND)


def _is_named_like_a_bond(name: str, table: SecurityTable) -> bool:
    text = _text(name, table)
    return bool(BOND_WORDS.search(text)) and not FUND_WORDS.search(text)


def _text(name: str, table: SecurityTable) -> str:
    """Return id and name, with words apart that an id joins."""
    return f"{name.replace('_', ' ')} {table.name}"


def _is_nominal(table: SecurityTable, step: float) -> bool:
    """Return whether every quantity held looks like a nominal amount, in multiples of a step."""
    return bool(table.lots) and all(lot.quantity % step == 0 for lot in table.lots)


def _is_near_par(quote: float, *, is_bond: bool = False) -> bool:
    low, high = QUOTE_OF_BOND if is_bond else QUOTE_NEAR_PAR
    return low <= quote <= high


def _is_calm(closes: FloatArray) -> bool:
    closes = closes[~np.isnan(closes)]
    moves = np.abs(np.diff(np.log(closes)))
    return bool(moves.size) and float(np.median(moves)) < CALM_DAILY_MOVE


def _held(table: SecurityTable) -> float:
    return sum(lot.quantity for lot in table.lots)


def _last(closes: FloatArray) -> float:
    closes = closes[~np.isnan(closes)]
    return float(closes[-1]) if closes.size else float("nan")


def _question(name: str, table: SecurityTable, quote: float) -> str:
    held = _held(table)
    text = f"{name} looks like a bond quoted in percent of par"
    if held:
        worth, counted = held * quote / 100, held * quote
        text += (
            f": {held:,.10g} x {quote:,.2f} counts as {counted:,.0f} {table.currency}, in percent"
            f" it is {worth:,.0f}"
        )
    return f'{text} (write price_unit = "percent", or "unit" if one unit costs {quote:,.2f})'


def _place(portfolio: PortfolioFile, name: str) -> str:
    return portfolio.place("securities", name)
