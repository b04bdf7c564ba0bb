"""Why this plan: the effect of each step on each term, binding limits, and what would change it.

Everything here comes from planning and scoring again, so that it is exact. The effects of the steps
are those in their order of execution, and add up to the plan's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from planner_core.explain.limit_use import LimitUse, limits_used
from planner_core.explain.rescoring import Evaluation, Rescoring, level_of, repriced
from planner_core.explain.robustness import Robustness, robustness
from planner_core.explain.what_if import SAME_GAIN, WhatIf, what_if
from planner_core.market.state import PlanningState, assess, value
from planner_core.model.arrays import FloatArray
from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Action, Alternative, Plan, Step
from planner_core.model.records import Side
from planner_core.runtime import Runtime


@dataclass(frozen=True, slots=True)
class StepEffect:
    """Effect of one step on the score.

    Parameters
    ----------
    security : str
    side : Side
    terms : mapping of str to float
        Its change of each term, in the order of execution: the effects of all steps add up to
        those of the plan.
    gain : float
        The sum of `terms`.
    gain_without : float, optional
        Gain of the other steps alone; None if they are not legal then, such as a buy without the
        sell that pays for it.
    violation_without : float, optional
        Violation of the other steps alone, a fraction of NAV; None like `gain_without`.
    break_even_price : float, optional
        The worst price, per unit in the step's currency, at which the step is still worth its
        costs: the highest for a buy, the lowest for a sell. All other prices stay the same. None
        if the plan needs the step, or would be better without it.
    """

    security: str
    side: Side
    terms: Mapping[str, float]
    gain: float
    gain_without: float | None
    violation_without: float | None
    break_even_price: float | None


@dataclass(frozen=True, slots=True)
class HoldingChange:
    """One security before and after: weights of NAV, and shares of the portfolio's variance."""

    security: str
    weight_before: float
    weight_after: float
    target: float | None
    risk_before: float
    risk_after: float


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """The best other set of trades, with its terms against doing nothing.

    `names` has a security per action, or two currencies such as `EUR>USD`.
    """

    actions: tuple[Action, ...]
    names: tuple[str, ...]
    gain: float
    violation: float
    terms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The reasons of a plan.

    Parameters
    ----------
    steps : tuple of StepEffect
        In the order of execution.
    limits : tuple of LimitUse
    what_if : tuple of WhatIf
        The largest changes first.
    holdings : tuple of HoldingChange
        Everything held, traded or targeted; the largest first.
    runner_up : RunnerUp, optional
        None if there was no other legal set.
    better_gain : float, optional
        Gain of a better plan that the search missed, and that a what-if plan found. Nearly always
        None.
    robustness : Robustness, optional
        None without what-if plans.
    """

    steps: tuple[StepEffect, ...] = ()
    limits: tuple[LimitUse, ...] = ()
    what_if: tuple[WhatIf, ...] = ()
    holdings: tuple[HoldingChange, ...] = ()
    runner_up: RunnerUp | None = None
    better_gain: float | None = None
    robustness: Robustness | None = None


def explain(
    context: PlanningContext,
    config: PlannerConfig,
    plan: Plan,
    runtime: Runtime | None = None,
    *,
    ask_what_if: bool = True,
) -> Explanation:
    """Explain a plan that was made from this context and configuration.

    Parameters
    ----------
    context : PlanningContext
    config : PlannerConfig
    plan : Plan
    runtime : Runtime, optional
        Registries, clock and cancellation of the what-if plans; their events are not emitted.
    ask_what_if : bool
        If false, `what_if`, `better_gain` and `robustness` stay empty, which is much faster.

    Returns
    -------
    Explanation
        Empty for a plan without a score.

    Notes
    -----
    Each what-if is one more plan, ten of them at most. Robustness takes up to 48 plans or 10 s.
    """
    if plan.score is None:
        return Explanation()
    history, portfolio = value(context, config)
    state = assess(context, config, history, portfolio)
    rescoring = _rescoring(plan, state)
    limits = limits_used(rescoring)
    answers, best_gain = (
        what_if(state, plan, limits, runtime or Runtime()) if ask_what_if else ((), plan.score.gain)
    )
    return Explanation(
        steps=step_effects(plan, rescoring),
        limits=limits,
        what_if=answers,
        holdings=holdings_changed(plan, rescoring),
        runner_up=runner_up(plan, state),
        better_gain=best_gain if best_gain > plan.score.gain + SAME_GAIN else None,
        robustness=robustness(state, plan, runtime or Runtime()) if ask_what_if else None,
    )


def _rescoring(plan: Plan, state: PlanningState) -> Rescoring:
    actions = repriced(plan.steps, state)
    assert actions is not None, "the plan is not of this context and configuration"
    return Rescoring(state, actions)


def step_effects(plan: Plan, rescoring: Rescoring) -> tuple[StepEffect, ...]:
    """Return the effect of each step on each term, in the order of execution."""
    places = range(len(plan.steps))
    whole = rescoring.evaluate(places)
    effects = []
    previous = rescoring.evaluate(())
    for place, step in enumerate(plan.steps):
        reached = rescoring.evaluate(places[: place + 1])
        change = {name: reached.terms[name] - previous.terms[name] for name in reached.terms}
        without = rescoring.evaluate(other for other in places if other != place)
        effects.append(
            StepEffect(
                security=step.security,
                side=step.side,
                terms=change,
                gain=sum(change.values()),
                gain_without=without.gain if without.legal else None,
                violation_without=without.violation if without.legal else None,
                break_even_price=_break_even_price(step, whole, without, rescoring.state.nav),
            )
        )
        previous = reached
    return tuple(effects)


def _break_even_price(
    step: Step, whole: Evaluation, without: Evaluation, nav: float
) -> float | None:
    """Return the worst price at which a step is still worth its costs.

    For a trade of weight v, a price that is worse by a fraction x costs `x v` of the score, and x
    times its costs. So the gain is linear in x, and its zero is exact. Costs that do not grow with
    the price make it err on the safe side.
    """
    worth = whole.gain - without.gain
    if step.side is Side.CONVERT or not without.legal or worth <= 0:
        return None
    if level_of(without.violation) > level_of(whole.violation):
        return None  # it repairs a limit, at any price
    move = worth * nav / (step.value + step.cost)
    # The move is one of what is paid; accrued interest is a fixed part of that.
    paid = step.price + step.accrued
    worst = paid * (1.0 + move) if step.side is Side.BUY else paid * (1.0 - move)
    return max(0.0, worst - step.accrued)


def holdings_changed(plan: Plan, rescoring: Rescoring) -> tuple[HoldingChange, ...]:
    """Return weights and shares of the variance before and after, the largest holding first."""
    state = rescoring.state
    before = state.portfolio.weight
    after = rescoring.weights_after(range(len(rescoring.actions)))
    risk_before, risk_after = risk_shares(before, state), risk_shares(after, state)
    traded = {step.security for step in plan.steps}
    rows = [
        column
        for column, security in enumerate(state.context.securities)
        if before[column] > 0 or security.target or security.id in traded
    ]
    rows.sort(key=lambda column: (-max(before[column], after[column]), column))
    return tuple(
        HoldingChange(
            security=state.context.securities[column].id,
            weight_before=float(before[column]),
            weight_after=float(after[column]),
            target=state.context.securities[column].target,
            risk_before=float(risk_before[column]),
            risk_after=float(risk_after[column]),
        )
        for column in rows
    )


def risk_shares(weight: FloatArray, state: PlanningState) -> FloatArray:
    """Return each security's share of the variance, `w_i (Sw)_i / w'Sw`; (n_securities,)."""
    marginal = state.objective.covariance @ weight
    variance = float(weight @ marginal)
    shares: FloatArray = weight * marginal / variance if variance > 0 else np.zeros_like(weight)
    return shares


def runner_up(plan: Plan, state: PlanningState) -> RunnerUp | None:
    """Return the best reported alternative with other trades, not only other sizes."""
    chosen = {(step.side, step.security) for step in plan.steps}
    best = _best([other for other in plan.alternatives if _traded(other, state) != chosen])
    if best is None:
        return None
    evaluation = Rescoring(state, best.actions).evaluate_all()
    names = tuple(action.name(state.context.securities) for action in best.actions)
    return RunnerUp(best.actions, names, best.gain, best.violation, evaluation.terms)


def _traded(other: Alternative, state: PlanningState) -> set[tuple[Side, str]]:
    return {(action.side, action.name(state.context.securities)) for action in other.actions}


def _best(alternatives: Sequence[Alternative]) -> Alternative | None:
    return min(
        (other for other in alternatives if other.actions),
        key=lambda other: (level_of(other.violation), -other.gain),
        default=None,
    )
