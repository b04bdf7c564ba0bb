"""The comparison of two plans in words: who wins, by which measure, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from host.text import exact_money, percent
from planner_core.explain.comparison import Basis, Comparison, Judgement, Verdict
from planner_core.model.plan import ModuleStatus, Outcome, StoppedBy

if TYPE_CHECKING:
    from planner_core.model.plan import Plan

DISTANCE: Final = "distance"
SCORE_DECIMALS: Final = 3
"""Of a score in percent: the least gain is 0.05 % by default."""
PER_YEAR: Final = "of the portfolio a year"
DIFFERENT: Final = (
    "The two objectives differ, so their scores do not compare. Each plan was scored by both."
)
WITHOUT_PLAN: Final = {
    "INVALID": "its configuration is not valid",
    "CRASHED": "the planner ended with an error",
    "HELD": "no plan can be made",
}
FAILED: Final = (ModuleStatus.FAILED, ModuleStatus.TIMED_OUT, ModuleStatus.SKIPPED_OPEN)


@dataclass(frozen=True, slots=True)
class SideView:
    """One side of a comparison.

    Parameters
    ----------
    title : str
        `A`, or `old`: how sentences call it.
    label : str
        What it is, such as the id of a preset.
    outcome : str
        Of the plan; `INVALID` or `CRASHED` without one.
    reason : str
        Why there is no plan; empty with one.
    plan : Plan, optional
        None where the configuration is not valid or the planner crashed.
    planner_s : float
        Seconds of the planner.
    least_gain : float
        Smallest gain that is worth a trade, as a fraction of NAV.
    failed_plugins : tuple of str
        Labels of plugins that could not be loaded.
    """

    title: str
    label: str
    outcome: str
    reason: str
    plan: Plan | None
    planner_s: float = 0.0
    least_gain: float = 0.0
    failed_plugins: tuple[str, ...] = ()

    @property
    def has_plan(self) -> bool:
        """True if there is a plan, also one to do nothing."""
        return self.plan is not None and self.plan.outcome is not Outcome.HELD

    @property
    def failed_modules(self) -> tuple[str, ...]:
        """Keys of the modules and labels of the plugins that the plan was made without."""
        attempts = self.plan.modules if self.plan is not None else ()
        modules = tuple(attempt.key for attempt in attempts if attempt.status in FAILED)
        return modules + self.failed_plugins

    @property
    def costs(self) -> float:
        """Costs of all steps, base currency."""
        return sum((step.cost for step in self.plan.steps), 0.0) if self.plan else 0.0

    @property
    def tax(self) -> float:
        """Tax of all steps, base currency."""
        return sum((step.tax for step in self.plan.steps), 0.0) if self.plan else 0.0

    @property
    def turnover(self) -> float:
        """Value traded, as a fraction of NAV."""
        if self.plan is None or not self.plan.nav:
            return 0.0
        return sum(abs(step.value) for step in self.plan.steps) / self.plan.nav

    @property
    def is_cut_short(self) -> bool:
        """True if the budget ended the search."""
        return self.plan is not None and self.plan.stopped_by is StoppedBy.DEADLINE


def verdict_lines(comparison: Comparison, a: SideView, b: SideView) -> list[str]:
    """Return the answer in sentences, the winner first."""
    lines = [*_answer(comparison, a, b), *_remarks(comparison, a, b)]
    lines += [
        f"{side.title}'s search was cut short: a longer one may find a better plan."
        for side in (a, b)
        if side.is_cut_short
    ]
    return [f"{line[:1].upper()}{line[1:]}" for line in lines]


def _answer(comparison: Comparison, a: SideView, b: SideView) -> Iterator[str]:
    basis, by_a, by_b = comparison.basis, comparison.by_a, comparison.by_b
    if basis is Basis.NO_PLAN:
        yield from _without_plan(comparison, a, b)
        return
    assert by_a is not None
    assert by_b is not None
    if basis is Basis.SAME_PLAN:
        nothing = a.plan is not None and not a.plan.steps
        yield "Tie: both do nothing today." if nothing else "Tie: both make the same trades."
    elif basis is Basis.SCORE:
        yield _by_score(comparison.verdict, by_a, a, b)
    elif basis is Basis.LIMITS:
        winner, other = _ordered(comparison.verdict, by_a.violation_a, by_a.violation_b)
        yield (
            f"{_winner(comparison.verdict, a, b)} wins: {percent(winner or 0.0)} of the portfolio"
            f" stays outside the limits, instead of {percent(other or 0.0)}."
        )
    else:
        yield from _by_both(comparison, by_a, by_b, a, b)
        yield DIFFERENT
        for judge, judgement in ((a, by_a), (b, by_b)):
            yield _scores(judge, judgement, a, b)
            if judgement.by_limits:
                yield _violations(judge, judgement, a, b)


def _without_plan(comparison: Comparison, a: SideView, b: SideView) -> Iterator[str]:
    failed = [side for side in (a, b) if not side.has_plan]
    if comparison.verdict is Verdict.NO_COMPARISON:
        yield "No comparison: neither side has a plan."
    else:
        yield f"{_winner(comparison.verdict, a, b)} wins: only it has a plan."
    for side in failed:
        why = WITHOUT_PLAN.get(side.outcome, "it has no plan")
        yield f"{side.title}: {why}{f': {side.reason}' if side.reason else ''}"


def _by_score(verdict: Verdict, judgement: Judgement, a: SideView, b: SideView) -> str:
    assert judgement.gain_a is not None
    assert judgement.gain_b is not None
    if verdict is Verdict.TIE:
        least = max(a.least_gain, b.least_gain)
        difference = abs(judgement.gain_a - judgement.gain_b)
        return (
            f"Tie: the scores differ by {percent(difference, SCORE_DECIMALS)}, and only"
            f" {percent(least)} is worth a trade (min_gain_bps)."
        )
    winner, other = _ordered(verdict, judgement.gain_a, judgement.gain_b)
    return (
        f"{_winner(verdict, a, b)} wins: its plan gains {percent(winner or 0.0)} {PER_YEAR},"
        f" instead of {percent(other or 0.0)}, by the objective that both have."
    )


def _by_both(
    comparison: Comparison, by_a: Judgement, by_b: Judgement, a: SideView, b: SideView
) -> Iterator[str]:
    winner = _winner(comparison.verdict, a, b)
    indifferent = [side.title for side, by in ((a, by_a), (b, by_b)) if by.prefers is Verdict.TIE]
    measure = "configuration" if by_a.by_limits or by_b.by_limits else "objective"
    if comparison.verdict is Verdict.TIE:
        yield "Tie: neither objective sees a difference that is worth a trade."
    elif comparison.basis is Basis.BOTH_OBJECTIVES and indifferent:
        yield (
            f"{winner} wins: one {measure} prefers its plan, that of {indifferent[0]} sees no"
            " difference that is worth a trade."
        )
    elif comparison.basis is Basis.BOTH_OBJECTIVES:
        yield f"{winner} wins under both {measure}s."
    elif comparison.basis is Basis.DISTANCE_AND_COSTS:
        yield f"{winner} wins by distance and costs: no score compares both plans."
    elif Verdict.NO_COMPARISON in {by_a.prefers, by_b.prefers}:
        yield "No winner: no score compares both plans, and distance and costs do not agree."
    else:
        yield f"No winner: each plan wins under its own {measure}."


def _scores(judge: SideView, judgement: Judgement, a: SideView, b: SideView) -> str:
    """Return what both plans gain by one objective."""
    gains = [
        f"{side.title}'s plan gains {percent(gain, SCORE_DECIMALS)}"
        if gain is not None
        else f"{side.title}'s plan has a trade without a price"
        for side, gain in ((a, judgement.gain_a), (b, judgement.gain_b))
    ]
    return f"By {judge.title}'s objective {gains[0]}, {gains[1]} {PER_YEAR}."


def _violations(judge: SideView, judgement: Judgement, a: SideView, b: SideView) -> str:
    """Return what both plans leave outside the limits of one side, where that decides."""
    shares = [
        f"{side.title}'s plan {percent(violation or 0.0)}"
        for side, violation in ((a, judgement.violation_a), (b, judgement.violation_b))
    ]
    return (
        f"But the limits of {judge.title} come first: {shares[0]} and {shares[1]} of the portfolio"
        " stay outside them."
    )


def _remarks(comparison: Comparison, a: SideView, b: SideView) -> Iterator[str]:
    """Yield the measures beside the score, and limits that would not allow the other plan."""
    by_a, by_b = comparison.by_a, comparison.by_b
    if by_a is None or by_b is None or comparison.basis is Basis.SAME_PLAN:
        return
    for verdict, word in (
        (comparison.closer, "closer to the targets"),
        (comparison.cheaper, "cheaper"),
    ):
        if verdict in {Verdict.A, Verdict.B}:
            yield f"{_winner(verdict, a, b)} is {word}: {_fact(word, verdict, a, b)}."
    for judge, allowed, side in ((a, by_a.allows_b, b), (b, by_b.allows_a, a)):
        if not allowed:
            yield f"The settings of {judge.title} do not allow {side.title}'s plan."


def _fact(word: str, verdict: Verdict, a: SideView, b: SideView) -> str:
    assert a.plan is not None
    assert b.plan is not None
    if word == "cheaper":
        spent = [side.costs + side.tax for side in (a, b)]
        winner, other = _ordered(verdict, spent[0], spent[1])
        currency = a.plan.currency
        return (
            f"{exact_money(winner or 0.0, currency)} {currency} of costs and tax, instead of"
            f" {exact_money(other or 0.0, currency)}"
        )
    winner, other = _ordered(
        verdict, a.plan.metrics_after[DISTANCE], b.plan.metrics_after[DISTANCE]
    )
    return f"{percent(winner or 0.0, 1)} away, instead of {percent(other or 0.0, 1)}"


def _winner(verdict: Verdict, a: SideView, b: SideView) -> str:
    return b.title if verdict is Verdict.B else a.title


def _ordered(
    verdict: Verdict, of_a: float | None, of_b: float | None
) -> tuple[float | None, float | None]:
    """Return the winner's figure, then the other one."""
    return (of_b, of_a) if verdict is Verdict.B else (of_a, of_b)
