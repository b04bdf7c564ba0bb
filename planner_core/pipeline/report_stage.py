"""Stage 4: the chosen set becomes the plan that is shown, stored and audited.

The evaluator adds up a set's score from pair tables. Here the score is computed again, from the
portfolio after all steps, and both must agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from planner_core.market.costs import BASIS_POINT
from planner_core.market.limits import VIOLATION_TOLERANCE
from planner_core.market.objective import portfolio_metrics
from planner_core.market.state import PlanningState
from planner_core.market.valuation import Portfolio
from planner_core.model.arrays import FloatArray
from planner_core.model.context import PlanningContext, context_digest
from planner_core.model.currencies import exact_amount
from planner_core.model.plan import (
    Action,
    ActionSequence,
    Alternative,
    Certificate,
    NewMoney,
    Outcome,
    Plan,
    ProofAnswer,
    Rejection,
    Score,
    Skip,
    Step,
    StoppedBy,
    TermChange,
)
from planner_core.model.records import Finding, Severity, Side
from planner_core.pipeline.isolation import ModuleRunner
from planner_core.pipeline.new_money import new_money_of, unlisted_money_finding, waiting_finding
from planner_core.pipeline.repairs import repair_values
from planner_core.pipeline.step_reasons import explained, target_weight
from planner_core.search.evaluator import Evaluator
from planner_core.search.ranking import RankedSet, Ranking

EXECUTION_ORDER = (Side.SELL, Side.CONVERT, Side.BUY)
"""Money comes in first, then changes its currency, then goes out."""
VALID_MARKET_DAYS = 5
"""A plan is advice for a week at most."""
SCORE_AGREEMENT = 1e-9
"""Largest relative difference between the evaluator's score and the formula's."""


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """The ranked sets, the chosen one, and how the search ended.

    Parameters
    ----------
    evaluator : Evaluator
        Its candidates include the sizes that the refinement added.
    ranking : Ranking
    chosen : RankedSet
    alternatives : sequence of RankedSet
        Sets to report beside the chosen one.
    stopped_by : StoppedBy
    n_candidates : int
        Candidates before the refinement.
    n_sequences : int
        Sets that were scored before the proof.
    certificate : Certificate, optional
        None if the run had no proof.
    """

    evaluator: Evaluator
    ranking: Ranking
    chosen: RankedSet
    alternatives: Sequence[RankedSet]
    stopped_by: StoppedBy
    n_candidates: int
    n_sequences: int
    certificate: Certificate | None = None


def held_plan(
    context: PlanningContext,
    runner: ModuleRunner,
    reason: str,
    portfolio: Portfolio | None = None,
    findings: tuple[Finding, ...] = (),
) -> Plan:
    """Return a plan with the outcome HELD, and the reason why there are no steps."""
    return Plan(
        outcome=Outcome.HELD,
        bucket_id=context.bucket_id,
        as_of=context.as_of,
        currency=context.base_currency,
        trace_id=runner.runtime.trace_id,
        reason=reason,
        nav=portfolio.nav if portfolio else None,
        nav_after=portfolio.nav if portfolio else None,
        cash_before=portfolio.cash if portfolio else None,
        cash_after=portfolio.cash if portfolio else None,
        modules=runner.attempts,
        findings=(*context.findings, *findings),
        context_digest=context_digest(context),
        valid_until=market_day_after(context.as_of, VALID_MARKET_DAYS),
        new_money=NewMoney(context.invest, 0.0, reason) if context.invest > 0 else None,
        buy_only=context.buy_only,
    )


def report_plan(
    state: PlanningState,
    runner: ModuleRunner,
    result: SearchResult,
    rejections: Sequence[Rejection],
    skips: Sequence[tuple[str, Skip]],
) -> Plan:
    """Return the plan of the chosen set."""
    chosen, nothing = result.chosen, result.ranking.nothing
    sequence = explained(in_order(chosen.ids, result.evaluator), state)
    steps = build_steps(sequence, state)
    weight_after = result.evaluator.weights_after(chosen.ids)
    spent = sum(action.cost + action.tax for action in sequence)
    cash, raised = state.limits.cash_free, sum(action.cash_delta for action in sequence)
    rejected = (*rejections, *_skip_rejections(skips, state))
    outcome, reason = _outcome(state, chosen, has_rejections=bool(rejected))
    portfolio = state.portfolio
    return Plan(
        outcome=outcome,
        bucket_id=state.context.bucket_id,
        as_of=state.context.as_of,
        currency=state.context.base_currency,
        trace_id=runner.runtime.trace_id,
        reason=reason,
        nav=portfolio.nav,
        nav_after=portfolio.nav - spent,
        cash_before=portfolio.cash,
        cash_after=steps[-1].cash_after if steps else portfolio.cash,
        score=_score(state, sequence, weight_after, chosen),
        violation_before=nothing.violation,
        violation_after=chosen.violation,
        steps=steps,
        metrics_before=portfolio_metrics(portfolio.weight, cash / portfolio.nav, state.objective),
        metrics_after=portfolio_metrics(
            weight_after, (cash + raised) / portfolio.nav, state.objective
        ),
        modules=runner.attempts,
        rejected=rejected,
        alternatives=tuple(
            Alternative(
                gain=alternative.score - nothing.score,
                violation=alternative.violation,
                actions=explained(in_order(alternative.ids, result.evaluator), state),
            )
            for alternative in result.alternatives
        ),
        findings=_findings(state, chosen, sequence, has_rejections=bool(rejected)),
        n_candidates=result.n_candidates,
        n_sizes=result.evaluator.candidates.n - result.n_candidates,
        n_sequences=result.n_sequences,
        stopped_by=result.stopped_by,
        certificate=_certificate(result, state),
        context_digest=context_digest(state.context),
        valid_until=market_day_after(state.context.as_of, VALID_MARKET_DAYS),
        new_money=new_money_of(state, sequence),
        buy_only=state.context.buy_only,
    )


def _certificate(result: SearchResult, state: PlanningState) -> Certificate | None:
    """Return the certificate with its gap to the chosen set, which need not be the best ranked.

    By the minimum gain, doing nothing may be chosen instead of the best set.
    """
    if result.certificate is None:
        return None
    gap = max(0.0, result.certificate.upper_bound - result.chosen.score)
    exact = result.certificate.exact and result.chosen.rank == result.ranking.best.rank
    worth_a_trade = state.config.constraints.min_gain_bps * BASIS_POINT
    gain = result.chosen.score - result.ranking.nothing.score
    answer = (
        ProofAnswer.PROVEN
        if exact
        else ProofAnswer.WITHIN
        if gap < max(gain, worth_a_trade)
        else ProofAnswer.OPEN
    )
    return replace(result.certificate, gap=gap, exact=exact, answer=answer)


def in_order(ids: Sequence[int], evaluator: Evaluator) -> ActionSequence:
    """Return the actions in the order of execution: sells first, mandatory and best ones ahead.

    A conversion into a currency comes before those out of it, so that no account is overdrawn.
    """
    candidates = evaluator.candidates
    # The owner may stop after any step, so repairs come first, then the largest gains.
    turn = _turns([candidates.actions[i] for i in ids if candidates.actions[i].convert_to])
    ordered = sorted(
        ids,
        key=lambda i: (
            EXECUTION_ORDER.index(candidates.actions[i].side),
            turn.get(candidates.actions[i].currency, 0) if candidates.actions[i].convert_to else 0,
            not candidates.mandatory[i],
            -candidates.gain[i],
            i,
        ),
    )
    return tuple(candidates.actions[i] for i in ordered)


def _turns(conversions: Sequence[Action]) -> dict[str, int]:
    """Return the turn of the conversions out of each currency.

    The turn of a currency is the longest chain of conversions that leads into it. A circle would
    lengthen the chain forever, so no turn exceeds the number of conversions.
    """
    turn = {action.currency: 0 for action in conversions}
    for _ in conversions:
        for action in conversions:
            if action.convert_to in turn:
                later = max(turn[action.convert_to], turn[action.currency] + 1)
                turn[action.convert_to] = min(later, len(conversions))
    return turn


def build_steps(sequence: ActionSequence, state: PlanningState) -> tuple[Step, ...]:
    """Return the steps with the cash after each."""
    cash = state.portfolio.cash
    settles_on = market_day_after(state.context.as_of, state.config.constraints.settlement_days)
    steps = []
    for action, repair_value in zip(sequence, repair_values(sequence, state), strict=True):
        cash += action.cash_delta
        step = _step(action, cash, settles_on, state)
        steps.append(replace(step, repair_value=repair_value))
    return tuple(steps)


def _step(action: Action, cash: float, settles_on: date, state: PlanningState) -> Step:
    before = 0.0 if action.convert_to else float(state.portfolio.weight[action.security])
    security = None if action.convert_to else state.context.securities[action.security]
    return Step(
        side=action.side,
        security=action.name(state.context.securities),
        quantity=abs(action.quantity),
        price=action.price,
        currency=action.currency,
        fx_rate=action.fx_rate,
        value=action.quantity * action.fx_rate if action.convert_to else abs(action.value),
        cost=action.cost,
        tax=action.tax,
        cash_after=cash,
        settles_on=settles_on,
        sources=action.sources,
        reason=action.reason,
        weight_before=before,
        weight_after=before + action.value / state.nav,
        mandatory=action.mandatory,
        temporary=action.temporary,
        accrued=action.accrued,
        quote_unit="" if security is None else security.quote_unit,
        quote=None if security is None else action.price / security.quote_factor,
        target=target_weight(action, state),
    )


def market_day_after(day: date, days: int) -> date:
    """Return the day `days` market days (weekdays) later."""
    later = np.busday_offset(np.datetime64(day), days, roll="forward")
    moved: date = later.astype(object)
    return moved


def _outcome(
    state: PlanningState, chosen: RankedSet, *, has_rejections: bool
) -> tuple[Outcome, str]:
    if chosen.ids:
        return Outcome.PLANNED, ""
    deficit = state.limits.cash_deficit
    if deficit > VIOLATION_TOLERANCE * state.nav:
        currency = state.context.base_currency
        more = "see 'Ruled out' for the reasons" if has_rejections else "pay money in"
        return (
            Outcome.HELD,
            f"{exact_amount(deficit, currency)} of cash is missing and nothing may be sold to"
            f" raise it; {more}",
        )
    return Outcome.NOTHING_TO_DO, "doing nothing scores best"


def _score(
    state: PlanningState, sequence: ActionSequence, weight_after: FloatArray, chosen: RankedSet
) -> Score:
    nav = state.nav
    # Costs, tax and turnover are fractions of V0, the NAV before trading, like the weights.
    cash = state.limits.cash_free / nav
    before = state.objective.terms(state.portfolio.weight, cash)
    after = state.objective.terms(
        weight_after,
        cash + sum(action.cash_delta for action in sequence) / nav,
        cost=sum(action.cost_scored for action in sequence) / nav,
        tax=sum(action.tax_scored for action in sequence) / nav,
        turnover=sum(abs(action.value) for action in sequence) / nav,
    )
    score = Score(
        before=sum(before.values()),
        after=sum(after.values()),
        terms={name: TermChange(before[name], after[name]) for name in after},
    )
    assert abs(score.after - chosen.score) <= SCORE_AGREEMENT * max(1.0, abs(score.after)), (
        f"evaluator {chosen.score!r} and formula {score.after!r} disagree"
    )
    return score


def _skip_rejections(skips: Sequence[tuple[str, Skip]], state: PlanningState) -> list[Rejection]:
    return [
        Rejection(
            security=state.context.securities[skip.security].id,
            side=skip.side,
            value=0.0,
            sources=(key,),
            reason=skip.reason,
        )
        for key, skip in skips
    ]


def data_findings(state: PlanningState) -> list[Finding]:
    """Return the findings about the data that a plan is made from."""
    return [
        *state.context.findings,
        *state.history.findings,
        *state.market.findings,
        *_target_findings(state),
        *state.limits.findings,
        *_stale_findings(state),
        *_unknown_lot_findings(state),
        *unlisted_money_finding(state),
    ]


def _findings(
    state: PlanningState, chosen: RankedSet, sequence: ActionSequence, *, has_rejections: bool
) -> tuple[Finding, ...]:
    findings = [*data_findings(state), *waiting_finding(state, sequence)]
    if chosen.violation > 0:
        bucket_file = f"buckets/{state.context.bucket_id}.toml"
        findings.append(
            Finding(
                "limit_violated",
                Severity.WARNING,
                f"{chosen.violation:.2%} of the portfolio stays outside your limits",
                "see 'Ruled out' for the reasons"
                if has_rejections
                else f"pay money in, or change the limit in {bucket_file} or the portfolio",
            )
        )
    return tuple(findings)


def _opinion_findings(state: PlanningState) -> Iterator[Finding]:
    """Yield that an opinion has nothing to rank the securities by."""
    objective = state.config.objective
    if objective.opinion > 0 and state.follows_targets:
        yield Finding(
            "opinion_without_data",
            Severity.WARNING,
            f"the opinion on {objective.opinion_on} has nothing to tell the securities apart by;"
            " the plan follows the targets alone",
            "write a quality for each security"
            if objective.opinion_on == "quality"
            else "add closes to market/prices.csv, or set objective.opinion = 0",
        )


def _target_findings(state: PlanningState) -> tuple[Finding, ...]:
    """Return the findings about the targets, or that there are none."""
    if state.objective.targets is not None:
        return (*state.objective.targets.findings, *_opinion_findings(state))
    return (
        Finding(
            "no_targets",
            Severity.INFO,
            "nothing has a target: the plan follows returns and risk of the past",
            f"give securities a target in portfolios/{state.context.bucket_id}.toml,"
            " and the plan follows those",
        ),
    )


def _stale_findings(state: PlanningState) -> list[Finding]:
    limit = state.config.constraints.price_age_days_max
    return [
        Finding(
            "price_stale",
            Severity.WARNING,
            f"{security.id}: the last close is {age} market days old; it is not traded",
            "add newer closes to market/prices.csv",
            security.id,
        )
        for security, age, price in zip(
            state.context.securities, state.history.age, state.history.price, strict=True
        )
        if age > limit and not np.isnan(price)
    ]


def _unknown_lot_findings(state: PlanningState) -> list[Finding]:
    unknown = sorted({lot.security for lot in state.context.lots if lot.acquired is None})
    return [
        Finding(
            "lot_date_unknown",
            Severity.INFO,
            f"{security}: a lot has no date, so its age is unknown; it is not sold"
            f" (lot_age_min = {state.config.constraints.lot_age_min})",
            "write the lot's date into the portfolio",
            security,
        )
        for security in unknown
        if state.config.constraints.lot_age_min > 0
    ]
