"""Hypothesis strategies for whole portfolios, with all that an owner may have."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from hypothesis import strategies as st

from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import (
    incumbent_actions,
    merged,
    size_opportunities,
    target_steps,
)
from planner_core.model.arrays import FloatArray
from planner_core.model.candidates import Candidates
from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Action
from planner_core.model.records import (
    CashBalance,
    CashFlow,
    GroupRule,
    Incumbent,
    IncumbentStep,
    PendingOrder,
    RefusedStep,
    Security,
    Side,
    TaxLot,
    Trade,
)
from planner_core.modules.module import ModuleKind
from planner_core.pipeline.candidate_stage import narrow
from planner_core.pipeline.isolation import ModuleRunner
from planner_core.pipeline.opportunity_stage import find_opportunities
from planner_core.search.evaluator import Evaluator
from tests.builders import AS_OF, days_ago, make_config, make_runtime, make_state, price_paths
from tests.builders import weekdays as market_days
from tests.planner_core.reference import Market, Proposal, Reference

RATES = {"USD": 0.9, "GBP": 1.2}
"""EUR per unit on the last day."""
INDUSTRIES = ("energy", "health", "tools")
N_DAYS = (80, 130, 300)


@dataclass(frozen=True)
class Portfolio:
    """A drawn context with its configuration."""

    context: PlanningContext
    config: PlannerConfig


def group_of(place: int) -> st.SearchStrategy[str | dict[str, float]]:
    """Draw a security's industry: mostly one, or the parts of a fund that need not sum to 1."""
    own, other = INDUSTRIES[place % 3], INDUSTRIES[(place + 1) % 3]
    return st.sampled_from([own, own, {own: 0.7, other: 0.2}, {own: 0.03}])


@st.composite
def securities(draw: st.DrawFn, n: int) -> tuple[Security, ...]:
    """Draw securities with targets that sum to at most 1; some have no target."""
    shares = draw(st.lists(st.none() | st.integers(0, 6), min_size=n, max_size=n))
    total = max(10, sum(share or 0 for share in shares))
    return tuple(
        Security(
            id=f"S{i}",
            name=f"S{i}",
            currency=draw(st.sampled_from(["EUR", "EUR", "USD", "GBP"])),
            lot_size=draw(st.sampled_from([1.0, 1.0, 5.0, 100.0])),
            min_trade_value=draw(st.sampled_from([0.0, 0.0, 1_000.0])),
            fractional=draw(st.sampled_from([False, False, True])),
            groups={} if draw(st.integers(0, 4)) == 0 else {"industry": draw(group_of(i))},
            allow_buy=draw(st.integers(0, 11)) != 7,
            allow_sell=draw(st.integers(0, 11)) != 7,
            quality=draw(st.sampled_from([None, 0.65, 0.9, 0.9])),
            half_spread_bps=draw(st.sampled_from([None, 0.0, 12.0])),
            adv_value=draw(st.sampled_from([None, 1e5, 1e7])),
            target=None if shares[i] is None else (shares[i] or 0) / total,
            cap=draw(st.sampled_from([None, None, None, None, 0.1, 0.3])),
            accrued=draw(st.sampled_from([None, None, None, 0.4])),
            diversified=draw(st.integers(0, 3)) == 3,
        )
        for i in range(n)
    )


@st.composite
def tax_lots(draw: st.DrawFn, security: Security, price: float) -> list[TaxLot]:
    """Draw no lots, or up to three of any age, at a gain or a loss."""
    rate = RATES.get(security.currency, 1.0)
    lots = []
    for _ in range(draw(st.sampled_from([1, 0, 1, 2, 3]))):
        value = draw(st.sampled_from([2_000, 300, 5_000, 12_000]))
        quantity = value / (price * rate)
        age = draw(st.sampled_from([900, 200, 90, 89, 45, 3, None]))
        lots.append(
            TaxLot(
                security=security.id,
                quantity=quantity if security.fractional else max(1.0, float(round(quantity))),
                unit_cost=price * draw(st.sampled_from([0.4, 0.7, 0.95, 1.1, 1.5])),
                fx_rate=rate * draw(st.sampled_from([0.9, 1.0, 1.1])) if rate != 1.0 else 1.0,
                acquired=None if age is None else days_ago(age),
            )
        )
    return lots


@st.composite
def cash_accounts(draw: st.DrawFn, holdings: float) -> tuple[CashBalance, ...]:
    """Draw cash from well below zero to far above, in one or two currencies, part unsettled."""
    share = draw(st.sampled_from([0.1, -0.2, -0.02, 0.004, 0.02, 0.3, 0.5, 1.0]))
    amount = max(share * holdings, -0.5 * holdings) if holdings else 30_000.0
    unsettled = draw(st.sampled_from([0.0, 0.0, 0.3, 1.0])) * amount
    accounts = [CashBalance("EUR", amount - unsettled, unsettled)]
    if draw(st.integers(0, 3)) == 0:
        accounts.append(CashBalance("USD", draw(st.sampled_from([-300.0, 500.0]))))
    return tuple(accounts)


@st.composite
def ledgers(draw: st.DrawFn, names: list[str], prices: list[float]) -> tuple[Trade, ...]:
    """Draw a few fills, some recent enough for cool-downs and turnover."""
    fills = []
    for _ in range(draw(st.integers(0, 3))):
        i = draw(st.integers(0, len(names) - 1))
        fills.append(
            Trade(
                on=days_ago(draw(st.sampled_from([0, 4, 29, 30, 31, 179, 180, 400]))),
                security=names[i],
                side=draw(st.sampled_from([Side.BUY, Side.SELL])),
                quantity=draw(st.integers(100, 3_000)) / prices[i],
                price=prices[i],
            )
        )
    return tuple(fills)


@st.composite
def contexts(draw: st.DrawFn, max_securities: int = 8) -> PlanningContext:
    """Draw a consistent snapshot."""
    n = draw(st.sampled_from([size for size in (4, 1, 2, 6, 8) if size <= max_securities]))
    members = draw(securities(n))
    last = draw(st.lists(st.sampled_from([0.8, 9.5, 47.0, 310.0]), min_size=n, max_size=n))
    n_days = draw(st.sampled_from(N_DAYS))
    seed = draw(st.integers(0, 2**16))
    lots = [lot for i in range(n) for lot in draw(tax_lots(members[i], last[i]))]
    worth = dict(zip((s.id for s in members), last, strict=True))
    rate = {s.id: RATES.get(s.currency, 1.0) for s in members}
    holdings = sum(lot.quantity * worth[lot.security] * rate[lot.security] for lot in lots)
    names = [s.id for s in members]
    return PlanningContext(
        bucket_id="drawn",
        as_of=AS_OF,
        base_currency="EUR",
        securities=members,
        dates=market_days(n_days),
        prices=price_paths(n_days, last, seed=seed, common=draw(st.sampled_from([0.1, 0.5, 0.95]))),
        fx_rates=rates(n_days, seed),
        lots=tuple(lots),
        cash=draw(cash_accounts(holdings)),
        cash_flows=draw(cash_flows(holdings)),
        trades=draw(ledgers(names, last)),
        pending_orders=draw(pending_orders(names)),
        group_rules=draw(group_rules()),
        refused=draw(refusals(names)),
        incumbent=draw(incumbents(names, last)),
        deposits_per_year=draw(st.sampled_from([0.0, 0.0, 0.0, 6_000.0])),
        **draw(new_money(holdings)),
    )


def rates(n_days: int, seed: int) -> dict[str, FloatArray]:
    """Return currency series that end at RATES."""
    paths = price_paths(n_days, list(RATES.values()), seed=seed + 1, drift=0.0, volatility=0.004)
    return {name: paths[:, i].copy() for i, name in enumerate(RATES)}


@st.composite
def new_money(draw: st.DrawFn, holdings: float) -> dict[str, Any]:
    """Draw what a saver asks, now and then: to invest an amount, or to sell nothing."""
    invest = draw(st.sampled_from([0.0] * 5 + [0.02])) * (holdings or 30_000.0)
    return {"invest": invest, "buy_only": draw(st.integers(0, 11)) == 7}


@st.composite
def cash_flows(draw: st.DrawFn, holdings: float) -> tuple[CashFlow, ...]:
    """Draw a deposit some days ago, a withdrawal some days ahead, both or neither."""
    scale = holdings or 30_000.0
    flows = []
    if draw(st.integers(0, 3)) == 0:
        flows.append(CashFlow(days_ago(draw(st.sampled_from([0, 29, 30]))), 0.15 * scale))
    if draw(st.integers(0, 3)) == 0:
        ahead = timedelta(days=draw(st.sampled_from([0, 30, 31])))
        flows.append(CashFlow(AS_OF + ahead, -draw(st.sampled_from([0.01, 0.1])) * scale))
    return tuple(flows)


@st.composite
def pending_orders(draw: st.DrawFn, names: list[str]) -> tuple[PendingOrder, ...]:
    """Draw no pending orders, rarely one or two."""
    return tuple(
        PendingOrder(
            security=draw(st.sampled_from(names)),
            side=draw(st.sampled_from([Side.BUY, Side.SELL])),
            quantity=draw(st.sampled_from([1.0, 7.0])),
            limit_price=draw(st.sampled_from([None, 20.0])),
        )
        for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2])))
    )


@st.composite
def refusals(draw: st.DrawFn, names: list[str]) -> tuple[RefusedStep, ...]:
    """Draw no refused step, rarely one that ends today or tomorrow."""
    return tuple(
        RefusedStep(
            security=draw(st.sampled_from(names)),
            side=draw(st.sampled_from([Side.BUY, Side.SELL])),
            until=AS_OF + timedelta(days=draw(st.sampled_from([0, 1]))),
        )
        for _ in range(draw(st.sampled_from([0, 0, 0, 1])))
    )


@st.composite
def incumbents(draw: st.DrawFn, names: list[str], prices: list[float]) -> Incumbent | None:
    """Draw no accepted plan, or now and then one whose steps may not fit any more."""
    if draw(st.integers(0, 3)) != 3:
        return None
    chosen = draw(st.lists(st.integers(0, len(names) - 1), min_size=1, max_size=3, unique=True))
    return Incumbent(
        trace_id="accepted",
        valid_until=AS_OF + timedelta(days=draw(st.sampled_from([3, 0, -1]))),
        steps=tuple(
            IncumbentStep(
                security=names[i],
                side=draw(st.sampled_from([Side.SELL, Side.BUY])),
                quantity=float(
                    max(1, round(draw(st.sampled_from([500, 3_000, 20_000])) / prices[i]))
                ),
            )
            for i in chosen
        ),
    )


@st.composite
def group_rules(draw: st.DrawFn) -> tuple[GroupRule, ...]:
    """Draw targets and caps of some industries."""
    return tuple(
        GroupRule(
            "industry",
            name,
            target=draw(st.sampled_from([None, 0.1, 0.3])),
            cap=draw(st.sampled_from([None, 0.25, 0.5, 0.8])),
        )
        for name in INDUSTRIES
        if draw(st.booleans())
    )


@st.composite
def objectives(draw: st.DrawFn) -> dict[str, float]:
    """Draw some keys of the objective; those that are left out have the default in force."""
    keys = {
        "opinion": [0.0, 0.5, 1.0],
        "tracking_aversion": [80.0, 0.0, 1_000.0],
        "drift_penalty": [0.002, 0.0, 0.3],
        "invested_return_assumed": [0.04, 0.0],
        "concentration_penalty": [0.15, 0.0],
        "tail_risk_penalty": [0.25, 0.0, 2.0],
        "turnover_penalty": [0.001, 0.0],
    }
    written = draw(st.lists(st.sampled_from(sorted(keys)), max_size=4, unique=True))
    return {key: draw(st.sampled_from(keys[key])) for key in written}


@st.composite
def configs(draw: st.DrawFn, *, multi_currency: bool = False) -> PlannerConfig:
    """Draw a configuration: all settings that change what is legal or how it scores."""
    windows_min, windows_max = draw(st.sampled_from([(40, 50), (40, 113), (200, 200)]))
    document: dict[str, Any] = {
        "max_plan_depth": draw(st.integers(1, 5)),
        "objective": draw(objectives()),
        "estimation": {
            "history_days_min": 60,
            "tail_windows_min": windows_min,
            "tail_windows_max": windows_max,
        },
        "costs": {
            "fixed_cost": draw(st.sampled_from([0.0, 2.0])),
            "tax_rate": draw(st.sampled_from([0.0, 0.25])),
            "tax_lots": draw(st.sampled_from(["hifo", "fifo"])),
            "loss_offset": draw(st.booleans()),
        },
        "constraints": {
            "cash_reserve": draw(st.sampled_from([0.0, 0.005, 0.05])),
            "lot_age_min": draw(st.sampled_from([0, 90, 90])),
            "turnover_max": draw(st.sampled_from([0.2, 0.03, 1.0, 10.0])),
            "min_trade_value": draw(st.sampled_from([400.0, 0.0, 0.0])),
            "multi_currency": multi_currency,
            "settled_cash_only": draw(st.sampled_from([False, False, True])),
            **draw(
                st.sampled_from([{"position_weight_max": cap} for cap in (0.4, 0.15, 1.0)] + [{}])
            ),
        },
        "opportunity_calculators": {"tax_loss_harvest": draw(st.booleans())},
    }
    return make_config(**document)


@st.composite
def portfolios(
    draw: st.DrawFn, max_securities: int = 8, *, multi_currency: bool = False
) -> Portfolio:
    """Draw a context and a configuration."""
    return Portfolio(draw(contexts(max_securities)), draw(configs(multi_currency=multi_currency)))


@dataclass(frozen=True)
class Prepared:
    """A portfolio just before the search, with its reference."""

    state: PlanningState
    evaluator: Evaluator
    reference: Reference
    proposals: tuple[Proposal, ...]

    @property
    def candidates(self) -> Candidates:
        return self.evaluator.candidates


def prepare(portfolio: Portfolio, at_most: int | None = None) -> Prepared:
    """Run the pipeline up to the evaluator; `at_most` thins the candidates out evenly."""
    state = make_state(portfolio.context, portfolio.config)
    runner = ModuleRunner(make_runtime())
    opportunities, _ = find_opportunities(state, runner)
    actions, _ = size_opportunities(opportunities, state)
    actions = merged([*actions, *target_steps(state), *incumbent_actions(state)])
    if at_most is not None and len(actions) > at_most:
        actions = [actions[i] for i in np.linspace(0, len(actions) - 1, at_most).astype(int)]
    candidates, _ = narrow(actions, state, runner)
    assert not runner.failed([a.key for a in runner.attempts if a.status.value != "disabled"])
    return Prepared(
        state=state,
        evaluator=Evaluator(state, candidates),
        reference=reference_of(state),
        proposals=tuple(map(proposal_of, candidates.actions)),
    )


def reference_of(state: PlanningState) -> Reference:
    """Return the slow reference, with the estimates of the state."""
    filters = state.config.enabled(ModuleKind.FILTER)
    limit = getattr(filters.get("correlation_aware"), "correlation_max", float("inf"))
    market = Market(
        price=state.history.price.tolist(),
        rate=state.history.fx_rate.tolist(),
        mu=state.market.mu.tolist(),
        covariance=state.market.covariance.tolist(),
        scenarios=state.market.scenarios.tolist(),
        daily_volatility=state.market.daily_volatility.tolist(),
        has_history=state.market.has_history.tolist(),
        correlation_max=limit,
    )
    return Reference(state.context, state.config, market)


def proposal_of(action: Action) -> Proposal:
    """Return an action as a proposal of the reference."""
    return Proposal(action.security, action.quantity, action.mandatory, action.temporary)
