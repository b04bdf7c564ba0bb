"""From the search's sets to the best sizes, whatever set that begins with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner_core.errors import PlanningCancelledError
from planner_core.market.state import PlanningState
from planner_core.model.plan import Action
from planner_core.model.records import CashBalance, Incumbent, IncumbentStep
from planner_core.planner import plan
from planner_core.refine.refinement import refine
from planner_core.runtime import Runtime
from planner_core.search.evaluator import as_block
from planner_core.search.ranking import Ranking
from tests.builders import (
    AS_OF,
    constant_rate,
    make_action,
    make_config,
    make_context,
    make_evaluator,
    make_lot,
    make_security,
    make_state,
)
from tests.planner_core.sample_plans import BUY, SELL, plan_of_opportunities

TARGETS = {"AAA": 0.05, "BBB": 0.3, "CCC": 0.25, "DDD": 0.1, "EEE": 0.2}


def state_of(
    seed: int = 1,
    depth: int = 3,
    cash: float = 2_000.0,
    **limits: Any,  # noqa: ANN401
) -> PlanningState:
    securities = tuple(make_security(name, target=t) for name, t in TARGETS.items())
    lots = tuple(
        make_lot(name, quantity)
        for name, quantity in zip(TARGETS, (150.0, 40.0, 90.0, 120.0, 20.0), strict=True)
    )
    context = make_context(
        securities=securities,
        lots=lots,
        cash=cash,
        seed=seed,
        last_prices=[70.0, 110.0, 60.0, 80.0, 150.0],
    )
    limits = {"position_weight_max": 0.6, **limits}
    return make_state(context, make_config(max_plan_depth=depth, constraints=limits))


def both_sides(state: PlanningState) -> list[Action]:
    """A middling sell and buy of every security."""
    return [
        make_action(state, name, sign * quantity)
        for name, quantity in zip(TARGETS, (20.0, 12.0, 21.0, 18.0, 8.0), strict=True)
        for sign in (-1.0, 1.0)
    ]


def ranking_of(state: PlanningState, actions: list[Action], *sets: tuple[int, ...]) -> Ranking:
    evaluator = make_evaluator(state, actions)
    ranking = Ranking(evaluator, size=64)
    ranking.offer(as_block([(), *sets], 3, evaluator.null_id))
    return ranking


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 300), turnover=st.floats(0.1, 0.6))
def test_where_it_ends_hardly_depends_on_where_it_begins(seed: int, turnover: float) -> None:
    state = state_of(seed, turnover_max=turnover)
    actions = both_sides(state)
    gains = []
    for start in ((0,), (6,), (0, 3), (6, 9), (0, 3, 6)):
        ranking = ranking_of(state, actions, start)
        if start not in {ranked.ids for ranked in ranking.sets} or ranking.best.ids != start:
            continue
        _, refined = refine(ranking, state, Runtime())
        gains.append(refined.best.score - refined.nothing.score)
    if gains:
        assert min(gains) >= 0.998 * max(gains)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 300), depth=st.integers(1, 3), cash=st.floats(-4_000, 3_000))
def test_it_is_never_worse_and_old_candidates_keep_their_ids(
    seed: int, depth: int, cash: float
) -> None:
    state = state_of(seed, depth, cash)
    actions = both_sides(state)
    ranking = ranking_of(state, actions, *((i,) for i in range(len(actions))))
    evaluator, refined = refine(ranking, state, Runtime())
    assert refined.best.rank <= ranking.best.rank
    assert refined.nothing == ranking.nothing
    assert [a.quantity for a in evaluator.candidates.actions[: len(actions)]] == [
        a.quantity for a in actions
    ]
    best = [evaluator.candidates.actions[i] for i in refined.best.ids]
    assert len({action.security for action in best}) == len(best) <= depth
    assert refined.rank(refined.best.ids) == refined.best


def repaired(
    quantity_of_another: float | None = None, reason: str = "too much of it"
) -> tuple[Ranking, Action]:
    """Cash is missing and the turnover used up: AAA repairs; another calculator offers it too."""
    state = state_of(cash=-2_500.0, turnover_max=0.0, cash_reserve=0.005)
    repair = make_action(state, "AAA", -40.0, mandatory=True)
    actions = [replace(repair, clauses=("cash is short",))]
    if quantity_of_another is not None:
        another = make_action(state, "AAA", quantity_of_another, sources=("calculators.other",))
        actions.append(replace(another, clauses=(reason,)))
    evaluator, refined = refine(ranking_of(state, actions, (0,)), state, Runtime())
    (best,) = (evaluator.candidates.actions[i] for i in refined.best.ids)
    return refined, best


def test_a_trade_that_repairs_in_one_set_does_so_in_all() -> None:
    alone, best = repaired()
    both, same = repaired(best.quantity)
    assert alone.best.violation == both.best.violation == 0.0
    assert best.quantity == same.quantity != -40.0
    assert same.mandatory
    assert same.clauses == ("cash is short", "too much of it")


def test_a_repairs_reason_comes_before_that_of_a_nearer_size() -> None:
    _, best = repaired()
    _, beside = repaired(best.quantity - 1.0)
    assert (beside.quantity, beside.clauses) == (best.quantity, ("cash is short",))


def test_an_accepted_step_in_another_size_is_not_called_what_is_left() -> None:
    incumbent = Incumbent("0123456789abcdef", AS_OF, (IncumbentStep("AAA", SELL, 30.0),))
    securities = (make_security("AAA", target=0.1), make_security("BBB", target=0.5))
    context = make_context(securities=securities, incumbent=incumbent)
    result = plan_of_opportunities(context, [("BBB", BUY, 1_000.0)])
    sold = next(step for step in result.steps if step.security == "AAA")
    assert sold.quantity != 30.0
    assert "what is left of the plan you accepted (01234567), in another size." in sold.reason
    (step,) = plan_of_opportunities(
        context, [], max_plan_depth=1, constraints={"min_gain_bps": 999}
    ).steps
    assert step.quantity == 30.0
    assert "what is left of the plan you accepted (01234567)." in step.reason


def test_a_violation_that_cannot_be_repaired_in_full_is_made_as_small_as_it_gets() -> None:
    # 12,000 are missing; 9,000 can be sold.
    context = make_context(
        securities=(make_security("AAA"), make_security("BBB", allow_sell=False)),
        lots=(make_lot("AAA", 90.0), make_lot("BBB", 300.0)),
        cash=-12_000.0,
    )
    config = make_config(constraints={"turnover_max": 10.0, "position_weight_max": 1.0})
    result = plan(context, config)
    assert [(s.side, s.security, s.quantity) for s in result.steps] == [(SELL, "AAA", 90.0)]
    assert 0 < result.violation_after < result.violation_before


def test_plans_with_conversions_are_refined_too() -> None:
    context = make_context(
        securities=(
            make_security("AAA", target=0.1),
            make_security("BBB", currency="USD", target=0.55),
        ),
        lots=(make_lot("AAA", 200.0), make_lot("BBB", 60.0)),
        cash=(CashBalance("EUR", 9_000.0),),
        fx_rates={"USD": constant_rate(0.9)},
    )
    limits = {"multi_currency": True, "position_weight_max": 1.0, "turnover_max": 2.0}
    result = plan(context, make_config(constraints=limits))
    assert {step.side.value for step in result.steps} == {"sell", "convert", "buy"}
    assert result.violation_after == 0.0


def test_a_cancelled_refinement_ends_with_an_error_and_a_late_one_with_what_there_is() -> None:
    state = state_of()
    ranking = ranking_of(state, both_sides(state), (0,), (6,))
    calls: list[int] = []

    def is_cancelled() -> bool:
        calls.append(1)
        return len(calls) > 5

    with pytest.raises(PlanningCancelledError):
        refine(ranking, state, Runtime(is_cancelled=is_cancelled))
    late = Runtime(monotonic=lambda: 10.0, deadline_s=1.0)
    assert refine(ranking, state, late) == (ranking.evaluator, ranking)
