"""An explanation says nothing that scoring and planning again would not say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings

from planner_core.explain.explanation import Explanation, explain
from planner_core.explain.limit_use import BINDING
from planner_core.explain.rescoring import Rescoring, repriced
from planner_core.explain.what_if import LIMIT_QUESTIONS_MAX, WhatIf, questions
from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Outcome, Plan
from planner_core.model.records import Side, Trade
from planner_core.planner import plan
from tests.builders import (
    AS_OF,
    days_ago,
    make_config,
    make_context,
    make_lot,
    make_securities,
    make_security,
    make_state,
)
from tests.planner_core.strategies import Portfolio, portfolios

DUST = 1e-9


def tilted(**overrides: object) -> PlanningContext:
    """Half of everything in AAA, too little in CCC: there is something to sell and to buy."""
    fields: dict[str, object] = {
        "securities": tuple(make_security(name, target=0.32) for name in ("AAA", "BBB", "CCC")),
        "n_securities": 3,
        "cash": 2_000.0,
        "lots": (make_lot("AAA", 250.0), make_lot("BBB", 150.0), make_lot("CCC", 80.0)),
    }
    return make_context(**{**fields, **overrides})  # type: ignore[arg-type]


def roomy(**overrides: Mapping[str, object]) -> PlannerConfig:
    """Targets count, and nothing but the turnover cap is in the way."""
    sections: dict[str, Mapping[str, object]] = {
        "constraints": {"position_weight_max": 1.0, "turnover_max": 0.2},
        "objective": {"drift_penalty": 3.0},
    }
    return make_config(None, **{**sections, **overrides})


def guarded() -> PlannerConfig:
    """Young lots and cool-downs are in the way too: with targets the owner has to write them."""
    written = {"lot_age_min": 90, "sell_cooldown_days": 180}
    return roomy(constraints={"position_weight_max": 1.0, "turnover_max": 0.2, **written})


def explained(
    context: PlanningContext, config: PlannerConfig, *, ask_what_if: bool = True
) -> tuple[Plan, Explanation]:
    result = plan(context, config)
    return result, explain(context, config, result, ask_what_if=ask_what_if)


def answers_of(context: PlanningContext, config: PlannerConfig) -> dict[str, WhatIf]:
    _, explanation = explained(context, config)
    return {f"{answer.setting}={answer.value_then}": answer for answer in explanation.what_if}


def check_effects(result: Plan, explanation: Explanation) -> None:
    assert result.score is not None
    assert [(e.side, e.security) for e in explanation.steps] == [
        (step.side, step.security) for step in result.steps
    ]
    for name in result.score.terms:
        total = sum(effect.terms[name] for effect in explanation.steps)
        assert total == pytest.approx(result.score.terms[name].change, abs=DUST)
    gains = sum(effect.gain for effect in explanation.steps)
    assert gains == pytest.approx(result.score.gain if result.steps else 0.0, abs=DUST)


def check_limits(result: Plan, explanation: Explanation, context: PlanningContext) -> None:
    """Only a limit that was broken before may still be: a plan never goes beyond one."""
    for use in explanation.limits:
        assert use.used >= -DUST
        assert math.isfinite(use.limit)
        if result.violation_after <= DUST and use.unit != context.base_currency:
            assert use.used <= use.limit + 1e-6, use
        if use.unit == context.base_currency:
            assert use.used <= use.limit + 1e-6 * (result.nav or 1.0), use


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(portfolios())
def test_for_any_portfolio_effects_add_up_and_no_limit_is_exceeded(portfolio: Portfolio) -> None:
    result, explanation = explained(portfolio.context, portfolio.config, ask_what_if=False)
    if result.score is None:
        assert explanation == Explanation()
        return
    check_effects(result, explanation)
    check_limits(result, explanation, portfolio.context)
    for side in ("risk_before", "risk_after"):
        total = sum(getattr(holding, side) for holding in explanation.holdings)
        assert total == pytest.approx(1.0, abs=1e-6) or total == 0.0
    for effect in explanation.steps:
        assert (effect.gain_without is None) == (effect.violation_without is None)
        if effect.break_even_price is not None:
            assert math.isfinite(effect.break_even_price)
            assert effect.break_even_price >= 0


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(portfolios(max_securities=4))
def test_for_any_portfolio_a_what_if_is_a_real_plan_or_todays_steps_where_they_do_better(
    portfolio: Portfolio,
) -> None:
    result, explanation = explained(portfolio.context, portfolio.config)
    if result.score is None:
        return
    state = make_state(portfolio.context, portfolio.config)
    by_setting = {(a.setting, a.value_then): a for a in explanation.what_if}
    assert len(by_setting) == len(explanation.what_if) <= LIMIT_QUESTIONS_MAX + 4
    for question in questions(state, result, explanation.limits):
        answer = by_setting[question.setting, question.value_then]
        other = plan(question.context, question.config)
        if other.score is None:
            assert answer.gain is None
            continue
        if not answer.same_steps:
            assert answer.outcome is other.outcome
            assert answer.gain == pytest.approx(other.score.gain, abs=DUST)
            assert answer.n_steps == len(other.steps)
        assert answer.gain is not None
        if result.violation_after == other.violation_after == 0:
            assert answer.gain >= other.score.gain - DUST
        if question.comparable:
            assert answer.gain_change == pytest.approx(answer.gain - result.score.gain, abs=DUST)
        else:
            assert answer.gain_change is None


def test_the_gain_without_a_step_is_that_of_the_other_steps_alone() -> None:
    result, explanation = explained(tilted(), roomy())
    state = make_state(tilted(), roomy())
    assert len(result.steps) > 1
    for place, effect in enumerate(explanation.steps):
        others = [step for other, step in enumerate(result.steps) if other != place]
        actions = repriced(others, state)
        assert actions is not None
        alone = Rescoring(state, actions).evaluate_all()
        assert effect.gain_without == (pytest.approx(alone.gain) if alone.legal else None)


def test_at_its_break_even_price_a_step_gains_no_more_than_its_absence() -> None:
    result, explanation = explained(tilted(), roomy())
    assert result.score is not None
    assert result.nav is not None
    priced = [e for e in explanation.steps if e.break_even_price is not None]
    assert priced
    for step, effect in zip(result.steps, explanation.steps, strict=True):
        if effect.break_even_price is None or effect.gain_without is None:
            continue
        move = abs(effect.break_even_price / step.price - 1)
        worse = step.price * (1 + move if step.side is Side.BUY else 1 - move)
        assert worse == pytest.approx(effect.break_even_price)
        lost = move * (step.value + step.cost) / result.nav
        assert result.score.gain - lost == pytest.approx(effect.gain_without, abs=DUST)


def test_a_buy_that_a_sell_pays_for_cannot_be_done_without_it() -> None:
    context = tilted(cash=250.0)
    result, explanation = explained(context, roomy())
    sells = [e for e in explanation.steps if e.side is Side.SELL]
    assert any(step.side is Side.BUY for step in result.steps)
    assert any(e.gain_without is None and e.break_even_price is None for e in sells)


def test_turnover_that_binds_is_a_question_and_more_of_it_never_hurts() -> None:
    result, explanation = explained(tilted(), roomy())
    (turnover,) = (use for use in explanation.limits if use.name == "turnover")
    assert turnover.share >= BINDING
    answers = answers_of(tilted(), roomy())
    change = answers["constraints.turnover_max=0.3"].gain_change
    assert change is not None
    assert change > 0
    assert result.outcome is Outcome.PLANNED


def test_a_limit_that_cannot_matter_is_not_a_question() -> None:
    answers = answers_of(tilted(), roomy())
    settings_asked = {answer.setting for answer in answers.values()}
    assert not settings_asked & {
        "constraints.lot_age_min",
        "constraints.sell_cooldown_days",
        "constraints.buy_cooldown_days",
        "constraints.rebuy_after_sell_days",
        "constraints.position_weight_max",
    }


def test_young_lots_and_recent_trades_are_questions() -> None:
    young = tilted(
        lots=(
            make_lot("AAA", 250.0, acquired=days_ago(20)),
            make_lot("BBB", 150.0),
            make_lot("CCC", 80.0),
        ),
        trades=(
            Trade(on=AS_OF - timedelta(days=50), security="BBB", side=Side.SELL, quantity=1.0,
                  price=100.0),
        ),
    )  # fmt: skip
    answers = answers_of(young, guarded())
    assert {"constraints.lot_age_min=0", "constraints.sell_cooldown_days=0"} <= set(answers)
    assert not answers["constraints.lot_age_min=0"].same_steps


def test_preferences_are_always_questions_and_their_gains_are_not_compared() -> None:
    answers = answers_of(tilted(), roomy())
    for key in (
        "objective.tracking_aversion=160",
        "objective.tracking_aversion=40",
        "costs.cost_bps=60",
    ):
        assert answers[key].gain_change is None
        assert answers[key].gain is not None


def test_what_changes_the_trades_comes_first_and_what_changes_nothing_last() -> None:
    _, explanation = explained(tilted(), roomy())
    ranks = [2 if a.same_steps else 1 if a.same_trades else 0 for a in explanation.what_if]
    assert ranks == sorted(ranks)


def test_when_nothing_is_worth_it_the_nearest_alternative_is_reported() -> None:
    config = roomy(constraints={"position_weight_max": 1.0, "min_gain_bps": 1000.0}, objective={})
    result, explanation = explained(tilted(), config)
    assert result.outcome is Outcome.NOTHING_TO_DO
    assert explanation.steps == ()
    assert explanation.better_gain is None
    assert explanation.runner_up is not None
    assert 0 < explanation.runner_up.gain < 0.1
    assert sum(explanation.runner_up.terms.values()) == pytest.approx(explanation.runner_up.gain)
    assert any(a.setting == "constraints.min_gain_bps" and a.n_steps for a in explanation.what_if)


def test_doing_nothing_is_no_better_plan_where_a_limit_must_be_repaired() -> None:
    # On target but for the reserve: the repair leads away from the targets, and must be.
    securities = make_securities(2, target=0.49)
    lots = tuple(make_lot(security.id, 245.0) for security in securities)
    context = make_context(securities=securities, lots=lots, cash=1_000.0)
    config = make_config(constraints={"cash_reserve": 0.05})
    result, explanation = explained(context, config)
    assert result.score is not None
    assert result.score.gain < 0
    assert explanation.better_gain is None


def test_the_runner_up_trades_something_else() -> None:
    result, explanation = explained(tilted(), roomy(search={"alternatives": 20}))
    chosen = {(step.side, step.security) for step in result.steps}
    if explanation.runner_up is not None:
        names = zip(explanation.runner_up.actions, explanation.runner_up.names, strict=True)
        assert {(action.side, name) for action, name in names} != chosen


def test_a_plan_that_weighed_nothing_has_no_explanation() -> None:
    context = replace(tilted(), securities=(), lots=(), prices=tilted().prices[:, :0])
    result = plan(context, roomy())
    assert result.outcome is Outcome.HELD
    assert explain(context, roomy(), result) == Explanation()


def test_cash_that_is_missing_and_cannot_be_raised_says_what_would_help() -> None:
    context = tilted(
        cash=-1_000.0,
        lots=tuple(make_lot(name, 100.0, acquired=days_ago(5)) for name in ("AAA", "BBB", "CCC")),
    )
    result, explanation = explained(context, guarded())
    assert result.outcome is Outcome.HELD
    (answer,) = (a for a in explanation.what_if if a.setting == "constraints.lot_age_min")
    assert answer.outcome is Outcome.PLANNED
