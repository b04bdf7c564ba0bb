"""The contract of every filter, in ordinary and in odd states."""

from __future__ import annotations

from typing import Any

import pytest

from planner_core.modules.contracts import checked_conflicts, checked_rejections
from planner_core.modules.filters import BUILTIN_FILTERS
from planner_core.modules.module import Filter
from tests.planner_core.odd_states import (
    ODD_STATES,
    default_parameters,
    fingerprint,
    odd_candidates,
    odd_state,
)

FILTERS = [pytest.param(module, id=module.metadata.name) for module in BUILTIN_FILTERS]
AnyFilter = Filter[Any]

pytestmark = pytest.mark.parametrize("module", FILTERS)


@pytest.mark.parametrize("name", ODD_STATES)
def test_rejections_keep_the_contract_and_repeat(module: AnyFilter, name: str) -> None:
    state, candidates = odd_state(name), odd_candidates(name)
    parameters = default_parameters(module)
    before = fingerprint(state)
    first = checked_rejections(
        module.key, module.reject(candidates, state, parameters), candidates.n
    )
    assert first == module.reject(candidates, state, parameters)
    assert fingerprint(state) == before


@pytest.mark.parametrize("name", ODD_STATES)
def test_mandatory_candidates_are_never_rejected(module: AnyFilter, name: str) -> None:
    candidates = odd_candidates(name)
    rejected = module.reject(candidates, odd_state(name), default_parameters(module))
    assert not [i for i in rejected if candidates.mandatory[i]]


@pytest.mark.parametrize("name", ODD_STATES)
def test_conflicts_keep_the_contract_and_repeat(module: AnyFilter, name: str) -> None:
    state, candidates = odd_state(name), odd_candidates(name)
    parameters = default_parameters(module)
    before = candidates.conflicts.copy()
    first = checked_conflicts(
        module.key, module.conflicts(candidates, state, parameters), candidates.n
    )
    again = module.conflicts(candidates, state, parameters)
    if first is None or again is None:
        assert first is again
    else:
        assert (first == again).all()
    assert (candidates.conflicts == before).all()


@pytest.mark.parametrize("limit", [0, 1, 3])
@pytest.mark.parametrize(
    "ranked",
    [[()], [(0,)], [(0, 1), (0, 2), (3,)], [(), (1,), (2,), (3,), (4,), (5,)]],
    ids=["nothing only", "one", "three", "six"],
)
def test_alternatives_are_some_of_the_ranked_and_never_the_best(
    module: AnyFilter, ranked: list[tuple[int, ...]], limit: int
) -> None:
    picked = module.select_alternatives(ranked, limit, default_parameters(module))
    if picked is None:
        return
    assert len(picked) <= limit
    assert set(picked) <= set(ranked[1:])
    assert list(picked) == [chosen for chosen in ranked if chosen in picked]
