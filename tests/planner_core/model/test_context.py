"""Every check of the snapshot, with its message: what is in it can be relied on afterwards."""

# ruff: noqa: ANN401 - overrides are of any type

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from planner_core.errors import ContextError
from planner_core.model.context import PlanningContext
from planner_core.model.records import CashBalance, CashFlow, GroupRule, PendingOrder, Side, Trade
from tests.builders import (
    AS_OF,
    make_context,
    make_lot,
    make_securities,
    make_security,
    weekdays,
)

NAN, INF = float("nan"), float("inf")
TOMORROW = AS_OF + timedelta(days=1)


def prices_with(value: float, row: int = -1) -> np.ndarray[Any, Any]:
    prices = np.full((30, 4), 100.0)
    prices[row, 2] = value
    return prices


def securities_with(**fields: Any) -> dict[str, Any]:
    return {"securities": (make_security("AAA", **fields), *make_securities(4)[1:])}


def trade(**fields: Any) -> dict[str, Any]:
    values = {"on": AS_OF, "security": "AAA", "side": Side.BUY, "quantity": 1.0, "price": 1.0}
    return {"trades": (Trade(**{**values, **fields}),)}


def order(**fields: Any) -> dict[str, Any]:
    values = {"security": "AAA", "side": Side.BUY, "quantity": 1.0}
    return {"pending_orders": (PendingOrder(**{**values, **fields}),)}


def lot(**fields: Any) -> dict[str, Any]:
    return {"lots": (make_lot(**fields),)}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"dates": np.arange(30)}, "dates: a one-dimensional array of days"),
    ({"dates": weekdays(30)[:, None]}, "dates: a one-dimensional array of days"),
    ({"dates": weekdays(29)}, r"prices: shape \(30, 4\), needed \(29, 4\)"),
    ({"dates": weekdays(30)[::-1]}, "oldest first"),
    ({"dates": np.repeat(weekdays(15), 2)}, "no day twice"),
    ({"dates": np.array(["NaT", *weekdays(29)], "datetime64[D]")}, "dates"),
    ({"dates": weekdays(30, TOMORROW + timedelta(days=3))}, "lies after as_of"),
    ({"prices": np.full((30, 3), 1.0)}, "prices: shape"),
    ({"prices": prices_with(0.0)}, "CCC has a price that is not positive"),
    ({"prices": prices_with(-1.0, 0)}, "CCC has a price that is not positive"),
    ({"prices": prices_with(INF)}, "CCC has a price that is not positive"),
    ({"fx_rates": {"USD": np.ones(29)}}, "USD needs 30 rates"),
    ({"fx_rates": {"USD": np.zeros(30)}}, "USD needs 30 rates that are positive"),
    ({"fx_rates": {"USD": np.full(30, INF)}}, "USD needs 30 rates that are positive"),
    ({"securities": (make_security("AAA"),) * 4}, "two have the same id"),
    (securities_with(lot_size=0.0), "AAA: lot_size must be positive"),
    (securities_with(lot_size=INF), "AAA: lot_size must be positive"),
    (securities_with(lot_size=NAN), "AAA: lot_size must be positive"),
    (securities_with(min_trade_value=-1.0), "AAA: min_trade_value"),
    (securities_with(min_trade_value=NAN), "AAA: min_trade_value"),
    (securities_with(half_spread_bps=-1.0), "AAA: half_spread_bps"),
    (securities_with(adv_value=0.0), "AAA: adv_value must be positive"),
    (securities_with(adv_value=-1.0), "AAA: adv_value must be positive"),
    (securities_with(cap=-0.1), r"AAA: cap must lie in \[0, 1\]"),
    (securities_with(cap=25.0), r"AAA: cap must lie in \[0, 1\]"),
    (securities_with(quality=1.01), r"AAA: quality must lie in \[0, 1\]"),
    (securities_with(quality=NAN), r"AAA: quality must lie in \[0, 1\]"),
    (securities_with(currency="USD"), r"AAA: no fx rate for USD \(base EUR\)"),
    (securities_with(target=1.01), r"targets: each lies in \[0, 1\]"),
    (securities_with(target=-0.01), r"targets: each lies in \[0, 1\]"),
    (securities_with(target=NAN), r"targets: each lies in \[0, 1\]"),
    ({"securities": make_securities(4, target=0.26)}, "targets: sum to 1.0400, above 1"),
    (lot(security="ZZZ"), "lots: unknown security ZZZ"),
    (lot(quantity=0.0), "lots: AAA has quantity 0.0"),
    (lot(quantity=-1.0), "a lot needs a quantity > 0"),
    (lot(quantity=INF), "lots: AAA has quantity inf"),
    (lot(unit_cost=-1.0), "unit cost >= 0"),
    (lot(unit_cost=NAN), "unit cost >= 0"),
    (lot(fx_rate=0.0), "fx rate > 0"),
    (lot(fx_rate=INF), "fx rate > 0"),
    (lot(acquired=TOMORROW), "lots: AAA acquired 2024-06-29, after as_of 2024-06-28"),
    ({"cash": (CashBalance("USD", 1.0),)}, "cash: no fx rate for USD"),
    ({"cash": (CashBalance("EUR", NAN),)}, "cash: EUR is not a finite number"),
    ({"cash": (CashBalance("EUR", 1.0, INF),)}, "cash: EUR is not a finite number"),
    ({"cash_flows": (CashFlow(AS_OF, NAN),)}, "cash flows: 2024-06-28 has the amount nan"),
    ({"cash_flows": (CashFlow(AS_OF, -INF),)}, "cash flows: 2024-06-28"),
    (trade(on=TOMORROW), "trades: AAA on 2024-06-29, after as_of"),
    (trade(quantity=0.0), "trades: AAA on 2024-06-28 needs"),
    (trade(quantity=-1.0), "trades: AAA on 2024-06-28 needs"),
    (trade(price=NAN), "trades: AAA on 2024-06-28 needs"),
    (trade(fx_rate=0.0), "trades: AAA on 2024-06-28 needs"),
    (order(security="ZZZ"), "pending order: unknown security ZZZ"),
    (order(quantity=0.0), "pending order: AAA needs a quantity"),
    (order(quantity=INF), "pending order: AAA needs a quantity"),
    (order(limit_price=0.0), "pending order: AAA needs a limit price"),
    (order(limit_price=NAN), "pending order: AAA needs a limit price"),
    (
        {"group_rules": (GroupRule("industry", "a", 0.6), GroupRule("industry", "b", 0.6))},
        "group targets of industry: sum to 1.2000, above 1",
    ),
    ({"group_rules": (GroupRule("industry", "a", -0.1),)}, "industry a lie in"),
    ({"group_rules": (GroupRule("industry", "a", cap=1.1),)}, "industry a lie in"),
    ({"group_rules": (GroupRule("industry", "a", cap=NAN),)}, "industry a lie in"),
    (
        {"group_rules": (GroupRule("industry", "a", 0.1), GroupRule("industry", "a", cap=0.5))},
        "two rules for the same group",
    ),
]


@pytest.mark.parametrize(("fields", "complaint"), REFUSED)
def test_a_contradiction_is_refused_and_named(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ContextError, match=complaint) as caught:
        make_context(**{"n_days": 30, **fields})
    assert caught.value.code == "context"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"prices": prices_with(NAN)},
        {"securities": make_securities(4, target=0.25)},
        {"group_rules": (GroupRule("industry", "a", 1.0), GroupRule("country", "a", 1.0))},
        {"group_rules": (GroupRule("industry", "empty", cap=0.0),)},
        {"securities": make_securities(4, cap=0.0, quality=0.0, target=0.0)},
        lot(acquired=AS_OF, unit_cost=0.0),
        lot(acquired=None),
        {"cash": (CashBalance("EUR", -5_000.0, -1.0),)},
        {"cash": (CashBalance("USD", 1.0),), "fx_rates": {"USD": np.full(30, NAN)}},
        {"cash": ()},
        {"cash_flows": (CashFlow(TOMORROW, 1_000.0),)},
        trade(security="SOLD_LONG_AGO"),
        {"securities": (), "lots": (), "prices": np.empty((30, 0))},
        {"prices": np.empty((0, 4)), "lots": ()},
    ],
)
def test_what_is_unusual_but_possible_is_accepted(fields: dict[str, Any]) -> None:
    assert isinstance(make_context(**{"n_days": 30, **fields}), PlanningContext)


def test_a_context_is_frozen_with_its_arrays() -> None:
    context = make_context(n_days=30, fx_rates={"USD": np.ones(30)})
    with pytest.raises(FrozenInstanceError):
        context.as_of = date(2020, 1, 1)  # type: ignore[misc]
    for array in (context.prices, context.dates, context.fx_rates["USD"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[0]


def test_columns_follow_the_order_of_the_securities() -> None:
    context = make_context(n_days=30)
    assert context.security_index() == {"AAA": 0, "BBB": 1, "CCC": 2, "DDD": 3}
    assert (context.n_days, context.n_securities) == (30, 4)


def test_the_value_of_a_trade_is_in_base_currency() -> None:
    assert Trade(AS_OF, "AAA", Side.SELL, 10, 20.0, 0.9).value == 180.0
