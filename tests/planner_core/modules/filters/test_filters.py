"""The four filters by hand, and that what they narrow is never what a limit demands."""

# ruff: noqa: ANN401 - overrides are of any type

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from planner_core.market.state import PlanningState
from planner_core.model.candidates import Candidates
from planner_core.model.records import Incumbent, IncumbentStep, Side, Trade
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.filters.correlation_aware import (
    CorrelationAware,
    CorrelationAwareParameters,
)
from planner_core.modules.filters.diversity import Diversity, DiversityParameters
from planner_core.modules.filters.eligibility import Eligibility, EligibilityParameters
from planner_core.modules.filters.recently_traded import RecentlyTraded, RecentlyTradedParameters
from planner_core.modules.module import ModuleKind
from planner_core.pipeline.candidate_stage import best_per_security, narrow
from planner_core.pipeline.isolation import ModuleRunner
from planner_core.planner import plan
from tests.builders import (
    days_ago,
    make_action,
    make_candidates,
    make_config,
    make_context,
    make_runtime,
    make_security,
    make_state,
    stub_filter,
)
from tests.planner_core.odd_states import with_market

SECURITIES = (
    make_security("AAA", quality=0.8, groups={"industry": "energy"}),
    make_security("BBB", quality=0.4, groups={"industry": "health"}),
    make_security("CCC", groups={"industry": "arms", "country": "energy"}),
    make_security("DDD", quality=0.6),
)


def candidates_of(state: PlanningState, *trades: tuple[str, float]) -> Candidates:
    return make_candidates(state, [make_action(state, name, n) for name, n in trades])


BUYS = tuple((name, 5.0) for name in ("AAA", "BBB", "CCC", "DDD"))
SELLS = tuple((name, -5.0) for name in ("AAA", "BBB", "CCC", "DDD"))


# -- eligibility --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "rejected"),
    [
        ({}, {}),
        ({"quality_min": 0.6}, {1: "its quality 0.40 is below 0.60"}),
        (
            {"quality_min": 0.61},
            {1: "its quality 0.40 is below 0.61", 3: "its quality 0.60 is below 0.61"},
        ),
        ({"excluded": ["CCC", "ZZZ"]}, {2: "it is excluded"}),
        (
            {"excluded_groups": ["energy"]},
            {0: "its group is excluded", 2: "its group is excluded"},
        ),
        ({"price_min": 100.0}, {}),
        ({"price_min": 100.5}, dict.fromkeys(range(4), "its price is below 100.5")),
    ],
)
def test_only_buys_that_the_owner_admits(
    parameters: dict[str, Any], rejected: dict[int, str]
) -> None:
    state = make_state(make_context(securities=SECURITIES))
    candidates = candidates_of(state, *BUYS, *SELLS)
    settings = EligibilityParameters.model_validate(parameters)
    assert Eligibility().reject(candidates, state, settings) == rejected


# -- recently_traded ----------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "rejected"), [(0, True), (4, True), (5, False)])
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_security_is_left_alone_for_some_days_in_both_directions(
    days: int, side: Side, rejected: bool
) -> None:
    context = make_context(trades=(Trade(days_ago(days), "AAA", side, 1, 100.0),))
    state = make_state(context)
    candidates = candidates_of(state, ("AAA", 5), ("AAA", -5), ("BBB", 5))
    rejections = RecentlyTraded().reject(candidates, state, RecentlyTradedParameters())
    assert rejections == (
        dict.fromkeys((0, 1), "traded today" if days == 0 else f"traded {days} days ago")
        if rejected
        else {}
    )


def test_the_latest_of_several_trades_counts_and_mandatory_sells_survive() -> None:
    trades = (
        Trade(days_ago(1), "AAA", Side.BUY, 1, 100.0),
        Trade(days_ago(50), "AAA", Side.BUY, 1, 100.0),
    )
    state = make_state(make_context(trades=trades))
    actions = [make_action(state, "AAA", -5), make_action(state, "AAA", -6, mandatory=True)]
    rejections = RecentlyTraded().reject(
        make_candidates(state, actions), state, RecentlyTradedParameters()
    )
    assert rejections == {0: "traded 1 day ago"}


def test_an_accepted_step_that_was_filled_in_part_is_not_kept_quiet_by_its_own_fills() -> None:
    fill = Trade(days_ago(1), "AAA", Side.SELL, 1, 100.0)
    remaining = (IncumbentStep("AAA", Side.SELL, 7.0), IncumbentStep("CCC", Side.BUY, 5.0))
    trades = (fill, Trade(days_ago(1), "CCC", Side.SELL, 1, 100.0))
    for days, rejected in ((0, {1, 2}), (1, {0, 1, 2})):
        incumbent = Incumbent("trace-0", days_ago(days), remaining)
        state = make_state(make_context(trades=trades, incumbent=incumbent))
        candidates = candidates_of(state, ("AAA", -5), ("AAA", 5), ("CCC", 5), ("BBB", 5))
        rejections = RecentlyTraded().reject(candidates, state, RecentlyTradedParameters())
        assert set(rejections) == rejected
    both = (fill, Trade(days_ago(3), "AAA", Side.BUY, 1, 100.0))
    accepted = Incumbent("trace-0", days_ago(0), remaining)
    state = make_state(make_context(trades=both, incumbent=accepted))
    candidates = candidates_of(state, ("AAA", -5))
    rejections = RecentlyTraded().reject(candidates, state, RecentlyTradedParameters())
    assert rejections == {0: "traded 3 days ago"}, "a buy meanwhile is not a fill of the step"


# -- correlation_aware --------------------------------------------------------------------------


def correlated(correlation: float) -> PlanningState:
    """AAA and BBB with the given correlation, all others independent."""
    covariance = np.diag([0.04, 0.09, 0.01, 0.0])
    covariance[0, 1] = covariance[1, 0] = correlation * 0.2 * 0.3
    return with_market(make_state(), covariance=covariance)


@pytest.mark.parametrize(("correlation", "excluded"), [(0.69, False), (0.71, True), (-0.9, False)])
def test_two_buys_that_are_nearly_the_same_bet_exclude_each_other(
    correlation: float, excluded: bool
) -> None:
    state = correlated(correlation)
    candidates = candidates_of(state, *BUYS)
    conflicts = CorrelationAware().conflicts(candidates, state, CorrelationAwareParameters())
    assert conflicts[0, 1] == conflicts[1, 0] == excluded
    assert conflicts.sum() == (2 if excluded else 0)


def test_swapping_one_for_the_other_stays_allowed_and_so_do_two_sells() -> None:
    state = correlated(0.99)
    candidates = candidates_of(state, ("AAA", -5), ("BBB", 5), ("BBB", -5), ("AAA", 5), ("AAA", 6))
    conflicts = CorrelationAware().conflicts(candidates, state, CorrelationAwareParameters())
    pairs = {(int(i), int(j)) for i, j in np.argwhere(conflicts) if i < j}
    assert pairs == {(1, 3), (1, 4)}


def test_a_limit_of_one_switches_it_off() -> None:
    state = correlated(1.0)
    candidates = candidates_of(state, *BUYS)
    off = CorrelationAwareParameters(correlation_max=1.0)
    assert not CorrelationAware().conflicts(candidates, state, off).any()


# -- diversity ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ranked", "limit", "overlap_max", "picked"),
    [
        ([(0, 1), (0, 1, 2), (3,), (3, 4), (5, 6)], 3, 0.5, [(3,), (3, 4), (5, 6)]),
        ([(0, 1), (0, 1, 2), (3,), (3, 4), (5, 6)], 3, 0.4, [(3,), (5, 6)]),
        ([(0, 1), (0, 1, 2), (3,)], 3, 0.7, [(0, 1, 2), (3,)]),  # two of three: 0.667
        ([(0, 1), (0, 1, 2), (3,)], 1, 1.0, [(0, 1, 2)]),
        ([(0,), (0, 1), (1,)], 3, 0.0, [(1,)]),
        ([(), (0,), (1,)], 3, 0.0, [(0,), (1,)]),
        ([(0, 1)], 3, 0.5, []),
        ([(0, 1), (2,)], 0, 0.5, []),
    ],
)
def test_alternatives_differ_from_the_best_and_from_each_other(
    ranked: list[tuple[int, ...]], limit: int, overlap_max: float, picked: list[tuple[int, ...]]
) -> None:
    parameters = DiversityParameters(overlap_max=overlap_max)
    assert list(Diversity().select_alternatives(ranked, limit, parameters)) == picked


# -- narrowing ----------------------------------------------------------------------------------


def narrowed(state: PlanningState, actions: list[Any], **filters: Any) -> tuple[Candidates, Any]:
    runtime = make_runtime(*filters.pop("modules", ()))
    return narrow(actions, state, ModuleRunner(runtime))


def test_no_filter_drops_what_is_mandatory() -> None:
    grim = stub_filter(reject=lambda candidates: dict.fromkeys(range(candidates.n), "no"))
    registries = builtin_registries().copy()
    registries.register(grim)
    state = make_state(config=make_config(registries))
    actions = [
        make_action(state, "AAA", 5),
        make_action(state, "AAA", -5, mandatory=True),
        make_action(state, "BBB", -5),
    ]
    candidates, rejections = narrowed(state, actions, modules=(grim,))
    assert [action.mandatory for action in candidates.actions] == [True]
    assert [(r.security, r.reason) for r in rejections] == [
        ("AAA", "no (filters.stub)"),
        ("BBB", "no (filters.stub)"),
    ]


def test_filters_that_are_off_are_not_called() -> None:
    config = make_config(filters=dict.fromkeys(builtin_registries().filters.names, False))
    assert not config.enabled(ModuleKind.FILTER)
    state = make_state(
        make_context(trades=(Trade(days_ago(1), "AAA", Side.BUY, 1, 100.0),)), config
    )
    candidates, rejections = narrowed(state, [make_action(state, "AAA", -5)])
    assert (candidates.n, rejections) == (1, [])


def test_the_bound_keeps_what_is_mandatory_then_each_securitys_best() -> None:
    state = make_state()
    names = ("AAA", "AAA", "AAA", "BBB", "BBB", "CCC")
    actions = [make_action(state, name, -5 - place) for place, name in enumerate(names)]
    gain = np.array([5.0, 4.0, 3.0, 1.0, 2.0, 0.5])
    assert best_per_security(range(6), actions, gain, 6) == [0, 1, 2, 3, 4, 5]
    assert best_per_security(range(6), actions, gain, 3) == [0, 4, 5]
    assert best_per_security(range(6), actions, gain, 4) == [0, 1, 4, 5]
    assert best_per_security([], actions, gain, 1) == []
    repair = make_action(state, "AAA", -9, mandatory=True)
    # The repair is the first of AAA: its best other one waits for the second round.
    assert best_per_security(range(7), [*actions, repair], np.append(gain, -9.0), 3) == [4, 5, 6]


def test_when_no_alternative_differs_enough_none_is_reported() -> None:
    runtime = make_runtime(stub_filter(select=lambda _: []))
    config = make_config(runtime.registries, filters={"diversity": False}, max_plan_depth=2)
    result = plan(make_context(n_days=300), config, runtime)
    assert result.steps
    assert result.alternatives == ()


def test_a_filter_without_an_opinion_leaves_the_alternatives_in_rank_order() -> None:
    config = make_config(filters={"diversity": False}, max_plan_depth=2, search={"alternatives": 2})
    result = plan(make_context(n_days=300), config, make_runtime())
    gains = [alternative.gain for alternative in result.alternatives]
    assert len(gains) == 2
    assert gains == sorted(gains, reverse=True)


def test_a_fund_with_a_part_in_an_excluded_group_is_not_bought() -> None:
    fund = make_security("AAA", groups={"industry": {"arms": 0.02, "health": 0.5}})
    state = make_state(make_context(securities=(fund, make_security("BBB"))))
    candidates = candidates_of(state, ("AAA", 5.0), ("BBB", 5.0))
    parameters = EligibilityParameters(excluded_groups=("arms",))
    rejected = Eligibility().reject(candidates, state, parameters)
    assert rejected == {0: "2% of it is in arms, which is excluded"}


def test_a_bond_in_percent_is_no_penny_stock() -> None:
    securities = (
        make_security("AAA", quote_unit="percent", quote_factor=0.01),
        make_security("BBB"),
    )
    state = make_state(make_context(securities=securities, last_prices=[0.98, 0.98]))
    candidates = candidates_of(state, ("AAA", 1_000.0), ("BBB", 1_000.0))
    rejected = Eligibility().reject(candidates, state, EligibilityParameters(price_min=5.0))
    assert rejected == {1: "its price is below 5"}
