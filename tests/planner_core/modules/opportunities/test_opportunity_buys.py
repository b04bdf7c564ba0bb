"""opportunity_buys, against a table: quality, distance from the high, tickets."""

# ruff: noqa: ANN401 - overrides are of any type

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from planner_core.model.plan import Opportunity
from planner_core.model.records import Side
from planner_core.modules.opportunities.opportunity_buys import (
    OpportunityBuys,
    OpportunityBuysParameters,
)
from tests.builders import make_context, make_security, make_state
from tests.planner_core.odd_states import with_market


def judge(price: float, high: float, quality: float | None, **parameters: Any) -> list[Opportunity]:
    """One security that is not held, and 10,000 in cash."""
    security = make_security("AAA", quality=quality)
    context = make_context(securities=(security,), last_prices=[price], lots=())
    state = with_market(make_state(context), high=np.array([high]))
    return list(OpportunityBuys().calculate(state, OpportunityBuysParameters(**parameters)))


@pytest.mark.parametrize(
    ("price", "high", "quality", "bought"),
    [
        (90.0, 100.0, 0.7, True),  # exactly 10 % below, exactly the quality that is needed
        (90.01, 100.0, 0.7, False),
        (63.0, 70.0, 0.7, True),
        (27.0, 30.0, 0.7, True),
        (90.0, 100.0, 0.69, False),
        (90.0, 100.0, None, False),
        (50.0, 100.0, 1.0, True),
        (100.0, 100.0, 1.0, False),
    ],
)
def test_quality_and_distance_from_the_high_decide(
    price: float, high: float, quality: float | None, bought: bool
) -> None:
    assert bool(judge(price, high, quality)) is bought


def test_there_is_one_buy_per_ticket() -> None:
    opportunities = judge(50, 100, 1.0)
    assert [buy.notional for buy in opportunities] == pytest.approx([200.0, 400.0, 800.0])
    assert {buy.side for buy in opportunities} == {Side.BUY}
    assert [buy.notional for buy in judge(50, 100, 1.0, tickets=(0.5,))] == pytest.approx([5000.0])


def test_without_a_high_nothing_is_bought() -> None:
    assert judge(50, float("nan"), 1.0) == []


@pytest.mark.parametrize("tickets", [(), (0.0,), (-0.02,), (1.01,), (0.01,) * 9])
def test_a_ticket_is_a_part_of_the_nav(tickets: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="tickets"):
        OpportunityBuysParameters(tickets=tickets)
