"""Every plan has an answer of the proof: no candidate, one, everything held, little time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner_core.model.context import PlanningContext
from planner_core.model.plan import Outcome, Plan, ProofAnswer
from planner_core.planner import plan
from planner_core.runtime import Runtime
from tests.builders import make_config, make_context, make_lot, make_security


def proved(context: PlanningContext, proof_s: float = 1e6, **overrides: object) -> Plan:
    ticks = iter(range(10**9))
    runtime = Runtime(proof_s=proof_s, monotonic=lambda: float(next(ticks)))
    return plan(context, make_config(None, **overrides), runtime)


def two_funds(stocks: float, bonds: float, cash: float) -> PlanningContext:
    return make_context(
        securities=(make_security("STK", target=0.6), make_security("BND", target=0.4)),
        lots=(make_lot("STK", stocks), make_lot("BND", bonds)),
        cash=cash,
    )


def test_without_a_candidate_doing_nothing_is_proven_best() -> None:
    securities = tuple(
        make_security(name, allow_buy=False, allow_sell=False) for name in ("AAA", "BBB")
    )
    result = proved(make_context(securities=securities))
    assert result.n_candidates == 0
    assert result.outcome is Outcome.NOTHING_TO_DO
    assert result.certificate is not None
    assert (result.certificate.answer, result.certificate.gap) == (ProofAnswer.PROVEN, 0.0)


def test_one_candidate_is_proven_by_two_sets() -> None:
    result = proved(two_funds(300.0, 400.0, 30_000.0), search={"candidates_max": 1})
    assert result.n_candidates == 1
    assert result.certificate is not None
    assert result.certificate.answer is ProofAnswer.PROVEN


def test_where_everything_is_on_target_the_answer_is_no_crash() -> None:
    result = proved(two_funds(600.0, 400.0, 0.0), constraints={"cash_reserve": 0.0})
    assert result.outcome is Outcome.NOTHING_TO_DO
    assert result.certificate is not None
    assert result.certificate.answer is ProofAnswer.PROVEN


def test_below_the_least_gain_the_answer_is_not_exact() -> None:
    context = two_funds(583.0, 387.0, 3_000.0)
    best = proved(context)
    assert best.score is not None
    assert best.steps
    idle = proved(context, constraints={"min_gain_bps": 1_000.0})
    assert idle.outcome is Outcome.NOTHING_TO_DO
    assert idle.certificate is not None
    assert (idle.certificate.exact, idle.certificate.answer) == (False, ProofAnswer.WITHIN)
    assert idle.certificate.gap >= best.score.gain - 1e-9


@pytest.mark.parametrize("proof_s", [0.0, 1.0])
def test_with_no_time_the_answer_is_a_true_bound(proof_s: float) -> None:
    context = make_context(n_securities=8, cash=4_000.0)
    whole, early = proved(context), proved(context, proof_s)
    assert whole.certificate is not None
    assert early.certificate is not None
    assert early.certificate.upper_bound >= whole.certificate.upper_bound - 1e-9
    if early.certificate.answer is ProofAnswer.OPEN:
        assert early.score is not None
        assert early.certificate.gap >= early.score.gain


def test_a_plan_that_is_late_is_not_delayed_by_a_proof() -> None:
    context = make_context(n_securities=8, cash=4_000.0)
    ticks = iter(range(10**9))
    clocked = Runtime(proof_s=1e6, monotonic=lambda: float(next(ticks)))
    late = plan(context, make_config(), replace(clocked, deadline_s=1.0))
    assert late.certificate is not None
    in_time = plan(context, make_config(), clocked)
    assert in_time.certificate is not None
    assert late.certificate.nodes <= in_time.certificate.nodes
