"""Properties of every plan of a bucket with targets, when history has no say.

Portfolios are drawn on their targets, off them, and with a deposit beside; with lots, currencies,
costs, taxes and penalties of any size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import smallest_quantity
from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Outcome, Plan, Step
from planner_core.model.records import CashBalance, GroupRule, Security, Side, TaxLot
from planner_core.planner import plan
from tests.builders import AS_OF, days_ago, make_config, make_state, price_paths
from tests.builders import weekdays as market_days
from tests.planner_core.certificate.test_certificate_against_scip import check_bounds
from tests.planner_core.strategies import RATES, Portfolio, prepare, rates

N_DAYS = 300
CANDIDATES_MAX = 12
ROUNDING = 1e-9
CASH_RAISE = "opportunity_calculators.cash_raise"
"""The one module whose trades repair limits, and may lead away from a target."""


@dataclass(frozen=True)
class Market:
    """Securities with their last prices, base currency per unit."""

    securities: tuple[Security, ...]
    last: tuple[float, ...]
    seed: int
    common: float

    @property
    def unit(self) -> list[float]:
        return [
            price * RATES.get(security.currency, 1.0)
            for security, price in zip(self.securities, self.last, strict=True)
        ]

    def lot(self, column: int) -> float:
        security = self.securities[column]
        return 1e-6 if security.fractional else security.lot_size

    def context(self, units: list[float], cash: float, cost: float, **fields: Any) -> Any:  # noqa: ANN401 - a context, its fields
        """Return a context that holds these units, bought long ago at a part of today's price."""
        lots = tuple(
            TaxLot(s.id, quantity, price * cost, RATES.get(s.currency, 1.0), days_ago(900))
            for s, quantity, price in zip(self.securities, units, self.last, strict=True)
            if quantity > 0
        )
        prices = price_paths(N_DAYS, self.last, seed=self.seed, common=self.common)
        defaults: dict[str, Any] = {
            "bucket_id": "drawn",
            "as_of": AS_OF,
            "base_currency": "EUR",
            "securities": self.securities,
            "dates": market_days(N_DAYS),
            "prices": prices,
            "fx_rates": rates(N_DAYS, self.seed),
            "lots": lots,
            "cash": (CashBalance("EUR", cash),),
        }
        return PlanningContext(**{**defaults, **fields})


@st.composite
def markets(draw: st.DrawFn, *, all_targeted: bool = True) -> Market:
    """Draw securities whose targets leave at least 3 % of cash."""
    n = draw(st.sampled_from([3, 1, 2, 4, 6]))
    share = st.integers(0, 9) if all_targeted else st.none() | st.integers(0, 9)
    shares = draw(st.lists(share, min_size=n, max_size=n))
    total = max(1, sum(s or 0 for s in shares)) / draw(st.sampled_from([0.9, 0.6, 0.97]))
    securities = tuple(
        Security(
            id=f"S{i}",
            name=f"S{i}",
            currency=draw(st.sampled_from(["EUR", "EUR", "USD", "GBP"])),
            lot_size=draw(st.sampled_from([1.0, 1.0, 10.0])),
            fractional=draw(st.sampled_from([False, False, True])),
            groups={"industry": "xyz"[i % 3]},
            half_spread_bps=draw(st.sampled_from([None, 0.0, 40.0])),
            adv_value=draw(st.sampled_from([None, 1e6])),
            target=None if shares[i] is None else (shares[i] or 0) / total,
            diversified=draw(st.booleans()),
        )
        for i in range(n)
    )
    last = draw(st.lists(st.sampled_from([47.0, 0.8, 9.5, 310.0]), min_size=n, max_size=n))
    common = draw(st.sampled_from([0.1, 0.5, 0.95]))
    return Market(securities, tuple(last), draw(st.integers(0, 2**16)), common)


@st.composite
def settings_of_targets(draw: st.DrawFn, /, **costs: float) -> PlannerConfig:
    """Draw penalties, costs and tax of any size; no opinion, no harvesting."""
    drawn = {
        "fixed_cost": draw(st.sampled_from([2.0, 0.0, 10.0])),
        "cost_bps": draw(st.sampled_from([20.0, 0.0, 60.0])),
        "tax_rate": draw(st.sampled_from([0.0, 0.26])),
        "tax_deferral_years": draw(st.sampled_from([10.0, 0.0, 1_000.0])),
    }
    return make_config(
        max_plan_depth=draw(st.sampled_from([5, 2, 3])),
        objective={
            "tracking_aversion": draw(st.sampled_from([80.0, 0.0, 2_000.0])),
            "drift_penalty": draw(st.sampled_from([0.002, 0.0, 1.0])),
            "group_drift_penalty": draw(st.sampled_from([0.3, 0.0])),
            "invested_return_assumed": draw(st.sampled_from([0.04, 0.0, 0.2])),
            "concentration_penalty": draw(st.sampled_from([0.0, 0.5])),
            "tail_risk_penalty": draw(st.sampled_from([0.0, 1.0])),
        },
        costs={**drawn, **costs},
        constraints={
            "min_gain_bps": draw(st.sampled_from([0.0, 1.0])),
            "min_trade_value": draw(st.sampled_from([400.0, 0.0])),
        },
        opportunity_calculators={"tax_loss_harvest": False},
    )


@st.composite
def group_targets(draw: st.DrawFn, market: Market) -> tuple[GroupRule, ...]:
    """Draw a target of a group, where a member without one could move toward it."""
    free = ["xyz"[i % 3] for i, s in enumerate(market.securities) if s.target is None]
    if not free or draw(st.booleans()):
        return ()
    return (GroupRule("industry", free[0], target=draw(st.sampled_from([0.1, 0.3]))),)


@st.composite
def off_target(draw: st.DrawFn) -> Portfolio:
    """Draw holdings anywhere, and cash from none to most of the portfolio."""
    market = draw(markets(all_targeted=False))
    assume(any(s.target is not None for s in market.securities))
    nav = draw(st.sampled_from([50_000.0, 8_000.0, 300_000.0]))
    n = len(market.last)
    shares = draw(st.lists(st.integers(0, 6), min_size=n + 1, max_size=n + 1))
    units = [
        round(share / max(1, sum(shares)) * nav / unit / market.lot(i)) * market.lot(i)
        for i, (share, unit) in enumerate(zip(shares[:n], market.unit, strict=True))
    ]
    cash = max(0.02 * nav, shares[-1] / max(1, sum(shares)) * nav)
    context = market.context(
        units,
        cash,
        draw(st.sampled_from([0.7, 1.0, 1.4])),
        group_rules=draw(group_targets(market)),
        deposits_per_year=draw(st.sampled_from([0.0, 6_000.0])),
        buy_only=draw(st.integers(0, 5)) == 5,
    )
    return Portfolio(context, draw(settings_of_targets()))


@st.composite
def on_target(draw: st.DrawFn) -> tuple[Portfolio, float]:
    """Draw a portfolio with each security at the lot nearest to its target, and its NAV."""
    market = draw(markets())
    nav = draw(st.sampled_from([50_000.0, 8_000.0, 300_000.0]))
    units = [
        round((security.target or 0.0) * nav / unit / market.lot(i)) * market.lot(i)
        for i, (security, unit) in enumerate(zip(market.securities, market.unit, strict=True))
    ]
    cash = nav - sum(q * unit for q, unit in zip(units, market.unit, strict=True))
    # Large lots can ask for more than there is.
    assume(cash > 0.01 * nav)
    context = market.context(units, cash, draw(st.sampled_from([0.7, 1.0, 1.4])))
    return Portfolio(context, draw(settings_of_targets())), nav


def smallest_trades(state: PlanningState) -> dict[int, float]:
    """Return what the smallest legal buy of each security takes, costs included."""
    takes = {}
    for column in range(state.context.n_securities):
        value = smallest_quantity(state, column) * float(state.portfolio.unit_value[column])
        takes[column] = value + state.costs.cost(column, value)
    return takes


def column_of(state: PlanningState, step: Step) -> int:
    return state.context.security_index()[step.security]


def check_steps_lead_to_the_targets(result: Plan, state: PlanningState) -> None:
    for step in result.steps:
        column = column_of(state, step)
        unit = float(state.portfolio.unit_value[column])
        gap = float(state.objective.neutral[column] - state.portfolio.weight[column]) * state.nav
        if step.side is Side.BUY:
            assert gap > 0, f"{step.security} is bought at or above its target"
            lot = unit * (1e-6 if state.context.securities[column].fractional else 1.0)
            lot *= state.context.securities[column].lot_size
            beyond = step.quantity * unit - gap
            most = max(lot / 2, smallest_trades(state)[column] - gap)
            assert beyond <= most + ROUNDING * state.nav
        elif CASH_RAISE not in step.sources:
            assert gap < 0, f"{step.security} is sold at or below its target"
            assert step.quantity * unit <= -gap + ROUNDING * state.nav


@settings(max_examples=60)
@given(off_target())
def test_no_step_leads_away_from_a_target_and_no_plan_ends_further_from_them(
    portfolio: Portfolio,
) -> None:
    state = make_state(portfolio.context, portfolio.config)
    result = plan(portfolio.context, portfolio.config)
    check_steps_lead_to_the_targets(result, state)
    if result.steps and result.violation_before == 0:
        assert result.metrics_after["distance"] <= result.metrics_before["distance"] + ROUNDING


@settings(max_examples=60)
@given(on_target())
def test_on_target_nothing_is_traded(drawn: tuple[Portfolio, float]) -> None:
    portfolio, nav = drawn
    state = make_state(portfolio.context, portfolio.config)
    assert state.nav == pytest.approx(nav)
    # Rounded down, what is left over is rightly spent.
    assume(state.limits.idle_before * nav < min(smallest_trades(state).values()))
    assume(state.limits.violation == 0)
    result = plan(portfolio.context, portfolio.config)
    assert result.outcome is Outcome.NOTHING_TO_DO
    assert not result.steps


@settings(max_examples=40)
@given(on_target(), st.sampled_from([0.05, 0.01, 0.1, 0.3]), st.booleans())
def test_new_money_is_answered_with_a_buy_and_sells_nothing(
    drawn: tuple[Portfolio, float], share: float, explicit: bool
) -> None:
    portfolio, nav = drawn
    amount = share * nav
    cash = portfolio.context.cash[0].settled + amount
    context = replace(
        portfolio.context,
        cash=(CashBalance("EUR", cash),),
        invest=amount if explicit else 0.0,
    )
    state = make_state(context, portfolio.config)
    assume(state.limits.violation == 0)
    result = plan(context, portfolio.config)
    assert all(step.side is Side.BUY for step in result.steps)
    affordable = [
        column
        for column, spent in smallest_trades(state).items()
        if state.objective.neutral[column] > state.portfolio.weight[column] and spent <= amount
    ]
    if explicit and affordable and _within_cap(state, affordable):
        assert result.steps


def _within_cap(state: PlanningState, columns: list[int]) -> bool:
    """Return whether the smallest buy of any of these fits below its cap and is worth its costs."""
    for column in columns:
        value = smallest_quantity(state, column) * float(state.portfolio.unit_value[column])
        room = float(state.limits.position_cap[column] - state.portfolio.weight[column]) * state.nav
        dear = state.costs.cost(column, value) > state.config.constraints.cost_ratio_max * value
        if value <= room and not dear:
            return True
    return False


@settings(max_examples=30)
@given(off_target(), st.data())
def test_without_costs_and_tax_everything_is_rebalanced_within_the_depth(
    portfolio: Portfolio, data: st.DataObject
) -> None:
    free = {"fixed_cost": 0.0, "cost_bps": 0.0, "half_spread_bps": 0.0, "fx_bps": 0.0}
    config = data.draw(settings_of_targets(**free, impact_coefficient=0.0, tax_rate=0.0))
    constraints = {"min_gain_bps": 0.0, "min_trade_value": 0.0, "turnover_max": 10.0}
    objective = {"drift_penalty": 0.01, "group_drift_penalty": 0.0}
    config = config.model_copy(
        update={
            "constraints": config.constraints.model_copy(update=constraints),
            "objective": config.objective.model_copy(update=objective),
            "max_plan_depth": 10,
        }
    )
    context = replace(
        portfolio.context,
        securities=tuple(
            replace(s, half_spread_bps=0.0, lot_size=1.0, fractional=True)
            for s in portfolio.context.securities
        ),
        buy_only=False,
    )
    state = make_state(context, config)
    assume(state.limits.violation == 0)
    result = plan(context, config)
    # What neither has a target nor moves with its group stays where it is, and so does its cash.
    assert (result.metrics_after or result.metrics_before)["distance"] < 0.01


@settings(max_examples=25)
@given(off_target())
def test_no_bound_is_below_the_best_of_all_sets(portfolio: Portfolio) -> None:
    evaluator = prepare(portfolio, at_most=CANDIDATES_MAX).evaluator
    assume(evaluator.candidates.n > 0)
    check_bounds(evaluator, 3)
