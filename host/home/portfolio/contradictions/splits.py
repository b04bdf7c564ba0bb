"""Declared splits: a name that fits no column, and a split that the closes contradict."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Final

from host.errors import did_you_mean
from host.home.portfolio.contradictions.contradiction import Contradiction, error
from host.home.portfolio.contradictions.lots import close_on
from host.home.portfolio.market_layouts import matches

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from host.home.portfolio.contradictions.lots import PlacedLot
    from host.home.portfolio.market_data import Split, SplitWithoutJump
    from planner_core.model.arrays import DateArray, FloatArray

TODAYS_UNITS: Final = "today"
OLD_UNITS: Final = "old"
NEAR_SHARE: Final = 0.4
"""Of the way from one reading to the other, log; near the middle the cost does not tell."""
LOTS_SHOWN_MAX: Final = 3
"""Lots that a cure names; of many one sees the pattern."""


def check_split_names(
    splits: Sequence[Split],
    source: str,
    columns: Collection[str],
    securities: Collection[str],
) -> list[Contradiction]:
    """Return the splits whose security has no prices: they were never applied.

    Parameters
    ----------
    splits : sequence of Split
    source : str
        Their file.
    columns : collection of str
        All columns of the prices, those of other buckets too.
    securities : collection of str
        Those of this bucket; the nearest one is held.
    """
    contradictions = []
    for split in splits:
        # A split of another bucket's security is in the case of the file, not of that bucket.
        if split.security in securities or matches((split.security,), columns):
            continue
        hint = did_you_mean(split.security, sorted(columns), otherwise="")
        nearest = hint.partition("`")[2].partition("`")[0]
        finding = error(
            "split_security_unknown",
            f"{source}:{split.line}: there are no prices of {split.security}, so its split of"
            f" {split.ratio:g} on {split.on} is not applied",
            f"{hint} Else delete the line"
            if hint
            else f"add closes of {split.security} to market/prices.csv, or delete the line",
            nearest or None,
        )
        held = (nearest,) if nearest in securities else ()
        reason = f"a split of {split.security} may be its own"
        # Its lots may be in old units.
        factors = (min(1.0, split.ratio), max(1.0, split.ratio))
        contradictions.append(Contradiction(finding, held, reason, value_factors=factors))
    return contradictions


def check_split_closes(
    without_jump: Sequence[SplitWithoutJump],
    source: str,
    lots: Sequence[PlacedLot],
    closes: Mapping[str, FloatArray],
    dates: DateArray,
) -> list[Contradiction]:
    """Return the declared splits that the closes contradict, each with the one cure that fits.

    Parameters
    ----------
    without_jump : sequence of SplitWithoutJump
    source : str
        The file of the splits.
    lots : sequence of PlacedLot
        They tell whether the split was entered in the holdings.
    closes : mapping of security to ndarray of shape (n_days,)
        In trade currency, without those splits.
    dates : ndarray of shape (n_days,), datetime64[D]
    """
    contradictions = []
    for entry in without_jump:
        split = entry.split
        if split.security not in closes:
            continue  # of another bucket
        own = [placed for placed in lots if placed.lot.security == split.security]
        units = _units_of_lots(own, split, closes[split.security], dates)
        factors = (1.0, 1.0)
        if entry.ratio_shown is not None:
            # The lots may be in units of either ratio.
            wrong = entry.ratio_shown / split.ratio
            factors = (min(1.0, wrong, 1 / wrong), max(1.0, wrong, 1 / wrong))
        elif entry.jump_on is None and units != TODAYS_UNITS:
            # Lots in old units count as too little, by the ratio.
            factors = (min(1.0, split.ratio), max(1.0, split.ratio))
        finding = error(
            "split_without_jump",
            f"{source}:{split.line}: a split of {split.ratio:g} of {split.security} is declared for"
            f" {split.on}, but the close moved by {entry.move - 1:+.1%}; {_effect(entry)}",
            _cure_of_split(entry, units, own),
            split.security,
        )
        reason = "its closes contradict its declared split"
        contradictions.append(
            Contradiction(finding, (split.security,), reason, value_factors=factors)
        )
    return contradictions


def _effect(entry: SplitWithoutJump) -> str:
    if entry.jump_on is not None:
        return f"on {entry.jump_on} it moved as in such a split"
    if entry.ratio_shown is not None:
        return f"that is a split of {entry.ratio_shown:g}"
    return "it is not applied to the closes"


def _cure_of_split(entry: SplitWithoutJump, units: str, lots: Sequence[PlacedLot]) -> str:
    split = entry.split
    if entry.jump_on is not None:
        return f"write the date {entry.jump_on} into line {split.line}"
    if entry.ratio_shown is not None:
        return f"write the ratio {entry.ratio_shown:g} into line {split.line}"
    delete = f"delete line {split.line}"
    if units == TODAYS_UNITS or not lots:
        return f"{delete}: closes and lots agree without it" if lots else delete
    written = "; ".join(
        f"at {placed.place} quantity = {placed.lot.quantity * split.ratio:.10g}, unit_cost ="
        f" {placed.written_cost / split.ratio:.10g}"
        for placed in lots[:LOTS_SHOWN_MAX]
        if placed.lot.acquired is None or placed.lot.acquired < split.on
    )
    more = " and so on" if len(lots) > LOTS_SHOWN_MAX else ""
    if units == OLD_UNITS:
        return f"{delete}, and write the lots in today's units: {written}{more}"
    return f"{delete}; if there was a split and the lots are older, also write {written}{more}"


def _units_of_lots(
    lots: Sequence[PlacedLot], split: Split, closes: FloatArray, dates: DateArray
) -> str:
    """Return the units that the lots are in, by their costs; empty: their costs do not tell."""
    units = set()
    for placed in lots:
        lot = placed.lot
        if lot.acquired is not None and lot.acquired >= split.on:
            continue  # bought after it
        close = None if lot.acquired is None else close_on(dates, closes, lot.acquired)
        if close is None or lot.unit_cost <= 0:
            return ""
        distance, step = abs(log(lot.unit_cost / close)), abs(log(split.ratio))
        if distance <= step * NEAR_SHARE:
            units.add(TODAYS_UNITS)
        elif abs(log(lot.unit_cost / close / split.ratio)) <= step * NEAR_SHARE:
            units.add(OLD_UNITS)
        else:
            return ""
    return "" if len(units) > 1 else next(iter(units), TODAYS_UNITS)
