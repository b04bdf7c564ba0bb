"""How much of a sell a limit needs, and that its sentence says no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner_core.model.context import PlanningContext
from planner_core.model.records import CashFlow, GroupRule
from planner_core.pipeline.repairs import repair_values
from planner_core.planner import plan
from tests.builders import (
    AS_OF,
    make_action,
    make_config,
    make_context,
    make_lot,
    make_securities,
    make_state,
)


def bucket(*units: float, missing: float) -> PlanningContext:
    """Securities of 100 a unit with targets of 24 %, and a withdrawal beyond the cash of 2,000."""
    securities = make_securities(4, target=0.24)
    lots = tuple(make_lot(s.id, n) for s, n in zip(securities, units, strict=True))
    flows = (CashFlow(AS_OF, -2_000.0 - missing),)
    return make_context(securities=securities, lots=lots, cash=2_000.0, cash_flows=flows)


def test_a_sell_that_mostly_leads_to_the_target_names_the_limit_behind() -> None:
    result = plan(bucket(110.0, 110.0, 140.0, 120.0, missing=60.0), make_config())
    (sell,) = result.steps
    assert (sell.security, sell.value > 1_500, sell.mandatory) == ("CCC", True, True)
    # 60 are missing; the smallest legal sell is 400.
    assert sell.repair_value == pytest.approx(400.0)
    assert sell.reason.startswith(f"Sell {sell.quantity:.0f} CCC for ")
    assert sell.reason.endswith("; 60 of the 2,060 EUR due on 2024-06-28 are missing.")


def test_a_sell_of_which_the_limit_needs_most_names_it_first() -> None:
    result = plan(bucket(120.0, 120.0, 120.0, 120.0, missing=300.0), make_config())
    (sell,) = result.steps
    assert sell.repair_value >= sell.value / 2
    assert sell.reason.startswith("300 of the 2,300 EUR due on 2024-06-28 are missing: sell ")


def test_what_earlier_sells_have_repaired_later_ones_do_not() -> None:
    state = make_state(bucket(120.0, 120.0, 120.0, 120.0, missing=1_000.0))
    sells = [
        replace(make_action(state, name, -units), mandatory=True)
        for name, units in (("AAA", 5.0), ("BBB", 20.0), ("CCC", 4.0))
    ]
    first, second, third = repair_values(sells, state)
    assert first == pytest.approx(500.0)
    # 500 and costs of 3.25 came in: a bit more than 500 are missing, gross.
    assert second == pytest.approx((1_000.0 - 496.75) * 2_000.0 / (2_000.0 - 7.0))
    assert third == 0.0


def test_a_fund_that_lies_in_a_group_in_part_repairs_by_that_part() -> None:
    securities = list(make_securities(4, target=0.24))
    securities[0] = replace(securities[0], groups={"industry": {"tools": 0.5}})
    lots = tuple(make_lot(s.id, 120.0) for s in securities)
    context = make_context(
        securities=tuple(securities),
        lots=lots,
        cash=2_000.0,
        group_rules=(GroupRule("industry", "tools", cap=0.1),),
    )
    state = make_state(context)
    sell = replace(make_action(state, "AAA", -60.0), mandatory=True)
    # Half of 24 % is in the group, 2 % too much: 4 % of 50,000 have to be sold.
    assert repair_values([sell], state) == pytest.approx((2_000.0,))


def test_an_optional_trade_repairs_nothing() -> None:
    state = make_state(bucket(120.0, 120.0, 120.0, 120.0, missing=300.0))
    assert repair_values([make_action(state, "AAA", -5.0)], state) == (0.0,)
