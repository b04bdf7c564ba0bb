"""The contract of every pattern generator, in ordinary and in odd states."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from planner_core.modules.contracts import checked_sets
from planner_core.modules.module import PatternGenerator
from planner_core.modules.patterns import BUILTIN_PATTERNS
from tests.planner_core.odd_states import (
    ODD_STATES,
    default_parameters,
    everything_on,
    fingerprint,
    odd_candidates,
    odd_state,
)

PATTERNS = [pytest.param(module, id=module.metadata.name) for module in BUILTIN_PATTERNS]
Pattern = PatternGenerator[Any]

pytestmark = pytest.mark.parametrize("module", PATTERNS)


@pytest.mark.parametrize("name", ODD_STATES)
def test_sets_keep_the_contract_and_repeat(module: Pattern, name: str) -> None:
    state, candidates = odd_state(name), odd_candidates(name)
    parameters = default_parameters(module)
    before = fingerprint(state) + candidates.gain.tobytes() + candidates.conflicts.tobytes()
    depth = state.config.max_plan_depth
    first = checked_sets(
        module.key, module.generate(candidates, state, parameters), candidates.n, depth
    )
    assert list(first) == list(module.generate(candidates, state, parameters))
    after = fingerprint(state) + candidates.gain.tobytes() + candidates.conflicts.tobytes()
    assert after == before


@pytest.mark.parametrize("name", ODD_STATES)
def test_no_set_twice_and_no_conflict_within_one(module: Pattern, name: str) -> None:
    candidates = odd_candidates(name)
    sets = module.generate(candidates, odd_state(name), default_parameters(module))
    assert len({frozenset(chosen) for chosen in sets}) == len(sets)
    for chosen in sets:
        for place, first in enumerate(chosen):
            assert not any(candidates.conflicts[first, second] for second in chosen[place + 1 :])


@pytest.mark.parametrize("depth", [1, 2, 10])
def test_no_set_is_longer_than_the_depth(module: Pattern, depth: int) -> None:
    config = everything_on().model_copy(update={"max_plan_depth": depth})
    state = replace(odd_state("rich"), config=config)
    candidates = odd_candidates("rich")
    sets = module.generate(candidates, state, default_parameters(module))
    checked_sets(module.key, sets, candidates.n, depth)


def test_it_proposes_something_in_one_of_the_rich_states(module: Pattern) -> None:
    assert any(
        module.generate(odd_candidates(name), odd_state(name), default_parameters(module))
        for name in ("rich", "rich with cash")
    )
