"""cash_raise: nothing without a violated limit; what it sells repairs, net of costs and tax."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import price_trade, size, smallest_trade
from planner_core.model.plan import Action, Opportunity
from planner_core.model.records import CashFlow, GroupRule, Side
from planner_core.modules.opportunities.cash_raise import CashRaise, CashRaiseParameters
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


def judge(state: PlanningState, parts_max: int = 3) -> list[Opportunity]:
    opportunities = list(CashRaise().calculate(state, CashRaiseParameters(parts_max=parts_max)))
    assert all(sell.side is Side.SELL and sell.mandatory for sell in opportunities)
    return opportunities


def for_cash(state: PlanningState, parts_max: int = 3) -> list[Opportunity]:
    """Only what is sold because of the deficit: with less NAV, positions pass their caps too."""
    return [sell for sell in judge(state, parts_max) if "its limit is" not in sell.reason]


def sized(state: PlanningState, opportunity: Opportunity) -> Action:
    action = size(opportunity, "x", state)
    assert isinstance(action, Action), action
    return action


def test_nothing_is_sold_while_every_limit_holds() -> None:
    assert judge(make_state()) == []


def test_cash_that_equals_the_reserve_to_the_cent_is_enough() -> None:
    # 40,000 invested and 201.00502512... in cash: exactly half a percent of all.
    assert judge(make_state(make_context(cash=40_000 * 0.005 / 0.995))) == []


@pytest.mark.parametrize(
    ("cash", "flows", "deficit"),
    [
        (100.0, (), 100.5),  # half a percent of 40,100 less 100
        (0.0, (), 200.0),
        (-1_000.0, (), 1_195.0),  # half a percent of 39,000 and the overdraft
        (10_000.0, (CashFlow(AS_OF, -10_000.0),), 250.0),
        (10_000.0, (CashFlow(days_ago(-30), -12_000.0),), 2_250.0),  # due on the last day
        (10_000.0, (CashFlow(days_ago(-31), -12_000.0),), 0.0),
        (10_000.0, (CashFlow(days_ago(1), -12_000.0),), 0.0),  # gone already
        (10_000.0, (CashFlow(days_ago(-5), 9_000.0), CashFlow(AS_OF, -10_000.0)), 250.0),
    ],
)
def test_the_deficit_is_reserve_and_due_withdrawals_less_cash(
    cash: float, flows: tuple[CashFlow, ...], deficit: float
) -> None:
    state = make_state(make_context(cash=cash, cash_flows=flows))
    assert state.limits.cash_deficit == pytest.approx(deficit)
    opportunities = for_cash(state, parts_max=1)
    assert len(opportunities) == (4 if deficit else 0)
    for sell in opportunities:
        assert sized(state, sell).cash_delta >= deficit


def test_the_parts_add_up_to_the_deficit() -> None:
    state = make_state(make_context(cash=-6_000.0))
    deficit = state.limits.cash_deficit
    for column in range(4):
        parts = [sell for sell in for_cash(state) if sell.security == column]
        assert len(parts) == 3
        for n_parts, sell in enumerate(parts, start=1):
            assert n_parts * sized(state, sell).cash_delta >= deficit
        # Which part of it a plan sells is not certain yet: the reason names no size.
        assert {sell.reason for sell in parts} == {"cash is 6,170 EUR below the reserve"}


def test_hand_table_of_a_sell_that_closes_the_gap() -> None:
    # 1,195 are missing. 13 units of 100: 1,300 - (2 + 0.25 %) = 1,294.75; 12 leave 1,195.00.
    state = make_state(make_context(cash=-1_000.0))
    action = sized(state, for_cash(state, parts_max=1)[0])
    assert action.quantity == -12
    assert action.cash_delta == pytest.approx(1_200 - 2 - 3)


def test_tax_is_that_of_the_lots_sold_and_not_of_the_whole_proceeds() -> None:
    # Bought at 80: a gain of 20 per unit, at 30 % six of tax; 20 units leave 2,000 - 7 - 120.
    config = make_config(costs={"tax_rate": 0.3})
    state = make_state(make_context(cash=-1_673.0 + 0.995 * 5e-9), config)
    assert state.limits.cash_deficit == pytest.approx(1_673 + 0.005 * 38_327)
    action = sized(state, for_cash(state, parts_max=1)[0])
    assert action.quantity == -20
    assert action.cash_delta == pytest.approx(1_873.0)


@settings(max_examples=40)
@given(
    overdraft=st.floats(1.0, 9_000.0),
    price=st.floats(0.5, 3_000.0),
    lot_size=st.sampled_from([1.0, 5.0, 10.0]),
    tax_rate=st.floats(0.0, 0.6),
    cost_bps=st.floats(0.0, 80.0),
    adv_value=st.one_of(st.none(), st.floats(1e4, 1e8)),
)
def test_net_proceeds_close_the_gap_and_one_lot_less_would_not(
    *,
    overdraft: float,
    price: float,
    lot_size: float,
    tax_rate: float,
    cost_bps: float,
    adv_value: float | None,
) -> None:
    security = make_security("AAA", lot_size=lot_size, adv_value=adv_value)
    quantity = 10 * (1 + 40_000 // (10 * price))
    lots = (
        make_lot("AAA", quantity / 2, unit_cost=price * 0.5),
        make_lot("AAA", quantity / 2, unit_cost=price * 1.2),
    )
    config = make_config(costs={"tax_rate": tax_rate, "cost_bps": cost_bps})
    context = make_context(
        securities=(security,), last_prices=[price], lots=lots, cash=-overdraft, n_days=300
    )
    state = make_state(context, config)
    deficit = state.limits.cash_deficit
    (sell,) = for_cash(state, parts_max=1)
    action = size(sell, "x", state)
    if not isinstance(action, Action):
        assert "of its value" in action.reason  # one lot, or the impact, is too dear
        return
    everything = -action.quantity > state.portfolio.sellable[0] - lot_size
    assert action.cash_delta >= deficit or everything
    one_less = -action.quantity - lot_size
    if one_less > 0:
        smaller = price_trade(state, 0, Side.SELL, one_less)
        assert smaller.cash_delta < deficit or -smaller.value < smallest_trade(state, 0) + 1e-6


@pytest.mark.parametrize(
    ("nav", "fields", "smallest"),
    [
        (50_000.0, {}, 400.0),
        (50_000.0, {"min_trade_value": 1_000.0}, 1_000.0),
        # One percent of 10,000 is 100, but 2 + 0.25 % cost one percent only from 266.67 on.
        (10_000.0, {}, 2 / 0.0075),
    ],
)
def test_the_smallest_trade_is_one_that_is_legal(
    nav: float, fields: dict[str, Any], smallest: float
) -> None:
    securities = make_securities(4, **fields)
    lots = tuple(make_lot(s.id, nav / 400 - 1) for s in securities)
    state = make_state(make_context(securities=securities, lots=lots, cash=400.0))
    assert smallest_trade(state, 0) == pytest.approx(smallest)


@pytest.mark.parametrize("fields", [{}, {"min_trade_value": 1_000.0}])
def test_a_small_gap_takes_a_sell_that_is_worth_its_costs(fields: dict[str, Any]) -> None:
    securities = make_securities(4, **fields)
    lots = tuple(make_lot(s.id, 25) for s in securities)
    state = make_state(make_context(securities=securities, lots=lots, cash=20.0))
    assert 0 < state.limits.cash_deficit < 50
    for sell in judge(state):
        assert sized(state, sell).cash_delta >= state.limits.cash_deficit


def test_a_position_above_its_cap_is_sold_down_to_it() -> None:
    lots = (make_lot("AAA", 300), make_lot("BBB", 100))
    state = make_state(make_context(lots=lots, cash=60_000.0))
    (sell,) = judge(state)
    # 30,000 of 100,000 with a cap of 25 %.
    assert sell.security == 0
    assert sell.notional == pytest.approx(5_000.0)
    assert sized(state, sell).quantity == -50


def test_a_cap_of_its_own_counts_and_one_that_is_met_exactly_does_not() -> None:
    securities = (make_security("AAA", cap=0.1), make_security("BBB", cap=0.2))
    context = make_context(
        securities=securities,
        lots=(make_lot("AAA", 200), make_lot("BBB", 200)),
        cash=60_000.0,
    )
    (sell,) = judge(make_state(context))
    assert sell.security == 0
    assert sell.notional == pytest.approx(10_000.0)


def test_every_member_of_a_group_above_its_cap_is_offered() -> None:
    securities = make_securities(4, groups={"industry": "energy"})
    rules = (GroupRule("industry", "energy", cap=0.70),)
    lots = tuple(make_lot(name) for name in ("AAA", "BBB", "CCC"))
    context = make_context(securities=securities, lots=lots, cash=10_000.0, group_rules=rules)
    opportunities = judge(make_state(context))
    # 30,000 of 40,000 with a cap of 28,000; the cap of each position is 25 %: none is above it.
    assert [sell.security for sell in opportunities] == [0, 1, 2]
    assert [sell.notional for sell in opportunities] == pytest.approx([2_000.0] * 3)


def test_lots_that_are_too_young_raise_nothing() -> None:
    lots = tuple(make_lot(s.id, acquired=days_ago(10)) for s in make_securities(4))
    assert for_cash(make_state(make_context(lots=lots, cash=-500.0))) == []


@pytest.mark.parametrize(
    ("flows", "reason"),
    [
        ((), "cash is 12,200 EUR below the reserve"),
        (
            (CashFlow(days_ago(-5), -3_500.0),),
            f"15,700 EUR are missing, 3,500 EUR are due on {days_ago(-5)}",
        ),
        (
            (CashFlow(AS_OF, -500.0), CashFlow(days_ago(-5), -3_000.0)),
            f"15,700 EUR are missing, 3,500 EUR are due by {days_ago(-5)}",
        ),
    ],
)
def test_a_reason_names_the_withdrawals_that_are_due(
    flows: tuple[CashFlow, ...], reason: str
) -> None:
    state = make_state(make_context(cash=-12_060.0, cash_flows=flows))
    assert for_cash(state, parts_max=1)[0].reason == reason


def test_a_fund_is_sold_until_its_part_has_left_the_group() -> None:
    fund = make_security("AAA", groups={"region": {"us": 0.5, "eu": 0.5}})
    world = make_security("BBB", groups={"region": {"us": 0.1}})
    state = make_state(
        make_context(
            securities=(fund, world),
            lots=(make_lot("AAA", 200), make_lot("BBB", 100)),
            group_rules=(GroupRule("region", "us", cap=0.2),),
        ),
        make_config(constraints={"position_weight_max": 1.0}),
    )
    # us weighs 0.5 x 0.5 + 0.25 x 0.1 = 0.275; with 40,000 in all, 3,000 has to leave it.
    (sell,) = judge(state)
    assert sell.security == 0
    assert sell.notional == pytest.approx(0.075 / 0.5 * 40_000)
