"""Where numbers go wrong: each is a typed outcome, without a warning and without a NaN."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from planner_core.market.state import PlanningState
from planner_core.model.arrays import FloatArray
from planner_core.model.context import PlanningContext
from planner_core.model.plan import ModuleStatus, Opportunity, Outcome, Plan
from planner_core.model.records import CashBalance, Side
from planner_core.modules.module import ModuleKind
from planner_core.planner import plan
from tests.builders import (
    Recorder,
    make_config,
    make_context,
    make_lot,
    make_runtime,
    make_securities,
    make_security,
    make_state,
    only,
    price_paths,
    stub_calculator,
)
from tests.planner_core.sample_plans import BUY, EAGER, SELL, plan_of_opportunities


def numbers(thing: object, path: str = "plan") -> Iterator[tuple[str, float]]:
    """Every float anywhere in a plan, with the way to it."""
    if isinstance(thing, float | np.floating):
        yield path, float(thing)
    elif is_dataclass(thing) and not isinstance(thing, type):
        for field in fields(thing):
            yield from numbers(getattr(thing, field.name), f"{path}.{field.name}")
    elif isinstance(thing, Mapping):
        for key, value in thing.items():
            yield from numbers(value, f"{path}[{key}]")
    elif isinstance(thing, tuple | list):
        for i, value in enumerate(thing):
            yield from numbers(value, f"{path}[{i}]")


def sound(result: Plan) -> Plan:
    """The plan, once it is certain that all of it is finite and that no module failed."""
    odd = [(path, number) for path, number in numbers(result) if not math.isfinite(number)]
    assert not odd
    fine = (ModuleStatus.OK, ModuleStatus.DISABLED)
    assert not [a for a in result.modules if a.status not in fine]
    assert "nan" not in " ".join([result.reason, *(step.reason for step in result.steps)]).split()
    return result


def sound_plan(context: PlanningContext, **overrides: Any) -> Plan:  # noqa: ANN401 - TOML keys
    return sound(plan(context, make_config(**overrides)))


def with_paths(prices: FloatArray, **overrides: Any) -> PlanningContext:  # noqa: ANN401 - fields
    securities = overrides.pop("securities", make_securities(prices.shape[1], target=0.1))
    return make_context(prices=prices, securities=securities, **overrides)


# -- estimates ------------------------------------------------------------------------------------


def test_two_securities_with_the_same_prices() -> None:
    path = price_paths(400, [100.0])
    result = sound_plan(with_paths(np.hstack([path, path, price_paths(400, [100.0], seed=9)])))
    assert result.outcome is Outcome.PLANNED


@pytest.mark.parametrize("flat", [1, 4])
def test_prices_that_never_move(flat: int) -> None:
    prices = np.array(price_paths(400, [100.0] * 4))
    prices[:, :flat] = 100.0
    result = sound_plan(with_paths(prices))
    assert result.outcome in (Outcome.PLANNED, Outcome.NOTHING_TO_DO)
    if flat == 4:
        assert result.metrics_before["volatility"] == pytest.approx(0.0, abs=1e-9)
        assert result.metrics_before["sharpe"] == pytest.approx(0.0, abs=1e-9)


def test_fewer_days_than_securities() -> None:
    securities = make_securities(80, target=1 / 80)
    lots = tuple(make_lot(security.id, 200.0) for security in securities[:40])
    context = with_paths(price_paths(65, [100.0] * 80), securities=securities, lots=lots)
    result = sound_plan(context, estimation={"history_days_min": 60})
    assert result.outcome is Outcome.PLANNED
    covariance = make_state(
        context, make_config(estimation={"history_days_min": 60})
    ).market.covariance
    assert np.linalg.eigvalsh(covariance).min() > 0


@pytest.mark.parametrize("n_days", [0, 1, 2, 21, 22, 63])
def test_hardly_any_history(n_days: int) -> None:
    context = with_paths(price_paths(400, [100.0] * 4)[400 - n_days :])
    result = sound_plan(context)
    if n_days == 0:
        assert result.outcome is Outcome.HELD
        assert "no price" in result.reason
    else:
        # Nobody can judge a buy, but caps and targets can still be sold towards.
        assert all(step.side is Side.SELL for step in result.steps)


def test_no_history_at_all_and_nothing_held() -> None:
    context = with_paths(np.empty((0, 4)), lots=())
    result = sound_plan(context)
    assert result.outcome is Outcome.HELD
    assert "close" in result.reason


def test_prices_from_a_millionth_to_a_million() -> None:
    last = [1e-6, 1.0, 1e6]
    lots = tuple(
        make_lot(name, 10_000 / price, unit_cost=price)
        for name, price in zip(("AAA", "BBB", "CCC"), last, strict=True)
    )
    securities = make_securities(3, target=0.3, fractional=True)
    result = sound_plan(make_context(securities=securities, last_prices=last, lots=lots))
    assert result.nav == pytest.approx(40_000.0)


# -- sizes of the bucket --------------------------------------------------------------------------


@pytest.mark.parametrize("target", [None, 0.0, 0.5, 1.0])
@pytest.mark.parametrize("cash", [-3_000.0, 0.0, 10_000.0])
def test_one_security(target: float | None, cash: float) -> None:
    securities = (make_security("AAA", target=target),)
    result = sound_plan(make_context(securities=securities, cash=cash))
    assert result.violation_after <= result.violation_before
    # All of it in the security is on target, too: the default reserve forces no sell there.
    on_target = (target, cash) in {(0.5, 10_000.0), (1.0, 0.0)}
    assert result.outcome is (Outcome.NOTHING_TO_DO if on_target else Outcome.PLANNED)


def test_a_bucket_of_nothing_is_held() -> None:
    result = sound_plan(make_context(lots=(), cash=0.0))
    assert result.outcome is Outcome.HELD
    assert result.nav == 0.0
    assert "is worth 0.00 EUR" in result.reason


def test_a_bucket_in_debt_is_held() -> None:
    result = sound_plan(make_context(cash=-40_000.01))
    assert result.outcome is Outcome.HELD


@pytest.mark.parametrize("nav", [1e-12, 1e-6, 0.01, 1.0, 100.0])
def test_a_bucket_of_next_to_nothing(nav: float) -> None:
    result = sound_plan(make_context(lots=(), cash=nav))
    assert result.outcome is Outcome.NOTHING_TO_DO
    result = sound_plan(make_context(cash=-40_000.0 + nav))
    assert result.outcome is (Outcome.PLANNED if nav >= 100 else Outcome.HELD)
    if result.outcome is Outcome.HELD:
        assert "debt leaves" in result.reason or "is worth 0.00" in result.reason
    else:
        assert result.violation_after < result.violation_before


@pytest.mark.parametrize("scale", [1e6, 1e12])
def test_a_bucket_of_more_than_there_is(scale: float) -> None:
    securities = make_securities(4, target=0.15)
    lots = tuple(make_lot(s.id, 100.0 * scale) for s in securities)
    result = sound_plan(make_context(securities=securities, lots=lots, cash=10_000.0 * scale))
    assert result.outcome is Outcome.PLANNED
    assert result.nav == pytest.approx(50_000.0 * scale)


def test_all_cash_can_be_invested() -> None:
    securities = make_securities(4, target=0.25, quality=0.9)
    result = sound_plan(make_context(securities=securities, lots=(), seed=3))
    assert result.outcome is Outcome.PLANNED
    assert all(step.side is Side.BUY for step in result.steps)
    assert result.metrics_before["effective_n"] == 0.0


def test_everything_invested_and_not_a_cent_of_cash() -> None:
    securities = make_securities(4, target=0.2)
    result = sound_plan(make_context(securities=securities, cash=0.0))
    assert result.outcome is Outcome.PLANNED
    assert result.cash_after is not None
    assert result.cash_after >= 0.005 * 40_000


def test_everything_held_and_nothing_allowed() -> None:
    securities = make_securities(4, target=0.05, allow_buy=False, allow_sell=False)
    result = sound_plan(make_context(securities=securities))
    assert result.outcome is Outcome.NOTHING_TO_DO
    assert result.n_candidates == 0
    assert result.rejected


def test_everything_above_its_cap_and_nothing_allowed() -> None:
    securities = make_securities(4, target=0.05, cap=0.1, allow_buy=False, allow_sell=False)
    result = sound_plan(make_context(securities=securities))
    assert result.outcome is Outcome.NOTHING_TO_DO
    assert result.violation_after == result.violation_before == pytest.approx(0.4)
    assert "limit_violated" in {finding.id for finding in result.findings}


# -- lots -----------------------------------------------------------------------------------------


def test_a_lot_larger_than_the_bucket() -> None:
    securities = make_securities(4, target=0.1, lot_size=1e9)
    result = sound_plan(make_context(securities=securities))
    assert result.outcome is Outcome.NOTHING_TO_DO
    assert "it is less than one lot" in {r.reason for r in result.rejected}


def test_a_lot_of_next_to_nothing() -> None:
    securities = make_securities(4, target=0.1, lot_size=1e-9)
    result = sound_plan(make_context(securities=securities))
    assert result.outcome is Outcome.PLANNED
    assert all(step.quantity <= 100.0 for step in result.steps)


def test_fractional_shares_sell_to_the_last_millionth() -> None:
    securities = make_securities(2, target=0.0, fractional=True)
    lots = (make_lot("AAA", 33.333333), make_lot("BBB", 1e-7))
    context = make_context(securities=securities, lots=lots)
    result = sound(plan_of_opportunities(context, [("AAA", SELL, 1e6), ("BBB", SELL, 1e6)]))
    (step,) = result.steps
    assert step.quantity == pytest.approx(33.333333, abs=1e-9)
    assert step.quantity <= 33.333333
    assert step.weight_after >= -1e-12


def test_a_holding_that_is_no_whole_number_of_lots_keeps_the_rest() -> None:
    securities = make_securities(1, target=0.0, lot_size=10.0)
    context = make_context(securities=securities, lots=(make_lot("AAA", 105.5),))
    (step,) = sound(plan_of_opportunities(context, [("AAA", SELL, 1e6)])).steps
    assert step.quantity == 100.0


def test_lots_bought_for_nothing_and_lots_of_every_size() -> None:
    lots = tuple(make_lot("AAA", 10.0**i, unit_cost=0.0) for i in range(-6, 3))
    securities = make_securities(1, target=0.0)
    context = make_context(securities=securities, lots=lots)
    result = sound_plan(context, costs={"tax_rate": 0.3}, constraints={"turnover_max": 10.0})
    assert result.outcome is Outcome.PLANNED
    step = result.steps[0]
    assert step.tax == pytest.approx(0.3 * step.value)


# -- candidates -----------------------------------------------------------------------------------


def test_no_calculator_at_all() -> None:
    result = sound_plan(make_context(), **only() | {"filters": {}})
    assert result.outcome is Outcome.NOTHING_TO_DO
    assert (result.n_candidates, result.n_sequences) == (0, 1)


def test_calculators_that_find_nothing_leave_every_other_module_working() -> None:
    runtime = make_runtime(stub_calculator(lambda _: []))
    sections = only(runtime.registries, opportunity_calculators={"stub": True})
    for kind in (ModuleKind.PATTERN, ModuleKind.SEQUENCE, ModuleKind.FILTER):
        del sections[kind.value]
    result = sound(plan(make_context(), make_config(runtime.registries, **sections), runtime))
    assert result.outcome is Outcome.NOTHING_TO_DO
    assert result.n_candidates == 0


def test_the_same_opportunity_many_times_is_one_candidate() -> None:
    context = make_context(securities=make_securities(4, target=0.1))
    once = plan_of_opportunities(context, [("AAA", SELL, 5_000.0)])
    nearly_equal = [("AAA", SELL, 5_000.0 + i / 1e3) for i in range(50)]
    often = sound(plan_of_opportunities(context, nearly_equal))
    assert once == often


def searched(context: PlanningContext, candidates_max: int) -> tuple[Plan, int]:
    """A plan under a bound, and how many candidates were searched for it."""
    recorder = Recorder()
    config = make_config(search={"candidates_max": candidates_max})
    result = sound(plan(context, config, make_runtime(recorder=recorder)))
    return result, int(recorder.of("CandidatesPrepared")[0]["n_candidates"])


@pytest.mark.parametrize("candidates_max", [1, 2, 7])
def test_candidates_far_above_the_bound(candidates_max: int) -> None:
    context = make_context(securities=make_securities(12, target=0.01))
    result, n_searched = searched(context, candidates_max)
    _, n_every = searched(context, 2_048)
    assert n_searched == candidates_max < n_every
    assert result.outcome is Outcome.PLANNED
    bound = [r for r in result.rejected if "search.candidates_max" in r.reason]
    assert len(bound) == n_every - candidates_max


def test_the_bound_on_candidates_never_crowds_out_a_repair() -> None:
    # The best trade by its score alone is a buy; what repairs the cash makes the score worse.
    securities = (make_security("AAA"), make_security("NEW", target=0.6, quality=0.9))
    context = make_context(securities=securities, lots=(make_lot("AAA"),), cash=-2_000.0)
    document = {**EAGER, "costs": {}, "search": {"candidates_max": 1}}
    recorder = Recorder()
    result = sound(plan(context, make_config(**document), make_runtime(recorder=recorder)))
    assert recorder.of("CandidatesPrepared")[0]["n_candidates"] == 1
    assert result.violation_after == 0 < result.violation_before
    assert result.cash_after is not None
    assert result.cash_after >= 0.005 * 8_000


def test_a_plugin_that_finds_thousands_does_not_exhaust_memory() -> None:
    def calculate(_state: PlanningState) -> list[Opportunity]:
        return [Opportunity(i % 4, Side.SELL, 400.0 + i * 0.4, f"sell {i}") for i in range(20_000)]

    runtime = make_runtime(stub_calculator(calculate))
    securities = make_securities(4, target=0.0, fractional=True)
    document = {"max_plan_depth": 2, "search": {"candidates_max": 200}}
    result = plan(
        make_context(securities=securities), make_config(runtime.registries, **document), runtime
    )
    assert sound(result).outcome is Outcome.PLANNED
    bound = [r for r in result.rejected if "search.candidates_max" in r.reason]
    assert len(bound) > 19_000


def test_a_deep_plan_over_few_candidates() -> None:
    context = make_context(securities=make_securities(3, target=0.1))
    result = sound(plan_of_opportunities(context, [("AAA", SELL, 1_000.0)], max_plan_depth=10))
    assert len(result.steps) == 1


def test_buys_and_sells_of_the_same_security_never_meet_in_a_plan() -> None:
    context = make_context(securities=make_securities(1, target=0.8))
    result = sound(plan_of_opportunities(context, [("AAA", SELL, 2_000.0), ("AAA", BUY, 2_000.0)]))
    assert len(result.steps) == 1


def test_five_hundred_securities() -> None:
    n = 500
    securities = tuple(
        replace(s, quality=0.8, target=1 / n, groups={"industry": f"i{i % 11}"})
        for i, s in enumerate(make_securities(n))
    )
    lots = tuple(make_lot(s.id, 10.0 + i % 30) for i, s in enumerate(securities[:200]))
    context = make_context(
        securities=securities,
        prices=price_paths(300, [50.0 + i % 70 for i in range(n)], volatility=0.015),
        lots=lots,
        cash=(CashBalance("EUR", 60_000.0),),
    )
    result = sound_plan(context)
    assert result.outcome is Outcome.PLANNED
    assert result.n_candidates > n / 2
    assert len(result.steps) <= 5
