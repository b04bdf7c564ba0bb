"""profit_taking, against a table: windfall = gain - ((1 + max(CAGR, 0))^years - 1)."""

# ruff: noqa: ANN401 - overrides are of any type

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from planner_core.model.plan import Opportunity, Skip
from planner_core.model.records import Side
from planner_core.modules.opportunities.profit_taking import ProfitTaking, ProfitTakingParameters
from tests.builders import days_ago, make_context, make_lot, make_security, make_state, price_paths
from tests.planner_core.odd_states import with_market


def judge(
    *, price: float, cost: float, days: int | None, cagr: float = 0.0, **parameters: Any
) -> list[Opportunity | Skip]:
    """One position of 100 units."""
    lot = make_lot("AAA", unit_cost=cost, acquired=None if days is None else days_ago(days))
    context = make_context(securities=(make_security("AAA"),), last_prices=[price], lots=(lot,))
    state = with_market(make_state(context), cagr=np.array([cagr]))
    return list(ProfitTaking().calculate(state, ProfitTakingParameters(**parameters)))


@pytest.mark.parametrize(
    ("price", "cost", "days", "cagr", "sold"),
    [
        (100.0, 80.0, 365, 0.0, 0.20),  # a windfall of exactly 25 %
        (100.0, 80.01, 365, 0.0, None),
        (150.0, 100.0, 365, 0.0, 0.40),  # exactly 50 %
        (149.99, 100.0, 365, 0.0, 0.20),
        (100.0, 80.0, 365, -0.3, 0.20),  # a fall is no growth to expect
        (100.0, 80.0, 1461, 0.001, None),  # four years of 0.1 % were to be expected
        (200.0, 100.0, 1461, 0.15, 0.20),  # 1.15^4 - 1 = 0.749: a windfall of 0.251
        (200.0, 100.0, 1461, 0.40, 0.20),  # growth is capped at 15 %
        (199.0, 100.0, 1461, 0.40, None),
        (100.0, 110.0, 365, 0.0, None),  # a loss
    ],
)
def test_the_windfall_decides_what_is_sold(
    price: float, cost: float, days: int, cagr: float, sold: float | None
) -> None:
    opportunities = judge(price=price, cost=cost, days=days, cagr=cagr)
    if sold is None:
        assert opportunities == []
        return
    (sell,) = opportunities
    assert isinstance(sell, Opportunity)
    assert sell.side is Side.SELL
    assert not sell.mandatory
    assert sell.notional == pytest.approx(sold * 100 * price)


def test_the_cap_on_growth_is_a_parameter() -> None:
    assert judge(price=200, cost=100, days=1461, cagr=0.4, growth_max=0.16) == []


@pytest.mark.parametrize(("days", "is_old_enough"), [(91, False), (92, True)])
def test_a_position_counts_after_a_quarter_of_a_year(days: int, is_old_enough: bool) -> None:
    assert bool(judge(price=100, cost=50, days=days)) is is_old_enough


def test_an_unknown_date_is_skipped_with_a_reason() -> None:
    (skip,) = judge(price=100, cost=50, days=None)
    assert skip == Skip(0, Side.SELL, "AAA: a lot's date is unknown")


def test_one_lot_of_unknown_date_makes_the_position_unknown() -> None:
    lots = (make_lot("AAA", unit_cost=50), make_lot("AAA", unit_cost=50, acquired=None))
    state = make_state(make_context(securities=(make_security("AAA"),), lots=lots))
    (skip,) = ProfitTaking().calculate(state, ProfitTakingParameters())
    assert isinstance(skip, Skip)


def test_under_a_year_of_prices_is_skipped_with_a_reason() -> None:
    (skip,) = judge(price=100, cost=50, days=365, cagr=float("nan"))
    assert skip == Skip(0, Side.SELL, "AAA: under a year of prices")


def test_closes_on_two_levels_are_the_reason_and_not_their_number() -> None:
    prices = price_paths(400, [100.0])
    prices[-100:] *= 100
    lots = (make_lot("AAA", unit_cost=50),)
    state = make_state(make_context(securities=(make_security("AAA"),), lots=lots, prices=prices))
    (skip,) = ProfitTaking().calculate(state, ProfitTakingParameters())
    assert isinstance(skip, Skip)
    assert skip.reason == "AAA: under a year of its closes can be compared (see its finding)"


def test_a_security_that_is_not_held_gives_nothing() -> None:
    state = make_state(make_context(lots=()))
    assert list(ProfitTaking().calculate(state, ProfitTakingParameters())) == []


def test_a_second_step_below_the_first_is_refused() -> None:
    with pytest.raises(ValueError, match="windfall_high must not lie below windfall_min"):
        ProfitTakingParameters(windfall_min=0.5, windfall_high=0.4)
