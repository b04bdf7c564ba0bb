"""The contract of every sequence generator, in ordinary and in odd states."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from planner_core.modules.contracts import checked_block
from planner_core.modules.module import SequenceGenerator
from planner_core.modules.sequences import BUILTIN_SEQUENCES
from planner_core.search.evaluator import Evaluator, as_block
from planner_core.search.ranking import RANKED_SETS, Ranking, SearchSpace
from tests.planner_core.odd_states import (
    ODD_STATES,
    default_parameters,
    fingerprint,
    odd_candidates,
    odd_state,
)

GENERATORS = [pytest.param(module, id=module.metadata.name) for module in BUILTIN_SEQUENCES]
Generator = SequenceGenerator[Any]

pytestmark = pytest.mark.parametrize("module", GENERATORS)


@cache
def space_of(name: str, depth: int) -> SearchSpace:
    candidates = odd_candidates(name)
    evaluator = Evaluator(odd_state(name), candidates)
    seeds = ((0,),) if candidates.n else ()
    ranking = Ranking(evaluator, size=RANKED_SETS)
    ranking.offer(as_block([(), *seeds], depth, evaluator.null_id))
    return SearchSpace(candidates, evaluator, ranking, seeds, depth)


@pytest.mark.parametrize("name", ODD_STATES)
def test_blocks_keep_the_contract_and_repeat(module: Generator, name: str) -> None:
    state, space, parameters = odd_state(name), space_of(name, 3), default_parameters(module)
    before = fingerprint(state)
    first = [
        checked_block(module.key, block, space.null_id, space.depth).copy()
        for block in module.generate(space, state, parameters)
    ]
    again = list(module.generate(space, state, parameters))
    assert len(first) == len(again)
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    assert fingerprint(state) == before


@pytest.mark.parametrize("depth", [1, 5, 10])
def test_no_place_holds_the_same_candidate_twice(module: Generator, depth: int) -> None:
    state, space = odd_state("plain"), space_of("plain", depth)
    for block in module.generate(space, state, default_parameters(module)):
        ordered = np.sort(block, axis=0)
        twice = (ordered[1:] == ordered[:-1]) & (ordered[1:] != space.null_id)
        assert not twice.any()
