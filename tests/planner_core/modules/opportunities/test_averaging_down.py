"""averaging_down, against a table: the band of losses, the gate, the falling knife, the cap."""

# ruff: noqa: ANN401 - overrides are of any type

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import size
from planner_core.model.plan import Action, Opportunity
from planner_core.model.records import Side
from planner_core.modules.opportunities.averaging_down import (
    AveragingDown,
    AveragingDownParameters,
    falling_knives,
)
from tests.builders import make_config, make_context, make_lot, make_security, make_state
from tests.planner_core.odd_states import with_market


def one_position(price: float, quality: float | None, cost: float = 100.0) -> PlanningState:
    securities = tuple(make_security(name, quality=quality) for name in ("AAA", "BBB"))
    lots = (make_lot("AAA", 100, unit_cost=cost),)
    context = make_context(
        securities=securities, last_prices=[price, 100.0], lots=lots, cash=90_000.0
    )
    return with_market(make_state(context), momentum=np.array([0.0, -0.1]))


def judge(state: PlanningState, **parameters: Any) -> list[Opportunity]:
    return list(AveragingDown().calculate(state, AveragingDownParameters(**parameters)))


@pytest.mark.parametrize(
    ("price", "quality", "bought"),
    [
        (92.0, 0.9, True),  # a loss of exactly 8 %
        (92.01, 0.9, False),
        (75.0, 0.9, True),  # exactly 25 %
        (74.99, 0.9, False),
        (80.0, 0.6, True),  # exactly the quality that is needed
        (80.0, 0.59, False),
        (80.0, None, False),  # none given does not pass
        (120.0, 0.9, False),
    ],
)
def test_band_and_quality_decide(price: float, quality: float | None, bought: bool) -> None:
    opportunities = judge(one_position(price, quality))
    assert bool(opportunities) is bought
    if bought:
        assert opportunities[0].side is Side.BUY
        assert opportunities[0].notional == pytest.approx(0.1 * 100 * price)


def test_the_worst_decile_by_momentum_is_a_falling_knife() -> None:
    momentum = np.arange(11) / 100
    assert falling_knives(momentum, 0.10).tolist() == [True] + [False] * 10
    assert falling_knives(momentum, 0.0).tolist() == [False] * 11
    assert falling_knives(np.array([0.0, 0.1]), 0.5).tolist() == [True, False]


def test_equal_momentum_is_not_a_falling_knife_and_unknown_momentum_is() -> None:
    assert falling_knives(np.zeros(5), 0.10).tolist() == [False] * 5
    assert falling_knives(np.array([np.nan, 0.0]), 0.10).tolist() == [True, False]
    assert falling_knives(np.full(2, np.nan), 0.10).tolist() == [True, True]


def test_a_falling_knife_is_left_alone() -> None:
    state = with_market(one_position(80.0, 0.9), momentum=np.array([-0.1, 0.0]))
    assert judge(state) == []


def test_the_buy_never_lifts_the_position_above_its_cap() -> None:
    config = make_config(constraints={"position_weight_max": 0.085})
    securities = (make_security("AAA", quality=0.9), make_security("BBB"))
    context = make_context(
        securities=securities,
        last_prices=[80.0, 100.0],
        lots=(make_lot("AAA", 100, unit_cost=100.0),),
        cash=92_000.0,
    )
    state = with_market(make_state(context, config), momentum=np.zeros(2))
    (buy,) = judge(state)
    assert buy.notional == pytest.approx(800.0)
    sized = size(buy, "x", state)
    # 8,000 of 100,000 are held; the cap of 8.5 % leaves 500: six units of 80.
    assert isinstance(sized, Action)
    assert sized.quantity == 6


def test_a_band_that_is_closed_is_refused() -> None:
    with pytest.raises(ValueError, match="loss_max must lie above loss_min"):
        AveragingDownParameters(loss_min=0.2, loss_max=0.2)
