"""Fills in today's units, and whether those of a security add up to its lots.

Brokers and owners round lots, as a rule to between 2 and 4 decimals, each lot by itself. So much of
a difference is no contradiction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from planner_core.model.records import Side

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from host.home.portfolio.market_data import Split
    from planner_core.model.records import TaxLot, Trade

QUANTITY_TOLERANCE: Final = 1e-6
"""Relative; sums of floating-point numbers differ by less."""
ROUNDING_UNITS: Final = 0.01
"""The last of 2 decimals, the fewest that lots are written with; some brokers cut off instead."""
ROUNDING_PART: Final = 0.01
"""At most so much of a fill is rounding: 0.01 units of something dear would be worth too much."""
MISSING_PART: Final = 0.5
"""Many roundings may add up to a small fill; half of one, and it may be missing."""


@dataclass(frozen=True, slots=True)
class Fill:
    """A fill with its place.

    Parameters
    ----------
    trade : Trade
    place : str
        `file:line`.
    units : float
        Today's, signed: negative for a sell.
    rounding : float
        By how many units its lot may differ from it.
    """

    trade: Trade
    place: str
    units: float
    rounding: float

    @property
    def amount(self) -> str:
        """The quantity in words, in today's units too where a split came since."""
        today, quantity = abs(self.units), self.trade.quantity
        is_split = abs(today - quantity) > QUANTITY_TOLERANCE * quantity
        return f"{quantity:g} ({today:g} in today's units)" if is_split else f"{quantity:g}"


def fills_of(
    lines: Iterable[tuple[Trade, str]], lots: Sequence[TaxLot], splits: Sequence[Split]
) -> tuple[Fill, ...]:
    """Return the fills of a security, oldest first, of one day the buys before the sells.

    Brokers list the newest first, and the ledger has no time of day.

    Parameters
    ----------
    lines : iterable of (Trade, str)
        Fills with their places, oldest first.
    lots : sequence of TaxLot
        Its lots.
    splits : sequence of Split
        Those of other securities are left out.
    """
    today = [(trade, place, _todays_units(trade, splits)) for trade, place in lines]
    # Where all amounts have at most 2 decimals, they are written as they are.
    amounts = [abs(units) for _, _, units in today] + [lot.quantity for lot in lots]
    is_rounded = any(abs(a - round(a, 2)) > QUANTITY_TOLERANCE * a for a in amounts)
    fills = (
        Fill(trade, place, units, _rounding(abs(units), is_rounded))
        for trade, place, units in today
    )
    return tuple(sorted(fills, key=lambda fill: (fill.trade.on, fill.units < 0)))


def _todays_units(trade: Trade, splits: Sequence[Split]) -> float:
    units = trade.quantity if trade.side is Side.BUY else -trade.quantity
    for split in splits:
        if split.security == trade.security and split.on > trade.on:
            units *= split.ratio
    return units


def _rounding(units: float, is_rounded: bool) -> float:
    exact = QUANTITY_TOLERANCE * units
    return max(exact, min(ROUNDING_UNITS, ROUNDING_PART * units)) if is_rounded else exact


def never_below_zero(fills: Iterable[Fill]) -> bool:
    """Return whether the ledger has a buy for all that it sold, each time."""
    units = rounding = 0.0
    for fill in fills:
        units += fill.units
        rounding += fill.rounding
        if units < -rounding:
            return False
    return True


def add_up_to(fills: Sequence[Fill], total: float) -> bool:
    """Return whether fills are all there is of a security: their sum is the units held.

    Then the lots have each of them, in whatever lot and with whatever date.

    Parameters
    ----------
    fills : sequence of Fill
        Oldest first.
    total : float
        Units.
    """
    if not fills or not never_below_zero(fills):
        return False
    smallest = min(abs(fill.units) for fill in fills)
    rounding = min(sum(fill.rounding for fill in fills), MISSING_PART * smallest)
    exact = QUANTITY_TOLERANCE * sum(abs(fill.units) for fill in fills)
    return abs(sum(fill.units for fill in fills) - total) <= max(rounding, exact)
