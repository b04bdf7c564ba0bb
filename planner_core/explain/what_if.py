"""What would change the answer: the plan under other settings, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from planner_core.explain.limit_use import LimitUse
from planner_core.explain.rescoring import Rescoring, Verdict, is_worth_doing, level_of, repriced
from planner_core.explain.what_if_questions import Question, questions
from planner_core.market.state import PlanningState, assess, value
from planner_core.model.plan import Outcome, Plan
from planner_core.planner import plan as make_plan
from planner_core.runtime import Runtime

SAME_GAIN = 1e-9
"""A gain must be larger by this, in score units, to count as better."""


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
    """Ask every question that can matter.

    Parameters
    ----------
    state : PlanningState
        Of the plan.
    plan : Plan
    limits : sequence of LimitUse
    runtime : Runtime
        Registries, clock and cancellation; nothing is emitted.

    Returns
    -------
    answers : tuple of WhatIf
        What changes the trades first, then what changes their sizes.
    best_gain : float
        The largest gain of a plan that was met on the way and that today's settings allow:
        larger than the plan's own when the search had missed something. NaN-free; at least the
        plan's gain.
    """
    answers = []
    best = plan.score.gain if plan.score else 0.0
    for question in questions(state, plan, limits):
        runtime.check_cancelled()
        silent = Runtime(
            registries=runtime.registries,
            monotonic=runtime.monotonic,
            is_cancelled=runtime.is_cancelled,
            excluded_modules=runtime.excluded_modules,
        )
        other = make_plan(question.context, question.config, silent)
        answers.append(_answer(question, plan, other))
        best = max(best, _gain_today(other, state, plan))
    return tuple(sorted(answers, key=_upheaval)), best


def _answer(question: Question, plan: Plan, other: Plan) -> WhatIf:
    """Return the better of planning anew and of staying with today's steps."""
    gain = other.score.gain if other.score else None
    stay, is_worth = _staying(question, plan) or (None, False)
    if stay is not None and (is_worth or other.steps) and _stays(stay, other):
        other, gain = replace(other, outcome=plan.outcome, steps=plan.steps), stay.gain
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
        gain_of_plan=stay.gain if stay is not None else None,
        n_steps=len(other.steps),
        same_steps=now == then,
        same_trades=set(now) == set(then),
        added=tuple(trade for trade in then if trade not in now),
        dropped=tuple(trade for trade in now if trade not in then),
    )


def _staying(question: Question, plan: Plan) -> tuple[Verdict, bool] | None:
    """Judge today's steps under the other setting; None where they may not be done.

    Returns
    -------
    verdict : Verdict
    is_worth : bool
        By the planner's own rule they would be chosen over doing nothing.
    """
    if len(plan.steps) > question.config.max_plan_depth:
        return None
    history, portfolio = value(question.context, question.config)
    other = assess(question.context, question.config, history, portfolio)
    actions = repriced(plan.steps, other)
    if actions is None:
        return None
    verdict = Rescoring(other, actions).judge_all()
    return (verdict, is_worth_doing(verdict, other)) if verdict.legal else None


def _stays(stay: Verdict, other: Plan) -> bool:
    """Tell whether today's steps are at least as good as those of the other plan."""
    if other.score is None:
        return False
    rank = level_of(stay.violation), -round(stay.gain, 12)
    return rank <= (level_of(other.violation_after), -round(other.score.gain, 12))


def _gain_today(other: Plan, state: PlanningState, plan: Plan) -> float:
    """Return the gain of another plan under today's settings if they allow it, else nothing."""
    if not other.steps or len(other.steps) > state.config.max_plan_depth:
        return 0.0
    actions = repriced(other.steps, state)
    if actions is None:
        return 0.0
    verdict = Rescoring(state, actions).judge_all()
    as_repaired = level_of(verdict.violation) <= level_of(plan.violation_after)
    return verdict.gain if as_repaired and is_worth_doing(verdict, state) else 0.0


def _trades(plan: Plan) -> dict[tuple[str, str], float]:
    return {(step.side.value, step.security): step.quantity for step in plan.steps}


def _upheaval(answer: WhatIf) -> tuple[int, float]:
    """Order answers by how much they change: the trades, their sizes, the gain."""
    rank = 2 if answer.same_steps else 1 if answer.same_trades else 0
    return rank, -abs(answer.gain_change or 0.0)
