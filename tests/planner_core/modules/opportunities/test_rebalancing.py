"""rebalance_sells and rebalance_buys, against a table: min(5 pp, 25 % of the target)."""

# ruff: noqa: ANN401 - overrides are of any type

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from planner_core.market.state import PlanningState
from planner_core.model.plan import Opportunity
from planner_core.model.records import GroupRule, Side
from planner_core.modules.opportunities.bands import BandParameters
from planner_core.modules.opportunities.rebalance_buys import RebalanceBuys
from planner_core.modules.opportunities.rebalance_sells import RebalanceSells
from tests.builders import make_context, make_security, make_state
from tests.planner_core.odd_states import with_portfolio


def state_of(weights: list[float], targets: list[float | None], **fields: Any) -> PlanningState:
    """A NAV of 100,000, weights as given."""
    names = ("AAA", "BBB", "CCC")[: len(weights)]
    securities = tuple(
        make_security(name, target=target, groups={"industry": "energy"})
        for name, target in zip(names, targets, strict=True)
    )
    weight = np.array(weights)
    return with_portfolio(
        make_state(make_context(securities=securities, **fields)),
        weight=weight,
        value=weight * 1e5,
        quantity=weight * 1e3,
        nav=1e5,
    )


def sells(state: PlanningState) -> list[Opportunity]:
    return list(RebalanceSells().calculate(state, BandParameters()))


def buys(state: PlanningState) -> list[Opportunity]:
    return list(RebalanceBuys().calculate(state, BandParameters()))


BANDS = [(0.10, 0.025), (0.20, 0.05), (0.30, 0.05), (0.04, 0.01), (0.80, 0.05)]


@pytest.mark.parametrize(("target", "half_width"), BANDS)
def test_the_band_is_the_smaller_of_5_points_and_a_quarter(
    target: float, half_width: float
) -> None:
    assert BandParameters().half_width(target) == pytest.approx(half_width)


@pytest.mark.parametrize(("target", "half_width"), BANDS)
@pytest.mark.parametrize("beyond", [-0.0001, 0.0, 0.0001])
def test_a_weight_is_traded_only_beyond_its_band(
    target: float, half_width: float, beyond: float
) -> None:
    over = sells(state_of([target + half_width + beyond], [target]))
    under = buys(state_of([target - half_width - beyond], [target]))
    if beyond <= 0:
        assert over == under == []
        return
    expected = pytest.approx([1e5 * beyond, 1e5 * (half_width + beyond)])
    assert [sell.notional for sell in over] == expected
    assert [buy.notional for buy in under] == expected
    assert {sell.side for sell in over} == {Side.SELL}
    assert {buy.side for buy in under} == {Side.BUY}


def test_a_target_of_zero_sells_everything_and_no_target_nothing() -> None:
    assert [sell.notional for sell in sells(state_of([0.10], [0.0]))] == pytest.approx([1e4, 1e4])
    assert sells(state_of([0.90], [None])) == []
    assert buys(state_of([0.0], [0.0])) == []
    assert buys(state_of([0.0], [None])) == []


def test_what_is_wanted_and_not_held_yet_is_bought() -> None:
    opportunities = buys(state_of([0.0], [0.10]))
    assert [buy.notional for buy in opportunities] == pytest.approx([7_500.0, 10_000.0])


def test_the_band_of_a_group_is_its_own_and_every_member_may_bring_it_back() -> None:
    rules = (GroupRule("industry", "energy", target=0.40),)
    within = state_of([0.20, 0.25, 0.0], [None] * 3, group_rules=rules)
    assert sells(within) == buys(within) == []
    above = state_of([0.02, 0.50, 0.0], [None] * 3, group_rules=rules)
    # 12 points over, 7 beyond the band; AAA has only 2 points to give, CCC is not held.
    assert [(s.security, round(s.notional)) for s in sells(above)] == [
        (0, 2_000),
        (0, 2_000),
        (1, 7_000),
        (1, 12_000),
    ]
    below = state_of([0.10, 0.20, 0.0], [None] * 3, group_rules=rules)
    assert [(b.security, round(b.notional)) for b in buys(below)] == [
        (column, size) for column in range(3) for size in (5_000, 10_000)
    ]
    assert "industry energy" in buys(below)[0].reason


def test_a_group_with_only_a_cap_has_no_band() -> None:
    rules = (GroupRule("industry", "energy", cap=0.10),)
    state = state_of([0.50, 0.20, 0.0], [None] * 3, group_rules=rules)
    assert sells(state) == buys(state) == []


def test_the_widths_are_parameters() -> None:
    state = state_of([0.25], [0.20])
    narrow = BandParameters(band_absolute=0.01, band_relative=1.0)
    assert [s.notional for s in RebalanceSells().calculate(state, narrow)] == pytest.approx(
        [4_000.0, 5_000.0]
    )


@pytest.mark.parametrize(("held", "calculator"), [(0.9, sells), (0.3, buys)])
def test_a_fund_is_traded_until_its_part_brings_the_group_to_its_target(
    held: float, calculator: Any
) -> None:
    fund = make_security("AAA", groups={"region": {"us": 0.5}})
    little = make_security("BBB", groups={"region": {"us": 0.02}})
    rules = (GroupRule("region", "us", target=0.3),)
    context = make_context(securities=(fund, little), group_rules=rules)
    weight = np.array([held, 0.05])
    state = with_portfolio(
        make_state(context), weight=weight, value=weight * 1e5, quantity=weight * 1e3, nav=1e5
    )
    gap = abs(0.5 * held + 0.02 * 0.05 - 0.3)
    offers = calculator(state)
    # A fund with less of the group than the target cannot bring the group there.
    assert {offer.security for offer in offers} == {0}
    assert max(offer.notional for offer in offers) == pytest.approx(gap / 0.5 * 1e5)
