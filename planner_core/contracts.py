"""What a module must return; checked on every call, so that a plugin cannot poison a plan."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from planner_core.errors import ModuleContractError
from planner_core.plan import Opportunity, Skip
from planner_core.state import PlanningState

OPPORTUNITIES_MAX = 20_000
"""More from one calculator is a mistake, not diligence."""
SETS_MAX = 10_000
"""More from one pattern generator is a search, not a pattern."""


def checked_opportunities(
    key: str, results: object, state: PlanningState
) -> Sequence[Opportunity | Skip]:
    """Return a calculator's results, or raise ModuleContractError saying what is wrong."""
    if not isinstance(results, Sequence):
        raise ModuleContractError(key, f"returned {type(results).__name__}, needs a sequence")
    if len(results) > OPPORTUNITIES_MAX:
        raise ModuleContractError(key, f"returned {len(results)}, at most {OPPORTUNITIES_MAX}")
    for result in results:
        if not isinstance(result, Opportunity | Skip):
            raise ModuleContractError(key, f"returned a {type(result).__name__} among the results")
        if not 0 <= result.security < state.context.n_securities:
            raise ModuleContractError(key, f"named column {result.security}, which does not exist")
        if isinstance(result, Opportunity) and not _positive(result.notional):
            raise ModuleContractError(key, f"a notional must be positive, found {result.notional}")
    return results


def _positive(number: float) -> bool:
    return math.isfinite(number) and number > 0


def checked_sets(
    key: str, results: object, n_candidates: int, depth: int
) -> Sequence[tuple[int, ...]]:
    """Return a pattern generator's sets, or raise ModuleContractError saying what is wrong."""
    if not isinstance(results, Sequence):
        raise ModuleContractError(key, f"returned {type(results).__name__}, needs a sequence")
    if len(results) > SETS_MAX:
        raise ModuleContractError(key, f"returned {len(results)} sets, at most {SETS_MAX}")
    for chosen in results:
        if not isinstance(chosen, tuple) or not 0 < len(chosen) <= depth:
            raise ModuleContractError(
                key, f"a set is a tuple of 1 to {depth} ids, found {chosen!r}"
            )
        if len(set(chosen)) != len(chosen) or not all(0 <= i < n_candidates for i in chosen):
            raise ModuleContractError(
                key, f"ids must differ and be below {n_candidates}: {chosen!r}"
            )
    return results


def checked_block(key: str, block: object, null_id: int, depth: int) -> NDArray[np.int16]:
    """Return a sequence generator's block, or raise ModuleContractError saying what is wrong."""
    if not isinstance(block, np.ndarray) or block.dtype != np.int16:
        raise ModuleContractError(key, "a block is an int16 array")
    if block.ndim != len(("depth", "n_sequences")):
        raise ModuleContractError(key, "a block has the shape (depth, n_sequences)")
    if not 0 < block.shape[0] <= depth:
        raise ModuleContractError(key, f"a block has 1 to {depth} rows, found {block.shape[0]}")
    if block.size and not (block.min() >= 0 and block.max() <= null_id):
        raise ModuleContractError(key, f"ids lie between 0 and {null_id}")
    return block


def checked_rejections(key: str, rejected: object, n_candidates: int) -> dict[int, str]:
    """Return a filter's rejections, or raise ModuleContractError saying what is wrong."""
    if not isinstance(rejected, Mapping):
        raise ModuleContractError(key, f"returned {type(rejected).__name__}, needs a mapping")
    for candidate, reason in rejected.items():
        if not (isinstance(candidate, int) and 0 <= candidate < n_candidates):
            raise ModuleContractError(key, f"rejected {candidate!r}, which is no candidate id")
        if not isinstance(reason, str) or not reason:
            raise ModuleContractError(key, f"gave no reason for rejecting {candidate}")
    return dict(rejected)


def checked_conflicts(key: str, conflicts: object, n_candidates: int) -> NDArray[np.bool_] | None:
    """Return a filter's conflicts, or raise ModuleContractError saying what is wrong."""
    if conflicts is None:
        return None
    if not isinstance(conflicts, np.ndarray) or conflicts.dtype != np.bool_:
        raise ModuleContractError(key, "conflicts are a boolean array or None")
    if conflicts.shape != (n_candidates, n_candidates) or (conflicts != conflicts.T).any():
        raise ModuleContractError(key, f"conflicts need a symmetric ({n_candidates}, ...) matrix")
    return conflicts
