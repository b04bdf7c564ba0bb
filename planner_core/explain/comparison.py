"""Two plans of the same day, made by two configurations: which one is better, and by which measure.

    same objective       their scores compare: the higher one wins, if it is by the least gain
    other objectives     each plan is measured by both configurations, and one that both prefer
                         wins. If each prefers its own plan, there is no winner. Where one cannot
                         score both, the distance to the targets and the costs decide.

Whether the objectives are the same is a question of numbers, not of settings: they are if they
score both plans, and doing nothing, alike. Limits come before the score only where both
configurations have the same ones: a plan must not win because its limits are wider, and nothing
else compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from planner_core.explain.rescoring import Rescoring, level_of, priced, repriced
from planner_core.market.costs import BASIS_POINT
from planner_core.market.materiality import MATERIAL_VIOLATION
from planner_core.market.state import PlanningState, assess, value
from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Outcome, Plan, Step

DISTANCE: Final = "distance"
"""The metric of a bucket with targets."""
SAME_SCORE: Final = 1e-9
"""Scores that differ by less are the same: rounding error of two computations."""
SAME_DISTANCE: Final = MATERIAL_VIOLATION
"""Distances that differ by less are the same: no limit is repaired for less either."""


class Verdict(StrEnum):
    """The answer; A and B are the two plans in the order in which they were given."""

    A = "a"
    B = "b"
    TIE = "tie"
    NO_WINNER = "no_winner"
    NO_COMPARISON = "no_comparison"


class Basis(StrEnum):
    """The measure that decided."""

    NO_PLAN = "no_plan"
    """A side has no plan."""
    SAME_PLAN = "same_plan"
    """The trades are the same."""
    LIMITS = "limits"
    """One repairs more of the limits that both have."""
    SCORE = "score"
    """The objectives are the same."""
    BOTH_OBJECTIVES = "both_objectives"
    """The objectives differ. Both prefer the winner, or one does and the other sees no difference;
    a tie: neither sees a difference."""
    DISTANCE_AND_COSTS = "distance_and_costs"
    """An objective cannot score both plans; the winner is closer to the targets or cheaper, and not
    worse in the other."""
    NONE = "none"
    """Each objective prefers its own plan, or nothing decides."""


NO_WINNER: Final = (Verdict.NO_WINNER, Basis.NONE)


@dataclass(frozen=True, slots=True)
class Contender:
    """A configuration with its plan of a snapshot."""

    context: PlanningContext
    config: PlannerConfig
    plan: Plan


@dataclass(frozen=True, slots=True)
class Judgement:
    """Both plans as one configuration measures them.

    Parameters
    ----------
    gain_a, gain_b : float, optional
        Score of each plan less that of doing nothing, by this objective; None where a trade has no
        price.
    violation_a, violation_b : float, optional
        Of the limits, after each plan; a fraction of NAV.
    allows_a, allows_b : bool
        The limits and the depth of this configuration permit the plan as it is.
    prefers : Verdict
        A, B or TIE; NO_COMPARISON where a gain is missing.
    """

    gain_a: float | None
    gain_b: float | None
    violation_a: float | None
    violation_b: float | None
    allows_a: bool
    allows_b: bool
    prefers: Verdict

    @property
    def by_limits(self) -> bool:
        """True if the plans differ in what they leave outside the limits, which come first."""
        if self.violation_a is None or self.violation_b is None:
            return False
        return level_of(self.violation_a) != level_of(self.violation_b)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The answer, and how each side measures.

    Parameters
    ----------
    verdict : Verdict
    basis : Basis
    same_objective, same_limits : bool, optional
        None without two plans.
    by_a, by_b : Judgement, optional
        By the configuration of each side; None without two plans.
    closer, cheaper : Verdict
        A, B or TIE; NO_COMPARISON without two plans, and `closer` without targets.
    """

    verdict: Verdict
    basis: Basis
    same_objective: bool | None = None
    same_limits: bool | None = None
    by_a: Judgement | None = None
    by_b: Judgement | None = None
    closer: Verdict = Verdict.NO_COMPARISON
    cheaper: Verdict = Verdict.NO_COMPARISON


def compare_plans(a: Contender | None, b: Contender | None) -> Comparison:
    """Compare two plans of the same holdings on the same day.

    Parameters
    ----------
    a, b : Contender, optional
        None, or a plan that is HELD: the side has no plan.

    Returns
    -------
    Comparison
        With the sides exchanged, the answer is exchanged and otherwise the same.
    """
    has_a, has_b = _has_plan(a), _has_plan(b)
    if a is None or b is None or not (has_a and has_b):
        verdicts = {(True, False): Verdict.A, (False, True): Verdict.B}
        return Comparison(verdicts.get((has_a, has_b), Verdict.NO_COMPARISON), Basis.NO_PLAN)
    # Each judges by its own snapshot: how many days of prices it reads is a setting too.
    measure_a = _Measure(a.config, a.context, a.plan, b.plan)
    measure_b = _Measure(b.config, b.context, a.plan, b.plan)
    by_a, by_b = measure_a.judge(), measure_b.judge()
    same_objective = _same_scores(measure_a.scores, measure_b.scores)
    same_limits = measure_a.levels == measure_b.levels
    verdict, basis = _decide(
        a, b, (by_a, by_b), same_objective=same_objective, same_limits=same_limits
    )
    return Comparison(
        verdict, basis, same_objective, same_limits, by_a, by_b, _closer(a, b), _cheaper(a, b)
    )


def _has_plan(side: Contender | None) -> bool:
    return side is not None and side.plan.outcome is not Outcome.HELD


class _Measure:
    """Doing nothing, A's plan and B's plan, in this order, measured by one configuration.

    A score or a violation is None where a trade has no price.
    """

    def __init__(self, config: PlannerConfig, context: PlanningContext, *plans: Plan) -> None:
        history, portfolio = value(context, config)
        self._state = assess(context, config, history, portfolio)
        self._plans = plans
        self.scores: list[float | None] = []
        self.violations: list[float | None] = []
        for steps in ((), *(plan.steps for plan in plans)):
            score, violation = _measured(steps, self._state)
            self.scores.append(score)
            self.violations.append(violation)

    @property
    def levels(self) -> list[int | None]:
        """The violations in whole tolerances."""
        return [None if violation is None else level_of(violation) for violation in self.violations]

    def judge(self) -> Judgement:
        """Return what this configuration says of the two plans."""
        nothing, *scores = self.scores
        gain_a, gain_b = (
            None if score is None or nothing is None else score - nothing for score in scores
        )
        allows_a, allows_b = (_allows(self._state, plan) for plan in self._plans)
        return Judgement(
            gain_a=gain_a,
            gain_b=gain_b,
            violation_a=self.violations[1],
            violation_b=self.violations[2],
            allows_a=allows_a,
            allows_b=allows_b,
            prefers=self._preference(gain_a, gain_b),
        )

    def _preference(self, gain_a: float | None, gain_b: float | None) -> Verdict:
        _, level_a, level_b = self.levels
        if gain_a is None or gain_b is None or level_a is None or level_b is None:
            return Verdict.NO_COMPARISON
        if level_a != level_b:
            return Verdict.A if level_a < level_b else Verdict.B
        return _larger(gain_a, gain_b, least_gain(self._state.config))


def _measured(steps: tuple[Step, ...], state: PlanningState) -> tuple[float | None, float | None]:
    """Return score and violation after steps; None for both where a trade has no price."""
    rescoring = Rescoring(state, priced(steps, state))
    evaluation = rescoring.evaluate_all()
    score = rescoring.score_before + evaluation.gain
    return (score, evaluation.violation) if np.isfinite(score) else (None, None)


def _allows(state: PlanningState, plan: Plan) -> bool:
    if len(plan.steps) > state.config.max_plan_depth:
        return False
    actions = repriced(plan.steps, state)
    return actions is not None and Rescoring(state, actions).evaluate_all().legal


def least_gain(config: PlannerConfig) -> float:
    """Return the smallest gain that is worth a trade, as a fraction of NAV."""
    return config.constraints.min_gain_bps * BASIS_POINT


def _decide(
    a: Contender,
    b: Contender,
    judgements: tuple[Judgement, Judgement],
    *,
    same_objective: bool,
    same_limits: bool,
) -> tuple[Verdict, Basis]:
    by_a, by_b = judgements
    if _trades(a.plan) == _trades(b.plan):
        return Verdict.TIE, Basis.SAME_PLAN
    if same_objective:
        return _by_score(a, b, by_a, same_limits=same_limits)
    opinions = {by_a.prefers, by_b.prefers}
    if Verdict.NO_COMPARISON in opinions:
        facts = {_closer(a, b), _cheaper(a, b)} - {Verdict.NO_COMPARISON, Verdict.TIE}
        return (facts.pop(), Basis.DISTANCE_AND_COSTS) if len(facts) == 1 else NO_WINNER
    preferred = opinions - {Verdict.TIE}
    if not preferred:
        return Verdict.TIE, Basis.BOTH_OBJECTIVES
    return (preferred.pop(), Basis.BOTH_OBJECTIVES) if len(preferred) == 1 else NO_WINNER


def _by_score(
    a: Contender, b: Contender, judgement: Judgement, *, same_limits: bool
) -> tuple[Verdict, Basis]:
    assert judgement.gain_a is not None
    assert judgement.gain_b is not None
    least = max(least_gain(a.config), least_gain(b.config))
    by_score = _larger(judgement.gain_a, judgement.gain_b, least)
    if same_limits:
        assert judgement.violation_a is not None
        assert judgement.violation_b is not None
        level_a, level_b = level_of(judgement.violation_a), level_of(judgement.violation_b)
        if level_a != level_b:
            return (Verdict.A if level_a < level_b else Verdict.B), Basis.LIMITS
    return by_score, Basis.SCORE


def _closer(a: Contender, b: Contender) -> Verdict:
    """Return which plan ends closer to the targets."""
    after = [side.plan.metrics_after.get(DISTANCE) for side in (a, b)]
    if after[0] is None or after[1] is None:
        return Verdict.NO_COMPARISON
    return _larger(-after[0], -after[1], SAME_DISTANCE)


def _cheaper(a: Contender, b: Contender) -> Verdict:
    """Return which plan has the lower costs and taxes, by the least gain at least."""
    shares = [
        sum(step.cost + step.tax for step in side.plan.steps) / (side.plan.nav or 1.0)
        for side in (a, b)
    ]
    least = max(least_gain(a.config), least_gain(b.config), SAME_SCORE)
    return _larger(-shares[0], -shares[1], least)


def _larger(a: float, b: float, least: float) -> Verdict:
    """Return the larger one; a tie if they differ by less than `least`, or by rounding only."""
    if abs(a - b) < max(least, SAME_SCORE):
        return Verdict.TIE
    return Verdict.A if a > b else Verdict.B


def _same_scores(a: list[float | None], b: list[float | None]) -> bool:
    return all(
        x is not None and y is not None and abs(x - y) <= SAME_SCORE
        for x, y in zip(a, b, strict=True)
    )


def _trades(plan: Plan) -> dict[tuple[str, str], float]:
    return {(step.side.value, step.security): step.quantity for step in plan.steps}
