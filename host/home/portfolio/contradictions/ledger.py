"""The ledger against the lots: names, fills that the lots do not have, the same fill twice.

A fill is written in three places: the ledger, the lots, the cash. One that is missing in the lots
makes a plan of holdings that are not there. Going back from the lots of today, what was held after
each fill is

    held = lots - buys since + sells since        (in today's units, splits applied)

and must not be negative. Where all fills of a security add up to its lots, the lots have them, and
their days are not looked at. Else a recent buy must have a lot of about its day. A recent sell
leaves no trace in the lots, unless the ledger also has their buys, or a stored plan says what was
held before it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from host.errors import did_you_mean
from host.home.portfolio.contradictions.contradiction import Contradiction, error, warning
from host.home.portfolio.contradictions.fills import (
    Fill,
    add_up_to,
    fills_of,
    never_below_zero,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from host.home.portfolio.market_data import Split
    from planner_core.model.records import TaxLot, Trade

RECENT_DAYS: Final = 31
"""Fills that a plan of the last month may have led to; older lots may have been merged."""
SELL_HELD_DAYS: Final = 45
"""So long such a security is held too: an owner who plans once a month sees the question meanwhile.
An older sell is far more often in the lots than not; it is still asked about."""
SELL_QUESTION_DAYS: Final = 366
"""A sell that nothing confirms is asked about for so long: by then the statement of its year is
there, and an owner who plans once a year has seen the question."""
SETTLEMENT_DAYS: Final = 5
"""A lot may be dated by its settlement instead of its trade, or the fill by its booking."""
TAKEN_OUT_MIN: Final = 0.5
"""A sell counts as taken out when the lots lack at least half of it: amounts are rounded."""


@dataclass(frozen=True, slots=True)
class LedgerLines:
    """The fills with their places.

    Parameters
    ----------
    trades : tuple of Trade
        Oldest first.
    places : tuple of str
        `file:line` of each.
    """

    trades: tuple[Trade, ...]
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Holdings:
    """The portfolio's side of the comparison.

    Parameters
    ----------
    lots : mapping of security to sequence of TaxLot
        Every security of the portfolio; without lots an empty sequence.
    source : str
        The portfolio file.
    as_of : date
        Day of the plan.
    entered_until : date, optional
        `holdings_as_of`: fills of later days are not in lots and cash, all others are.
    """

    lots: Mapping[str, Sequence[TaxLot]]
    source: str
    as_of: date
    entered_until: date | None


@dataclass(frozen=True, slots=True)
class StoredUnits:
    """Units that stored plans say were held.

    Parameters
    ----------
    held_before : callable taking a Trade
        Units of its security before it; None: unknown.
    since : date, optional
        Day of the oldest stored plan, where older ones were removed because there were too many: so
        many plans asked about what is older. None: all are there.
    """

    held_before: Callable[[Trade], float | None]
    since: date | None = None


def check_ledger(
    lines: LedgerLines,
    holdings: Holdings,
    splits: Sequence[Split],
    stored_plans: StoredUnits,
) -> list[Contradiction]:
    """Return what the ledger says otherwise than the portfolio.

    Parameters
    ----------
    lines : LedgerLines
    holdings : Holdings
    splits : sequence of Split
    stored_plans : StoredUnits
    """
    by_security: dict[str, list[tuple[Trade, str]]] = defaultdict(list)
    for trade, place in zip(lines.trades, lines.places, strict=True):
        by_security[trade.security].append((trade, place))
    fills = {s: fills_of(by_security.get(s, ()), lots, splits) for s, lots in holdings.lots.items()}
    contradictions = [
        *_unknown_names(lines, holdings),
        *_repeated_fills(lines),
        *(_lots_without_fill(fills, holdings) if lines.trades else ()),
    ]
    for security in by_security:
        if security in holdings.lots:
            contradiction = _check_fills(fills[security], holdings, stored_plans)
            contradictions += [contradiction] if contradiction is not None else []
    return contradictions


def _check_fills(
    fills: Sequence[Fill], holdings: Holdings, stored_plans: StoredUnits
) -> Contradiction | None:
    """Return the one contradiction of a security's fills that is to be settled first."""
    lots = holdings.lots[fills[0].trade.security]
    after_entry = _fill_after_entry(fills, holdings)
    if after_entry is not None or add_up_to(fills, _total(lots)):
        return after_entry
    too_few = _sold_more_than_held(fills, lots, holdings)
    if holdings.entered_until is not None:
        return too_few
    candidates = [_buy_without_lot(fills, lots, holdings, is_answerable=too_few is None), too_few]
    if _total(lots):  # of what is sold out, no sell can be missing
        candidates.append(_sold_beyond_the_ledger(fills, holdings, stored_plans))
        candidates.append(_sell_not_taken_out(fills, lots, holdings, stored_plans))
    contradictions = [candidate for candidate in candidates if candidate is not None]
    # What holds the security must not wait behind a warning.
    first = contradictions[0] if contradictions else None
    return next((c for c in contradictions if c.held), first)


def _total(lots: Sequence[TaxLot]) -> float:
    return sum(lot.quantity for lot in lots)


def _unknown_names(lines: LedgerLines, holdings: Holdings) -> list[Contradiction]:
    """Return securities that the portfolio does not list; they never stop a plan."""
    contradictions = []
    unknown: dict[str, list[tuple[Trade, str]]] = defaultdict(list)
    for trade, place in zip(lines.trades, lines.places, strict=True):
        if trade.security not in holdings.lots:
            unknown[trade.security].append((trade, place))
    for security, trades in sorted(unknown.items()):
        # In the units of each day: a security that is not listed has no split.
        fills = fills_of(trades, (), ())
        place, units = trades[-1][1], sum(fill.units for fill in fills)
        if abs(units) <= sum(fill.rounding for fill in fills):
            continue  # sold out, and taken from the portfolio
        hint = did_you_mean(security, sorted(holdings.lots), otherwise="")
        balance = (
            f"leaves {units:g} of it" if units > 0 else f"never bought {-units:g} that it sold"
        )
        message = (
            f"{place}: {security} is not in {holdings.source}, but the ledger {balance}; its fills"
            " start no cool-down"
        )
        other = (
            "if it was sold, add that fill"
            if units > 0
            else f"if you held it before, add a buy of {-units:g} on the day of its purchase"
        )
        action = f"{hint} If it was renamed, write the new id into its lines; {other}".strip()
        contradictions.append(
            Contradiction(warning("ledger_security_unknown", message, action, security))
        )
    return contradictions


def _repeated_fills(lines: LedgerLines) -> list[Contradiction]:
    first: dict[Trade, str] = {}
    contradictions = []
    for trade, place in zip(lines.trades, lines.places, strict=True):
        other = first.setdefault(trade, place)
        if other != place:
            message = f"{place}: the same fill as in line {other.rpartition(':')[2]}"
            action = "delete one of them, unless your broker really filled it twice"
            contradictions.append(
                Contradiction(warning("ledger_fill_twice", message, action, trade.security))
            )
    return contradictions


def _lots_without_fill(
    fills: Mapping[str, Sequence[Fill]], holdings: Holdings
) -> list[Contradiction]:
    """Return recent lots that the ledger does not have, or has with another date."""
    since = holdings.as_of - timedelta(days=RECENT_DAYS)
    contradictions = []
    for security, lots in holdings.lots.items():
        is_whole = add_up_to(fills[security], _total(lots))
        for lot in lots:
            day = lot.acquired
            if day is None or day < since or _fills_before(lot, fills[security]):
                continue
            message = f"{holdings.source}: {security} has a lot of {day}, but "
            later = _fills_after(lot, fills[security])
            if sum(fill.units + fill.rounding for fill in later) >= lot.quantity:
                what = f"its fill, {later[0].place}, is of {later[0].trade.on}"
                action = "correct the date that is wrong: holding periods count from the purchase"
                finding = warning("lot_date_differs", message + what, action, security)
            elif is_whole:
                continue  # merged from fills that the ledger has
            else:
                what = "the ledger has no buy of that day; cool-downs and turnover do not count it"
                action = "add the fill to the ledger"
                finding = warning("lot_not_in_ledger", message + what, action, security)
            contradictions.append(Contradiction(finding))
            break
    return contradictions


def _fills_before(lot: TaxLot, fills: Sequence[Fill]) -> list[Fill]:
    """Return the buys that a lot may come from, dated by its settlement at the latest."""
    return [f for f in fills if f.units > 0 and 0 <= _days_after(lot, f) <= SETTLEMENT_DAYS]


def _fills_after(lot: TaxLot, fills: Sequence[Fill]) -> list[Fill]:
    """Return the buys of a few days after the date of a lot."""
    return [f for f in fills if f.units > 0 and -SETTLEMENT_DAYS <= _days_after(lot, f) < 0]


def _days_after(lot: TaxLot, fill: Fill) -> float:
    """Return the days from a fill to the date of a lot; NaN, in no range, where it has none."""
    return math.nan if lot.acquired is None else (lot.acquired - fill.trade.on).days


def _fill_after_entry(fills: Sequence[Fill], holdings: Holdings) -> Contradiction | None:
    """Return the first fill that the owner says is not in the lots yet."""
    if holdings.entered_until is None:
        return None
    for fill in fills:
        if fill.trade.on > holdings.entered_until:
            what = f"is after holdings_as_of = {holdings.entered_until}"
            return _contradiction(fill, what, holdings)
    return None


def _sold_more_than_held(
    fills: Sequence[Fill], lots: Sequence[TaxLot], holdings: Holdings
) -> Contradiction | None:
    """Return the newest fill that the lots of today leave no room for."""
    total = _total(lots)
    held = total
    rounding = 0.0
    for fill in reversed(fills):
        # Before a buy there was as much less, before a sell as much more.
        held -= fill.units
        rounding += fill.rounding
        if held < -rounding:
            what = f"bought {fill.amount}, but the lots have {total:g} in all: {-held:g} too few"
            settled = "; if lots and cash are right, add the sells that the ledger lacks"
            return _contradiction(fill, what, holdings, settled, missing=-held)
    return None


def _buy_without_lot(
    fills: Sequence[Fill], lots: Sequence[TaxLot], holdings: Holdings, is_answerable: bool
) -> Contradiction | None:
    """Return a recent buy of which no lot tells.

    Parameters
    ----------
    fills : sequence of Fill
        Of one security.
    lots : sequence of TaxLot
        Its lots.
    holdings : Holdings
    is_answerable : bool
        Whether `holdings_as_of` settles it: nothing else is wrong with its fills.
    """
    if any(lot.acquired is None for lot in lots):
        return None  # a lot without a date may be any purchase
    since = holdings.as_of - timedelta(days=RECENT_DAYS)
    # A lot that an earlier buy explains says nothing of a later one.
    window = timedelta(days=SETTLEMENT_DAYS)
    near = [lot for lot in lots if lot.acquired is not None and lot.acquired >= since - window]
    early = [lot for lot in near if not _fills_before(lot, fills)]
    for index, fill in enumerate(fills):
        if fill.units < 0 or fill.trade.on < since:
            continue
        entered = _total([lot for lot in near if _fills_before(lot, [fill])])
        entered += _total([lot for lot in early if _fills_after(lot, [fill])])
        # What was sold since may have been taken from this lot.
        sold = -sum(min(0.0, later.units) for later in fills[index + 1 :])
        missing = fill.units - entered - sold
        if missing > fill.rounding:
            what = f"bought {fill.amount}, but {_lots_of(fill.trade, entered)}"
            settled = (
                f"; if the lots have it, write holdings_as_of = {holdings.as_of} at the top"
                if is_answerable
                else ""
            )
            return _contradiction(fill, what, holdings, settled, missing=missing)
    return None


def _lots_of(trade: Trade, entered: float) -> str:
    if entered:
        return f"the lots of {trade.on} have only {entered:g}"
    return f"there is no lot of {trade.on}"


def _sold_beyond_the_ledger(
    fills: Sequence[Fill], holdings: Holdings, stored_plans: StoredUnits
) -> Contradiction | None:
    """Return the newest sell of more than the ledger has, where it begins with a buy.

    Where it begins with a sell, units are older than the ledger. A ledger that lacks buys says
    nothing of the lots, so this is asked for as long as about any sell that nothing confirms.
    """
    if fills[0].units < 0:
        return None
    units = rounding = 0.0
    beyond, before = None, 0.0
    for fill in fills:
        units += fill.units
        rounding += fill.rounding
        if units < -rounding:
            beyond, before = fill, units - fill.units
            units = 0.0  # the rest was older than the ledger
    if beyond is None or _is_old(beyond.trade, holdings, stored_plans):
        return None
    is_last = all(fill.units > 0 for fill in fills[fills.index(beyond) + 1 :])
    if is_last and stored_plans.held_before(beyond.trade) is not None:
        return None  # the plan says better than the ledger what was held before
    what = f"sold {beyond.amount}, but the ledger leaves only {before:g} before it"
    settled = f"; if lots and cash are right, write holdings_as_of = {holdings.as_of} at the top"
    contradiction = _contradiction(beyond, what, holdings, settled)
    if _is_past_holding(beyond.trade, holdings):
        message, action = contradiction.finding.message, contradiction.finding.action
        security = beyond.trade.security
        return Contradiction(warning("fill_unconfirmed", message, action, security))
    return contradiction


def _sell_not_taken_out(
    fills: Sequence[Fill],
    lots: Sequence[TaxLot],
    holdings: Holdings,
    stored_plans: StoredUnits,
) -> Contradiction | None:
    """Return a sell that is still in the lots, or may be."""
    sells = [fill for fill in fills if fill.units < 0]
    if not sells:
        return None
    last, total = sells[-1], _total(lots)
    if _is_complete(fills, lots, last):
        before = sum(fill.units for fill in fills) - last.units
    elif _is_old(last.trade, holdings, stored_plans):
        return None
    else:
        stored = stored_plans.held_before(last.trade)
        if stored is None:
            return _question(last, total, holdings)
        before = stored
    # The lots have become fewer: the sell was taken out.
    if total <= before + TAKEN_OUT_MIN * last.units:
        return None
    what = f"sold {last.amount}, but the lots still have {total:g} of {before:g}"
    settled = f"; if they have it, write holdings_as_of = {holdings.as_of} at the top"
    return _contradiction(last, what, holdings, settled)


def _is_old(trade: Trade, holdings: Holdings, stored_plans: StoredUnits) -> bool:
    """Return whether a sell was asked about for long enough, in time or in plans."""
    days = (holdings.as_of - trade.on).days
    since = stored_plans.since
    return days > SELL_QUESTION_DAYS or (since is not None and trade.on < since)


def _is_past_holding(trade: Trade, holdings: Holdings) -> bool:
    """Return whether a sell in question is so old that it is only asked about."""
    return (holdings.as_of - trade.on).days > SELL_HELD_DAYS


def _is_complete(fills: Sequence[Fill], lots: Sequence[TaxLot], last: Fill) -> bool:
    """Return whether the ledger seems to have every fill of a security: none left less than 0.

    And the lots are what it had before its last sell, or each of them has its purchase.
    """
    if not never_below_zero(fills):
        return False
    others = [fill for fill in fills if fill is not last]
    return add_up_to(others, _total(lots)) or all(_has_buy(lot, fills) for lot in lots)


def _has_buy(lot: TaxLot, fills: Sequence[Fill]) -> bool:
    """Return whether the ledger has a purchase that is large enough for a lot."""
    near = [*_fills_before(lot, fills), *_fills_after(lot, fills)]
    return any(fill.units + fill.rounding >= lot.quantity for fill in near)


def _contradiction(
    fill: Fill, what: str, holdings: Holdings, settled: str = "", missing: float | None = None
) -> Contradiction:
    security = fill.trade.security
    finding = error(
        "fill_not_in_lots",
        f"{fill.place}: {security}: {what}",
        f"bring lots and cash of {security} in {holdings.source} up to date, or fix the line"
        f"{settled}",
        security,
    )
    reason = f"the ledger and its lots disagree about {fill.trade.on}"
    units = abs(fill.units) if missing is None else missing
    return Contradiction(
        finding, (security,), reason, value_factors=_factors(security, units, holdings)
    )


def _factors(security: str, units: float, holdings: Holdings) -> tuple[float, float]:
    """Return the least and the most that is held, over the lots: with and without some units.

    Their money may be in the cash or not, so the NAV is in doubt by as much.
    """
    total = _total(holdings.lots[security])
    part = units / total if total else 0.0
    return 1.0 - part, 1.0 + part


def _question(fill: Fill, total: float, holdings: Holdings) -> Contradiction:
    security = fill.trade.security
    what = (
        f"{fill.place}: {security}: sold {fill.trade.quantity:g}; whether the lots ({total:g}) and"
        " the cash have it already cannot be seen"
    )
    # Today, not the day of the sell: then fills of other securities since would be doubted.
    cure = (
        f"bring {holdings.source} up to date and write holdings_as_of = {holdings.as_of} into it,"
        " at the top"
    )
    if _is_past_holding(fill.trade, holdings):
        return Contradiction(warning("fill_unconfirmed", what, cure, security))
    finding = error("fill_unconfirmed", what, cure, security)
    reason = f"its lots may not have the sell of {fill.trade.on} yet"
    factors = _factors(security, abs(fill.units), holdings)
    return Contradiction(finding, (security,), reason, value_factors=factors)
