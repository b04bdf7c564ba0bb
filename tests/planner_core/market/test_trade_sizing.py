"""From opportunities to legal trades: lots, caps, the smallest trade, the cost ratio, merging."""

# ruff: noqa: ANN401 - overrides are of any type

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import (
    FRACTION_STEP,
    funding_sells,
    lot_step,
    round_down,
    round_up,
    size,
    size_opportunities,
)
from planner_core.model.plan import Action, Rejection
from planner_core.model.records import BondTerms, GroupRule, Side, Trade
from tests.builders import (
    AS_OF,
    constant_rate,
    days_ago,
    make_action,
    make_config,
    make_context,
    make_lot,
    make_opportunity,
    make_securities,
    make_security,
    make_state,
    price_paths,
)

CALCULATOR = "opportunity_calculators.test"


def state_of(config: dict[str, Any] | None = None, **fields: Any) -> PlanningState:
    return make_state(make_context(**fields), make_config(**(config or {})))


def sized(
    state: PlanningState, side: Side, notional: float, security: str = "AAA", **fields: Any
) -> Action:
    opportunity = make_opportunity(state, security, side, notional, **fields)
    action = size(opportunity, CALCULATOR, state)
    assert isinstance(action, Action), action
    return action


def refused(
    state: PlanningState, side: Side, notional: float, security: str = "AAA", **fields: Any
) -> str:
    opportunity = make_opportunity(state, security, side, notional, **fields)
    rejection = size(opportunity, CALCULATOR, state)
    assert isinstance(rejection, Rejection), rejection
    assert (rejection.security, rejection.side, rejection.value) == (security, side, notional)
    assert rejection.sources == (CALCULATOR,)
    return rejection.reason


def test_hand_table_of_a_trade() -> None:
    state = state_of({"costs": {"tax_rate": 0.25}})
    sell = sized(state, Side.SELL, 1_050.0)
    # Ten units of 100; 2 + 0.25 % of cost; a quarter of a gain of 20 each.
    assert (sell.quantity, sell.value) == (-10, -1_000.0)
    assert (sell.cost, sell.tax) == (4.5, 50.0)
    assert sell.cash_delta == pytest.approx(1_000 - 54.5)
    buy = sized(state, Side.BUY, 1_050.0)
    assert (buy.quantity, buy.value, buy.tax) == (10, 1_000.0, 0.0)
    assert buy.cash_delta == pytest.approx(-1_004.5)
    assert (buy.price, buy.currency, buy.fx_rate) == (100.0, "EUR", 1.0)
    assert (buy.sources, buy.clauses) == ((CALCULATOR,), ("the test wants it",))


def test_a_foreign_trade_is_priced_in_its_own_currency_and_valued_in_base() -> None:
    security = make_security("AAA", currency="USD")
    state = state_of(securities=(security,), fx_rates={"USD": constant_rate(0.5)})
    action = sized(state, Side.SELL, 1_020.0)
    assert (action.quantity, action.price, action.fx_rate) == (-20, 100.0, 0.5)
    assert action.value == -1_000.0
    assert action.cost == pytest.approx(2 + 3.5)


@pytest.mark.parametrize(
    ("lot_size", "notional", "quantity"),
    [(1.0, 999.0, 9), (5.0, 999.0, 5), (10.0, 1_999.0, 10), (0.5, 999.0, 9.5), (1.0, 1_000.0, 10)],
)
def test_an_opportunity_is_rounded_down_to_whole_lots(
    lot_size: float, notional: float, quantity: float
) -> None:
    state = state_of(securities=make_securities(4, lot_size=lot_size))
    assert sized(state, Side.BUY, notional).quantity == quantity
    assert sized(state, Side.SELL, notional).quantity == -quantity


def test_a_mandatory_sell_is_rounded_up_but_never_beyond_what_is_held() -> None:
    state = state_of()
    assert sized(state, Side.SELL, 901.0, mandatory=True).quantity == -10
    assert sized(state, Side.SELL, 900.0, mandatory=True).quantity == -9
    assert sized(state, Side.SELL, 1e9, mandatory=True).quantity == -100
    assert sized(state, Side.SELL, 1e9).quantity == -100


def test_fractions_are_traded_in_millionths() -> None:
    security = make_security("AAA", fractional=True, lot_size=100.0)
    assert lot_step(security) == FRACTION_STEP
    state = state_of(securities=(security,), last_prices=[300.0], lots=(make_lot("AAA", 3.3),))
    assert sized(state, Side.SELL, 500.0).quantity == pytest.approx(-1.666666, abs=1e-12)
    everything = sized(state, Side.SELL, 1e6).quantity
    assert everything == pytest.approx(-3.3)


def test_an_odd_rest_below_a_lot_stays() -> None:
    state = state_of(
        {"constraints": {"turnover_max": 10.0}},
        securities=make_securities(4, lot_size=100.0),
        lots=(make_lot("AAA", 150.0),),
    )
    assert sized(state, Side.SELL, 1e9).quantity == -100


def test_a_buy_stops_at_its_cap() -> None:
    # 10,000 of 50,000 with a cap of 25 %: 2,500 more.
    assert sized(state_of(), Side.BUY, 9_000.0).quantity == 25
    full = state_of(lots=(make_lot("AAA", 125.0),), cash=37_500.0)
    assert refused(full, Side.BUY, 9_000.0) == "it is at its cap of 25%"


@pytest.mark.parametrize(
    ("fields", "side", "notional", "reason"),
    [
        ({}, Side.BUY, 399.0, "below the smallest trade of 400 EUR (min_trade_value): 300 EUR"),
        ({}, Side.BUY, 99.0, "it is less than one lot"),
        ({"lots": ()}, Side.SELL, 1_000.0, "it is not held"),
        (
            {"lots": (make_lot("AAA", acquired=days_ago(10)),)},
            Side.SELL,
            1_000.0,
            "every lot is younger than 90 days or of unknown date",
        ),
        (
            {"securities": make_securities(4, min_trade_value=2_000.0)},
            Side.BUY,
            1_900.0,
            "below the smallest trade of 2,000 EUR (min_trade_value): 1,900 EUR",
        ),
        (
            {"securities": make_securities(4, half_spread_bps=80.0)},
            Side.BUY,
            1_000.0,
            "it costs 1.20% of its value (at most 1.00%)",
        ),
        (
            {"securities": make_securities(4, allow_buy=False)},
            Side.BUY,
            1_000.0,
            "buying is switched off (allow_buy = false)",
        ),
        (
            {"trades": (Trade(days_ago(1), "AAA", Side.SELL, 1, 100.0),)},
            Side.SELL,
            1_000.0,
            "sold 1 day ago (sell_cooldown_days = 180)",
        ),
        (
            {"n_days": 100},
            Side.BUY,
            1_000.0,
            "its price history is too short to judge it",
        ),
        (
            {
                "securities": make_securities(4, groups={"industry": "energy"}),
                "group_rules": (GroupRule("industry", "energy", cap=0.5),),
            },
            Side.BUY,
            1_000.0,
            "industry energy is above its cap of 50%",
        ),
    ],
)
def test_what_is_refused_says_why(
    fields: dict[str, Any], side: Side, notional: float, reason: str
) -> None:
    assert refused(state_of(**fields), side, notional) == reason


def test_a_fund_with_less_of_a_full_group_than_its_cap_may_be_bought() -> None:
    fund = make_security("AAA", groups={"industry": {"energy": 0.03}})
    full = make_securities(4, groups={"industry": "energy"})[1:]
    fields: dict[str, Any] = {
        "securities": (fund, *full),
        "group_rules": (GroupRule("industry", "energy", cap=0.1),),
    }
    assert sized(state_of(**fields), Side.BUY, 1_000.0).quantity == 10
    much = replace(fund, groups={"industry": {"energy": 0.11}})
    reason = refused(state_of(**{**fields, "securities": (much, *full)}), Side.BUY, 1_000.0)
    assert reason == "industry energy is above its cap of 10%"


def test_exactly_the_smallest_trade_is_legal() -> None:
    assert sized(state_of(), Side.BUY, 400.0).quantity == 4


def test_a_sell_must_leave_something_after_costs_and_tax() -> None:
    config = {
        "costs": {"fixed_cost": 500.0, "tax_rate": 0.9},
        "constraints": {"cost_ratio_max": 1.0, "turnover_max": 10.0},
    }
    state = state_of(config, lots=(make_lot("AAA", unit_cost=0.0),))
    assert refused(state, Side.SELL, 1_000.0) == "costs and tax exceed the proceeds"
    assert sized(state, Side.SELL, 9_000.0).cash_delta > 0


def test_a_trade_beyond_the_turnover_cap_is_cut_to_it() -> None:
    # 67 % of NAV in one name and a cap of 20 %: it is sold in part rather than not at all.
    state = state_of(lots=(make_lot("AAA", 670.0),), cash=33_000.0)
    sell = sized(state, Side.SELL, 43_000.0)
    assert sell.quantity == -200
    repair = sized(state, Side.SELL, 43_000.0, mandatory=True)
    assert repair.quantity == -430


def test_nothing_is_traded_when_the_turnover_is_used_up() -> None:
    state = state_of({"constraints": {"turnover_max": 0.0}})
    assert refused(state, Side.SELL, 1_000.0) == "the turnover of this window is used up"


def test_a_short_history_does_not_forbid_a_sell() -> None:
    assert sized(state_of(n_days=100), Side.SELL, 1_000.0).quantity == -10


def test_opportunities_that_come_to_the_same_trade_are_merged() -> None:
    state = state_of()
    quantities = [
        ("k.one", make_opportunity(state, "AAA", Side.SELL, 1_050.0, reason="first")),
        ("k.two", make_opportunity(state, "AAA", Side.SELL, 1_001.0, reason="second")),
        ("k.one", make_opportunity(state, "AAA", Side.SELL, 1_002.0, reason="third")),
        (
            "k.two",
            make_opportunity(state, "AAA", Side.SELL, 901.0, mandatory=True, reason="repair"),
        ),
        ("k.two", make_opportunity(state, "BBB", Side.SELL, 1_000.0)),
        ("k.two", make_opportunity(state, "AAA", Side.BUY, 1_000.0)),
        ("k.two", make_opportunity(state, "AAA", Side.BUY, 10.0)),
    ]
    actions, rejections = size_opportunities(quantities, state)
    assert [(a.security, a.quantity) for a in actions] == [(0, -10), (1, -10), (0, 10)]
    merged = actions[0]
    assert merged.sources == ("k.one", "k.two")
    assert merged.clauses == ("repair", "first", "second")  # a repair, then one of each source
    assert merged.mandatory
    assert not actions[1].mandatory
    assert [rejection.reason for rejection in rejections] == ["it is less than one lot"]


steps = st.sampled_from([1.0, 0.5, 0.1, 5.0, 100.0, 1e-6])


@given(st.integers(0, 10**6), steps)
def test_a_whole_number_of_lots_stays_what_it_is(lots: int, step: float) -> None:
    quantity = lots * step
    assert round_down(quantity, step) == pytest.approx(quantity, abs=step * 1e-6)
    assert round_up(quantity, step) == pytest.approx(quantity, abs=step * 1e-6)


@given(st.floats(0, 1e6), steps)
def test_rounding_brackets_a_quantity_by_less_than_a_lot(quantity: float, step: float) -> None:
    down, up = round_down(quantity, step), round_up(quantity, step)
    dust = step * 1e-6 + quantity * 1e-12
    assert down <= quantity + dust
    assert up >= quantity - dust
    assert up - down <= step * (1 + 1e-6) + dust
    for rounded in (down, up):
        lots = rounded / step
        assert math.isclose(lots, round(lots), rel_tol=1e-9, abs_tol=1e-6)


@given(st.floats(0.01, 5_000), st.sampled_from([Side.BUY, Side.SELL]), st.booleans())
def test_a_sized_trade_is_whole_held_within_its_cap_and_consistent(
    notional: float, side: Side, mandatory: bool
) -> None:
    state = HYPOTHESIS_STATE
    opportunity = make_opportunity(
        state, "AAA", side, notional, mandatory=mandatory and side is Side.SELL
    )
    action = size(opportunity, CALCULATOR, state)
    if isinstance(action, Rejection):
        assert action.reason
        return
    assert action.quantity % 3 == 0
    assert -action.quantity <= state.portfolio.sellable[0]
    after = state.portfolio.weight[0] + action.value / state.nav
    assert after <= state.limits.position_cap[0] + 1e-12 or side is Side.SELL
    assert action.value + action.cash_delta == pytest.approx(-(action.cost + action.tax))
    assert abs(action.value) >= state.limits.min_trade_value


HYPOTHESIS_STATE = state_of(
    {"costs": {"tax_rate": 0.3}}, securities=make_securities(4, lot_size=3.0)
)


def test_a_bond_is_traded_with_its_interest_and_taxed_on_its_price() -> None:
    bond = make_security("AAA", accrued=0.02, lot_size=1_000.0)
    state = state_of(
        {"costs": {"tax_rate": 0.2}},
        securities=(bond, make_security("BBB")),
        last_prices=[0.98, 100.0],
        lots=(make_lot("AAA", 10_000, unit_cost=0.90), make_lot("BBB", 500)),
    )
    sell = sized(state, Side.SELL, 3_999.0)
    assert (sell.quantity, sell.accrued) == (-3_000, 0.02)
    assert sell.price == pytest.approx(0.98)
    assert sell.value == pytest.approx(-3_000.0)
    assert sell.tax == pytest.approx(0.2 * 3_000 * 0.08)


def test_a_bond_that_matured_is_not_traded() -> None:
    bond = make_security("AAA", bond=BondTerms(0.05, 1, AS_OF))
    for side in Side.BUY, Side.SELL:
        reason = refused(state_of(securities=(bond, make_security("BBB"))), side, 1_000.0)
        assert reason == f"it matured on {AS_OF}"


def young(n_returns: int, target: float | None) -> PlanningState:
    """Return a state in which AAA, a fifth of the bucket, has only so many returns."""
    prices = price_paths(400, [100.0] * 4)
    prices[: -n_returns - 1, 0] = math.nan
    own = make_security("AAA", target=target)
    return state_of(prices=prices, securities=(own, *make_securities(4)[1:]))


@pytest.mark.parametrize("n_returns", [0, 40, 100])
def test_a_young_security_is_bought_toward_its_target_and_not_beyond(n_returns: int) -> None:
    state = young(n_returns, 0.25)
    assert state.can_buy(0)
    # 5 % of 50,000 are missing.
    assert sized(state, Side.BUY, 9_000.0).value == 2_500.0
    for target, reason in ((0.1, "away from its target"), (None, "too short to judge")):
        state = young(n_returns, target)
        assert not state.can_buy(0)
        assert reason in refused(state, Side.BUY, 2_000.0)


def test_nothing_is_sold_on_an_estimate_that_there_is_not() -> None:
    for n_returns, is_known in ((40, False), (100, True)):
        state = young(n_returns, None)
        if is_known:
            assert sized(state, Side.SELL, 2_000.0).value == -2_000.0
        else:
            assert "too short to judge" in refused(state, Side.SELL, 2_000.0)
            # A repair needs no estimate.
            assert sized(state, Side.SELL, 2_000.0, mandatory=True).value == -2_000.0
    above = young(40, 0.15)
    assert sized(above, Side.SELL, 9_000.0).value == -2_500.0


def test_a_sell_in_the_size_of_a_buy_keeps_the_reason_of_the_sell() -> None:
    opinion = make_config(objective={"opinion": 1.0})
    state = make_state(make_context(securities=make_securities(4, target=0.2)), opinion)
    sell = replace(make_action(state, "AAA", -10.0), sources=("opportunities.x",), clauses=("why",))
    offered = funding_sells([sell, make_action(state, "BBB", 3.0)], state)
    assert [action.clauses for action in offered] == [("why",)]
