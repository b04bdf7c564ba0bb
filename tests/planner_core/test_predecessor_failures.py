"""Every way in which an earlier planner failed in practice, so that this one never does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner_core.errors import ContextError
from planner_core.model.plan import Outcome
from planner_core.model.records import CashBalance, LedgerStatus, PendingOrder, Side
from planner_core.planner import plan
from tests.builders import (
    constant_rate,
    days_ago,
    make_config,
    make_context,
    make_lot,
    make_securities,
    make_security,
    make_state,
    price_paths,
)
from tests.planner_core.reference import Proposal
from tests.planner_core.sample_plans import BUY, EAGER, SELL, plan_of_opportunities
from tests.planner_core.strategies import Portfolio, prepare, reference_of

COSTS = {"fixed_cost": 2.0, "cost_bps": 20.0, "half_spread_bps": 5.0, "fx_bps": 10.0}


def test_a_local_price_is_not_taken_for_base_currency() -> None:
    yen = make_security("JPN", currency="JPY", lot_size=1.0, target=0.1)
    context = make_context(
        securities=(yen, *make_securities(3)),
        last_prices=[15_000.0, 100.0, 100.0, 100.0],
        fx_rates={"JPY": constant_rate(0.006)},
        lots=(make_lot("JPN", 100.0, unit_cost=12_000.0, fx_rate=0.007),),
    )
    # 100 units at 15,000 JPY are 9,000 EUR, beside 10,000 EUR of cash.
    result = plan_of_opportunities(context, [("JPN", SELL, 5_000.0)], costs=COSTS)
    assert result.nav == pytest.approx(19_000.0)
    (step,) = result.steps
    assert (step.price, step.currency, step.fx_rate) == (15_000.0, "JPY", 0.006)
    assert step.quantity == pytest.approx(78, abs=2)  # 10 % of NAV are 21 units
    assert step.value == pytest.approx(step.quantity * 90.0)
    assert step.cost == pytest.approx(2 + step.value * 0.0035)
    assert result.cash_after == pytest.approx(10_000 + step.value * 0.9965 - 2)


def test_a_missing_fx_rate_is_an_error_and_never_one() -> None:
    securities = (make_security("USA", currency="USD"),)
    with pytest.raises(ContextError, match="no fx rate for USD"):
        make_context(securities=securities)
    with pytest.raises(ContextError, match="no fx rate for USD"):
        make_context(cash=(CashBalance("USD", 1_000.0),))
    rates = constant_rate(0.9)
    rates[-7:] = np.nan
    for context in (
        make_context(securities=securities, fx_rates={"USD": rates}),
        make_context(cash=(CashBalance("USD", 1_000.0),), fx_rates={"USD": rates}),
    ):
        result = plan(context, make_config())
        assert result.outcome is Outcome.HELD
        assert "USD rate" in result.reason
        assert result.nav is None


def test_newest_first_prices_are_refused() -> None:
    context = make_context()
    with pytest.raises(ContextError, match="oldest first"):
        replace(context, dates=context.dates[::-1].copy(), prices=context.prices[::-1].copy())


def test_a_holding_without_a_price_holds_the_plan_and_is_named() -> None:
    prices = price_paths(400, [100.0] * 4)
    prices[:, 1] = np.array([None] * 400, dtype=np.float64)
    result = plan(make_context(prices=prices), make_config())
    assert result.outcome is Outcome.HELD
    assert "no price for BBB" in result.reason
    assert not result.steps


def test_a_security_without_a_price_that_is_not_held_is_only_left_out() -> None:
    prices = price_paths(400, [100.0] * 4)
    prices[:, 1] = np.nan
    lots = tuple(make_lot(name) for name in ("AAA", "CCC", "DDD"))
    context = make_context(prices=prices, lots=lots)
    result = plan_of_opportunities(context, [("BBB", BUY, 2_000.0), ("AAA", SELL, 2_000.0)])
    assert result.outcome is not Outcome.HELD
    assert ("BBB", "it has no price") in {(r.security, r.reason) for r in result.rejected}
    assert result.nav == pytest.approx(40_000.0)


def test_the_lot_size_reaches_every_step() -> None:
    securities = make_securities(2, target=0.1, lot_size=30.0)
    context = make_context(securities=securities, cash=0.0)
    result = plan_of_opportunities(context, [("AAA", SELL, 7_000.0), ("BBB", SELL, 5_950.0)])
    # 80 units are above each target: a sell never crosses it.
    assert {s.security: s.quantity for s in result.steps} == {"AAA": 60.0, "BBB": 60.0}
    everything = plan(context, make_config(constraints={"turnover_max": 10.0}))
    assert everything.steps
    assert all(step.quantity % 30 == 0 for step in everything.steps)


def test_a_buy_never_comes_before_the_sell_that_pays_for_it() -> None:
    securities = (make_security("AAA", target=0.5), make_security("BBB", target=0.45))
    lots = (make_lot("AAA", 20.0), make_lot("BBB", 80.0))
    context = make_context(securities=securities, lots=lots, cash=100.0)
    opportunities = [("AAA", BUY, 3_000.0), ("BBB", SELL, 3_200.0)]
    result = plan_of_opportunities(context, opportunities)
    assert [step.side for step in result.steps] == [Side.SELL, Side.BUY]
    assert all(step.cash_after >= 0.005 * 10_100 for step in result.steps)


def test_the_reserve_is_never_spent() -> None:
    securities = (make_security("AAA", target=1.0),)
    context = make_context(securities=securities, lots=())
    opportunities = [("AAA", BUY, n * 100.0) for n in range(80, 101)]
    result = plan_of_opportunities(
        context, opportunities, constraints={"cash_reserve": 0.1}, costs=COSTS
    )
    # Without the reserve 99 units would do; with it 8,900 + costs of 24.25 is the most.
    assert [step.quantity for step in result.steps] == [89.0]
    assert result.cash_after is not None
    assert result.cash_after >= 1_000.0


def test_negative_cash_is_counted_in_every_currency_and_repaired() -> None:
    config = make_config(constraints={"position_weight_max": 0.5})
    context = make_context(
        cash=(CashBalance("EUR", 1_000.0), CashBalance("USD", -5_000.0)),
        fx_rates={"USD": constant_rate(0.9)},
    )
    result = plan(context, config)
    assert result.nav == pytest.approx(40_000 + 1_000 - 4_500)
    assert result.cash_before == pytest.approx(-3_500)
    assert result.outcome is Outcome.PLANNED
    assert result.steps[0].side is Side.SELL
    # The sells raise 3,500 and the reserve of 182.50.
    assert "Cash is 3,682 EUR below the reserve" in result.steps[0].reason
    assert result.cash_after is not None
    assert result.cash_after >= 0.005 * 36_500
    assert result.violation_before > 0 == result.violation_after


def test_the_holding_period_counts_per_lot_and_not_from_the_first_buy() -> None:
    lots = (
        make_lot("AAA", 40.0, acquired=days_ago(90)),
        make_lot("AAA", 60.0, acquired=days_ago(89)),
        make_lot("BBB", 100.0),
    )
    context = make_context(securities=make_securities(2, target=0.0), lots=lots)
    result = plan_of_opportunities(
        context,
        [("AAA", SELL, 10_000.0), ("BBB", SELL, 10_000.0)],
        constraints={"lot_age_min": 90},
    )
    assert {s.security: s.quantity for s in result.steps} == {"AAA": 40.0, "BBB": 100.0}


@pytest.mark.parametrize("status", [LedgerStatus.MISSING, LedgerStatus.INVALID])
def test_without_a_ledger_nothing_is_traded_because_cooldowns_could_not_be_kept(
    status: LedgerStatus,
) -> None:
    context = make_context(securities=make_securities(4, target=0.05))
    assert plan(context, make_config()).outcome is Outcome.PLANNED
    result = plan(replace(context, ledger_status=status), make_config())
    assert result.outcome is Outcome.HELD
    assert f"ledger is {status.value}" in result.reason
    assert not result.steps


def test_an_empty_ledger_means_never_traded() -> None:
    context = make_context(securities=make_securities(4, target=0.05), trades=())
    result = plan_of_opportunities(context, [("AAA", SELL, 5_000.0)])
    assert [step.security for step in result.steps] == ["AAA"]


@pytest.mark.parametrize("pending", [Side.BUY, Side.SELL])
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_no_second_order_while_one_is_pending(pending: Side, side: Side) -> None:
    target = 0.4 if side is Side.BUY else 0.0
    context = make_context(securities=make_securities(2, target=target))
    opportunities = [("AAA", side, 2_000.0), ("BBB", side, 2_000.0)]
    both = plan_of_opportunities(context, opportunities)
    assert sorted(step.security for step in both.steps) == ["AAA", "BBB"]
    waiting = replace(context, pending_orders=(PendingOrder("AAA", pending, 5.0),))
    result = plan_of_opportunities(waiting, opportunities)
    assert [step.security for step in result.steps] == ["BBB"]
    assert f"a {pending.value} order for it is pending" in {r.reason for r in result.rejected}


def test_what_a_pending_buy_will_take_is_not_spent_again() -> None:
    context = make_context(securities=make_securities(2, target=0.5), lots=())
    order = PendingOrder("AAA", Side.BUY, 60.0)
    opportunities = [("BBB", BUY, 5_000.0)]
    assert plan_of_opportunities(context, opportunities).steps
    assert not plan_of_opportunities(replace(context, pending_orders=(order,)), opportunities).steps


def test_a_young_security_does_not_shorten_the_history_of_the_others() -> None:
    prices = price_paths(400, [100.0] * 4)
    prices[:-10, 3] = np.nan
    state = make_state(make_context(prices=prices))
    alone = make_state(make_context(prices=prices[:, :3], securities=make_securities(3)))
    assert state.market.has_history.tolist() == [True, True, True, False]
    assert state.market.covariance[:3, :3] == pytest.approx(alone.market.covariance, rel=1e-9)


def test_calendars_without_a_day_in_common_do_not_stop_the_planner() -> None:
    prices = price_paths(900, [100.0] * 8)
    for column in range(8):
        prices[column:890:8, column] = np.nan
    assert np.isnan(prices[:890]).any(axis=1).all()
    securities = make_securities(8, target=0.12)
    lots = tuple(make_lot(name) for name in ("AAA", "BBB", "CCC"))
    context = make_context(prices=prices, securities=securities, lots=lots)
    state = make_state(context)
    assert state.market.has_history.sum() >= 4
    assert state.nav == pytest.approx(40_000.0)
    assert plan(context, make_config()).outcome is Outcome.PLANNED


def test_limits_are_checked_before_scoring_so_the_best_legal_plan_is_found() -> None:
    securities = tuple(make_security(n, target=t) for n, t in (("AAA", 0.05), ("BBB", 0.35)))
    context = make_context(securities=securities, last_prices=[100.0, 100.0])
    opportunities = [("AAA", SELL, n * 100.0) for n in (10, 20, 40, 80)]
    opportunities += [("BBB", BUY, n * 100.0) for n in (10, 20, 40)]
    free = plan_of_opportunities(context, opportunities)
    capped = plan_of_opportunities(context, opportunities, constraints={"turnover_max": 0.12})
    # 12 % of 30,000: the best of all is far beyond it, but what fits is still done.
    assert sum(step.value for step in free.steps) > 3_600
    assert 3_000 < sum(step.value for step in capped.steps) <= 3_600
    assert capped.outcome is Outcome.PLANNED
    limits = {**EAGER["constraints"], "turnover_max": 0.12}
    config = make_config(**{**EAGER, "constraints": limits})
    reference = reference_of(make_state(context, config))
    options = [
        Proposal(0 if name == "AAA" else 1, (-1 if side is SELL else 1) * notional / 100)
        for name, side, notional in opportunities
    ]
    best = reference.best_sets(options, 5)[0][1]
    assert capped.score is not None
    assert capped.score.after >= best.score - 1e-12


def test_no_more_is_sold_or_credited_than_is_held() -> None:
    context = make_context(securities=make_securities(2, target=0.0))
    result = plan_of_opportunities(context, [("AAA", SELL, 25_000.0)], costs={"fixed_cost": 2.0})
    (step,) = result.steps
    assert step.quantity == 100.0
    assert step.value == pytest.approx(10_000.0)
    assert result.cash_after == pytest.approx(10_000 + 10_000 - 2)
    assert step.weight_after == pytest.approx(0.0, abs=1e-12)


def test_costs_and_tax_leave_cash_and_nav() -> None:
    context = make_context(securities=make_securities(2, target=0.0))
    costs = {**COSTS, "tax_rate": 0.25, "tax_deferral_years": 1_000.0}
    result = plan_of_opportunities(
        context,
        [("AAA", SELL, 5_000.0)],
        costs=costs,
        objective={"invested_return_assumed": 0.04},
    )
    (step,) = result.steps
    assert step.cost == pytest.approx(2 + 0.0025 * step.value)
    assert step.tax == pytest.approx(0.25 * 20 * step.quantity)
    assert step.cash_after == pytest.approx(10_000 + step.value - step.cost - step.tax)
    assert result.nav_after == pytest.approx(30_000 - step.cost - step.tax)
    assert result.score is not None
    # A target of 0 does not drift: the score spreads costs and tax over five years.
    assert result.score.terms["cost"].after == pytest.approx(-step.cost / 5 / 30_000)
    assert result.score.terms["tax"].after == pytest.approx(-step.tax / 5 / 30_000)


def test_a_buy_that_cannot_be_paid_is_neither_a_step_nor_in_the_score() -> None:
    securities = make_securities(3, target=0.33, lot_size=33.0)
    context = make_context(securities=securities, lots=())
    result = plan_of_opportunities(
        context, [(s.id, BUY, 3_300.0 + i) for i, s in enumerate(securities)]
    )
    assert len(result.steps) == 3
    short = replace(context, cash=(CashBalance("EUR", 7_000.0),))
    result = plan_of_opportunities(
        short, [(s.id, BUY, 3_300.0 + i) for i, s in enumerate(securities)]
    )
    assert len(result.steps) == 2
    assert result.cash_after is not None
    assert result.cash_after >= 0.005 * 7_000
    config = make_config(**EAGER)
    reference = reference_of(make_state(short, config))
    verdict = reference.judge(
        [Proposal(reference.columns[s.security], s.quantity) for s in result.steps]
    )
    assert result.score is not None
    assert result.score.after == pytest.approx(verdict.score, abs=1e-12)
    # The third name stays away from its target, and the score says so.
    assert result.score.terms["drift"].after < -0.06 * 0.33


def test_names_that_are_not_held_can_be_bought() -> None:
    securities = (make_security("AAA", target=0.2), make_security("NEW", target=0.2, quality=0.9))
    context = make_context(securities=securities, lots=(make_lot("AAA", 20.0),))
    result = plan(context, make_config(constraints={"turnover_max": 1.0}))
    assert ("NEW", Side.BUY) in {(step.security, step.side) for step in result.steps}
    prepared = prepare(Portfolio(context, make_config()))
    assert any(proposal.security == 1 and proposal.is_buy for proposal in prepared.proposals)
