"""No trade for cents: small violations wait, and a repair never costs more than it repairs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner_core.model.context import PlanningContext
from planner_core.model.plan import Outcome, Plan
from planner_core.model.records import CashBalance, CashFlow, GroupRule, Severity, Side
from planner_core.planner import plan
from tests.builders import (
    AS_OF,
    make_config,
    make_context,
    make_lot,
    make_securities,
    make_security,
)

RESERVE = 0.005
"""Of NAV, by default."""


def on_target(cash: float, *, targeted: bool = True, **fields: Any) -> PlanningContext:  # noqa: ANN401 - of a context
    """Four positions of 12,000; with targets, each is on its own."""
    target = 12_000 / (48_000 + max(cash, 0.0)) if targeted else None
    securities = fields.pop("securities", make_securities(4, target=target))
    lots = tuple(make_lot(security.id, 120.0) for security in securities)
    return make_context(securities=securities, lots=lots, cash=cash, **fields)


def messages(result: Plan, finding: str) -> list[str]:
    return [f.message for f in result.findings if f.id == finding]


@pytest.mark.parametrize("short", [0.5, 1.0, 40.0])
def test_a_reserve_that_is_short_by_little_is_said_and_not_sold_for(short: float) -> None:
    cash = RESERVE * 48_000 / (1 - RESERVE) - short
    result = plan(on_target(cash), make_config())
    assert result.outcome is Outcome.NOTHING_TO_DO
    (message,) = messages(result, "reserve_short")
    assert "too little to sell for, the next deposit refills it" in message
    amount = float(message.split(" is ")[1].split()[0])
    assert amount == pytest.approx(short, rel=0.02)
    (finding,) = [f for f in result.findings if f.id == "reserve_short"]
    assert finding.severity is Severity.INFO


def test_a_written_reserve_that_is_short_by_much_is_refilled() -> None:
    assert plan(on_target(50.0), make_config()).steps == ()
    result = plan(on_target(50.0), make_config(constraints={"cash_reserve": RESERVE}))
    assert any(step.mandatory for step in result.steps)
    assert messages(result, "reserve_short") == []


@pytest.mark.parametrize("cash", [-0.01, -0.40, -3.0])
@pytest.mark.parametrize("sellable", [True, False])
def test_an_account_below_zero_by_cents_neither_sells_nor_holds_the_plan(
    cash: float, *, sellable: bool
) -> None:
    """With no reserve configured: a fee or an interest took the last cents."""
    securities = make_securities(4, target=0.25, allow_sell=sellable)
    config = make_config(constraints={"cash_reserve": 0.0})
    result = plan(on_target(cash, securities=securities), config)
    assert result.outcome is Outcome.NOTHING_TO_DO
    assert result.steps == ()
    assert result.violation_before == 0.0
    assert messages(result, "reserve_short")


def test_a_withdrawal_that_is_short_by_cents_is_not_sold_for() -> None:
    flows = (CashFlow(AS_OF + timedelta(days=5), -4_000.0),)
    reserve = RESERVE * (48_000 + 4_000)
    context = on_target(4_000.0 + reserve - 0.6, targeted=False, cash_flows=flows)
    result = plan(context, make_config())
    assert not any(step.mandatory for step in result.steps)
    assert messages(result, "reserve_short")


def test_withdrawals_beyond_everything_sell_what_they_can_and_say_so() -> None:
    flows = (CashFlow(AS_OF + timedelta(days=5), -90_000.0),)
    result = plan(on_target(1_000.0, cash_flows=flows), make_config())
    assert result.outcome is Outcome.PLANNED
    assert {step.side for step in result.steps} == {Side.SELL}
    assert result.violation_after < result.violation_before
    (message,) = messages(result, "withdrawals_exceed_nav")
    assert message.startswith(
        "withdrawals of 90,000.00 EUR are due, but the bucket is worth 49,000"
    )


def test_a_cap_that_is_exceeded_slightly_is_said_and_blocks_buys() -> None:
    # 12,100 of 48,100 is 25.16 %: 0.07 % above a cap of 25.09 %.
    securities = (
        make_security("AAA", cap=0.2509, target=0.2505),
        *(make_security(name, target=0.2495) for name in ("BBB", "CCC", "DDD")),
    )
    lots = tuple(make_lot(s.id, 121.0 if s.id == "AAA" else 120.0) for s in securities)
    context = make_context(securities=securities, lots=lots, cash=0.0)
    config = make_config(constraints={"cash_reserve": 0.0})
    result = plan(context, config)
    assert not any(step.mandatory for step in result.steps)
    assert messages(result, "cap_exceeded_slightly") == [
        "AAA is 0.07% of the portfolio above its limit of 25.1%; too little to sell for, it is"
        " not bought"
    ]


def test_a_group_that_exceeds_its_cap_slightly_is_said() -> None:
    securities = make_securities(4, groups={"industry": "energy"})
    context = on_target(
        500.0, securities=securities, group_rules=(GroupRule("industry", "energy", cap=0.9893),)
    )
    result = plan(context, make_config())
    assert result.violation_before == 0.0
    (message,) = messages(result, "cap_exceeded_slightly")
    assert message.startswith("industry energy is 0.04% of the portfolio above its limit of 98.9%")


# --- an account per currency ------------------------------------------------------------------


def two_accounts(dollars: float, euros: float = 2_000.0) -> PlanningContext:
    securities = (
        make_security("AAA", target=0.48),
        make_security("BBB", currency="USD", target=0.48),
    )
    return make_context(
        securities=securities,
        lots=(make_lot("AAA", 240.0), make_lot("BBB", 300.0, fx_rate=0.8)),
        cash=(CashBalance("EUR", euros), CashBalance("USD", dollars)),
        fx_rates={"USD": np.linspace(0.79, 0.8, 400)},
    )


def test_a_foreign_account_below_zero_by_cents_is_said_and_nothing_is_converted() -> None:
    config = make_config(constraints={"multi_currency": True})
    result = plan(two_accounts(-0.5), config)
    assert Side.CONVERT not in {step.side for step in result.steps}
    assert result.violation_before == 0.0
    assert messages(result, "reserve_short") == [
        "cash is 0.40 EUR in the USD account below what must stay; too little to sell for, the"
        " next deposit refills it"
    ]


def test_a_foreign_account_below_zero_by_more_is_repaired() -> None:
    config = make_config(constraints={"multi_currency": True})
    result = plan(two_accounts(-375.0), config)
    assert Side.CONVERT in {step.side for step in result.steps}
    assert result.violation_after == 0.0


def test_the_base_account_short_of_the_reserve_by_cents_converts_nothing() -> None:
    config = make_config(constraints={"multi_currency": True})
    nav = 48_000.0 + 1_000.0
    euros = RESERVE * nav - 0.7
    result = plan(two_accounts((1_000.0 - euros) / 0.8, euros), config)
    assert Side.CONVERT not in {step.side for step in result.steps if step.mandatory}
    assert result.violation_before == 0.0


# --- cost against repair ----------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(
    scale=st.sampled_from([0.02, 0.1, 1.0, 20.0]),
    short=st.floats(0.0, 0.02),
    fixed=st.sampled_from([0.0, 2.0, 25.0]),
    targeted=st.booleans(),
)
def test_no_repair_costs_more_than_it_repairs(
    scale: float, short: float, fixed: float, *, targeted: bool
) -> None:
    securities = make_securities(4, target=0.24 if targeted else None, fractional=True)
    lots = tuple(make_lot(security.id, 120.0 * scale) for security in securities)
    nav = 48_000.0 * scale
    context = make_context(securities=securities, lots=lots, cash=(RESERVE - short) * nav)
    result = plan(context, make_config(costs={"fixed_cost": fixed}))
    repairs = [step for step in result.steps if step.mandatory]
    if repairs:
        repaired = (result.violation_before - result.violation_after) * nav
        assert sum(step.cost for step in repairs) <= repaired


def test_what_the_cheapest_sell_costs_is_not_worth_less_than_that() -> None:
    """A sell must be 267 at least for its fee of 2, and then costs 2.67: more than 2.30."""
    securities = make_securities(2, target=0.49, fractional=True)
    lots = tuple(make_lot(security.id, 5.0) for security in securities)
    nav = 1_000.0
    config = make_config(constraints={"cash_reserve": RESERVE})
    short = make_context(securities=securities, lots=lots, cash=RESERVE * nav - 2.3)
    assert not any(step.mandatory for step in plan(short, config).steps)
    assert messages(plan(short, config), "reserve_short")
    # A little more is worth it.
    shorter = make_context(securities=securities, lots=lots, cash=RESERVE * nav - 3.0)
    assert any(step.mandatory for step in plan(shorter, config).steps)
