"""Beams: what a price of cash finds that growth by score alone does not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from planner_core.market.state import PlanningState
from planner_core.model.records import CashBalance
from planner_core.modules.sequences.beam import Beam, BeamParameters
from planner_core.search.evaluator import Evaluator, as_block
from planner_core.search.ranking import RANKED_SETS, Ranking, SearchSpace
from tests.builders import make_action, make_config, make_context, make_evaluator, make_state


def best_gain(
    state: PlanningState, evaluator: Evaluator, depth: int, parameters: BeamParameters
) -> float:
    ranking = Ranking(evaluator, size=RANKED_SETS)
    ranking.offer(as_block([()], 1, evaluator.null_id))
    space = SearchSpace(evaluator.candidates, evaluator, ranking, (), depth)
    for block in Beam().generate(space, state, parameters):
        ranking.offer(block)
    return ranking.best.score - ranking.nothing.score


def without_cash(sizes: Sequence[float]) -> tuple[PlanningState, Evaluator]:
    """Every buy needs a sell first: there is no cash."""
    context = make_context(cash=(CashBalance("EUR", settled=0.0),))
    config = make_config(constraints={"cash_reserve": 0.0, "turnover_max": 2.0})
    state = make_state(context, config)
    actions = [make_action(state, s.id, n) for s in state.context.securities for n in sizes]
    return state, make_evaluator(state, actions)


@pytest.mark.parametrize("prices", [(0.5,), (0.25, 0.5, 0.75)])
def test_a_beam_that_pays_for_cash_is_no_worse_than_one_that_does_not(
    prices: tuple[float, ...],
) -> None:
    state, evaluator = without_cash((-40, -20, -10, 5, 10, 20))
    free = BeamParameters(cash_prices=(0.0,), turnover_prices=(0.0,), width=3)
    paid = BeamParameters(cash_prices=prices, turnover_prices=(0.0,), width=3)
    assert best_gain(state, evaluator, 4, paid) >= best_gain(state, evaluator, 4, free)


def test_where_nothing_can_be_sold_the_beam_grows_by_score_alone() -> None:
    state = make_state()
    buys = make_evaluator(state, [make_action(state, s.id, 5) for s in state.context.securities])
    one_price = BeamParameters(cash_prices=(0.0,), turnover_prices=(0.0,))
    assert best_gain(state, buys, 2, BeamParameters()) == best_gain(state, buys, 2, one_price)


def test_a_wide_beam_over_few_candidates_finds_the_best_set_there_is() -> None:
    state, evaluator = without_cash((-20, 10))
    everything = Ranking(evaluator, size=RANKED_SETS)
    everything.offer(as_block([()], 1, evaluator.null_id))
    n = evaluator.candidates.n
    sets = [tuple(i for i in range(n) if bits >> i & 1) for bits in range(1, 2**n)]
    everything.offer(as_block([s for s in sets if len(s) <= 3], 3, evaluator.null_id))
    gain = everything.best.score - everything.nothing.score
    wide = BeamParameters(width=200, repairable_fraction=1.0)
    assert best_gain(state, evaluator, 3, wide) == pytest.approx(gain, abs=1e-12)


def test_a_beam_without_places_for_sets_that_need_a_repair_still_grows() -> None:
    state, evaluator = without_cash([10, -10])
    parameters = BeamParameters(repairable_fraction=0.0)
    # Before: ValueError, because the partition was asked for the best 0 of all.
    assert best_gain(state, evaluator, 3, parameters) >= 0.0
