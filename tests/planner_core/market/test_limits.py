"""Hard limits as numbers, each at its boundary: cash, caps, turnover, cool-downs, orders."""

# ruff: noqa: ANN401 - overrides are of any type

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner_core.market.groups import group_levers, group_membership
from planner_core.market.limits import Limits
from planner_core.model.records import (
    CashBalance,
    CashFlow,
    GroupRule,
    PendingOrder,
    Security,
    Side,
    Trade,
)
from tests.builders import (
    AS_OF,
    days_ago,
    make_config,
    make_context,
    make_lot,
    make_securities,
    make_security,
    make_state,
    price_paths,
)


def limits_of(constraints: dict[str, Any] | None = None, **fields: Any) -> Limits:
    """A NAV of 50,000 with 10,000 in cash, if nothing else is said."""
    return make_state(make_context(**fields), make_config(constraints=constraints or {})).limits


def trade(days: int, side: Side, security: str = "AAA", value: float = 1_000.0) -> Trade:
    return Trade(days_ago(days), security, side, value / 100, 100.0)


# -- cash ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flows", "required"),
    [
        ((), 250.0),
        ((CashFlow(AS_OF, -1_000.0),), 1_250.0),
        ((CashFlow(AS_OF + timedelta(days=30), -1_000.0),), 1_250.0),
        ((CashFlow(AS_OF + timedelta(days=31), -1_000.0),), 250.0),
        ((CashFlow(days_ago(1), -1_000.0),), 250.0),  # paid out already
        ((CashFlow(AS_OF + timedelta(days=3), 5_000.0),), 250.0),  # not here yet
        ((CashFlow(AS_OF, -1_000.0), CashFlow(AS_OF, -500.0)), 1_750.0),
    ],
)
def test_the_reserve_and_due_withdrawals_are_required(
    flows: tuple[CashFlow, ...], required: float
) -> None:
    assert limits_of(cash_flows=flows).cash_required == pytest.approx(required)


def test_the_notice_of_a_withdrawal_is_a_parameter() -> None:
    flows = (CashFlow(AS_OF + timedelta(days=1), -1_000.0),)
    notice = {"withdrawal_notice_days": 0}
    assert limits_of(notice, cash_flows=flows).cash_required == pytest.approx(250.0)


def test_pending_buys_take_cash() -> None:
    limits = limits_of(pending_orders=(PendingOrder("AAA", Side.BUY, 99.0),))
    assert limits.cash_free == pytest.approx(100.0)
    assert limits.cash_deficit == pytest.approx(150.0)
    assert limits.violation == pytest.approx(150 / 50_000)


@pytest.mark.parametrize(("cash", "missing"), [(201.0, 0.0), (199.0, 51.0)])
def test_a_reserve_that_lacks_a_thousandth_of_nav_waits_for_a_deposit(
    cash: float, missing: float
) -> None:
    # 50,000 in all: 250 are required, and 50 are a thousandth.
    lots = (make_lot("AAA", 500.0 - cash / 100),)
    limits = limits_of({"position_weight_max": 1.0}, lots=lots, cash=cash)
    assert limits.cash_deficit == pytest.approx(missing)
    assert limits.violation == pytest.approx(missing / 50_000)


def test_what_lacks_of_a_withdrawal_does_not_wait() -> None:
    flows = (CashFlow(AS_OF, -10_100.0),)
    assert limits_of({"cash_reserve": 0.0}, cash_flows=flows).cash_deficit == pytest.approx(100.0)


def test_a_deficit_is_never_negative() -> None:
    assert limits_of().cash_deficit == 0.0
    assert limits_of(cash=-1_000.0).cash_deficit == pytest.approx(1_000 + 0.005 * 39_000)


def test_settled_mode_counts_settled_cash_only() -> None:
    cash = (CashBalance("EUR", 4_000.0, 6_000.0),)
    assert limits_of(cash=cash).settled_budget == np.inf
    settled = limits_of({"settled_cash_only": True}, cash=cash)
    assert settled.settled_budget == pytest.approx(4_000 - 250)


# -- caps ---------------------------------------------------------------------------------------


def test_the_lower_of_the_two_caps_holds() -> None:
    securities = (
        make_security("AAA", cap=0.1),
        make_security("BBB", cap=0.9),
        make_security("CCC"),
    )
    assert limits_of(securities=securities).position_cap.tolist() == [0.1, 0.25, 0.25]


def test_the_violation_adds_up_cash_positions_and_groups() -> None:
    securities = make_securities(4, groups={"industry": "energy"})
    lots = (make_lot("AAA", 300), make_lot("BBB", 100))
    limits = limits_of(
        securities=securities,
        lots=lots,
        cash=0.0,
        group_rules=(GroupRule("industry", "energy", cap=0.9), GroupRule("industry", "x")),
    )
    # Weights 0.75 and 0.25 with caps of 0.25; all is energy; half a percent of cash is missing.
    assert limits.violation == pytest.approx(0.005 + 0.5 + 0.1)
    assert limits.violation < limits.repair_credit < 1.1 * limits.violation + 0.05
    assert limits.groups.names == ("industry energy",)
    assert limits.groups.excess.tolist() == pytest.approx([0.1])


SPLIT_FUND = make_security("AAA", groups={"region": {"us": 0.6, "eu": 0.2}})


def test_a_fund_counts_in_a_group_with_its_part() -> None:
    securities = (SPLIT_FUND, make_security("BBB", groups={"region": "us"}), make_security("CCC"))
    groups = (("region", "us"), ("region", "eu"), ("region", "asia"), ("industry", "us"))
    membership = group_membership(make_context(securities=securities), list(groups))
    assert membership.tolist() == [[0.6, 1, 0], [0.2, 0, 0], [0, 0, 0], [0, 0, 0]]


@given(
    st.floats(0, 1),
    st.floats(0, 1),
    st.lists(st.floats(0.01, 0.3), min_size=2, max_size=2),
)
def test_a_fund_weighs_in_its_groups_as_its_parts_held_apart(
    split: float, cap: float, weight: list[float]
) -> None:
    """A fund of 100 units counts like two securities with its parts of the units."""
    fund = make_security("AAA", groups={"region": {"us": split, "eu": 1 - split}})
    other = make_security("BBB", groups={"region": "us"})
    whole = limits_of(
        securities=(fund, other),
        lots=(make_lot("AAA", 1_000 * weight[0]), make_lot("BBB", 1_000 * weight[1])),
        group_rules=(GroupRule("region", "us", cap=cap), GroupRule("region", "eu", cap=cap)),
    )
    us, eu = (make_security(name, groups={"region": name}) for name in ("us", "eu"))
    parts = [make_lot("BBB", 1_000 * weight[1])]
    for name, share in (("us", split), ("eu", 1 - split)):
        if share * weight[0] > 1e-9:
            parts.append(make_lot(name, 1_000 * weight[0] * share))
    apart = limits_of(
        securities=(us, eu, other),
        lots=tuple(parts),
        group_rules=(GroupRule("region", "us", cap=cap), GroupRule("region", "eu", cap=cap)),
    )
    np.testing.assert_allclose(whole.groups.weight, apart.groups.weight, atol=1e-9)


def test_a_repair_may_sell_more_of_a_fund_than_the_groups_excess() -> None:
    lots = (make_lot("AAA", 200), make_lot("BBB", 100))
    rules = (GroupRule("region", "us", cap=0.2),)
    credit = {}
    for share in (0.5, 1.0):
        fund = make_security("AAA", groups={"region": {"us": share}})
        limits = limits_of(
            {"position_weight_max": 1.0},
            securities=(fund, make_security("BBB")),
            lots=lots,
            group_rules=rules,
        )
        credit[share] = (limits.repair_credit, float(limits.groups.excess[0]))
    # Half a fund of weight 0.5 is 0.05 above the cap: 0.1 of the fund must go.
    assert credit[0.5][1] == pytest.approx(0.05)
    assert credit[0.5][0] > 0.1
    assert credit[1.0][1] == pytest.approx(0.3)
    assert 0.3 < credit[1.0][0] < 0.4


@pytest.mark.parametrize(
    ("share", "level", "usable", "levers"),
    [
        ([1.0, 0.03, 0.0], 0.1, [True, True, True], [0]),
        ([0.62, 0.7, 0.1], 0.6, [True, True, True], [0, 1]),
        ([0.62, 0.7, 0.1], 0.6, [False, False, True], [2]),
        ([0.5, 0.5, 0.0], 0.5, [True, True, True], [0, 1]),
        ([0.0, 0.0, 0.0], 0.5, [True, True, True], []),
    ],
)
def test_a_group_is_moved_by_members_with_more_of_it_than_its_level(
    share: list[float], level: float, usable: list[bool], levers: list[int]
) -> None:
    assert group_levers(np.array(share), level, np.array(usable)).tolist() == levers


@pytest.mark.parametrize(("cap", "excess"), [(0.1991, 0.0), (0.1989, 0.0011)])
def test_an_excess_of_a_thousandth_of_nav_is_no_violation_but_stops_buys(
    cap: float, excess: float
) -> None:
    # Each holding weighs 0.2.
    limits = limits_of(securities=make_securities(4, groups={"industry": "x"}, cap=cap))
    assert limits.violation == pytest.approx(4 * excess)
    assert limits.position_cap.tolist() == pytest.approx([0.2 if excess == 0 else cap] * 4)


def targeted(*targets: float | None, **fields: Any) -> tuple[Security, ...]:
    securities = make_securities(len(targets), **fields)
    return tuple(replace(s, target=t) for s, t in zip(securities, targets, strict=True))


def test_the_default_cap_does_not_contradict_targets_and_a_written_one_does() -> None:
    lots = (make_lot("AAA", 250.0), make_lot("BBB", 100.0))
    fields: dict[str, Any] = {
        "securities": targeted(0.6, 0.1, 0.04),
        "lots": lots,
        "cash": 15_000.0,
    }
    # 1.25 x 0.6, and the default where that is larger.
    assert limits_of(**fields).position_cap.tolist() == pytest.approx([0.75, 0.25, 0.25])
    written = limits_of({"position_weight_max": 0.25}, **fields)
    assert written.position_cap.tolist() == [0.25, 0.25, 0.25]
    assert written.violation == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("target", "diversified", "cap"), [(None, False, 0.5), (0.1, True, 0.5), (0.1, False, 0.25)]
)
def test_the_default_cap_forces_no_sale_of_a_fund_or_of_what_has_no_target(
    target: float | None, diversified: bool, cap: float
) -> None:
    securities = targeted(target, 0.1, diversified=diversified)
    lots = (make_lot("AAA", 250.0), make_lot("BBB", 50.0))
    limits = limits_of(securities=securities, lots=lots, cash=20_000.0)
    assert limits.position_cap[0] == pytest.approx(cap)
    assert limits.violation == pytest.approx(0.5 - cap)


# -- idle cash ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "invest", "before", "least"),
    [
        # 0.2 of cash; the targets of both holdings leave 0.1 or 0.3.
        (0.45, 0.0, 0.1, 0.0),
        (0.35, 0.0, -0.1, -0.1),
        (0.45, 2_000.0, 0.1, 0.0),
        # Without the 0.04 of new money there was 0.16 of cash: the targets leave no more than that.
        (0.35, 2_000.0, 0.04, 0.0),
    ],
)
def test_cash_beyond_its_neutral_share_is_idle_and_new_money_may_be_spent_in_any_case(
    target: float, invest: float, before: float, least: float
) -> None:
    lots = (make_lot("AAA", 200.0), make_lot("BBB", 200.0))
    limits = limits_of(securities=targeted(target, target), lots=lots, invest=invest)
    assert limits.idle_before == pytest.approx(before)
    assert limits.idle_min == pytest.approx(least)
    assert limits.idle_max == np.inf
    assert limits.deposit_credit == pytest.approx(before - least)


def test_without_targets_no_cash_is_idle() -> None:
    limits = limits_of()
    assert (limits.idle_before, limits.idle_min, limits.idle_max) == (-np.inf, -np.inf, np.inf)


# -- the smallest trade -------------------------------------------------------------------------


@pytest.mark.parametrize(("cash", "smallest"), [(10_000.0, 400.0), (-20_000.0, 200.0)])
def test_the_smallest_trade_is_400_or_one_percent(cash: float, smallest: float) -> None:
    assert limits_of(cash=cash).min_trade_value == pytest.approx(smallest)


# -- turnover -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trades", "remaining"),
    [
        ((), 0.20),
        ((trade(29, Side.BUY), trade(0, Side.SELL, "BBB")), 0.16),  # both sides count
        ((trade(30, Side.BUY),), 0.20),  # thirty days ago is over
        ((trade(3, Side.BUY, value=20_000.0),), 0.0),
        ((trade(3, Side.BUY, "GONE"),), 0.18),  # a security that is no longer listed
    ],
)
def test_turnover_counts_the_fills_of_the_last_thirty_days(
    trades: tuple[Trade, ...], remaining: float
) -> None:
    assert limits_of(trades=trades).turnover_left == pytest.approx(remaining)


def test_foreign_fills_count_in_base_currency() -> None:
    fill = Trade(days_ago(1), "AAA", Side.BUY, 10, 100.0, fx_rate=0.5)
    assert limits_of(trades=(fill,)).turnover_left == pytest.approx(0.20 - 500 / 50_000)


@pytest.mark.parametrize(
    ("flows", "trades", "remaining", "credit"),
    [
        ((CashFlow(days_ago(1), 5_000.0),), (), 0.20, 0.10),
        ((CashFlow(days_ago(29), 5_000.0),), (), 0.20, 0.10),
        ((CashFlow(days_ago(30), 5_000.0),), (), 0.20, 0.0),
        ((CashFlow(AS_OF + timedelta(days=1), 5_000.0),), (), 0.20, 0.0),
        # 2,000 of the 5,000 are deployed: they are not turnover, and no credit any more.
        ((CashFlow(days_ago(9), 5_000.0),), (trade(3, Side.BUY, value=2_000.0),), 0.20, 0.06),
        ((CashFlow(days_ago(9), 1_000.0),), (trade(3, Side.BUY, value=2_000.0),), 0.18, 0.0),
        ((CashFlow(days_ago(9), 1_000.0),), (trade(3, Side.SELL, value=2_000.0),), 0.16, 0.02),
    ],
)
def test_a_deposit_may_be_deployed_beyond_the_turnover(
    flows: tuple[CashFlow, ...], trades: tuple[Trade, ...], remaining: float, credit: float
) -> None:
    limits = limits_of(cash_flows=flows, trades=trades)
    assert limits.turnover_left == pytest.approx(remaining)
    assert limits.deposit_credit == pytest.approx(credit)


# -- cool-downs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "side", "buy_blocked", "sell_blocked"),
    [
        (0, Side.BUY, True, False),
        (29, Side.BUY, True, False),
        (30, Side.BUY, False, False),
        (0, Side.SELL, True, True),
        (29, Side.SELL, True, True),
        (30, Side.SELL, True, True),
        (31, Side.SELL, False, True),
        (179, Side.SELL, False, True),
        (180, Side.SELL, False, False),
    ],
)
def test_cool_downs_end_on_their_day(
    days: int, side: Side, buy_blocked: bool, sell_blocked: bool
) -> None:
    limits = limits_of(trades=(trade(days, side),))
    assert (0 in limits.buy_block) is buy_blocked
    assert (0 in limits.sell_block) is sell_blocked
    assert not {1, 2, 3} & (set(limits.buy_block) | set(limits.sell_block))


def test_each_cool_down_is_named() -> None:
    bought = limits_of(trades=(trade(3, Side.BUY),))
    assert bought.buy_block[0] == "bought 3 days ago (buy_cooldown_days = 30)"
    sold = limits_of(trades=(trade(3, Side.SELL),))
    assert sold.buy_block[0] == "sold 3 days ago (rebuy_after_sell_days = 30)"
    assert sold.sell_block[0] == "sold 3 days ago (sell_cooldown_days = 180)"


def test_the_last_of_several_trades_counts_whatever_their_order() -> None:
    trades = (trade(200, Side.SELL), trade(170, Side.SELL))
    for ordered in (trades, trades[::-1]):
        assert 0 in limits_of(trades=ordered).sell_block


def test_with_targets_only_the_buy_after_a_sell_is_blocked_by_default() -> None:
    trades = (trade(0, Side.BUY, "BBB"), trade(0, Side.SELL, "AAA"))
    securities = targeted(0.2, 0.2, 0.2, 0.2)
    limits = limits_of(securities=securities, trades=trades)
    assert list(limits.buy_block) == [0]
    assert not limits.sell_block
    written = {"buy_cooldown_days": 30, "sell_cooldown_days": 180}
    limits = limits_of(written, securities=securities, trades=trades)
    assert set(limits.buy_block) == {0, 1}
    assert set(limits.sell_block) == {0}


def test_an_opinion_brings_the_cool_downs_back() -> None:
    context = make_context(
        securities=targeted(0.2, 0.2, 0.2, 0.2), trades=(trade(0, Side.BUY, "BBB"),)
    )
    limits = make_state(context, make_config(objective={"opinion": 0.1})).limits
    assert 1 in limits.buy_block
    assert limits.idle_max == pytest.approx(400 / 50_000)


def test_buy_only_blocks_every_sell() -> None:
    limits = limits_of(buy_only=True)
    assert limits.sell_block == dict.fromkeys(range(4), "only buys were requested")
    assert not limits.buy_block


def test_a_cool_down_of_zero_days_is_off() -> None:
    off = {"buy_cooldown_days": 0, "sell_cooldown_days": 0, "rebuy_after_sell_days": 0}
    limits = limits_of(off, trades=(trade(0, Side.BUY), trade(0, Side.SELL)))
    assert not limits.buy_block
    assert not limits.sell_block


# -- what may not be traded at all --------------------------------------------------------------


def test_switches_pending_orders_and_prices_block() -> None:
    securities = (
        make_security("AAA", allow_buy=False),
        make_security("BBB", allow_sell=False),
        make_security("CCC"),
        make_security("DDD"),
    )
    limits = limits_of(securities=securities, pending_orders=(PendingOrder("CCC", Side.SELL, 1.0),))
    assert limits.buy_block == {
        0: "buying is switched off (allow_buy = false)",
        2: "a sell order for it is pending",
    }
    assert limits.sell_block == {
        1: "selling is switched off (allow_sell = false)",
        2: "a sell order for it is pending",
    }


@pytest.mark.parametrize(("missing", "blocked"), [(5, False), (6, True)])
def test_a_price_may_be_five_market_days_old(missing: int, blocked: bool) -> None:
    prices = price_paths(400, [100.0] * 4)
    prices[-missing:, 1] = np.nan
    limits = limits_of(prices=prices)
    assert (1 in limits.buy_block) is blocked
    assert (1 in limits.sell_block) is blocked
    if blocked:
        assert limits.buy_block[1] == "its last close is 6 market days old (at most 5)"


def test_what_is_quarantined_or_has_no_price_is_not_traded() -> None:
    prices = price_paths(400, [100.0] * 4)
    prices[-1, 0] *= 10
    prices[:, 1] = np.nan
    limits = limits_of(prices=prices, lots=(make_lot("AAA"),))
    assert "looks like a 1:10 split or a wrong decimal point" in limits.buy_block[0]
    assert limits.sell_block[0] == limits.buy_block[0]
    assert limits.buy_block[1] == limits.sell_block[1] == "it has no price"


def test_a_security_whose_files_contradict_is_neither_bought_nor_sold() -> None:
    held: dict[str, Any] = {"held_back": {"BBB": "the ledger and its lots disagree"}}
    limits = limits_of(**held, value_factors={"BBB": (1.0, 1.0)})
    assert limits.buy_block[1] == limits.sell_block[1] == "the ledger and its lots disagree"
    assert 0 not in limits.buy_block
    assert 0 not in limits.sell_block


def test_a_weight_above_1_is_missing_cash_and_not_a_cap_that_is_exceeded_too() -> None:
    securities = targeted(0.5, diversified=True)
    # 20,000 of a fund and a debt of 500: its weight is 1.026.
    limits = limits_of(securities=securities, lots=(make_lot("AAA", 200.0),), cash=-500.0)
    assert limits.violation == pytest.approx(500 / 19_500)
