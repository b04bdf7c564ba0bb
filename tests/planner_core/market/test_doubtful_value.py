"""Nothing is sold for a weight that may be another; what is bought is right under each reading."""

# ruff: noqa: ANN401 - overrides are of any type

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from planner_core.market.limits import Limits
from planner_core.model.records import CashBalance, CashFlow, Side
from planner_core.planner import plan
from tests.builders import AS_OF, make_config, make_context, make_lot
from tests.planner_core.market.test_limits import limits_of, targeted


def doubted(factors: tuple[float, float] | None, **fields: Any) -> Limits:
    """AAA is 20,000 and in doubt, BBB 18,000, CCC 2,000, cash 10,000."""
    lots = (make_lot("AAA", 200.0), make_lot("BBB", 180.0), make_lot("CCC", 20.0))
    return limits_of(
        securities=targeted(0.4, 0.3, 0.1),
        lots=lots,
        held_back={"AAA": "its closes contradict its declared split"},
        value_factors={} if factors is None else {"AAA": factors},
        **fields,
    )


def test_nothing_is_sold_for_a_weight_that_may_be_another() -> None:
    # At half the value of AAA, BBB is 36 % of 50,000; at twice, 25 % of 70,000: below its target.
    limits = doubted((1.0, 2.0))
    assert "the value of AAA is in doubt" in limits.sell_block[1]
    assert "the value of AAA is in doubt" in limits.sell_block[2]
    assert doubted(None).sell_block[1] == limits.sell_block[1]
    assert 1 not in doubted((1.0, 1.0)).sell_block
    # Within a thousandth of the NAV no weight changes.
    assert 1 not in doubted((0.999, 1.001)).sell_block


def test_a_target_of_zero_is_exceeded_under_each_reading() -> None:
    lots = (make_lot("AAA", 200.0), make_lot("BBB", 100.0))
    held: dict[str, Any] = {"held_back": {"AAA": "doubt"}, "lots": lots}
    assert 1 not in limits_of(securities=targeted(0.4, 0.0), **held).sell_block


def test_a_withdrawal_may_be_raised_while_a_value_is_in_doubt() -> None:
    limits = doubted((1.0, 2.0), cash_flows=(CashFlow(AS_OF, -15_000.0),))
    assert 1 not in limits.sell_block


def test_a_buy_ends_below_its_target_under_each_reading() -> None:
    # If AAA is worth half, 10 % of 40,000 are the target of CCC: 8 % of 50,000.
    limits = doubted((0.5, 1.0))
    assert limits.position_cap[2] == pytest.approx(0.08)
    assert 2 not in limits.buy_block
    # If AAA is worth nothing, CCC is still below 10 % of 30,000; at 15,000 it would not be.
    assert doubted((0.0, 1.0)).position_cap[2] == pytest.approx(0.06)
    assert "the value of AAA is in doubt" in doubted((-0.5, 1.0)).buy_block[2]


def test_a_range_of_the_nav_is_named_with_its_cure() -> None:
    (finding,) = [f for f in doubted((0.5, 2.0)).findings if f.id == "limits_wait"]
    assert "all may be worth from 40,000.00 EUR to 70,000.00 EUR" in finding.message
    assert finding.action == "settle the finding of AAA first"


def test_a_rate_that_is_not_believed_puts_the_account_in_doubt_too() -> None:
    rates = np.full(400, 0.9)
    rates[-1] = 1.8
    cash = (CashBalance("EUR", 30_000.0), CashBalance("USD", 10_000.0))
    lots = (make_lot("BBB", 300.0),)
    limits = limits_of(securities=targeted(0.5, 0.3), lots=lots, cash=cash, fx_rates={"USD": rates})
    assert "the value of USD is in doubt" in limits.sell_block[1]


def test_a_doubtful_value_makes_no_default_limit_sell_the_others() -> None:
    lots = (make_lot("AAA", 250.0), make_lot("BBB", 150.0))
    fields: dict[str, Any] = {"securities": targeted(0.5, 0.3), "lots": lots, "cash": 10.0}
    reserve = {"cash_reserve": 0.005}
    believed = limits_of(reserve, **fields)
    assert believed.violation > 0
    waiting = limits_of(reserve, **fields, held_back={"AAA": "its lots and closes disagree"})
    assert waiting.violation == 0
    assert [finding.id for finding in waiting.findings] == ["limits_wait"]
    # A cap that the owner wrote still holds.
    written = limits_of({"position_weight_max": 0.25}, **fields, held_back={"AAA": "doubt"})
    assert written.violation > 0


def test_a_default_reserve_forces_no_sell_where_targets_say_how_much_cash_is_wanted() -> None:
    lots = (make_lot("AAA", 200.0), make_lot("BBB", 200.0))
    fields: dict[str, Any] = {"securities": targeted(0.5, 0.5), "lots": lots, "cash": 10.0}
    assert limits_of(**fields).violation == 0
    assert limits_of({"cash_reserve": 0.005}, **fields).violation > 0
    # Debt is repaired all the same.
    assert limits_of(**{**fields, "cash": -500.0}).violation > 0


def test_no_more_is_sold_than_the_missing_cash_takes_and_nothing_is_bought() -> None:
    context = make_context(
        securities=targeted(0.4, 0.3, 0.1),
        lots=(make_lot("AAA", 200.0), make_lot("BBB", 180.0), make_lot("CCC", 20.0)),
        cash=-200.0,
        held_back={"AAA": "its closes contradict its declared split"},
        value_factors={"AAA": (0.5, 1.0)},
    )
    assert sum(lot.quantity for lot in context.lots) == 400.0
    result = plan(context, make_config())
    assert {step.side for step in result.steps} == {Side.SELL}
    sold = sum(abs(step.value) for step in result.steps)
    # 200 are missing, then the reserve; the smallest legal trade is 400.
    assert 200 < sold < 1_000, "BBB looks 1,800 above its target"
