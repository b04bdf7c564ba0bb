"""Properties of every plan with cash per currency: no account pays for another."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from planner_core.market.state import PlanningState
from planner_core.model.plan import Outcome, Plan
from planner_core.model.records import Side
from planner_core.planner import plan
from tests.builders import make_state
from tests.planner_core.reference import Proposal, Reference
from tests.planner_core.strategies import Portfolio, portfolios, reference_of


def rows_before(reference: Reference) -> dict[str, float]:
    """Free cash per currency, in base currency."""
    context = reference.context
    rows = dict.fromkeys([context.base_currency, *(s.currency for s in context.securities)], 0.0)
    for balance in context.cash:
        rows.setdefault(balance.currency, 0.0)
        rate = reference.rate_of(balance.currency)
        rows[balance.currency] += (balance.settled + balance.unsettled) * rate
    for order in context.pending_orders:
        if order.side is Side.BUY:
            i = reference.columns[order.security]
            price = reference.market.price[i] if order.limit_price is None else order.limit_price
            currency = context.securities[i].currency
            rows[currency] -= (
                order.quantity * (price + reference.accrued(i)) * reference.market.rate[i]
            )
    return rows


def check_rows(result: Plan, reference: Reference) -> None:
    """Carry out the steps one by one: no account goes below what it needs, nor deeper."""
    rows, base = rows_before(reference), reference.context.base_currency
    floor = {c: min(rows[c], reference.required() if c == base else 0.0) for c in rows}
    dust = 1e-9 * reference.nav
    for step in result.steps:
        if step.side is Side.CONVERT:
            source, target = step.security.split(">")
            worth = step.quantity * step.fx_rate
            rows[source] -= worth
            rows[target] += worth - step.cost
        else:
            sign = 1 if step.side is Side.SELL else -1
            worth = step.quantity * (step.price + step.accrued) * step.fx_rate
            rows[step.currency] += sign * worth - step.cost - step.tax
        assert all(rows[c] >= floor[c] - dust for c in rows), step
    missing = sum(max(0.0, (reference.required() if c == base else 0.0) - rows[c]) for c in rows)
    assert result.violation_after >= missing / reference.nav - 1e-8
    assert result.cash_after == pytest.approx(
        sum(rows.values()) + reference.promised(), abs=1e-6 + dust
    )


def check_trades(result: Plan, reference: Reference, state: PlanningState) -> None:
    """Each trade is legal, and the score is that of the formula with conversions as costs."""
    book = reference.book()
    for step in result.steps:
        if step.side is Side.CONVERT:
            assert step.cost == pytest.approx(
                step.value * state.config.costs.fx_bps / 10_000, rel=1e-9
            )
            # A conversion is charged once, in full.
            book.cost += step.cost
            book.charged += step.cost
            book.cash -= step.cost
        else:
            sign = 1 if step.side is Side.BUY else -1
            column, quantity = reference.columns[step.security], sign * step.quantity
            proposal = Proposal(column, quantity, step.mandatory, step.temporary)
            assert not reference.trade_complaint(proposal)
            reference.carry_out(book, proposal)
    assert result.score is not None
    assert result.score.after == pytest.approx(reference.score(book), abs=1e-9)
    spent = book.cost + book.tax
    assert result.nav_after == pytest.approx(reference.nav - spent, abs=1e-9 * reference.nav + 1e-6)
    order = [("sell", "convert", "buy").index(step.side.value) for step in result.steps]
    assert order == sorted(order)
    assert len(result.steps) <= state.config.max_plan_depth
    assert result.violation_after <= result.violation_before + 1e-8


def check_all(portfolio: Portfolio) -> None:
    result = plan(portfolio.context, portfolio.config)
    state = make_state(portfolio.context, portfolio.config)
    reference = reference_of(state)
    if result.score is None:
        assert result.outcome is Outcome.HELD
        return
    check_rows(result, reference)
    check_trades(result, reference, state)


@settings(max_examples=40)
@given(portfolios(multi_currency=True))
def test_every_plan_keeps_every_account(portfolio: Portfolio) -> None:
    check_all(portfolio)


@pytest.mark.soak
@settings(max_examples=1_000)
@given(portfolios(multi_currency=True))
def test_every_plan_keeps_every_account_for_long(portfolio: Portfolio) -> None:
    check_all(portfolio)
