"""The sentence of a step: true of the size that is traded, short, and in ordinary words."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from planner_core.market.trade_sizing import INCUMBENT_REASON
from planner_core.model.plan import Plan
from planner_core.model.records import CashBalance, CashFlow, GroupRule, Side
from planner_core.pipeline.step_reasons import WORDS_MAX, sentence, target_weight
from planner_core.planner import plan
from tests.builders import (
    constant_rate,
    days_ago,
    make_action,
    make_config,
    make_context,
    make_lot,
    make_securities,
    make_security,
    make_state,
)
from tests.planner_core.strategies import Portfolio, portfolios

UNUSUAL = re.compile(r"\b(cvar\w*|hhi|tau|kappa|eta|lambda|bps?|basis points?)\b", re.IGNORECASE)
TWO_FUNDS = make_context(
    securities=(make_security("STK", target=0.6), make_security("BND", target=0.4)),
    lots=(make_lot("STK", 560.0), make_lot("BND", 390.0)),
    cash=5_000.0,
)


def test_a_step_names_amount_weight_before_and_after_and_target() -> None:
    result = plan(TWO_FUNDS, make_config())
    first = result.steps[0]
    assert first.security == "STK"
    assert first.target == pytest.approx(0.6)
    assert first.reason == (
        f"Buy {first.quantity:.0f} STK for {first.value:,.0f} EUR: 56.0% becomes"
        f" {first.weight_after:.1%}, the target is 60.0%."
    )


def test_the_size_is_that_of_the_trade_whatever_the_calculator_proposed() -> None:
    state = make_state(TWO_FUNDS)
    proposed = make_action(state, "STK", 7.0)
    assert sentence(replace(proposed, clauses=("why",)), state) == (
        "Buy 7 STK for 700 EUR: 56.0% becomes 56.7%, the target is 60.0%; why."
    )
    small = sentence(replace(make_action(state, "STK", 0.05), clauses=()), state)
    assert small.startswith("Buy 0.05 STK for 5.00 EUR: 56.00% becomes 56.01%")


def test_a_repair_is_stated_first_and_opinions_last() -> None:
    state = make_state(TWO_FUNDS)
    sell = replace(
        make_action(state, "BND", -5.0, mandatory=True), clauses=("cash is short", "it is dear")
    )
    assert sentence(sell, state) == (
        "Cash is short: sell 5 BND for 500 EUR, 39.0% becomes 38.5%, the target is 40.0%; it is"
        " dear."
    )
    long = replace(sell, clauses=("cash is short", " ".join(["word"] * 20)))
    assert "word" not in sentence(long, state)


def test_cash_that_is_missing_a_withdrawal_and_caps_are_named() -> None:
    short = make_context(securities=make_securities(4, target=0.25), cash=-2_000.0)
    (first, *_) = plan(short, make_config()).steps
    assert re.match(r"Cash is [\d,]+ EUR below the reserve: sell ", first.reason)
    due = replace(short, cash_flows=(CashFlow(days_ago(-5), -9_000.0),))
    (first, *_) = plan(due, make_config()).steps
    assert f"due on {days_ago(-5)}" in first.reason.partition(":")[0]
    above = make_context(securities=make_securities(4, cap=0.15, target=0.15), cash=2_000.0)
    (first, *_) = plan(above, make_config()).steps
    assert re.match(r"[A-D]{3} is 23\.8%, its limit is 15%: sell ", first.reason)


def test_a_security_without_a_target_or_with_its_groups_says_so() -> None:
    securities = (
        make_security("AAA", target=0.2),
        make_security("BBB"),
        make_security("CCC", groups={"industry": "energy"}),
    )
    context = make_context(
        securities=securities, group_rules=(GroupRule("industry", "energy", target=0.3),)
    )
    state = make_state(context)
    texts = {name: sentence(make_action(state, name, 1.0), state) for name in ("BBB", "CCC")}
    assert "it has no target" in texts["BBB"]
    assert "its group asks for 30.0%" in texts["CCC"]
    assert target_weight(make_action(state, "BBB", 1.0), state) is None


def test_a_target_that_a_withdrawal_scales_is_called_today_s() -> None:
    due = replace(TWO_FUNDS, cash_flows=(CashFlow(days_ago(-5), -10_000.0),))
    state = make_state(due)
    of_file = "STK is 56.0% of the portfolio, its target is 60.0%"
    accepted = f"{INCUMBENT_REASON} (01234567)"
    step = replace(make_action(state, "STK", 1.0), clauses=(of_file, "why", accepted))
    text = sentence(step, state)
    assert "today's target is 54.0%; what is left of the plan you accepted (01234567)" in text
    assert "60.0%" not in text


def test_without_targets_no_target_is_named() -> None:
    result = plan(make_context(), make_config())
    assert result.steps
    for step in result.steps:
        assert step.target is None
        assert " becomes " in step.reason
        assert "target" not in step.reason


def test_a_conversion_names_amount_and_cost() -> None:
    securities = (
        make_security("AAA", currency="USD", target=0.5),
        make_security("BBB", target=0.5),
    )
    context = make_context(
        securities=securities,
        lots=(make_lot("BBB", 100.0),),
        cash=(CashBalance("EUR", 10_000.0), CashBalance("USD", 0.0)),
        fx_rates={"USD": constant_rate(0.9)},
    )
    result = plan(context, make_config(constraints={"multi_currency": True}))
    (convert,) = (step for step in result.steps if step.side is Side.CONVERT)
    assert re.fullmatch(
        r"Convert [\d,]+ EUR into USD, for [\d.]+ EUR; the next steps need USD\.", convert.reason
    )
    assert convert.target is None


def check_words(result: Plan) -> None:
    reasons = [step.reason for step in result.steps]
    reasons += [action.reason for other in result.alternatives for action in other.actions]
    for reason in reasons:
        assert not UNUSUAL.search(reason), reason
        assert len(reason.split()) <= WORDS_MAX, reason
        assert reason[0] == reason[0].upper(), reason
        assert reason.endswith("."), reason
    for step in result.steps:
        if step.side is Side.CONVERT:
            continue
        ((before, after),) = re.findall(r"([\d.]+)% becomes ([\d.]+)%", step.reason)
        assert float(before) / 100 == pytest.approx(step.weight_before, abs=5.1e-4)
        assert float(after) / 100 == pytest.approx(max(0.0, step.weight_after), abs=5.1e-4)
        if step.target is not None:
            # A clause behind it may name the target of a group.
            target = re.findall(r"(?:target is|group asks for) ([\d.]+)%", step.reason)[0]
            assert float(target) / 100 == pytest.approx(step.target, abs=5.1e-4)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(portfolios())
def test_every_reason_of_every_plan_is_short_ordinary_and_true(portfolio: Portfolio) -> None:
    check_words(plan(portfolio.context, portfolio.config))
