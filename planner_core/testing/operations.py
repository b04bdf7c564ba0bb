"""The methods of each kind of module, called and checked: more strictly than in a plan.

Each operation returns its result as plain data that can be compared, or raises
ModuleContractError. A plan checks only what could spoil it (`planner_core/modules/contracts.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

import numpy as np

from planner_core.errors import ModuleContractError
from planner_core.model.module_metadata import ModuleKind
from planner_core.model.plan import Opportunity, Skip
from planner_core.model.records import Side
from planner_core.modules.contracts import (
    StreamBudget,
    checked_alternatives,
    checked_block,
    checked_conflicts,
    checked_opportunities,
    checked_rejections,
    checked_sets,
)
from planner_core.modules.module import AnyModule, ModuleParameters
from planner_core.testing.sample_states import ModuleInputs

REASON_LENGTH_MIN: Final = 10
REASON_LENGTH_MAX: Final = 160
"""A reason is a clause with its figures: shorter says nothing, longer does not fit into a table."""
NOT_NUMBERS: Final = frozenset({"nan", "inf", "-inf", "nan%", "inf%", "-inf%"})
BLOCKS_MAX: Final = 10_000
"""Blocks of one stream that are compared; a generator that never ends is stopped there."""
RANKINGS: Final[tuple[tuple[tuple[int, ...], ...], ...]] = (
    ((),),
    ((0,),),
    ((0, 1), (0, 2), (3,)),
    ((), (1,), (2,), (3,), (4,), (5,)),
)
"""Ranked sets, best first, from which alternatives are selected."""
LIMITS: Final = (0, 1, 3)
"""Alternatives to report."""

Result = tuple[object, ...]
Operation = Callable[[Any, ModuleInputs, ModuleParameters], Result]


def _calculate(module: Any, inputs: ModuleInputs, parameters: ModuleParameters) -> Result:  # noqa: ANN401 - a module of this kind
    results = checked_opportunities(
        module.key, module.calculate(inputs.state, parameters), inputs.state
    )
    held = inputs.state.portfolio.quantity
    for result in results:
        problem = _reason_problem(result)
        if result.side is Side.SELL and held[result.security] <= 0:
            problem = f"sells column {result.security}, of which nothing is held"
        if problem:
            raise ModuleContractError(module.key, problem)
    return results


def _reason_problem(result: Opportunity | Skip) -> str:
    reason = result.reason
    if reason.strip() != reason or not REASON_LENGTH_MIN < len(reason) < REASON_LENGTH_MAX:
        return (
            f"a reason is a clause of {REASON_LENGTH_MIN} to {REASON_LENGTH_MAX} characters,"
            f" found {reason!r:.80}"
        )
    if NOT_NUMBERS & set(reason.lower().replace(",", " ").split()):
        return f"a reason has a figure that is not a number: {reason!r:.80}"
    return ""


def _generate_sets(module: Any, inputs: ModuleInputs, parameters: ModuleParameters) -> Result:  # noqa: ANN401 - a module of this kind
    candidates, depth = inputs.candidates, inputs.state.config.max_plan_depth
    sets = checked_sets(
        module.key, module.generate(candidates, inputs.state, parameters), candidates.n, depth
    )
    if len({frozenset(ids) for ids in sets}) != len(sets):
        raise ModuleContractError(module.key, "proposes a set twice")
    for ids in sets:
        if any(candidates.conflicts[i, j] for i in ids for j in ids if i != j):
            raise ModuleContractError(module.key, f"two candidates of {ids} exclude each other")
    return sets


def _generate_blocks(module: Any, inputs: ModuleInputs, parameters: ModuleParameters) -> Result:  # noqa: ANN401 - a module of this kind
    return tuple(_blocks(module, inputs, parameters))


def _blocks(
    module: Any,  # noqa: ANN401 - a module of this kind
    inputs: ModuleInputs,
    parameters: ModuleParameters,
) -> Iterator[tuple[tuple[int, ...], bytes]]:
    space, budget = inputs.space, StreamBudget(module.key)
    stream = module.generate(space, inputs.state, parameters)
    if not isinstance(stream, Iterator):
        raise ModuleContractError(
            module.key, f"generate returned {type(stream).__name__}, needs an iterator"
        )
    for unchecked in islice(stream, BLOCKS_MAX):
        block = checked_block(module.key, unchecked, space.null_id, space.depth)
        budget.spend(block.shape[1])
        ordered = np.sort(block, axis=0)
        if ((ordered[1:] == ordered[:-1]) & (ordered[1:] != space.null_id)).any():
            raise ModuleContractError(module.key, "a sequence has the same candidate twice")
        yield block.shape, block.tobytes()


def _reject(module: Any, inputs: ModuleInputs, parameters: ModuleParameters) -> Result:  # noqa: ANN401 - a module of this kind
    candidates = inputs.candidates
    rejected = checked_rejections(
        module.key, module.reject(candidates, inputs.state, parameters), candidates.n
    )
    for i in rejected:
        if candidates.mandatory[i]:
            raise ModuleContractError(
                module.key, f"rejects candidate {i}, which is mandatory: it repairs a limit"
            )
    return tuple(rejected.items())


def _conflicts(module: Any, inputs: ModuleInputs, parameters: ModuleParameters) -> Result:  # noqa: ANN401 - a module of this kind
    candidates = inputs.candidates
    matrix = checked_conflicts(
        module.key, module.conflicts(candidates, inputs.state, parameters), candidates.n
    )
    return () if matrix is None else (matrix.tobytes(),)


def _select_alternatives(module: Any, _: ModuleInputs, parameters: ModuleParameters) -> Result:  # noqa: ANN401 - a module of this kind
    results: list[object] = []
    for ranked in RANKINGS:
        for limit in LIMITS:
            selected = checked_alternatives(
                module.key, module.select_alternatives(ranked, limit, parameters), ranked
            )
            if selected is not None:
                _check_selection(module.key, selected, ranked, limit)
                results.append(tuple(selected))
    return tuple(results)


def _check_selection(key: str, selected: Any, ranked: Any, limit: int) -> None:  # noqa: ANN401 - sequences of sets
    if len(selected) > limit:
        raise ModuleContractError(key, f"selects {len(selected)} alternatives of at most {limit}")
    if ranked[0] in selected:
        raise ModuleContractError(key, "selects the best set, which is not an alternative")
    if list(selected) != [ids for ids in ranked if ids in selected]:
        raise ModuleContractError(key, "selects alternatives out of their order, best first")


OPERATIONS: Final[Mapping[ModuleKind, Mapping[str, Operation]]] = {
    ModuleKind.OPPORTUNITY: {"calculate": _calculate},
    ModuleKind.PATTERN: {"generate": _generate_sets},
    ModuleKind.SEQUENCE: {"generate": _generate_blocks},
    ModuleKind.FILTER: {
        "reject": _reject,
        "conflicts": _conflicts,
        "select_alternatives": _select_alternatives,
    },
}
"""The methods of each kind."""

CURES: Final[Mapping[tuple[ModuleKind, str], str]] = {
    (ModuleKind.OPPORTUNITY, "calculate"): (
        "return a list of Opportunity and Skip; a security that it cannot judge is a Skip"
    ),
    (ModuleKind.PATTERN, "generate"): (
        "return a list of tuples of candidate ids, without ids that exclude each other"
    ),
    (ModuleKind.SEQUENCE, "generate"): (
        "yield int16 arrays of shape (depth, n_sequences), unused places with space.null_id"
    ),
    (
        ModuleKind.FILTER,
        "reject",
    ): "return a dict of candidate id -> reason, without mandatory ones",
    (ModuleKind.FILTER, "conflicts"): "return a symmetric boolean (K, K) array, or None",
    (ModuleKind.FILTER, "select_alternatives"): (
        "return some of ranked[1:], in their order, at most `limit`; or None"
    ),
}
"""What to do about a result that breaks the contract."""


def operations_of(module: AnyModule) -> Mapping[str, Operation]:
    """Return the operations of a module's kind, by the names of its methods."""
    return OPERATIONS[module.kind]
