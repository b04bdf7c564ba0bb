"""Paid prices against closes: columns that are exchanged, fills in another unit.

A lot and a fill both say what a unit cost on a day. Where the prices of AAA do not fit its closes,
and fit those of BBB, while those of BBB fit the closes of AAA, the two columns have each other's
names. A fill that is off by 100, or by the exchange rate, counts as so much more or less turnover.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from host.home.portfolio.contradictions.contradiction import Contradiction, error, warning
from host.home.portfolio.contradictions.lots import (
    best_factor,
    close_of_day,
    is_possible,
    ratio_in_words,
)
from planner_core.model.records import TaxLot

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from host.home.portfolio.contradictions.lots import LotReferences, PlacedLot
    from planner_core.model.records import Trade


@dataclass(frozen=True, slots=True)
class PaidPrice:
    """The price of a unit on a day, from a lot or a fill.

    `lot` has it in trade currency and today's units; `written` is as in the file; `place` is empty
    for a lot.
    """

    lot: TaxLot
    written: float
    place: str = ""


def paid_prices(
    lots: Sequence[PlacedLot],
    trades: Sequence[Trade],
    places: Sequence[str],
    divisors: Mapping[str, float],
    references: LotReferences,
) -> list[PaidPrice]:
    """Return the prices of all dated lots and of the fills in securities of the portfolio.

    Parameters
    ----------
    lots : sequence of PlacedLot
    trades : sequence of Trade
    places : sequence of str
        `file:line` of each.
    divisors : mapping of security to float
        Written units per unit of trade currency, of each security of the portfolio.
    references : LotReferences
    """
    paid = [PaidPrice(entry.lot, entry.written_cost) for entry in lots if entry.lot.acquired]
    for trade, place in zip(trades, places, strict=True):
        if trade.security not in divisors:
            continue
        price = trade.price
        for split in references.splits:
            # A fill is in the units of its day.
            if split.security == trade.security and split.on > trade.on:
                price /= split.ratio
        lot = TaxLot(trade.security, trade.quantity, price, trade.fx_rate, trade.on)
        paid.append(PaidPrice(lot, trade.price * divisors[trade.security], place))
    return [entry for entry in paid if entry.lot.unit_cost > 0]


# --- columns with each other's names ----------------------------------------------------------


def check_columns(
    paid: Sequence[PaidPrice], references: LotReferences, source: str, skipped: Collection[str]
) -> list[Contradiction]:
    """Return the securities whose prices fit each other's closes and not their own.

    Parameters
    ----------
    paid : sequence of PaidPrice
    references : LotReferences
    source : str
        The file of the closes.
    skipped : collection of str
        Securities that are held for another reason.
    """
    own: dict[str, list[TaxLot]] = defaultdict(list)
    for entry in paid:
        if entry.lot.security not in skipped:
            own[entry.lot.security].append(entry.lot)
    odd = [security for security, lots in own.items() if _share(lots, security, references) == 0]
    # Whose closes the prices of each fit: only where that is one security.
    fits: dict[str, str] = {}
    for security in odd:
        others = [o for o in odd if o != security and _share(own[security], o, references) == 1]
        if len(others) == 1:
            fits[security] = others[0]
    contradictions = []
    for circle in _circles(fits):
        last = {security: _last_close(security, references) for security in circle}
        factors = [last[fits[security]] / last[security] for security in circle]
        fitting = [f"those of {security} the closes of {fits[security]}" for security in circle[1:]]
        names = [f"{fits[security]} {security}" for security in circle]
        finding = error(
            "closes_exchanged",
            f"{source}: the lots and fills of {circle[0]} fit the closes of {fits[circle[0]]},"
            f" {' and '.join(fitting)}; none fits its own",
            f"write the right names over the closes: call {', and '.join(names)}",
            circle[0],
        )
        reason = "its closes may be those of another security"
        value_factors = (min(1.0, *factors), max(1.0, *factors))
        contradictions.append(
            Contradiction(finding, tuple(circle), reason, value_factors=value_factors)
        )
    return contradictions


def _share(lots: Sequence[TaxLot], security: str, references: LotReferences) -> float:
    """Return the part of some prices that fits the closes of a security; 0.5 without any close."""
    verdicts = []
    for lot in lots:
        assert lot.acquired is not None, "only dated lots are compared"
        close = close_of_day(references, security, lot.acquired)
        if close is not None:
            verdicts.append(is_possible(lot.unit_cost / close, lot, references))
    return sum(verdicts) / len(verdicts) if verdicts else 0.5


def _circles(fits: Mapping[str, str]) -> list[list[str]]:
    """Return the circles of a mapping, each once: AAA, BBB for AAA -> BBB -> AAA."""
    circles: list[list[str]] = []
    for first in fits:
        path = [first]
        while path[-1] in fits and fits[path[-1]] not in path:
            path.append(fits[path[-1]])
        if fits.get(path[-1]) == first and not any(first in circle for circle in circles):
            circles.append(path)
    return circles


def _last_close(security: str, references: LotReferences) -> float:
    closes = references.closes[security]
    return float(closes[closes == closes][-1])  # noqa: PLR0124 - NaN differs from itself


# --- fills ------------------------------------------------------------------------------------


def check_fill_prices(
    paid: Sequence[PaidPrice], references: LotReferences, skipped: Collection[str]
) -> list[Contradiction]:
    """Return, per security, the first fill whose price is off by a known factor."""
    first: dict[str, tuple[PaidPrice, float]] = {}
    counts: dict[str, int] = defaultdict(int)
    for entry in paid:
        lot = entry.lot
        if not entry.place or lot.security in skipped or lot.acquired is None:
            continue
        close = close_of_day(references, lot.security, lot.acquired)
        if close is None or is_possible(lot.unit_cost / close, lot, references):
            continue
        factor = best_factor(lot, lot.unit_cost / close, references)
        if factor is not None and not factor.is_split:
            counts[lot.security] += 1
            first.setdefault(lot.security, (entry, close))
    contradictions = []
    for security, (entry, close) in first.items():
        ratio = entry.lot.unit_cost / close
        factor = best_factor(entry.lot, ratio, references)
        assert factor is not None, "it was not None above"
        more = counts[security] - 1
        others = f" ({more} more like it)" if more else ""
        message = (
            f"{entry.place}: {security}: price = {entry.written:g} is {ratio_in_words(ratio)} the"
            f" close of {entry.lot.acquired}; that fits {factor.cause}{others}"
        )
        action = (
            f"write price = {entry.written / factor.value:g}, in the unit of the prices; until then"
            " it counts as so much turnover"
        )
        contradictions.append(
            Contradiction(warning("fill_price_doubtful", message, action, security))
        )
    return contradictions
