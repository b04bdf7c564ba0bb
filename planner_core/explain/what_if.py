"""The plan under other settings, one at a time: which of them would change the answer.

    questions    other settings worth trying: limits that bind or block, and preferences
    answers      a whole plan for each, compared with today's steps under the same setting

A limit is a question when the plan is at it, or when it blocks something that is held. A preference
(caution, costs, the weight of the past) always is, because it has no one right value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from planner_core.explain.limit_use import LimitUse
from planner_core.explain.rescoring import (
    Evaluation,
    Rescoring,
    is_worth_doing,
    level_of,
    repriced,
    silent_runtime,
)
from planner_core.market.limits import VIOLATION_TOLERANCE, Limits
from planner_core.market.state import PlanningState, assess, value
from planner_core.model.arrays import BoolArray
from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Outcome, Plan
from planner_core.planner import plan as make_plan
from planner_core.runtime import Runtime

SAME_GAIN = 1e-9
"""Gains that differ by less, in score units, are equal."""
DEPTH_MAX = 10
"""The upper bound of `max_plan_depth`."""
NEAR = 0.9
"""Used part of a limit from which it is a question: whole lots rarely meet it exactly."""
GROUP_STEP = 0.05
"""Weight by which the cap of a group is raised."""
LIMIT_QUESTIONS_MAX = 5
"""Questions about limits; with the preferences, at most ten plans are made."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The answer to a question.

    Parameters
    ----------
    setting : str
        Key in the configuration, or in the portfolio for what starts with `groups.`.
    value_now, value_then : str
    question : str
        Follows "What if": `a plan could have 6 steps instead of 5`.
    outcome : Outcome
    gain : float, optional
        Of the plan under the other setting, by that setting's own objective; None when HELD.
    gain_change : float, optional
        Against the plan's gain; None where the objective differs and gains do not compare.
    gain_of_plan : float, optional
        What today's steps would gain under the other setting; None when not allowed there.
    n_steps : int
    same_steps : bool
        Exactly today's steps.
    same_trades : bool
        Today's securities and sides, perhaps in other sizes.
    added, dropped : tuple of (side, security)
        Trades that only the other plan, or only today's plan has.
    """

    setting: str
    value_now: str
    value_then: str
    question: str
    outcome: Outcome
    gain: float | None
    gain_change: float | None
    gain_of_plan: float | None
    n_steps: int
    same_steps: bool
    same_trades: bool
    added: tuple[tuple[str, str], ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()


def what_if(
    state: PlanningState, plan: Plan, limits: Sequence[LimitUse], runtime: Runtime
) -> tuple[tuple[WhatIf, ...], float]:
    """Plan under every other setting that can matter.

    Parameters
    ----------
    state : PlanningState
        Of the plan.
    plan : Plan
    limits : sequence of LimitUse
    runtime : Runtime
        Registries, clock and cancellation; no events are emitted.

    Returns
    -------
    answers : tuple of WhatIf
        Those that change the trades first, then those that change sizes.
    best_gain : float
        The largest gain of any of these plans that today's settings allow. It exceeds the plan's
        own if the search missed something. At least the plan's gain, never NaN.
    """
    answers = []
    best = plan.score.gain if plan.score else 0.0
    for question in questions(state, plan, limits):
        runtime.check_cancelled()
        other = make_plan(question.context, question.config, silent_runtime(runtime))
        answers.append(_answer(question, plan, other))
        best = max(best, _gain_today(other, state, plan))
    return tuple(sorted(answers, key=_change_rank)), best


def _answer(question: Question, plan: Plan, other: Plan) -> WhatIf:
    """Return the better of a new plan and of today's steps, under the other setting."""
    gain = other.score.gain if other.score else None
    todays, is_worth = _todays_steps(question, plan) or (None, False)
    if todays is not None and (is_worth or other.steps) and _is_as_good(todays, other):
        # The search is a heuristic: it may miss today's steps where they are still the best.
        other, gain = replace(other, outcome=plan.outcome, steps=plan.steps), todays.gain
    now, then = _trades(plan), _trades(other)
    comparable = question.comparable and gain is not None and plan.score is not None
    return WhatIf(
        setting=question.setting,
        value_now=question.value_now,
        value_then=question.value_then,
        question=question.text,
        outcome=other.outcome,
        gain=gain,
        gain_change=gain - plan.score.gain
        if comparable and gain is not None and plan.score
        else None,
        gain_of_plan=todays.gain if todays is not None else None,
        n_steps=len(other.steps),
        same_steps=now == then,
        same_trades=set(now) == set(then),
        added=tuple(trade for trade in then if trade not in now),
        dropped=tuple(trade for trade in now if trade not in then),
    )


def _todays_steps(question: Question, plan: Plan) -> tuple[Evaluation, bool] | None:
    """Evaluate today's steps under the other setting; None if they are not allowed there.

    Returns
    -------
    evaluation : Evaluation
    is_worth : bool
        The planner's own rule would choose them over doing nothing.
    """
    if len(plan.steps) > question.config.max_plan_depth:
        return None
    history, portfolio = value(question.context, question.config)
    other = assess(question.context, question.config, history, portfolio)
    actions = repriced(plan.steps, other)
    if actions is None:
        return None
    evaluation = Rescoring(other, actions).evaluate_all()
    return (evaluation, is_worth_doing(evaluation, other)) if evaluation.legal else None


def _is_as_good(todays: Evaluation, other: Plan) -> bool:
    """Return whether today's steps are at least as good as the other plan's."""
    if other.score is None:
        return False
    rank = level_of(todays.violation), -round(todays.gain, 12)
    return rank <= (level_of(other.violation_after), -round(other.score.gain, 12))


def _gain_today(other: Plan, state: PlanningState, plan: Plan) -> float:
    """Return the gain of another plan under today's settings; -inf if they do not allow it."""
    # Doing nothing is no better plan: it would have been chosen.
    if not other.steps or len(other.steps) > state.config.max_plan_depth:
        return -np.inf
    actions = repriced(other.steps, state)
    if actions is None:
        return -np.inf
    evaluation = Rescoring(state, actions).evaluate_all()
    as_repaired = level_of(evaluation.violation) <= level_of(plan.violation_after)
    return evaluation.gain if as_repaired and is_worth_doing(evaluation, state) else -np.inf


def _trades(plan: Plan) -> dict[tuple[str, str], float]:
    return {(step.side.value, step.security): step.quantity for step in plan.steps}


def _change_rank(answer: WhatIf) -> tuple[int, float]:
    """Return the sort key of an answer: changed trades first, then sizes, then the gain."""
    rank = 2 if answer.same_steps else 1 if answer.same_trades else 0
    return rank, -abs(answer.gain_change or 0.0)


# -- questions -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Question:
    """One other setting.

    `comparable`: its gains use the same objective as today's, so that they can be subtracted.
    """

    setting: str
    value_now: str
    value_then: str
    text: str
    comparable: bool
    context: PlanningContext
    config: PlannerConfig


def questions(state: PlanningState, plan: Plan, limits: Sequence[LimitUse]) -> list[Question]:
    """Return the settings worth trying: limits that bind or block first, then preferences.

    Parameters
    ----------
    state : PlanningState
    plan : Plan
    limits : sequence of LimitUse
        Used by the plan.
    """
    of_limits = list(_limit_questions(state, plan, limits))[:LIMIT_QUESTIONS_MAX]
    return [*of_limits, *_preference_questions(state)]


def _limit_questions(
    state: PlanningState, plan: Plan, limits: Sequence[LimitUse]
) -> Iterator[Question]:
    near = {use.name for use in limits if use.share >= NEAR}
    if _lacks_little(state, plan):
        text = "even the smallest gain were worth a trade"
        yield _question(state, "constraints", "min_gain_bps", 0.0, text)
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
    """Return whether one target is farther away than the turnover that is left."""
    away = np.abs(np.nan_to_num(state.targets - state.portfolio.weight))
    return bool(away.size and away.max() > state.limits.turnover_left)


def _lacks_little(state: PlanningState, plan: Plan) -> bool:
    """Return whether trades were dropped only because they gain less than the minimum."""
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
        yield _question(state, "constraints", "turnover_max", then, text)


def _reserve_question(state: PlanningState) -> Iterator[Question]:
    reserve = state.config.constraints.cash_reserve
    if reserve > 0:
        text = f"no cash were kept in reserve instead of {_percent(reserve)}"
        yield _question(state, "constraints", "cash_reserve", 0.0, text)


def _cap_question(state: PlanningState, use: LimitUse) -> Iterator[Question]:
    """Yield a wider cap for a position or a group that is at its cap."""
    kind, _, name = use.name.partition(" ")
    cap = state.config.constraints.position_weight_max
    if kind == "position":
        if use.limit == cap < 1:
            then = min(1.0, cap * 1.5)
            text = f"a position could grow to {_percent(then)} instead of {_percent(cap)}"
            yield _question(state, "constraints", "position_weight_max", then, text)
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
    """Yield ages and cool-downs, but only those that block a trade now."""
    constraints = state.config.constraints
    for key, text in (
        ("lot_age_min", "holdings of any age could be sold"),
        ("sell_cooldown_days", "a security could be sold again at any time"),
        ("buy_cooldown_days", "a security could be bought again at any time"),
        ("rebuy_after_sell_days", "a security could be bought back at any time"),
    ):
        if getattr(constraints, key) == 0:
            continue
        question = _question(state, "constraints", key, 0, text)
        if _frees(state, question.config):
            yield question


def _frees(state: PlanningState, config: PlannerConfig) -> bool:
    """Return whether other constraints allow a trade that is blocked now."""
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
    if state.objective.targets is not None:
        yield from _target_questions(state)
    has_opinion = not state.follows_targets
    if has_opinion and state.config.estimation.mean_shrinkage < 1:
        text = "past returns were not used to rank securities"
        yield _question(state, "estimation", "mean_shrinkage", 1.0, text, comparable=False)
    if state.objective.targets is None and objective.risk_aversion > 0:
        for factor, text in (
            (2.0, "you were twice as cautious"),
            (0.5, "you were half as cautious"),
        ):
            then = min(50.0, objective.risk_aversion * factor)
            yield _question(state, "objective", "risk_aversion", then, text, comparable=False)
    if costs.cost_bps > 0:
        text = "commissions were three times as high"
        then = min(1000.0, costs.cost_bps * 3)
        yield _question(state, "costs", "cost_bps", then, text, comparable=False)


def _target_questions(state: PlanningState) -> Iterator[Question]:
    """Yield what decides in a bucket with targets: how close to stay, and who has a say."""
    objective = state.config.objective
    if objective.tracking_aversion > 0:
        for factor, text in (
            (2.0, "you kept twice as close to your targets"),
            (0.5, "you kept half as close to your targets"),
        ):
            then = min(10_000.0, objective.tracking_aversion * factor)
            yield _question(state, "objective", "tracking_aversion", then, text, comparable=False)
    opinion = objective.opinion
    then, text = (0.0, "past returns had no say") if opinion else (0.5, "past returns had a say")
    yield _question(state, "objective", "opinion", then, text, comparable=False)


def _question(
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
