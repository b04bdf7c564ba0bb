"""The rule on how much turnover a repair may take."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.planner_core.reference import Reference

REPAIR_COSTS = 0.02
NET_MIN = 0.05
SMALLEST_OF_NAV = 0.01


def repair_credit(reference: Reference) -> float:
    """Return the value of a repair: the violation, its costs and tax, and the last lot or trade."""
    if reference.violation_before <= 0:
        return 0.0
    c = reference.config.constraints
    tax_rate = reference.config.costs.tax_rate
    net = max(1 - min(c.cost_ratio_max, REPAIR_COSTS) - tax_rate, NET_MIN)
    last = min(c.min_trade_value, SMALLEST_OF_NAV * reference.nav)
    for i, security in enumerate(reference.context.securities):
        if reference.sellable(i) > 0:
            lot = 0.0 if security.fractional else security.lot_size * reference.unit(i)
            last = max(last, security.min_trade_value, lot)
    to_sell = reference.violation_before * reference.nav + dilution(reference)
    return to_sell / net + last


def dilution(reference: Reference) -> float:
    """Return the value to sell beyond the excess of groups, as members may lie in them in part."""
    total = 0.0
    for rule in reference.context.group_rules:
        if rule.cap is None:
            continue
        excess = (reference.group_weight(reference.book(), rule) - rule.cap) * reference.nav
        members = [
            (reference.group_share(i, rule), reference.sellable(i) * reference.unit(i))
            for i in range(reference.n)
            if reference.sellable(i) > 0
        ]
        for share, worth in sorted(members, reverse=True):
            if excess > 0 and share > 0:
                sold = min(worth, excess / share)
                total += sold * (1 - share)
                excess -= sold * share
    return total
