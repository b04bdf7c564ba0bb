"""Earlier plans that the owner accepted, and trades that the owner rejected."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from planner_core.model.plan import Outcome
from planner_core.model.records import Incumbent, IncumbentStep, RefusedStep, Side, Trade
from tests.builders import AS_OF, make_config, make_context, make_lot, make_securities, make_state
from tests.planner_core.sample_plans import run_with


def accepted(*steps: IncumbentStep, days: int = 3) -> Incumbent:
    return Incumbent("trace-0", AS_OF + timedelta(days=days), steps)


def test_a_remaining_step_below_the_minimum_gain_is_still_advised() -> None:
    context = make_context(securities=make_securities(4, target=0.15))
    strict = {"min_gain_bps": 1_000.0}
    remaining = IncumbentStep("AAA", Side.SELL, 5.0)
    assert run_with(context=context, constraints=strict).outcome is Outcome.NOTHING_TO_DO
    for days, outcome in ((0, Outcome.PLANNED), (-1, Outcome.NOTHING_TO_DO)):
        with_incumbent = replace(context, incumbent=accepted(remaining, days=days))
        result = run_with(context=with_incumbent, constraints=strict)
        assert result.outcome is outcome
    result = run_with(context=replace(context, incumbent=accepted(remaining)), constraints=strict)
    assert [(s.security, s.side, s.quantity) for s in result.steps] == [("AAA", Side.SELL, 5.0)]
    assert "what is left of the plan you accepted" in result.steps[0].reason


def test_a_remaining_step_that_does_harm_by_now_is_not_advised() -> None:
    # At its target: selling costs fees and moves away from it.
    context = make_context(securities=make_securities(4, target=0.2))
    with_incumbent = replace(context, incumbent=accepted(IncumbentStep("AAA", Side.SELL, 15.0)))
    result = run_with(context=with_incumbent, constraints={"min_gain_bps": 1_000.0})
    assert result.outcome is Outcome.NOTHING_TO_DO


def test_what_an_accepted_plan_repaired_leaves_its_turnover_to_the_other_steps() -> None:
    # 9,000 of the cap of 10,000 were sold, 8,000 of them to raise missing cash.
    fill = Trade(AS_OF - timedelta(days=1), "BBB", Side.SELL, 90.0, 100.0)
    context = make_context(trades=(fill,), securities=make_securities(4, target=0.15))
    remaining = accepted(IncumbentStep("AAA", Side.SELL, 40.0))
    capped = make_config(constraints={"turnover_max": 0.2})
    for repaired, room in ((0.0, 0.02), (8_000.0, 0.18), (99_000.0, 0.2)):
        with_incumbent = replace(context, incumbent=replace(remaining, repaired=repaired))
        state = make_state(with_incumbent, capped)
        assert state.limits.turnover_left == pytest.approx(room)
    expired = replace(accepted(days=-1), repaired=8_000.0)
    state = make_state(replace(context, incumbent=expired), capped)
    assert state.limits.turnover_left == pytest.approx(0.02)


def test_within_its_cool_down_a_step_goes_on_no_further_than_was_accepted() -> None:
    fill = Trade(AS_OF, "AAA", Side.SELL, 1.0, 100.0)
    context = make_context(trades=(fill,), securities=make_securities(4, target=0.01))
    remaining = IncumbentStep("AAA", Side.SELL, 7.0)
    for incumbent, most in (
        (None, 0.0),
        (accepted(remaining), 7.0),
        (accepted(remaining, days=-1), 0.0),
    ):
        result = run_with(context=replace(context, incumbent=incumbent))
        sold = sum(s.quantity for s in result.steps if (s.security, s.side) == ("AAA", Side.SELL))
        assert sold == pytest.approx(most)


def test_what_is_left_of_a_step_filled_in_part_stays_the_plan_on_the_next_day() -> None:
    fill = Trade(AS_OF - timedelta(days=1), "AAA", Side.SELL, 1.0, 100.0)
    context = make_context(trades=(fill,), securities=make_securities(4, target=0.15))
    remaining = accepted(IncumbentStep("AAA", Side.SELL, 5.0), IncumbentStep("BBB", Side.SELL, 6.0))
    strict = {"min_gain_bps": 1_000.0}
    result = run_with(context=replace(context, incumbent=remaining), constraints=strict)
    assert {(s.security, s.quantity) for s in result.steps} == {("AAA", 5.0), ("BBB", 6.0)}


def test_an_accepted_plan_never_sells_what_is_gone_meanwhile() -> None:
    lots = (make_lot("AAA", 50.0), make_lot("BBB", 70.0), make_lot("BBB", 9.0, acquired=AS_OF))
    context = make_context(n_securities=2, lots=lots)
    steps = [IncumbentStep("AAA", Side.SELL, 55.0), IncumbentStep("BBB", Side.SELL, 75.0)]
    result = run_with(
        context=replace(context, incumbent=accepted(*steps)),
        constraints={"turnover_max": 10.0, "min_gain_bps": 1_000.0, "position_weight_max": 1.0},
    )
    assert {s.security: s.quantity for s in result.steps} == {"AAA": 50.0, "BBB": 70.0}


def test_an_accepted_buy_stops_at_the_cap() -> None:
    context = make_context(securities=make_securities(4, target=0.2))
    result = run_with(
        context=replace(context, incumbent=accepted(IncumbentStep("AAA", Side.BUY, 90.0))),
        constraints={"min_gain_bps": 1_000.0},
    )
    assert all(step.weight_after <= 0.25 for step in result.steps)


def test_a_refused_trade_is_not_advised_until_its_day() -> None:
    context = make_context(securities=make_securities(2, target=0.05))
    for days, traded in ((1, {"BBB"}), (0, {"AAA", "BBB"})):
        refused = (RefusedStep("AAA", Side.SELL, AS_OF + timedelta(days=days), "I like it"),)
        result = run_with(
            context=replace(context, refused=refused), constraints={"turnover_max": 5.0}
        )
        assert {step.security for step in result.steps} == traded
    reasons = {
        r.reason
        for r in run_with(
            context=replace(
                context, refused=(RefusedStep("AAA", Side.SELL, date(2024, 7, 9), "mine"),)
            )
        ).rejected
    }
    assert "you refused it until 2024-07-09: mine" in reasons
