"""Which other settings are worth planning under.

A limit is asked about when the plan stands at it, or when it blocks something that is held; a
preference (caution, costs, what the past is worth) always, because nobody knows the one right
number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from planner_core.explain.limit_use import LimitUse
from planner_core.market.limits import VIOLATION_TOLERANCE, Limits
from planner_core.market.state import PlanningState, assess, value
from planner_core.model.arrays import BoolArray
from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Outcome, Plan

DEPTH_MAX = 10
"""The upper bound of `max_plan_depth`."""
NEAR = 0.9
"""A limit used to this part is worth a question: whole lots rarely meet it exactly."""
GROUP_STEP = 0.05
"""How much wider the cap of a group is made, a weight."""
LIMIT_QUESTIONS_MAX = 5
"""So that limits and preferences together stay below ten plans."""


@dataclass(frozen=True, slots=True)
class Question:
    """One other setting; `comparable`: gains are measured by the same objective as before."""

    setting: str
    value_now: str
    value_then: str
    text: str
    comparable: bool
    context: PlanningContext
    config: PlannerConfig


def questions(state: PlanningState, plan: Plan, limits: Sequence[LimitUse]) -> list[Question]:
    """Return what is worth asking: limits that bind or block first, then preferences.

    Parameters
    ----------
    state : PlanningState
    plan : Plan
    limits : sequence of LimitUse
        As the plan uses them.
    """
    asked = list(_limit_questions(state, plan, limits))[:LIMIT_QUESTIONS_MAX]
    return [*asked, *_preference_questions(state)]


def _limit_questions(
    state: PlanningState, plan: Plan, limits: Sequence[LimitUse]
) -> Iterator[Question]:
    near = {use.name for use in limits if use.share >= NEAR}
    if _lacks_little(state, plan):
        text = "even the smallest gain were worth a trade"
        yield _asked(state, "constraints", "min_gain_bps", 0.0, text)
    if plan.n_candidates and ("turnover" in near or _is_beyond_reach(state)):
        yield from _turnover_question(state)
    if plan.n_candidates:
        yield from _depth_questions(state, plan)
    if any(name.startswith("cash") for name in near) or state.limits.cash_deficit > 0:
        yield from _reserve_question(state)
    for use in limits:
        if use.binds:
            yield from _cap_question(state, use)
    yield from _waiting_questions(state)


def _is_beyond_reach(state: PlanningState) -> bool:
    """Tell whether a single way to a target is longer than what may be traded."""
    away = np.abs(np.nan_to_num(state.targets - state.portfolio.weight))
    return bool(away.size and away.max() > state.limits.turnover_left)


def _lacks_little(state: PlanningState, plan: Plan) -> bool:
    """Tell whether trades were dropped only because they gain less than is worth the bother."""
    if plan.outcome is not Outcome.NOTHING_TO_DO or state.config.constraints.min_gain_bps == 0:
        return False
    allowed = plan.violation_after + VIOLATION_TOLERANCE
    return any(a.gain > 0 and a.violation <= allowed for a in plan.alternatives)


def _depth_questions(state: PlanningState, plan: Plan) -> Iterator[Question]:
    depth, n_steps = state.config.max_plan_depth, len(plan.steps)

    def ask(then: int, text: str) -> Question:
        config = state.config.model_copy(update={"max_plan_depth": then})
        return Question("max_plan_depth", str(depth), str(then), text, True, state.context, config)

    if n_steps > 1:
        steps = "one step" if n_steps == 2 else f"{n_steps - 1} steps"  # noqa: PLR2004
        yield ask(n_steps - 1, f"a plan had {steps} at most")
    if n_steps == depth < DEPTH_MAX:
        yield ask(depth + 1, f"a plan could have {depth + 1} steps instead of {depth}")


def _turnover_question(state: PlanningState) -> Iterator[Question]:
    constraints = state.config.constraints
    if constraints.turnover_max > 0:
        then = constraints.turnover_max * 1.5
        text = (
            f"{_percent(then)} of the portfolio could be traded in"
            f" {constraints.turnover_window_days} days instead of"
            f" {_percent(constraints.turnover_max)}"
        )
        yield _asked(state, "constraints", "turnover_max", then, text)


def _reserve_question(state: PlanningState) -> Iterator[Question]:
    reserve = state.config.constraints.cash_reserve
    if reserve > 0:
        text = f"no cash were kept in reserve instead of {_percent(reserve)}"
        yield _asked(state, "constraints", "cash_reserve", 0.0, text)


def _cap_question(state: PlanningState, use: LimitUse) -> Iterator[Question]:
    """Ask about the cap of a position or a group that the plan stands at."""
    kind, _, name = use.name.partition(" ")
    cap = state.config.constraints.position_weight_max
    if kind == "position":
        if use.limit == cap < 1:
            then = min(1.0, cap * 1.5)
            text = f"a position could grow to {_percent(then)} instead of {_percent(cap)}"
            yield _asked(state, "constraints", "position_weight_max", then, text)
        return
    for rule in state.context.group_rules:
        if (rule.classification, rule.group) != (kind, name) or rule.cap is None or rule.cap >= 1:
            continue
        then = min(1.0, rule.cap + GROUP_STEP)
        wider = tuple(replace(r, cap=then) if r == rule else r for r in state.context.group_rules)
        yield Question(
            setting=f"groups.{kind}.{name}.cap",
            value_now=f"{rule.cap:g}",
            value_then=f"{then:g}",
            text=(
                f"{name.replace('_', ' ')} could make up {_percent(then)} instead of"
                f" {_percent(rule.cap)}"
            ),
            comparable=True,
            context=replace(state.context, group_rules=wider),
            config=state.config,
        )


def _waiting_questions(state: PlanningState) -> Iterator[Question]:
    """Ask about ages and cool-downs, but only where one keeps something from being traded."""
    constraints = state.config.constraints
    for key, text in (
        ("lot_age_min", "holdings could be sold however young they are"),
        ("sell_cooldown_days", "a security could be sold again at any time"),
        ("buy_cooldown_days", "a security could be bought again at any time"),
        ("rebuy_after_sell_days", "a security could be bought back at any time"),
    ):
        if getattr(constraints, key) == 0:
            continue
        question = _asked(state, "constraints", key, 0, text)
        if _frees(state, question.config):
            yield question


def _frees(state: PlanningState, config: PlannerConfig) -> bool:
    """Tell whether other constraints let something be traded that is blocked now."""
    history, portfolio = value(state.context, config)
    other = assess(state.context, config, history, portfolio)
    held = state.portfolio.quantity > 0
    sells = _blocked_sells(state.limits, held) - _blocked_sells(other.limits, held)
    buys = set(state.limits.buy_block) - set(other.limits.buy_block)
    lots = bool((portfolio.sellable > state.portfolio.sellable).any())
    return bool(sells or buys or lots)


def _blocked_sells(limits: Limits, held: BoolArray) -> set[int]:
    return {column for column in limits.sell_block if held[column]}


def _preference_questions(state: PlanningState) -> Iterator[Question]:
    objective, costs = state.config.objective, state.config.costs
    shrinkage = state.config.estimation.mean_shrinkage
    if shrinkage < 1:
        text = "past returns said nothing about which security does better"
        yield _asked(state, "estimation", "mean_shrinkage", 1.0, text, comparable=False)
    if objective.risk_aversion > 0:
        for factor, text in (
            (2.0, "you were twice as cautious"),
            (0.5, "you were half as cautious"),
        ):
            then = min(50.0, objective.risk_aversion * factor)
            yield _asked(state, "objective", "risk_aversion", then, text, comparable=False)
    if costs.cost_bps > 0:
        text = "commissions were three times as high"
        then = min(1000.0, costs.cost_bps * 3)
        yield _asked(state, "costs", "cost_bps", then, text, comparable=False)


def _asked(
    state: PlanningState,
    section: str,
    key: str,
    then: float,
    text: str,
    *,
    comparable: bool = True,
) -> Question:
    part = getattr(state.config, section)
    config = state.config.model_copy(update={section: part.model_copy(update={key: then})})
    now = getattr(part, key)
    return Question(
        f"{section}.{key}", f"{now:g}", f"{then:g}", text, comparable, state.context, config
    )


def _percent(fraction: float) -> str:
    return f"{fraction * 100:.4g}%"
