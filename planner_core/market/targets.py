"""The neutral portfolio: the weights that the owner's targets ask for today.

A security with a target has that weight. One without keeps its present weight, moved in proportion
with its group where the group has a target. Two things leave less room than the targets ask for:
withdrawals that are due, and holdings without a target. Then the targets shrink in proportion.

What the weights leave is the neutral share of cash. It is a floor for buys, never a reason to sell.

New money that the owner asks to invest is no refill of cash. So where cash lies below its neutral
share c, the weights grow in proportion until they leave only what was there before:

    w*' = w* (1 - c') / (1 - c),    c' = min(c, max(cash before, cash that must stay))

Then sum(w*' - w) is the new money that may be spent, and some security lies below its target.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner_core.market.groups import group_membership
from planner_core.model.arrays import BoolArray, FloatArray
from planner_core.model.context import PlanningContext
from planner_core.model.records import Finding, GroupRule, Severity

OPENING_WEIGHT = 1e-6
"""Weight by which a security that is not held takes part in its group's target."""
SHRINKAGE_REPORTED = 1e-4
"""Shrinkage of the targets below this factor is rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class TargetPortfolio:
    """The neutral weights, as fractions of the NAV before trading.

    Parameters
    ----------
    weight : ndarray of shape (n_securities,)
        w*; never negative, their sum at most 1.
    cash : float
        1 - sum(w*).
    has_pull : ndarray of shape (n_securities,), bool
        Has a target of its own, or moves with its group's.
    group_membership : ndarray of shape (n_groups, n_securities)
        Of the groups with a target.
    findings : tuple of Finding
    """

    weight: FloatArray
    cash: float
    has_pull: BoolArray
    group_membership: FloatArray
    findings: tuple[Finding, ...]

    def distance(self, weight: FloatArray, cash: float) -> float:
        """Return half the sum of |w - w*| over securities and cash: the part to be traded."""
        return float(np.abs(weight - self.weight).sum() + abs(cash - self.cash)) / 2


def has_targets(context: PlanningContext) -> bool:
    """Return whether the owner named a target for any security or group."""
    return any(s.target is not None for s in context.securities) or any(
        rule.target is not None for rule in context.group_rules
    )


def build_target_portfolio(
    context: PlanningContext,
    weight: FloatArray,
    withdrawals: float,
    cash_before: float = 1.0,
    cash_required: float = 0.0,
) -> TargetPortfolio | None:
    """Return the neutral portfolio; None without any target.

    Parameters
    ----------
    context : PlanningContext
    weight : ndarray of shape (n_securities,)
        Present weights.
    withdrawals : float, fraction of NAV
        Withdrawals that are due.
    cash_before : float, fraction of NAV
        Free cash without the new money to be invested; counts only where there is some.
    cash_required : float, fraction of NAV
        Reserve and withdrawals: what must stay of it.
    """
    if not has_targets(context):
        return None
    own = np.array(
        [np.nan if s.target is None else s.target for s in context.securities], dtype=np.float64
    )
    rules = [rule for rule in context.group_rules if rule.target is not None]
    membership = group_membership(context, [(r.classification, r.group) for r in rules])
    unscaled = np.where(np.isnan(own), weight, own)
    in_group = np.isnan(own) & (membership > 0).any(axis=0)
    unscaled = _moved_with_groups(unscaled, in_group, membership, rules)
    has_pull = ~np.isnan(own) | in_group
    # Holdings without a target stay as they are; the others share what these and withdrawals leave.
    fixed = float(unscaled[~has_pull].sum())
    pulled = float(unscaled[has_pull].sum())
    # A withdrawal takes the same part of every target: w* = t (1 - withdrawals).
    scale = max(0.0, 1 - withdrawals)
    room = max(0.0, 1 - withdrawals - fixed)
    factor = min(scale, room / pulled) if pulled > 0 else scale
    shrunk = np.where(has_pull, factor * unscaled, unscaled)
    findings = _shrinkage_finding(factor / scale if scale else 1.0, fixed)
    cash = 1 - float(shrunk.sum())
    kept_cash = max(cash_before, cash_required)
    pulled = float(shrunk[has_pull].sum())
    if context.invest > 0 and kept_cash < cash and pulled > 0:
        findings = (*findings, *_invested_finding(context, cash, kept_cash))
        # Only the securities with a pull grow: sum(w*') = 1 - c'.
        shrunk = np.where(has_pull, shrunk * (1 + (cash - kept_cash) / pulled), shrunk)
    return TargetPortfolio(
        weight=shrunk,
        cash=1 - float(shrunk.sum()),
        has_pull=has_pull,
        group_membership=membership,
        findings=findings,
    )


def _moved_with_groups(
    weight: FloatArray, in_group: BoolArray, membership: FloatArray, rules: list[GroupRule]
) -> FloatArray:
    """Return the weights, with those `in_group` moved so that their groups meet their targets.

    The least move, relative to the weights: w + W G'(G W G')^+ (g - G w), with W the weights that
    may move on the diagonal. For one group it is w g / sum(w).
    """
    if not in_group.any():
        return weight
    target = np.array([rule.target for rule in rules], dtype=np.float64)
    # A member that is not held takes part only where nothing else of its group is held.
    movable = np.where(in_group, np.maximum(weight, OPENING_WEIGHT), 0.0)
    system = (membership * movable) @ membership.T
    multiplier = np.linalg.pinv(system) @ (target - membership @ weight)
    moved: FloatArray = np.maximum(weight + movable * (membership.T @ multiplier), 0.0)
    return moved


def _invested_finding(
    context: PlanningContext, neutral: float, kept_cash: float
) -> tuple[Finding, ...]:
    """Return that new money is invested although cash is below its share."""
    if neutral - kept_cash < SHRINKAGE_REPORTED:
        return ()
    return (
        Finding(
            "cash_below_share",
            Severity.INFO,
            f"cash was {kept_cash:.1%} of the portfolio, your targets leave {neutral:.1%} to it;"
            " the new money goes to securities and does not refill it, as you asked",
            f"trader plan {context.bucket_id} without --invest lets it refill cash first",
        ),
    )


def _shrinkage_finding(factor: float, fixed: float) -> tuple[Finding, ...]:
    """Return a finding when holdings without a target leave no room for the targets."""
    if factor >= 1 - SHRINKAGE_REPORTED:
        return ()
    return (
        Finding(
            "targets_shrunk",
            Severity.WARNING,
            f"holdings without a target take {fixed:.1%}: the targets are scaled to {factor:.1%}",
            "give these holdings a target (0 sells them), or lower the other targets",
        ),
    )
