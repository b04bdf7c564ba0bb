"""How far a plan leads: carry it out on the snapshot, plan again, until there is nothing to do.

A plan has a few steps, so a portfolio far from its targets takes several plans. Here all of them
are made at today's prices. Fills are not written into the ledger: by the time of the next plan,
cool-downs and the window of the turnover cap are taken to be over. So the figures are an outlook.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from planner_core.market.costs import in_selling_order
from planner_core.market.state import value
from planner_core.market.targets import has_targets
from planner_core.market.valuation import latest_rate, may_sell
from planner_core.model.config import PlannerConfig, config_in_force
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Plan, Step
from planner_core.model.records import CashBalance, Side, TaxLot
from planner_core.planner import plan as make_plan
from planner_core.runtime import Runtime

PLANS_MAX = 12
"""Later plans, at most: sixty more trades, more than anybody wants to know."""
DISTANCE = "distance"
"""The metric of a bucket with targets."""
UNITS_TOLERANCE = 1e-9
"""Rounding error in units that are remaining of a lot, as a part of it."""


@dataclass(frozen=True, slots=True)
class PlanPath:
    """How far a plan and those after it lead; distances are fractions of the portfolio.

    Parameters
    ----------
    n_trades, n_later_trades : int
        Steps of the plan, and of all later plans.
    n_later_plans : int
    distance_before, distance_after, distance_end : float
        Before the plan, after it, and after all plans: half the sum of |w - w*| over securities and
        cash.
    is_complete : bool
        The last plan leaves nothing to do. False: time or the bound on plans ended it.
    """

    n_trades: int
    n_later_trades: int
    n_later_plans: int
    distance_before: float
    distance_after: float
    distance_end: float
    is_complete: bool


def find_path(
    context: PlanningContext, config: PlannerConfig, plan: Plan, runtime: Runtime
) -> PlanPath | None:
    """Carry out a plan and those that follow.

    Parameters
    ----------
    context : PlanningContext
        That of the plan.
    config : PlannerConfig
    plan : Plan
    runtime : Runtime
        Its deadline ends the search for later plans. No events are emitted.

    Returns
    -------
    PlanPath, optional
        None without steps or without targets.
    """
    if not plan.steps or DISTANCE not in plan.metrics_after:
        return None
    silent = Runtime(
        registries=runtime.registries,
        monotonic=runtime.monotonic,
        is_cancelled=runtime.is_cancelled,
        deadline_s=runtime.deadline_s,
        excluded_modules=runtime.excluded_modules,
    )
    latest, n_plans, n_trades, is_complete = plan, 0, 0, False
    for _ in range(PLANS_MAX):
        if silent.must_stop():
            break
        context = carried_out(context, latest.steps, config)
        following = make_plan(context, config, silent)
        if not following.steps:
            is_complete = True
            break
        if silent.out_of_time():
            # Its search was cut short, so it says little about the plan of that day.
            break
        latest, n_plans, n_trades = following, n_plans + 1, n_trades + len(following.steps)
    return PlanPath(
        n_trades=len(plan.steps),
        n_later_trades=n_trades,
        n_later_plans=n_plans,
        distance_before=plan.metrics_before[DISTANCE],
        distance_after=plan.metrics_after[DISTANCE],
        distance_end=latest.metrics_after[DISTANCE],
        is_complete=is_complete,
    )


def carried_out(
    context: PlanningContext, steps: Iterable[Step], config: PlannerConfig
) -> PlanningContext:
    """Return the snapshot after the steps, at the prices of the plan and settled at once."""
    lots, balances = list(context.lots), {b.currency: b for b in context.cash}
    spent = 0.0
    for step in steps:
        if step.side is Side.CONVERT:
            source, target = step.security.split(">")
            _pay(balances, source, -step.quantity)
            history, _ = value(context, config)
            _pay(balances, target, (step.value - step.cost) / latest_rate(history, target))
            continue
        net = -step.value if step.side is Side.BUY else step.value
        net -= step.cost + step.tax
        spent += max(0.0, -net)
        own = step.currency if config.constraints.multi_currency else context.base_currency
        _pay(balances, own, net / (step.fx_rate if own == step.currency else 1.0))
        if step.side is Side.BUY:
            lots.append(
                TaxLot(step.security, step.quantity, step.price, step.fx_rate, context.as_of)
            )
        else:
            lots = _without_sold(lots, step, context, config)
    return replace(
        context,
        lots=tuple(lots),
        cash=tuple(balances.values()),
        invest=max(0.0, context.invest - spent),
        incumbent=None,
    )


def _pay(balances: dict[str, CashBalance], currency: str, amount: float) -> None:
    balance = balances.get(currency, CashBalance(currency, 0.0))
    balances[currency] = replace(balance, settled=balance.settled + amount)


def _without_sold(
    lots: list[TaxLot], step: Step, context: PlanningContext, config: PlannerConfig
) -> list[TaxLot]:
    """Return the lots without the units of a sell, in the order in which it takes them."""
    constraints = config_in_force(config, with_targets=has_targets(context)).constraints
    sellable = [
        lot
        for lot in lots
        if lot.security == step.security and may_sell(lot, context.as_of, constraints.lot_age_min)
    ]
    unsold, remaining = step.quantity, [lot for lot in lots if lot not in sellable]
    for lot in in_selling_order(sellable, config.costs.tax_lots):
        units = min(unsold, lot.quantity)
        unsold -= units
        if lot.quantity - units > UNITS_TOLERANCE * lot.quantity:
            remaining.append(replace(lot, quantity=lot.quantity - units))
    return remaining
