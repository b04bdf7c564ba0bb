"""New money is always answered with a buy, or with why not and how much is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner_core.model.context import PlanningContext, with_new_money
from planner_core.model.plan import Outcome, Plan
from planner_core.model.records import CashBalance, CashFlow, Severity, Side, Trade
from planner_core.planner import plan
from tests.builders import (
    AS_OF,
    constant_rate,
    make_config,
    make_context,
    make_lot,
    make_securities,
)


def bucket(
    cash: float = 500.0,
    *,
    n: int = 4,
    target: float = 0.24,
    **changes: Any,  # noqa: ANN401 - of a context
) -> PlanningContext:
    """Four securities of 100 a unit near their targets of 24 %; cash has 4 %."""
    securities = changes.pop("securities", make_securities(n, target=target))
    lots = tuple(make_lot(security.id, 120.0) for security in securities)
    return make_context(securities=securities, lots=lots, cash=cash, **changes)


def plan_with(context: PlanningContext, amount: float) -> Plan:
    return plan(with_new_money(context, amount), make_config())


def test_money_joins_the_account_and_the_deposits_and_no_other_field() -> None:
    context = bucket()
    paid_in = with_new_money(context, 250.0)
    assert paid_in.cash == (CashBalance("EUR", 750.0),)
    assert paid_in.cash_flows == (CashFlow(AS_OF, 250.0),)
    assert (paid_in.invest, context.invest) == (250.0, 0.0)
    assert paid_in.lots == context.lots


def test_money_without_an_account_opens_one() -> None:
    context = make_context(cash=(CashBalance("USD", 5.0),), fx_rates={"USD": constant_rate(0.9)})
    assert with_new_money(context, 10.0).cash[-1] == CashBalance("EUR", 10.0)


@settings(max_examples=12, deadline=None)
@given(
    held=st.lists(st.integers(60, 160), min_size=3, max_size=5),
    target_sum=st.floats(0.5, 1.0),
    cash=st.floats(0.0, 4000.0),
    amount=st.floats(0.0, 3000.0),
)
def test_money_that_covers_the_smallest_trade_is_always_answered_with_a_buy(
    held: list[int], target_sum: float, cash: float, amount: float
) -> None:
    """Also where cash is below its share, so that every security is above its target."""
    securities = make_securities(len(held), target=target_sum / len(held))
    lots = tuple(make_lot(s.id, float(n)) for s, n in zip(securities, held, strict=True))
    context = make_context(securities=securities, lots=lots, cash=cash)
    nav = 100.0 * sum(held) + cash
    reserve = 0.005 * (nav + 4000)
    # Lots of 100, smallest trade 400 or 1 % of NAV; costs of 2 and 0.25 %; the reserve first.
    covering = 500.0 + 10.0 + max(0.0, reserve - cash) + amount
    result = plan_with(context, covering)
    assert any(step.side is Side.BUY for step in result.steps), (nav, cash, covering)
    assert result.new_money is not None
    spent = sum(step.value + step.cost for step in result.steps if step.side is Side.BUY)
    assert result.new_money.spent == pytest.approx(spent)
    # What is left has its reason, and nothing else has one.
    assert bool(result.new_money.reason) == (round(covering - spent, 2) > 0)


def test_too_little_money_is_answered_with_how_much_is_missing() -> None:
    result = plan_with(bucket(cash=250.0), 100.0)
    assert result.outcome is Outcome.NOTHING_TO_DO
    assert result.new_money is not None
    assert "100.00 EUR are below the smallest trade; " in result.new_money.reason
    assert "wait for about " in result.new_money.reason
    # The amount that it names is enough.
    words = result.new_money.reason.split()
    missing = float(words[words.index("about") + 1].replace(",", ""))
    assert plan_with(bucket(cash=250.0), 100.0 + missing + 0.01).steps


def reason_of(context: PlanningContext, amount: float) -> str:
    result = plan_with(context, amount)
    assert result.new_money is not None
    assert 0 < result.new_money.spent < amount
    return result.new_money.reason


def test_money_that_is_spent_in_part_has_the_reason_for_the_rest() -> None:
    assert reason_of(bucket(cash=2000.0), 1000.0) == (
        "597.00 EUR are left: more would cost more than it brings the portfolio closer to its"
        " targets"
    )
    reserve = reason_of(bucket(cash=-300.0), 1000.0)
    assert reserve.startswith("543.50 EUR refill the cash that must stay; 53.50 EUR are left: ")
    assert "the smallest trade takes 403.00 EUR" in reserve


def test_what_is_further_below_its_target_and_not_bought_is_named() -> None:
    # Its value is not in doubt, so that the others may be bought.
    certain = {"AAA": (1.0, 1.0)}
    held = {"AAA": "its files disagree"}
    context = bucket(cash=2000.0, held_back=held, value_factors=certain)
    lots = (make_lot("AAA", 60.0), *(lot for lot in context.lots if lot.security != "AAA"))
    lots = tuple(replace(lot, quantity=100.0) if lot.security == "BBB" else lot for lot in lots)
    reason = reason_of(replace(context, lots=lots), 2000.0)
    assert "AAA is further below its target, but may not be bought: its files" in reason


def test_money_that_only_refills_the_reserve_says_so() -> None:
    result = plan_with(bucket(cash=-300.0), 200.0)
    assert result.new_money is not None
    assert "only refill the cash that must stay" in result.new_money.reason


def test_where_nothing_may_be_bought_the_reason_is_named() -> None:
    result = plan_with(bucket(securities=make_securities(4, target=0.24, allow_buy=False)), 3000.0)
    assert result.new_money is not None
    assert "may not be bought: buying is switched off (allow_buy = false)" in (
        result.new_money.reason
    )
    above = plan_with(bucket(securities=make_securities(4, target=0.0)), 1000.0)
    assert above.new_money is not None
    assert above.steps == () or all(step.side is Side.SELL for step in above.steps)
    assert "every security is at or above its target" in above.new_money.reason


def test_what_a_doubt_keeps_from_being_bought_is_not_called_above_its_target() -> None:
    unknown = {"AAA": (0.0, 10.0)}
    result = plan_with(
        bucket(cash=2000.0, held_back={"AAA": "its files disagree"}, value_factors=unknown), 500.0
    )
    assert result.new_money is not None
    assert not result.steps
    assert result.new_money.reason == (
        "AAA may not be bought: its files disagree, and 3 more are blocked"
    )


def test_without_new_money_nothing_is_said_of_it() -> None:
    result = plan(bucket(), make_config())
    assert result.new_money is None
    assert not result.buy_only


def test_buy_only_forbids_every_sell_and_says_so() -> None:
    # AAA far above its target, the others below it; without cash only a sell could help.
    lots = tuple(
        make_lot(name, units)
        for name, units in (("AAA", 200.0), ("BBB", 80.0), ("CCC", 80.0), ("DDD", 80.0))
    )
    context = make_context(securities=make_securities(4, target=0.25), lots=lots, cash=300.0)
    assert any(step.side is Side.SELL for step in plan(context, make_config()).steps)
    result = plan(replace(context, buy_only=True), make_config())
    assert result.steps == ()
    assert result.buy_only
    assert "only buys were requested" in {rejection.reason for rejection in result.rejected}


# --- cash that no deposit explains ------------------------------------------------------------


def findings(context: PlanningContext) -> dict[str, str]:
    result = plan(context, make_config())
    return {f.id: f.message for f in result.findings if f.severity is Severity.INFO}


def test_much_cash_without_a_listed_deposit_is_a_question_with_its_cure() -> None:
    context = bucket(cash=40_000.0)
    assert "no deposit of the last 30 days is listed" in findings(context)["cash_not_listed"]
    # The cure works: a listed deposit is no question.
    listed = bucket(cash=40_000.0, cash_flows=(CashFlow(AS_OF - timedelta(days=3), 39_000.0),))
    assert "cash_not_listed" not in findings(listed)
    long_ago = bucket(cash=40_000.0, cash_flows=(CashFlow(AS_OF - timedelta(days=31), 39_000.0),))
    assert "cash_not_listed" in findings(long_ago)
    sold = Trade(AS_OF - timedelta(days=3), "AAA", Side.SELL, 390.0, 100.0)
    assert "cash_not_listed" not in findings(bucket(cash=40_000.0, trades=(sold,)))


def test_cash_that_the_targets_leave_is_no_question() -> None:
    assert "cash_not_listed" not in findings(bucket(cash=40_000.0, target=0.05))
    assert "cash_not_listed" not in findings(make_context(cash=90_000.0)), (
        "a bucket without targets"
    )


# --- when money waits -------------------------------------------------------------------------


def test_money_that_waits_for_a_deposit_says_what_that_saves_and_costs() -> None:
    deposit = CashFlow(AS_OF + timedelta(days=20), 1000.0)
    waits = bucket(cash=3000.0, next_deposit=deposit, deposits_per_year=12_000.0)
    config = make_config(costs={"fixed_cost": 12.0}, constraints={"cost_ratio_max": 0.05})
    result = plan(waits, config)
    message = next((f.message for f in result.findings if f.id == "money_waits"), None)
    assert result.steps == ()
    assert message is not None
    assert f"wait for the next deposit on {deposit.on}: that saves 12.00 EUR and costs" in message
    # drag 4 % a year of what is idle, over 20 days.
    idle = float(message.split()[0].replace(",", ""))
    cost = float(message.split("costs about ")[1].split()[0])
    assert cost == pytest.approx(0.04 * idle * 20 / 365.25, abs=0.01)


def test_nothing_is_said_of_waiting_without_a_written_deposit() -> None:
    config = make_config(costs={"fixed_cost": 12.0}, constraints={"cost_ratio_max": 0.05})
    result = plan(bucket(cash=3000.0), config)
    assert "money_waits" not in {f.id for f in result.findings}
