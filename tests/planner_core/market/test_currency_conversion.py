"""Cash kept per currency: a foreign trade is paid in its own money, and crossings are steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner_core.market.trade_sizing import conversions
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Outcome, Plan
from planner_core.model.records import CashBalance, Side
from planner_core.planner import plan
from planner_core.runtime import Runtime
from tests.builders import (
    constant_rate,
    make_action,
    make_config,
    make_context,
    make_lot,
    make_security,
    make_state,
)

RATE = 1.25
MULTI: dict[str, object] = {"multi_currency": True, "turnover_max": 10.0, "cash_reserve": 0.0}


def abroad(*cash: CashBalance) -> PlanningContext:
    """One security at home that should be bought, one abroad that is held; base EUR."""
    return make_context(
        securities=(
            make_security("HOME", target=0.2),
            make_security("AWAY", currency="USD", target=0.2),
        ),
        lots=(make_lot("AWAY", 100.0),),
        fx_rates={"USD": constant_rate(1 / RATE)},
        cash=cash,
    )


def planned(context: PlanningContext) -> Plan:
    config = make_config(
        constraints=MULTI,
        costs={"fixed_cost": 0.0},
        objective={"drift_penalty": 5.0, "risk_aversion": 0.0},
    )
    return plan(context, config, Runtime(proof_s=0.0))


def test_one_cash_row_needs_no_conversions() -> None:
    state = make_state(abroad(CashBalance("USD", 20_000.0)), make_config())
    assert conversions([make_action(state, "HOME", 10.0)], state) == []


def test_a_buy_at_home_is_paid_by_converting_what_lies_abroad() -> None:
    result = planned(abroad(CashBalance("EUR", 0.0), CashBalance("USD", 30_000.0)))
    assert result.outcome is Outcome.PLANNED
    sides = [step.side for step in result.steps]
    assert Side.CONVERT in sides
    assert sides.index(Side.CONVERT) < sides.index(Side.BUY)
    crossing = next(step for step in result.steps if step.side is Side.CONVERT)
    assert crossing.security == "USD>EUR"
    assert crossing.cost == pytest.approx(crossing.value * 10e-4)
    assert crossing.weight_before == crossing.weight_after == 0.0


def test_no_row_is_overdrawn_when_every_step_is_done() -> None:
    result = planned(abroad(CashBalance("EUR", 500.0), CashBalance("USD", 30_000.0)))
    rows = {"EUR": 500.0, "USD": 30_000.0 / RATE}
    for step in result.steps:
        if step.side is Side.CONVERT:
            source, target = step.security.split(">")
            rows[source] -= step.value
            rows[target] += step.value - step.cost
        else:
            sign = 1 if step.side is Side.SELL else -1
            rows[step.currency] += sign * step.value - step.cost - step.tax
        assert min(rows.values()) >= -1e-6, step
    assert result.cash_after == pytest.approx(sum(rows.values()))


def test_nothing_is_converted_at_a_rate_that_is_not_believed() -> None:
    context = abroad(CashBalance("EUR", 0.0), CashBalance("USD", 30_000.0))
    rates = np.array(context.fx_rates["USD"])
    rates[-1] *= 10
    doubted = replace(
        context,
        dates=context.dates.copy(),
        prices=context.prices.copy(),
        fx_rates={"USD": rates},
    )
    state = make_state(doubted, make_config(constraints=MULTI))
    # The rate before the jump is used for the value of the account.
    assert state.portfolio.cash == pytest.approx(30_000.0 / RATE)
    buy = make_action(state, "HOME", 10.0)
    assert conversions([buy], state) == []
    result = planned(doubted)
    assert not result.steps
    assert result.nav == pytest.approx((30_000.0 + 100 * 100.0) / RATE)


def test_an_account_below_zero_abroad_is_filled_by_a_conversion() -> None:
    result = planned(abroad(CashBalance("EUR", 10_000.0), CashBalance("USD", -1_000.0)))
    assert result.violation_before > 0
    assert result.violation_after == 0
    assert any(step.side in {Side.CONVERT, Side.SELL} for step in result.steps)


def test_a_foreign_trade_pays_no_conversion_of_its_own() -> None:
    context = abroad(CashBalance("EUR", 10_000.0))
    single = make_state(context, make_config())
    several = make_state(context, make_config(constraints=MULTI))
    assert single.costs.rate[1] - several.costs.rate[1] == pytest.approx(10e-4)


def test_nav_falls_by_the_costs_alone() -> None:
    result = planned(abroad(CashBalance("EUR", 0.0), CashBalance("USD", 30_000.0)))
    assert result.nav is not None
    assert result.nav_after == pytest.approx(result.nav - sum(s.cost + s.tax for s in result.steps))


def test_the_certificate_counts_conversions_too() -> None:
    context = abroad(CashBalance("EUR", 0.0), CashBalance("USD", 30_000.0))
    config = make_config(constraints=MULTI, max_plan_depth=3)
    ticks = iter(np.arange(1e6))
    result = plan(context, config, Runtime(proof_s=1e5, monotonic=lambda: float(next(ticks))))
    assert result.certificate is not None
    assert result.certificate.exact
