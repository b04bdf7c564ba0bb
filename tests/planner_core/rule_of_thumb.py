"""A rule of thumb to compare plans with: bands around the targets, new money first.

A security whose weight is off its target by more than the band is traded back to the target, in
whole lots. The 5/25 rule has a band of 5 % of the portfolio or 25 % of the target, whichever is
narrower. Cash beyond its share goes to what lies furthest below. What is bought is paid by sales of
what is outside its band, and then of what is furthest above. Orders that the rules of the planner
forbid are left out, and the rule stops at the depth of a plan.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tests.planner_core import target_rule
from tests.planner_core.reference import Proposal, Reference

ABSOLUTE_PART = 5 / 25
"""The absolute half-width of a band over the relative one."""


@dataclass
class Hand:
    """The owner's hand on one day: gaps to the targets and money that may be spent, in money."""

    reference: Reference
    gaps: list[float]
    money: float

    def buy(self, column: int) -> Proposal | None:
        """Return the buy of the lots nearest to the gap, as far as the money goes."""
        reference = self.reference
        lots = math.floor(self.gaps[column] / self.lot_value(column) + 0.5)
        least = target_rule.smallest_lots(reference, column)
        while lots > 0:
            order = self.order(column, lots)
            takes = reference.value(order) + reference.cost(order)
            if takes <= self.money:
                return None if lots < least or reference.trade_complaint(order) else order
            # Costs grow with the value: what the money covers is a little less each time.
            lots = min(lots - 1, math.floor(lots * self.money / takes))
        return None

    def sale(self, column: int) -> Proposal | None:
        """Return the sale of the lots above the target; None when it is not legal."""
        reference, lot = self.reference, target_rule.lot(self.reference, column)
        lots = math.floor(-self.gaps[column] / self.lot_value(column) + 1e-9)
        lots = min(lots, math.floor(reference.sellable(column) / lot + 1e-9))
        order = self.order(column, -lots)
        return order if lots > 0 and not reference.trade_complaint(order) else None

    def order(self, column: int, lots: int) -> Proposal:
        return Proposal(column, lots * target_rule.lot(self.reference, column))

    def lot_value(self, column: int) -> float:
        return target_rule.lot(self.reference, column) * self.reference.unit(column)


def orders(reference: Reference, relative: float, depth: int) -> list[Proposal]:
    """Return the rule's orders, sales first, at most `depth` of them.

    `relative`: the half-width of the band in parts of the target, 0.25 in the 5/25 rule.
    """
    assert reference.neutral is not None
    start, nav = reference.book(), reference.nav
    columns = [i for i in range(reference.n) if target_rule.is_pulled(reference, i)]
    gaps = [
        (target - reference.weight(start, i)) * nav for i, target in enumerate(reference.neutral)
    ]
    spare = reference.cash - reference.promised() - reference.required()
    hand = Hand(reference, gaps, min(spare, reference.idle(start) * nav))

    def is_outside(column: int) -> bool:
        assert reference.neutral is not None
        band = min(ABSOLUTE_PART * relative, relative * reference.neutral[column])
        return abs(gaps[column]) > band * nav

    below = [i for i in sorted(columns, key=lambda i: -gaps[i]) if gaps[i] > 0]
    # The furthest above first, and what is outside its band before all others.
    above = sorted((i for i in columns if gaps[i] < 0), key=lambda i: (not is_outside(i), gaps[i]))
    needed = math.fsum(gaps[i] for i in below if is_outside(i))
    sales: list[Proposal] = []
    for column in above:
        if not is_outside(column) and hand.money >= needed:
            break
        order = hand.sale(column)
        if order is not None and len(sales) < depth:
            sales.append(order)
            hand.money += reference.value(order) - reference.cost(order) - reference.tax(order)
    buys: list[Proposal] = []
    for column in sorted(below, key=lambda i: not is_outside(i)):
        bought = hand.buy(column)
        if bought is not None and len(sales) + len(buys) < depth:
            buys.append(bought)
            hand.money -= reference.value(bought) + reference.cost(bought)
    return [*sales, *buys]
