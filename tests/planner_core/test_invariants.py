"""Properties of every plan of every portfolio."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from random import Random
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner_core.market.state import PlanningState
from planner_core.model.context import context_digest
from planner_core.model.plan import Alternative, Outcome, Plan, Step
from planner_core.model.records import Side, Trade
from planner_core.planner import plan
from tests.builders import days_ago, make_config, make_context, make_securities, make_state
from tests.planner_core.reference import DUST, Proposal, Reference
from tests.planner_core.strategies import Portfolio, portfolios, proposal_of, reference_of

T = TypeVar("T")

CASH_RAISE = "opportunity_calculators.cash_raise"
"""The one shipped module whose trades are mandatory."""


@dataclasses.dataclass(frozen=True)
class Planned:
    """A plan with what the slow rules know about its portfolio."""

    plan: Plan
    state: PlanningState
    reference: Reference

    def proposal(self, step: Step) -> Proposal:
        sign = 1 if step.side is Side.BUY else -1
        mandatory = CASH_RAISE in step.sources
        column = self.reference.columns[step.security]
        return Proposal(column, sign * step.quantity, mandatory, step.temporary)

    @property
    def proposals(self) -> list[Proposal]:
        return [self.proposal(step) for step in self.plan.steps]


def planned(portfolio: Portfolio) -> Planned:
    state = make_state(portfolio.context, portfolio.config)
    return Planned(plan(portfolio.context, portfolio.config), state, reference_of(state))


def near(nav: float) -> float:
    return 1e-9 * max(1.0, abs(nav))


def check_every_step_is_legal(case: Planned) -> None:
    for proposal in case.proposals:
        assert not case.reference.trade_complaint(proposal)


def check_the_set_is_legal(case: Planned) -> None:
    verdict = case.reference.judge(case.proposals)
    assert not verdict.complaint
    assert verdict.violation <= case.reference.violation_before + DUST
    assert verdict.violation == pytest.approx(case.plan.violation_after, abs=2 * DUST)
    assert case.reference.violation_before == pytest.approx(
        case.plan.violation_before, abs=2 * DUST
    )


def check_no_step_overdraws_or_worsens_a_limit(case: Planned) -> None:
    reference, book = case.reference, case.reference.book()
    required, dust = reference.required(), DUST * reference.nav
    for step in case.plan.steps:
        before, violation = book.cash - reference.promised(), reference.violation(book)
        reference.carry_out(book, case.proposal(step))
        after = book.cash - reference.promised()
        assert after >= min(before, required) - dust
        assert reference.violation(book) <= violation + DUST or step.side is Side.BUY
        assert step.cash_after == pytest.approx(book.cash, abs=near(reference.nav))


def check_nothing_is_oversold(case: Planned) -> None:
    sold: dict[str, float] = {}
    for step in case.plan.steps:
        if step.side is Side.SELL:
            sold[step.security] = sold.get(step.security, 0.0) + step.quantity
    for security, quantity in sold.items():
        column = case.reference.columns[security]
        assert quantity <= case.reference.sellable(column) * (1 + 1e-9)
        assert quantity <= case.reference.held[column] * (1 + 1e-9)


def check_money_only_leaves_as_costs_and_tax(case: Planned) -> None:
    result, reference, state = case.plan, case.reference, case.state
    quantity, cash = list(reference.held), reference.cash
    for step in result.steps:
        column = reference.columns[step.security]
        sign = 1 if step.side is Side.BUY else -1
        quantity[column] += sign * step.quantity
        paid = step.price + step.accrued
        cash -= sign * step.quantity * paid * step.fx_rate + step.cost + step.tax
    worth = sum(q * reference.unit(i) for i, q in enumerate(quantity) if q)
    spent = sum(step.cost + step.tax for step in result.steps)
    assert result.nav_after == pytest.approx(worth + cash, abs=near(reference.nav))
    assert result.nav_after == pytest.approx(reference.nav - spent, abs=near(reference.nav))
    assert result.cash_after == pytest.approx(cash, abs=near(reference.nav))
    assert result.cash_required == pytest.approx(
        max(0.0, reference.cash - cash), abs=near(state.nav)
    )
    for step in result.steps:
        proposal = case.proposal(step)
        assert step.cost == pytest.approx(reference.cost(proposal), abs=near(reference.nav))
        assert step.tax == pytest.approx(reference.tax(proposal), abs=near(reference.nav))
        assert step.value == pytest.approx(reference.value(proposal), abs=near(reference.nav))


def check_sells_come_first(case: Planned) -> None:
    sides = [step.side for step in case.plan.steps]
    assert sides == sorted(sides, key=lambda side: side is Side.BUY)


def check_scores_are_those_of_the_formula(case: Planned) -> None:
    assert case.plan.score is not None
    verdict = case.reference.judge(case.proposals)
    terms = case.reference.terms(verdict.book)
    for name, change in case.plan.score.terms.items():
        assert change.after == pytest.approx(terms[name], abs=1e-9)
    assert case.plan.score.after == pytest.approx(verdict.score, abs=1e-9)
    nothing = case.reference.judge([])
    assert case.plan.score.before == pytest.approx(nothing.score, abs=1e-9)


def check_alternatives(case: Planned) -> None:
    nothing = case.reference.judge([])
    for alternative in case.plan.alternatives:
        check_alternative(case, alternative, nothing.score)


def check_alternative(case: Planned, alternative: Alternative, before: float) -> None:
    proposals = [proposal_of(action) for action in alternative.actions]
    verdict = case.reference.judge(proposals)
    assert not verdict.complaint
    assert alternative.gain == pytest.approx(verdict.score - before, abs=1e-9)
    assert alternative.violation == pytest.approx(verdict.violation, abs=2 * DUST)
    assert [proposal.is_buy for proposal in proposals] == sorted(
        proposal.is_buy for proposal in proposals
    )


def check_a_change_is_worth_it(case: Planned) -> None:
    result, config = case.plan, case.state.config
    assert len(result.steps) <= config.max_plan_depth
    assert bool(result.steps) == (result.outcome is Outcome.PLANNED)
    accepted = case.state.context.incumbent
    if accepted and accepted.valid_until >= case.state.context.as_of:
        return  # the minimum gain then guards the accepted plan, not doing nothing
    if result.steps and result.violation_after >= result.violation_before - DUST:
        assert result.score is not None
        assert result.score.gain >= config.constraints.min_gain_bps / 10_000 - 1e-12


CHECKS = (
    check_every_step_is_legal,
    check_the_set_is_legal,
    check_no_step_overdraws_or_worsens_a_limit,
    check_nothing_is_oversold,
    check_money_only_leaves_as_costs_and_tax,
    check_sells_come_first,
    check_scores_are_those_of_the_formula,
    check_alternatives,
    check_a_change_is_worth_it,
)


def check_all(portfolio: Portfolio) -> None:
    case = planned(portfolio)
    if case.reference.nav <= 0:
        assert case.plan.outcome is Outcome.HELD
        assert not case.plan.steps
        return
    for check in CHECKS:
        check(case)


@settings(max_examples=80)
@given(portfolios())
def test_every_plan_keeps_every_promise(portfolio: Portfolio) -> None:
    check_all(portfolio)


@pytest.mark.soak
@settings(max_examples=1_500)
@given(portfolios())
def test_every_plan_keeps_every_promise_for_long(portfolio: Portfolio) -> None:
    check_all(portfolio)


@settings(max_examples=12)
@given(portfolios())
def test_the_same_input_gives_the_same_plan_and_is_left_as_it_was(portfolio: Portfolio) -> None:
    context, config = portfolio.context, portfolio.config
    before, stored = context_digest(context), config.model_dump_json()
    prices, copy = context.prices, context.prices.copy()
    first, second = plan(context, config), plan(context, config)
    assert first == second
    assert context_digest(context) == before == first.context_digest
    assert config.model_dump_json() == stored
    assert context.prices is prices
    assert np.array_equal(prices, copy, equal_nan=True)


def shuffled(entries: tuple[T, ...], random: Random) -> tuple[T, ...]:
    return tuple(random.sample(entries, len(entries)))


@settings(max_examples=12)
@given(portfolios(), st.randoms(use_true_random=False))
def test_the_order_of_entries_in_the_files_does_not_matter(
    portfolio: Portfolio, random: Random
) -> None:
    context = portfolio.context
    other = replace(
        context,
        lots=shuffled(context.lots, random),
        cash=shuffled(context.cash, random),
        cash_flows=shuffled(context.cash_flows, random),
        trades=shuffled(context.trades, random),
        pending_orders=shuffled(context.pending_orders, random),
    )
    one, two = plan(context, portfolio.config), plan(other, portfolio.config)
    assert one.outcome == two.outcome
    assert [(s.side, s.security) for s in one.steps] == [(s.side, s.security) for s in two.steps]
    for first, second in zip(one.steps, two.steps, strict=True):
        assert first.quantity == pytest.approx(second.quantity, rel=1e-9)
        assert first.tax == pytest.approx(second.tax, abs=1e-6)
        assert first.cash_after == pytest.approx(second.cash_after, abs=1e-6)


@pytest.mark.parametrize("lot_size", [1.0, 30.0])
def test_an_account_below_zero_is_repaired_when_the_turnover_is_used_up(lot_size: float) -> None:
    context = make_context(
        securities=make_securities(4, lot_size=lot_size),
        cash=-1_000.0,
        trades=(Trade(days_ago(10), "AAA", Side.BUY, 100.0, 100.0),),
    )
    result = plan(context, make_config(constraints={"position_weight_max": 1.0}))
    assert result.outcome is Outcome.PLANNED
    assert result.violation_after == 0
    assert result.cash_after is not None
    assert result.cash_after >= 0
