"""The ledger against the lots: names, fills that the lots do not have, the same fill twice.

A fill is written in three places: the ledger, the lots, the cash. One that is missing in the lots
makes a plan of holdings that are not there. Going back from the lots of today, what was held after
each fill is

    held = lots - buys since + sells since        (in today's units, splits applied)

and must not be negative. A recent buy must have a lot of its day. A recent sell leaves no trace in
the lots, unless the ledger also has their buys, or a stored plan says what was held before it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from host.errors import did_you_mean
from host.home.portfolio.contradictions.contradiction import Contradiction, error, warning
from planner_core.model.records import Side

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
"""A lot may be dated by its settlement instead of its trade."""
TAKEN_OUT_MIN: Final = 0.5
"""A sell counts as taken out when the lots lack at least half of it: amounts are rounded."""
QUANTITY_TOLERANCE: Final = 1e-6
"""Relative; fractions of units are rounded by brokers."""


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
    contradictions = [
        *_unknown_names(lines, holdings),
        *_repeated_fills(lines),
        *_lots_without_fill(lines, holdings),
    ]
    by_security: dict[str, list[int]] = defaultdict(list)
    for index, trade in enumerate(lines.trades):
        if trade.security in holdings.lots:
            by_security[trade.security].append(index)
    for security, indices in by_security.items():
        fills = [
            _Fill(lines.trades[i], lines.places[i], _todays_units(lines.trades[i], splits))
            for i in indices
        ]
        lots = holdings.lots[security]
        contradiction = _fill_after_entry(fills, holdings)
        if contradiction is None and holdings.entered_until is None:
            contradiction = (
                _buy_without_lot(fills, lots, holdings)
                or _sold_beyond_the_ledger(fills, holdings)
                or _sell_not_taken_out(fills, lots, holdings, stored_plans)
            )
        contradiction = contradiction or _sold_more_than_held(fills, lots, holdings)
        if contradiction is not None:
            contradictions.append(contradiction)
    return contradictions


@dataclass(frozen=True, slots=True)
class _Fill:
    """A fill with its place; `units` are today's, signed, negative for a sell."""

    trade: Trade
    place: str
    units: float

    @property
    def amount(self) -> str:
        """The quantity in words, in today's units too where a split came since."""
        today, quantity = abs(self.units), self.trade.quantity
        is_split = abs(today - quantity) > QUANTITY_TOLERANCE * quantity
        return f"{quantity:g} ({today:g} in today's units)" if is_split else f"{quantity:g}"


def _todays_units(trade: Trade, splits: Sequence[Split]) -> float:
    units = trade.quantity if trade.side is Side.BUY else -trade.quantity
    for split in splits:
        if split.security == trade.security and split.on > trade.on:
            units *= split.ratio
    return units


def _total(lots: Sequence[TaxLot]) -> float:
    return sum(lot.quantity for lot in lots)


def _unknown_names(lines: LedgerLines, holdings: Holdings) -> list[Contradiction]:
    """Return securities that the portfolio does not list; they never stop a plan."""
    contradictions = []
    net: dict[str, float] = defaultdict(float)
    last: dict[str, int] = {}
    for index, trade in enumerate(lines.trades):
        if trade.security not in holdings.lots:
            net[trade.security] += trade.quantity if trade.side is Side.BUY else -trade.quantity
            last[trade.security] = index
    for security, index in sorted(last.items()):
        place, units = lines.places[index], net[security]
        if abs(units) <= QUANTITY_TOLERANCE * lines.trades[index].quantity:
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


def _lots_without_fill(lines: LedgerLines, holdings: Holdings) -> list[Contradiction]:
    """Return recent lots that the ledger does not have, where it is kept at all."""
    if not lines.trades:
        return []
    since = holdings.as_of - timedelta(days=RECENT_DAYS)
    contradictions = []
    for security, lots in holdings.lots.items():
        buys = [t.on for t in lines.trades if t.security == security and t.side is Side.BUY]
        for lot in lots:
            day = lot.acquired
            if day is None or day < since:
                continue
            if any(on <= day <= on + timedelta(days=SETTLEMENT_DAYS) for on in buys):
                continue
            message = (
                f"{holdings.source}: {security} has a lot of {day}, but the ledger has no buy of"
                " that day; cool-downs and turnover do not count it"
            )
            action = "add the fill to the ledger"
            contradictions.append(
                Contradiction(warning("lot_not_in_ledger", message, action, security))
            )
            break
    return contradictions


def _fill_after_entry(fills: Sequence[_Fill], holdings: Holdings) -> Contradiction | None:
    """Return the first fill that the owner says is not in the lots yet."""
    if holdings.entered_until is None:
        return None
    for fill in fills:
        if fill.trade.on > holdings.entered_until:
            what = f"is after holdings_as_of = {holdings.entered_until}"
            return _contradiction(fill, what, holdings)
    return None


def _sold_more_than_held(
    fills: Sequence[_Fill], lots: Sequence[TaxLot], holdings: Holdings
) -> Contradiction | None:
    """Return the newest fill that the lots of today leave no room for."""
    total = _total(lots)
    held = total
    traded = 0.0
    for fill in reversed(fills):
        # Before a buy there was as much less, before a sell as much more.
        held -= fill.units
        traded += abs(fill.units)
        if held < -QUANTITY_TOLERANCE * traded:
            return _contradiction(
                fill,
                f"bought {fill.amount}, but the lots have {total:g} in all: {-held:g} too few",
                holdings,
            )
    return None


def _buy_without_lot(
    fills: Sequence[_Fill], lots: Sequence[TaxLot], holdings: Holdings
) -> Contradiction | None:
    """Return a recent buy of which no lot tells."""
    if any(lot.acquired is None for lot in lots):
        return None  # a lot without a date may be any purchase
    since = holdings.as_of - timedelta(days=RECENT_DAYS)
    for index, fill in enumerate(fills):
        if fill.units < 0 or fill.trade.on < since:
            continue
        until = fill.trade.on + timedelta(days=SETTLEMENT_DAYS)
        entered = sum(
            lot.quantity
            for lot in lots
            if lot.acquired is not None and fill.trade.on <= lot.acquired <= until
        )
        # What was sold since may have been taken from this lot.
        sold = -sum(min(0.0, later.units) for later in fills[index + 1 :])
        if entered + sold < fill.units * (1 - QUANTITY_TOLERANCE):
            what = f"bought {fill.amount}, but {_lots_of(fill.trade, entered)}"
            return _contradiction(fill, what, holdings)
    return None


def _lots_of(trade: Trade, entered: float) -> str:
    if entered:
        return f"the lots of {trade.on} have only {entered:g}"
    return f"there is no lot of {trade.on}"


def _sold_beyond_the_ledger(fills: Sequence[_Fill], holdings: Holdings) -> Contradiction | None:
    """Return the first sell of more than the ledger has, where it begins with a buy.

    Where it begins with a sell, units are older than the ledger.
    """
    if fills[0].units < 0:
        return None
    units = 0.0
    for fill in fills:
        units += fill.units
        if units < -QUANTITY_TOLERANCE * abs(fill.units):
            before = units - fill.units
            what = f"sold {fill.amount}, but the ledger leaves only {before:g} before it"
            settled = f"; if lots and cash are right, write holdings_as_of = {holdings.as_of}"
            return _contradiction(fill, what, holdings, f"{settled} at the top")
    return None


def _sell_not_taken_out(
    fills: Sequence[_Fill],
    lots: Sequence[TaxLot],
    holdings: Holdings,
    stored_plans: StoredUnits,
) -> Contradiction | None:
    """Return a sell that is still in the lots, or may be."""
    sells = [fill for fill in fills if fill.units < 0]
    if not sells:
        return None
    last, total = sells[-1], _total(lots)
    if _is_complete(fills, lots):
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


def _is_complete(fills: Sequence[_Fill], lots: Sequence[TaxLot]) -> bool:
    """Return whether the ledger seems to have every fill of a security: none left less than 0."""
    units = 0.0
    for fill in fills:
        units += fill.units
        if units < -QUANTITY_TOLERANCE * abs(fill.units):
            return False
    return all(_has_buy(lot, fills) for lot in lots)


def _has_buy(lot: TaxLot, fills: Sequence[_Fill]) -> bool:
    """Return whether the ledger has a purchase that is large enough for a lot."""
    return lot.acquired is not None and any(
        fill.units * (1 + QUANTITY_TOLERANCE) >= lot.quantity
        and fill.trade.on <= lot.acquired <= fill.trade.on + timedelta(days=SETTLEMENT_DAYS)
        for fill in fills
    )


def _contradiction(fill: _Fill, what: str, holdings: Holdings, settled: str = "") -> Contradiction:
    security = fill.trade.security
    finding = error(
        "fill_not_in_lots",
        f"{fill.place}: {security}: {what}",
        f"bring lots and cash of {security} in {holdings.source} up to date, or fix the line"
        f"{settled}",
        security,
    )
    reason = f"the ledger and its lots disagree about {fill.trade.on}"
    return Contradiction(finding, (security,), reason, value_factors=_factors(fill, holdings))


def _factors(fill: _Fill, holdings: Holdings) -> tuple[float, float]:
    """Return the least and the most that is held, over the lots: with and without a fill.

    Its money may be in the cash or not, so the NAV is in doubt by as much.
    """
    total = _total(holdings.lots[fill.trade.security])
    part = abs(fill.units) / total if total else 0.0
    return 1.0 - part, 1.0 + part


def _question(fill: _Fill, total: float, holdings: Holdings) -> Contradiction:
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
    if (holdings.as_of - fill.trade.on).days > SELL_HELD_DAYS:
        return Contradiction(warning("fill_unconfirmed", what, cure, security))
    finding = error("fill_unconfirmed", what, cure, security)
    reason = f"its lots may not have the sell of {fill.trade.on} yet"
    return Contradiction(finding, (security,), reason, value_factors=_factors(fill, holdings))
