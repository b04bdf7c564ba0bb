"""The 5/25 rule: how far a weight may drift before rebalancing.

The band around a target is the smaller of 5 percentage points and 25 % of the target, on both
sides. Within it a drift costs less than trading it away. Outside of it two sizes are offered: back
to the band's edge, the cheapest trade that ends the breach, and back to the target.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from planner_core.market.groups import group_levers, group_membership
from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import weight_and_target
from planner_core.modules.module import ModuleParameters, parameter

WEIGHT_DUST = 1e-9
"""Rounding error in a weight: 0.10 - 0.075 is a hair above 0.025."""


class BandParameters(ModuleParameters):
    """The band is the smaller of an absolute and a relative width around the target."""

    band_absolute: float = parameter(
        0.05, unit="weight", gt=0, le=1, description="absolute half-width of the band"
    )
    band_relative: float = parameter(
        0.25, unit="fraction of target", gt=0, le=1, description="relative half-width of the band"
    )

    def half_width(self, target: float) -> float:
        """Return the band's half-width around a target weight."""
        # min(5 pp, 25 % of target): the relative width counts for targets below 20 %.
        return min(self.band_absolute, self.band_relative * target)


@dataclass(frozen=True, slots=True)
class Drift:
    """A security that is outside its band, or whose group is.

    `to_edge` and `to_target` are the weights to trade, positive.
    """

    column: int
    label: str
    weight: float
    target: float
    to_edge: float
    to_target: float

    @property
    def reason(self) -> str:
        """Where the security or the group stands, and where its target is."""
        return weight_and_target(self.label, self.weight, self.target)


def overweight(state: PlanningState, parameters: BandParameters) -> Iterator[Drift]:
    """Yield the securities above their bands, then the members of groups above theirs."""
    yield from _security_drifts(state, parameters, sign=1.0)
    yield from _group_drifts(state, parameters, sign=1.0)


def underweight(state: PlanningState, parameters: BandParameters) -> Iterator[Drift]:
    """Yield the securities below their bands, then the members of groups below theirs."""
    yield from _security_drifts(state, parameters, sign=-1.0)
    yield from _group_drifts(state, parameters, sign=-1.0)


def _security_drifts(
    state: PlanningState, parameters: BandParameters, sign: float
) -> Iterator[Drift]:
    """Yield the securities outside their bands; `sign` 1 above, -1 below."""
    for column, security in enumerate(state.context.securities):
        if security.target is None:
            continue
        weight = float(state.portfolio.weight[column])
        half_width = parameters.half_width(security.target)
        # The gap is positive on the side that `sign` asks for.
        gap = sign * (weight - security.target)
        if gap > half_width + WEIGHT_DUST:
            yield Drift(column, security.id, weight, security.target, gap - half_width, gap)


def _group_drifts(state: PlanningState, parameters: BandParameters, sign: float) -> Iterator[Drift]:
    """Yield the members of groups outside their bands; `sign` 1 above, -1 below.

    Each member alone is offered to bring its group back, as far as it can: the search combines
    them.
    """
    rules = [rule for rule in state.context.group_rules if rule.target is not None]
    membership = group_membership(
        state.context, [(rule.classification, rule.group) for rule in rules]
    )
    for rule, members in zip(rules, membership, strict=True):
        target = rule.target or 0.0
        # Weight of the group = sum of its members' weights.
        weight = float(members @ state.portfolio.weight)
        half_width = parameters.half_width(target)
        gap = sign * (weight - target)
        if gap <= half_width + WEIGHT_DUST:
            continue
        usable = state.portfolio.weight > 0 if sign > 0 else np.ones(members.shape, dtype=bool)
        for column in group_levers(members, target, usable):
            # A member can be sold no further than to nothing; buys are capped when sized.
            weight_max = float(state.portfolio.weight[column]) if sign > 0 else np.inf
            # Trading x of a fund moves its group by share * x.
            share = float(members[column])
            yield Drift(
                int(column),
                f"{rule.classification} {rule.group}",
                weight,
                target,
                min((gap - half_width) / share, weight_max),
                min(gap / share, weight_max),
            )
