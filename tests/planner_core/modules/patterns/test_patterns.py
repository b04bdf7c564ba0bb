"""Every pattern by hand, on candidates whose gains are written down."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from planner_core.market.state import PlanningState
from planner_core.model.candidates import Candidates, build_candidates, same_security_conflicts
from planner_core.modules.module import PatternGenerator
from planner_core.modules.patterns.assembly import (
    PatternParameters,
    add_affordable_buys,
    add_sells,
    compatible,
    distinct,
    fund_buys,
    rotations,
    spare_cash,
)
from planner_core.modules.patterns.averaging_down import AveragingDownPattern
from planner_core.modules.patterns.cash_generation import CashGeneration
from planner_core.modules.patterns.cost_optimised import CostOptimised
from planner_core.modules.patterns.deep_rebalance import DeepRebalance
from planner_core.modules.patterns.direct_buy import DirectBuy
from planner_core.modules.patterns.mixed_strategy import MixedStrategy
from planner_core.modules.patterns.multi_sell import MultiSell
from planner_core.modules.patterns.opportunity_first import OpportunityFirst
from planner_core.modules.patterns.profit_taking import ProfitTakingPattern
from planner_core.modules.patterns.rebalance import RebalancePattern
from planner_core.modules.patterns.single_best import SingleBest
from tests.builders import make_action, make_config, make_context, make_state

FREE = {"fixed_cost": 0, "cost_bps": 0, "half_spread_bps": 0}
NO_RESERVE = {"cash_reserve": 0.0}


@cache
def state_with(cash: float, depth: int = 5, reserve: float = 0.0) -> PlanningState:
    """Eight securities of 100 units at 100; trades cost nothing."""
    config = make_config(costs=FREE, constraints={"cash_reserve": reserve}, max_plan_depth=depth)
    return make_state(make_context(n_securities=8, cash=cash), config)


# Security, units, gain in bp, source, mandatory. Every hundred euros are a unit.
Row = tuple[str, float, float, str, bool]
S0: Row = ("AAA", -10, 3.0, "profit_taking", False)
S1: Row = ("BBB", -20, 2.0, "rebalance_sells", False)
S2: Row = ("CCC", -30, -1.0, "cash_raise", True)
B3: Row = ("DDD", 15, 9.0, "opportunity_buys", False)
B4: Row = ("EEE", 8, 8.0, "rebalance_buys", False)
B5: Row = ("FFF", 40, 7.0, "averaging_down", False)
B6: Row = ("AAA", 5, 6.0, "rebalance_buys", False)
B7: Row = ("GGG", 4, -2.0, "averaging_down", False)
TABLE = (S0, S1, S2, B3, B4, B5, B6, B7)


def candidates_of(state: PlanningState, rows: tuple[Row, ...] = TABLE) -> Candidates:
    actions = [
        make_action(
            state, name, units, sources=(f"opportunity_calculators.{source}",), mandatory=mandatory
        )
        for name, units, _, source, mandatory in rows
    ]
    gain = np.array([row[2] for row in rows]) / 1e4
    return build_candidates(actions, gain, same_security_conflicts(actions))


def propose(
    pattern: PatternGenerator[Any],
    *,
    cash: float = 0.0,
    depth: int = 5,
    variants: int = 3,
    rows: tuple[Row, ...] = TABLE,
    reserve: float = 0.0,
) -> list[tuple[int, ...]]:
    state = state_with(cash, depth, reserve)
    return list(
        pattern.generate(candidates_of(state, rows), state, PatternParameters(variants=variants))
    )


# -- assembly -----------------------------------------------------------------------------------


def test_two_trades_of_one_security_are_not_compatible() -> None:
    candidates = candidates_of(state_with(0.0))
    assert not compatible(candidates, [0], 6)
    assert compatible(candidates, [0], 3)
    assert compatible(candidates, [], 3)


def test_spare_cash_is_what_is_left_above_the_requirement() -> None:
    state = state_with(1_000.0, reserve=0.01)
    candidates = candidates_of(state)
    assert spare_cash(candidates, [], state) == pytest.approx(1_000 - 810)
    assert spare_cash(candidates, [0, 3], state) == pytest.approx(190 + 1_000 - 1_500)


def test_sells_are_added_up_to_a_limit_and_buys_while_they_are_affordable() -> None:
    state = state_with(1_000.0)
    candidates = candidates_of(state)
    assert add_sells(candidates, [], [0, 1, 2], 2) == [0, 1]
    assert add_sells(candidates, [6], [0, 1], 5) == [6, 1]  # AAA is bought already
    # 1,000 do not buy DDD for 1,500, but EEE for 800; nothing is left for AAA.
    assert add_affordable_buys(candidates, [], [3, 4, 6], state, 5) == [4]
    assert add_affordable_buys(candidates, [0], [3, 4, 6], state, 5) == [0, 3]
    assert add_affordable_buys(candidates, [], [4], state, 0) == []


def test_buys_are_funded_by_as_few_sells_as_they_need() -> None:
    state = state_with(0.0)
    candidates = candidates_of(state)
    assert fund_buys(candidates, [4], [0, 1], state) == [4, 0]
    assert fund_buys(candidates, [3], [0, 1], state) == [3, 0, 1]
    assert fund_buys(candidates, [5], [0], state) == []  # 4,000 cannot be funded by 1,000
    shallow = state_with(0.0, 2)
    assert fund_buys(candidates_of(shallow), [3, 4], [0, 1], shallow) == [4, 0]


def test_sets_are_distinct_whatever_their_order_and_rotations_start_elsewhere() -> None:
    assert distinct([[2, 1], [1, 2], [], [3]]) == [(1, 2), (3,)]
    assert rotations([5, 6, 7], 2) == [[5, 6, 7], [6, 7, 5]]
    assert rotations([5], 9) == [[5]]
    assert rotations([], 9) == []


# -- patterns -----------------------------------------------------------------------------------


def test_single_best_proposes_the_best_alone() -> None:
    assert propose(SingleBest()) == [(3,), (4,), (5,)]
    assert propose(SingleBest(), variants=1) == [(3,)]


def test_direct_buy_spends_the_cash_at_hand() -> None:
    assert propose(DirectBuy()) == []
    assert propose(DirectBuy(), cash=2_300.0) == [(3, 4), (4, 6, 7)]
    assert propose(DirectBuy(), cash=2_300.0, depth=1) == [(3,), (4,), (6,)]


def test_direct_buy_starts_at_each_of_the_best_buys_in_turn() -> None:
    # Starting at DDD and at EEE ends with the same four; FFF for 4,000 leaves room for nothing.
    assert propose(DirectBuy(), cash=4_300.0) == [(3, 4, 6, 7), (5,)]


def test_multi_sell_piles_up_the_best_sells() -> None:
    assert propose(MultiSell(), variants=1) == [(0,), (0, 1), (0, 1, 2)]
    assert propose(MultiSell(), depth=2, variants=1) == [(0,), (0, 1)]
    assert propose(MultiSell(), depth=2) == [(0,), (0, 1), (1,), (1, 2), (2,), (0, 2)]


def test_profit_taking_sells_and_puts_the_proceeds_to_work() -> None:
    # 1,000 from AAA buy EEE for 800; DDD for 1,500 is too dear, AAA itself conflicts.
    assert propose(ProfitTakingPattern()) == [(0,), (0, 4)]


def test_rebalance_uses_only_rebalancing_trades() -> None:
    assert propose(RebalancePattern()) == [(1, 4, 6)]
    assert propose(RebalancePattern(), depth=2) == [(1, 4)]


def test_averaging_down_funds_its_own_buys() -> None:
    # FFF for 4,000 needs AAA, BBB and CCC (6,000); GGG then fits into what is left.
    assert propose(AveragingDownPattern()) == [(0, 1, 2, 5, 7)]
    assert propose(AveragingDownPattern(), depth=2) == [(0, 7)]


def test_opportunity_first_funds_the_best_buys() -> None:
    first, *_ = propose(OpportunityFirst(), variants=1)
    assert first == (0, 1, 3, 4, 7)
    assert propose(OpportunityFirst(), variants=1, depth=3) == [(0, 1, 3)]


def test_mixed_strategy_tries_every_number_of_sells() -> None:
    assert propose(MixedStrategy(), depth=3, variants=1) == [(0, 4), (0, 1, 3)]
    one = propose(MixedStrategy(), cash=800.0, depth=3, variants=1)
    assert one == [(4,), (0, 3), (0, 1, 3)]
    more = propose(MixedStrategy(), cash=800.0, depth=3)
    assert more[:3] == one
    assert len(more) > 3


def test_deep_rebalance_takes_the_largest_improving_trades() -> None:
    # Sells by size: BBB 2,000, AAA 1,000; CCC does not improve. Buys: FFF, DDD, EEE, AAA.
    assert propose(DeepRebalance()) == [(1, 3, 6), (0, 1, 3, 4)]
    assert propose(DeepRebalance(), cash=2_000.0, variants=1) == [(1, 5)]


def test_cost_optimised_prefers_what_is_cheap() -> None:
    config = make_config(costs={"tax_rate": 0.5}, constraints=NO_RESERVE)
    state = make_state(make_context(n_securities=8, cash=3_000.0), config)
    rows: tuple[Row, ...] = (
        ("AAA", -10, 3.0, "x", False),  # taxed: a gain of 20 per unit
        ("BBB", 20, 4.0, "x", False),
        ("CCC", 9, 3.9, "x", False),
        ("DDD", 5, -1.0, "x", False),
    )
    sets = CostOptimised().generate(
        candidates_of(state, rows), state, PatternParameters(variants=2)
    )
    # Gain over cost: CCC 3.9/4.25, BBB 4/7; both for 2,900. Then with AAA sold.
    assert list(sets) == [(1, 2), (0, 1, 2)]


def test_cash_generation_covers_the_deficit_with_mandatory_sells_first() -> None:
    assert propose(CashGeneration(), cash=100.0) == []
    rows = (*TABLE, ("HHH", -10, -5.0, "cash_raise", True))
    small = propose(CashGeneration(), cash=-900.0, rows=rows)
    assert small == [(2,), (8,)]
    large = propose(CashGeneration(), cash=-3_500.0, rows=rows)
    assert large == [(2, 8)]
    # When the mandatory ones do not do, the others help.
    huge = propose(CashGeneration(), cash=-4_500.0, rows=rows)
    assert huge == [(0, 2, 8)]


def test_without_candidates_no_pattern_proposes_anything() -> None:
    patterns: tuple[PatternGenerator[Any], ...] = (
        SingleBest(),
        DirectBuy(),
        MultiSell(),
        ProfitTakingPattern(),
        RebalancePattern(),
        AveragingDownPattern(),
        OpportunityFirst(),
        MixedStrategy(),
        DeepRebalance(),
        CostOptimised(),
        CashGeneration(),
    )
    for pattern in patterns:
        assert propose(pattern, rows=()) == []
        assert propose(pattern, rows=(), cash=-500.0) == []


def test_a_source_is_found_by_the_short_name_of_its_module() -> None:
    candidates = candidates_of(state_with(0.0))
    assert candidates.from_source("rebalance_buys") == [4, 6]
    assert candidates.from_source("rebalance_buys", "profit_taking") == [4, 6, 0]
    assert candidates.from_source("rebalance") == []
    tied = replace(candidates, gain=np.zeros(8))
    assert tied.buys() == [3, 4, 5, 6, 7]
    assert tied.sells() == [0, 1, 2]
