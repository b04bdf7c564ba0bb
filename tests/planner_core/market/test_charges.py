"""Charges of trades per year: the worked example of docs/targets.md, by hand."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from planner_core.market.charges import Charges, charge_per_year, waiting_years
from planner_core.market.costs import CostModel
from planner_core.market.objective import Objective
from planner_core.market.targets import TargetPortfolio
from planner_core.model.config import config_in_force
from planner_core.model.records import Side
from tests.builders import make_config, make_context, make_lot, make_securities, make_state

SHARES, BONDS = 0, 1
NAV = 10_000.0
RATE, FEE = 0.0025, 2.0
VARIANCE_OF_DIFFERENCE = 0.16**2 + 0.06**2 - 2 * 0.2 * 0.16 * 0.06
DOC = Path(__file__).parents[3] / "docs" / "targets.md"


def example_objective() -> Objective:
    """A share fund of 60 % and a bond fund of 40 %, with the defaults."""
    covariance = np.array([[0.16**2, 0.2 * 0.16 * 0.06], [0.2 * 0.16 * 0.06, 0.06**2]])
    targets = TargetPortfolio(
        np.array([0.6, 0.4]), 0.0, np.array([True, True]), np.zeros((0, 2)), ()
    )
    return Objective(
        weights=config_in_force(make_config(), with_targets=True).objective,
        mu=np.zeros(2),
        covariance=covariance,
        scenarios=np.zeros((0, 2)),
        neutral=targets.weight,
        view=np.zeros(2),
        aversion=80.0,
        pull=0.002 / targets.weight,
        group_membership=np.zeros((0, 2)),
        drag=0.04,
        targets=targets,
    )


def example_charges(
    *, rate: float = RATE, fee: float = FEE, tax: float = 0.0, deposits: float = 0.0
) -> Charges:
    """The charges of the example: shares at 66 %, bonds at 34 %, worth 10,000."""
    objective = example_objective()
    securities = (make_securities(1)[0], make_securities(2)[1])
    context = make_context(
        securities=securities,
        lots=(make_lot("AAA", 66.0), make_lot("BBB", 34.0)),
        cash=0.0,
    )
    portfolio = make_state(context).portfolio
    assert portfolio.nav == NAV
    assert objective.targets is not None
    costs = CostModel(fee, np.full(2, rate), np.zeros(2))
    return charge_per_year(
        objective,
        costs,
        np.array([tax, 0.0]),
        objective.targets,
        portfolio,
        make_config(),
        deposits,
    )


def test_the_factor_is_the_benefit_at_the_edge_of_the_band_over_the_round_trip() -> None:
    curvature = 2 * (40 * 0.16**2 + 0.002 / 0.6)
    drift = 0.6**2 * 0.4**2 * VARIANCE_OF_DIFFERENCE
    half_width = (1.5 * 0.005 * drift / curvature) ** (1 / 3)
    assert half_width == pytest.approx(0.0175, abs=1e-4)
    charges = example_charges()
    assert charges.per_cost(SHARES, Side.SELL) == pytest.approx(curvature * half_width / 0.005)
    assert charges.per_cost(SHARES, Side.BUY) == charges.per_cost(SHARES, Side.SELL)
    fee = curvature / 4 * math.sqrt(24 * 2.0 * drift / (curvature * NAV)) * NAV
    assert charges.fee(SHARES, Side.SELL) == pytest.approx(fee)
    assert fee == pytest.approx(9.49, abs=0.005)


def test_the_documented_example_is_what_the_formulas_give() -> None:
    objective, charges = example_objective(), example_charges()
    before = sum(objective.terms(np.array([0.66, 0.34])).values()) * NAV
    assert before == pytest.approx(-(36.52 + 0.30), abs=0.005)
    rows = re.findall(
        r"^\| \**(\d+)\** \| ([\d.]+) \| ([\d.]+) \| \**([\d.]+)", DOC.read_text(), re.MULTILINE
    )
    assert len(rows) == 5
    for amount, helped, charged, gain in rows:
        x = float(amount) / NAV
        after = sum(objective.terms(np.array([0.66 - x, 0.34 + x])).values()) * NAV
        trading = charges.fee(SHARES, Side.SELL) + charges.fee(BONDS, Side.BUY)
        trading += charges.per_cost(SHARES, Side.SELL) * RATE * float(amount)
        trading += charges.per_cost(BONDS, Side.BUY) * RATE * float(amount)
        assert after - before == pytest.approx(float(helped), abs=0.006)
        assert trading == pytest.approx(float(charged), abs=0.006)
        assert after - before - trading == pytest.approx(float(gain), abs=0.011)


def test_nothing_is_charged_where_nothing_costs() -> None:
    charges = example_charges(rate=0.0, fee=0.0)
    for array in (charges.per_cost_sell, charges.per_cost_buy, charges.fee_sell, charges.fee_buy):
        assert array.tolist() == [0.0, 0.0]


def test_a_tax_widens_the_band_and_only_its_deferral_is_lost() -> None:
    phi = 1 - 1.04**-10
    tax = 0.26 * 0.3
    charges = example_charges(tax=tax)
    curvature = 2 * (40 * 0.16**2 + 0.002 / 0.6)
    drift = 0.6**2 * 0.4**2 * VARIANCE_OF_DIFFERENCE
    round_trip = 0.005 + phi * tax
    benefit = curvature * (1.5 * round_trip * drift / curvature) ** (1 / 3)
    assert charges.per_cost(SHARES, Side.SELL) == pytest.approx(benefit / round_trip)
    assert charges.tax_factor[SHARES] == pytest.approx(phi * benefit / round_trip)


def test_no_deviation_lasts_longer_than_five_years() -> None:
    # Expensive trading: the benefit at the edge is below a fifth of the round trip.
    charges = example_charges(rate=0.2)
    assert charges.per_cost(BONDS, Side.BUY) == pytest.approx(1 / 5)


def test_deposits_that_would_repair_a_surplus_make_selling_dear() -> None:
    # 12,000 a year, 60 % of it into shares: a surplus of 600 is gone in a month, on average half
    # of that. 1/24 of a year is the least.
    charges = example_charges(deposits=12_000.0)
    assert charges.per_cost(SHARES, Side.SELL) == pytest.approx(24.0)
    assert charges.fee(SHARES, Side.SELL) == pytest.approx(2.0 * 24)
    # Buys keep their rate; their fee is that of letting money gather.
    assert charges.per_cost(SHARES, Side.BUY) == example_charges().per_cost(SHARES, Side.BUY)
    assert charges.fee(BONDS, Side.BUY) == pytest.approx(2.0 / waiting_years(2.0, 12_000.0, 0.04))


def best_gain(shares: float, charges: Charges, tax: float) -> float:
    """The largest gain of any size of the trade, EUR a year, with shares at a weight."""
    objective = example_objective()
    before = sum(objective.terms(np.array([shares, 1 - shares])).values())
    gains = []
    for amount in range(100, 1_100, 50):
        x = amount / NAV
        after = sum(objective.terms(np.array([shares - x, 1 - shares + x])).values())
        charged = charges.fee(SHARES, Side.SELL) + charges.fee(BONDS, Side.BUY)
        charged += (charges.per_cost_sell[SHARES] + charges.per_cost_buy[BONDS]) * RATE * amount
        charged += charges.tax_factor[SHARES] * tax * amount
        gains.append(float((after - before) * NAV - charged))
    return max(gains)


def test_the_example_says_rightly_when_nothing_is_traded() -> None:
    tax = 0.26 * 0.3
    assert best_gain(0.66, example_charges(), 0.0) > 1.0
    assert best_gain(0.64, example_charges(), 0.0) < 0.0
    assert best_gain(0.66, example_charges(tax=tax), tax) < 0.0


@pytest.mark.parametrize(
    ("deposits", "drag", "years"),
    [(6_000.0, 0.04, math.sqrt(2 / (2 * 6_000 * 0.04))), (0.0, 0.04, 5.0), (1e9, 0.04, 1 / 24)],
)
def test_how_long_money_gathers_before_a_buy(deposits: float, drag: float, years: float) -> None:
    assert waiting_years(2.0, deposits, drag) == pytest.approx(years)


def test_without_targets_a_trade_is_charged_once_in_full() -> None:
    state = make_state(make_context())
    assert state.charges.per_cost(0, Side.SELL) == 1.0
    assert state.charges.fee(0, Side.BUY) == state.costs.fixed
