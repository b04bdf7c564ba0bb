"""From the chosen set to what is shown, stored and audited."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date, timedelta
from itertools import permutations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from planner_core.model.context import PlanningContext, context_digest
from planner_core.model.plan import Outcome, StoppedBy
from planner_core.model.records import (
    CashBalance,
    CashFlow,
    GroupRule,
    LedgerStatus,
    PendingOrder,
    Side,
    Trade,
)
from planner_core.pipeline.candidate_stage import gains_alone
from planner_core.pipeline.isolation import ModuleRunner
from planner_core.pipeline.report_stage import (
    SearchResult,
    build_steps,
    in_order,
    market_day_after,
    report_plan,
)
from planner_core.planner import plan
from planner_core.runtime import Runtime
from planner_core.search.evaluator import as_block
from planner_core.search.ranking import RankedSet, Ranking
from tests.builders import (
    AS_OF,
    constant_rate,
    days_ago,
    make_action,
    make_config,
    make_context,
    make_evaluator,
    make_lot,
    make_securities,
    make_security,
    make_state,
)
from tests.planner_core.sample_plans import BUY, SELL, plan_of_opportunities, run_with

ROOMY = {"turnover_max": 10.0, "position_weight_max": 1.0}


# -- steps ----------------------------------------------------------------------------------------


def test_sells_come_first_mandatory_ones_ahead_then_the_best() -> None:
    state = make_state(make_context(), make_config(constraints=ROOMY))
    actions = [
        make_action(state, "AAA", 20),
        make_action(state, "BBB", -5),
        make_action(state, "CCC", -40, mandatory=True),
        make_action(state, "DDD", -20),
    ]
    evaluator = make_evaluator(state, actions)
    gain = evaluator.candidates.gain
    ordered = in_order((0, 1, 2, 3), evaluator)
    better, worse = sorted((1, 3), key=lambda i: -gain[i])
    assert ordered == (actions[2], actions[better], actions[worse], actions[0])


@pytest.mark.parametrize("ids", list(permutations(range(3))))
@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        (("USD>GBP", "EUR>USD", "CHF>USD"), {"USD>GBP": 2}),
        (("USD>GBP", "EUR>USD", "GBP>CHF"), {"EUR>USD": 0, "USD>GBP": 1, "GBP>CHF": 2}),
        (("USD>GBP", "GBP>USD", "EUR>CHF"), {}),
    ],
)
def test_money_arrives_on_an_account_before_it_is_converted_on(
    ids: tuple[int, ...], routes: tuple[str, ...], expected: dict[str, int]
) -> None:
    sale = make_action(make_state(make_context(), make_config(constraints=ROOMY)), "AAA", -1)
    actions = [
        replace(sale, currency=route[:3], convert_to=route[4:], quantity=1.0) for route in routes
    ]
    gain, mandatory = np.array([3.0, 2.0, 1.0]), np.array([True, False, False])
    candidates = SimpleNamespace(actions=actions, gain=gain, mandatory=mandatory)
    evaluator: Any = SimpleNamespace(candidates=candidates)
    ordered = [f"{a.currency}>{a.convert_to}" for a in in_order(ids, evaluator)]
    assert sorted(ordered) == sorted(routes)
    for route, place in expected.items():
        assert ordered.index(route) == place


def test_the_order_of_steps_is_by_gain_also_for_tuned_sizes() -> None:
    securities = make_securities(8, target=0.1)
    context = make_context(securities=securities, cash=30_000.0, seed=1)
    result = run_with(context=context, constraints={"turnover_max": 1.0})
    assert len(result.steps) == 5
    state = make_state(context, make_config(constraints={"turnover_max": 1.0}))
    signs = {Side.BUY: 1, Side.SELL: -1}
    actions = [make_action(state, s.security, signs[s.side] * s.quantity) for s in result.steps]
    gains = gains_alone(actions, state)
    for side in Side:
        own = [g for g, step in zip(gains, result.steps, strict=True) if step.side is side]
        assert own == sorted(own, reverse=True)


def test_cash_runs_through_the_steps() -> None:
    state = make_state(make_context(cash=1_000.0), make_config(constraints=ROOMY))
    actions = (make_action(state, "AAA", -30), make_action(state, "BBB", 35))
    steps = build_steps(actions, state)
    # 1,000 + 3,000 - (2 + 7.50), then - 3,500 - (2 + 8.75).
    assert [step.cash_after for step in steps] == pytest.approx([3_990.5, 479.75])
    assert [step.weight_before for step in steps] == pytest.approx([10 / 41] * 2)
    assert [step.weight_after for step in steps] == pytest.approx([7 / 41, 13.5 / 41])


def test_a_foreign_step_shows_its_own_price_and_base_money() -> None:
    securities = (make_security("USA", currency="USD", target=0.0),)
    context = make_context(securities=securities, fx_rates={"USD": constant_rate(0.9)})
    (step,) = plan_of_opportunities(context, [("USA", SELL, 4_500.0)]).steps
    assert (step.price, step.currency, step.fx_rate) == (100.0, "USD", 0.9)
    assert step.value == pytest.approx(step.quantity * 90.0)


@pytest.mark.parametrize(
    ("day", "days", "expected"),
    [
        (date(2024, 6, 28), 0, date(2024, 6, 28)),
        (date(2024, 6, 28), 1, date(2024, 7, 1)),
        (date(2024, 6, 28), 5, date(2024, 7, 5)),
        (date(2024, 6, 29), 0, date(2024, 7, 1)),
        (date(2024, 6, 30), 2, date(2024, 7, 3)),
    ],
)
def test_market_days_are_weekdays(day: date, days: int, expected: date) -> None:
    assert market_day_after(day, days) == expected


# -- the plan -------------------------------------------------------------------------------------


def test_cash_required_is_what_the_plan_takes_out_of_cash() -> None:
    context = make_context(securities=make_securities(2, target=0.5))
    buying = plan_of_opportunities(context, [("AAA", BUY, 2_000.0)])
    assert buying.cash_before is not None
    assert buying.cash_after is not None
    assert buying.cash_required == pytest.approx(buying.cash_before - buying.cash_after)
    assert buying.cash_required > 0
    selling = plan_of_opportunities(
        replace(context, securities=make_securities(2, target=0.0)), [("AAA", SELL, 2_000.0)]
    )
    assert selling.steps
    assert selling.cash_required == 0.0


def test_terms_before_and_after_sum_to_the_score() -> None:
    result = run_with()
    assert result.score is not None
    assert sum(t.before for t in result.score.terms.values()) == pytest.approx(result.score.before)
    assert sum(t.after for t in result.score.terms.values()) == pytest.approx(result.score.after)
    assert sum(t.change for t in result.score.terms.values()) == pytest.approx(result.score.gain)
    for name in ("cost", "tax", "turnover"):
        assert result.score.terms[name].before == 0


def test_every_alternative_differs_from_the_plan_and_from_doing_nothing() -> None:
    result = run_with(search={"alternatives": 5}, filters={"diversity": False})
    assert result.alternatives
    chosen = {(s.security, s.side, s.quantity) for s in result.steps}
    ids = result.context_digest and {s.id: i for i, s in enumerate(make_securities(2))}
    assert ids
    for alternative in result.alternatives:
        assert alternative.actions
        other = {(("AAA", "BBB")[a.security], a.side, abs(a.quantity)) for a in alternative.actions}
        assert other != chosen


def test_no_alternatives_when_none_are_wanted() -> None:
    assert run_with(search={"alternatives": 0}).alternatives == ()


def test_a_limit_that_stays_violated_is_a_finding_and_a_repaired_one_is_not() -> None:
    stuck = make_context(securities=make_securities(4, cap=0.1, allow_sell=False))
    assert "limit_violated" in {f.id for f in run_with(context=stuck).findings}
    repaired = run_with(context=make_context(cash=-1_000.0))
    assert repaired.violation_after == 0
    assert "limit_violated" not in {f.id for f in repaired.findings}


def test_stale_prices_and_undated_lots_are_findings() -> None:
    prices = np.array(make_context().prices)
    prices[-7:, 2] = np.nan
    lots = (make_lot("AAA"), make_lot("CCC"), make_lot("DDD", acquired=None))
    result = plan(make_context(prices=prices, lots=lots), make_config())
    findings = {(f.id, f.security) for f in result.findings}
    assert ("price_stale", "CCC") in findings
    assert ("lot_date_unknown", "DDD") in findings
    relaxed = make_config(constraints={"lot_age_min": 0})
    again = plan(make_context(prices=prices, lots=lots), relaxed)
    assert "lot_date_unknown" not in {f.id for f in again.findings}


def test_a_score_that_the_formula_does_not_confirm_is_never_reported() -> None:
    state = make_state()
    evaluator = make_evaluator(state, [make_action(state, "AAA", -5)])
    ranking = Ranking(evaluator, 8)
    ranking.offer(as_block([(), (0,)], 1, evaluator.null_id))
    honest = next(ranked for ranked in ranking.sets if ranked.ids == (0,))
    lying = RankedSet(
        honest.violation_level, honest.negative_score - 1e-6, honest.n_steps, honest.ids
    )
    runtime = Runtime()
    for chosen, complaint in ((honest, None), (lying, "disagree")):
        search = SearchResult(
            evaluator, ranking, chosen, (), StoppedBy.COMPLETE, n_candidates=1, n_sequences=1
        )
        if complaint is None:
            result = report_plan(state, ModuleRunner(runtime), search, (), ())
            assert result.outcome is Outcome.PLANNED
        else:
            with pytest.raises(AssertionError, match=complaint):
                report_plan(state, ModuleRunner(runtime), search, (), ())


# -- the digest -----------------------------------------------------------------------------------


def full_context() -> PlanningContext:
    securities = (make_security("AAA", target=0.1), make_security("USA", currency="USD"))
    return make_context(securities=securities, fx_rates={"USD": constant_rate(0.9)})


def changed() -> dict[str, Any]:
    """One change per field of a context."""
    context = full_context()
    prices = np.array(context.prices)
    prices[3, 0] *= 1 + 1e-12
    return {
        "bucket_id": "other",
        "as_of": AS_OF + timedelta(days=1),
        "base_currency": "CHF",
        "securities": (replace(context.securities[0], target=0.2), context.securities[1]),
        "dates": context.dates - np.timedelta64(7, "D"),
        "prices": prices,
        "fx_rates": {**context.fx_rates, "USD": constant_rate(0.91)},
        "lots": context.lots[:1],
        "cash": (CashBalance("EUR", 9_999.0),),
        "cash_flows": (CashFlow(days_ago(1), 5.0),),
        "trades": (Trade(days_ago(3), "AAA", Side.BUY, 1.0, 100.0),),
        "ledger_status": LedgerStatus.MISSING,
        "pending_orders": (PendingOrder("AAA", Side.BUY, 1.0),),
        "group_rules": (GroupRule("industry", "x", cap=0.5),),
        "accepted_prices": frozenset({("AAA", AS_OF)}),
    }


def test_the_digest_is_the_same_for_the_same_context() -> None:
    assert context_digest(full_context()) == context_digest(full_context())


@pytest.mark.parametrize("field", sorted(changed()))
def test_the_digest_sees_a_change_of_every_field(field: str) -> None:
    context = full_context()
    if field == "base_currency":
        context = make_context(fx_rates={"EUR": constant_rate(1.0)})
        assert context_digest(context) != context_digest(replace(context, base_currency="CHF"))
        return
    assert context_digest(replace(context, **{field: changed()[field]})) != context_digest(context)


def test_the_test_above_forgets_no_field_that_existed_when_it_was_written() -> None:
    assert set(changed()) <= {field.name for field in fields(PlanningContext)}
