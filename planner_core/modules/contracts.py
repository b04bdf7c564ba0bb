"""Checks of what modules return, on every call, so that a broken plugin cannot spoil a plan.

Each check returns the result, or raises ModuleContractError with what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from planner_core.errors import ModuleContractError
from planner_core.market.state import PlanningState
from planner_core.model.plan import Opportunity, Skip
from planner_core.model.records import Side

OPPORTUNITIES_MAX = 20_000
"""More from one calculator is a mistake."""
SETS_MAX = 10_000
"""More from one pattern generator is a search, not a pattern."""
SEQUENCES_PER_BLOCK_MAX = 200_000
"""A larger block would take memory for no speed."""
SEQUENCES_MAX = 50_000_000
BLOCKS_MAX = 1_000_000
"""Limits of one sequence generator in one run, because a generator may never end."""
REASON_LENGTH_MAX = 1_000
"""A reason is one sentence."""


def checked_opportunities(
    key: str, results: object, state: PlanningState
) -> tuple[Opportunity | Skip, ...]:
    """Check a calculator's results."""
    if not isinstance(results, Sequence):
        raise ModuleContractError(key, f"returned {type(results).__name__}, needs a sequence")
    results = tuple(islice(results, OPPORTUNITIES_MAX + 1))  # a copy: the module may change its own
    if len(results) > OPPORTUNITIES_MAX:
        raise ModuleContractError(key, f"returned too many, at most {OPPORTUNITIES_MAX}")
    for result in results:
        if not isinstance(result, Opportunity | Skip):
            raise ModuleContractError(key, f"returned a {type(result).__name__} among the results")
        problem = _result_problem(result, state.context.n_securities)
        if problem:
            raise ModuleContractError(key, problem)
    return results


def _result_problem(result: Opportunity | Skip, n_securities: int) -> str | None:
    """Return what is wrong with a result, types included: a plugin may ignore them."""
    side: object = result.side
    reason: object = result.reason
    if not (_is_id(result.security) and 0 <= result.security < n_securities):
        return f"named column {result.security!r}, which does not exist"
    if not any(side is allowed for allowed in (Side.BUY, Side.SELL)):
        return f"a side is Side.BUY or Side.SELL, found {side!r}"
    if not _is_reason(reason):
        return f"a reason is a sentence, found {reason!r:.80}"
    return _opportunity_problem(result) if isinstance(result, Opportunity) else None


def _opportunity_problem(result: Opportunity) -> str | None:
    if not (math.isfinite(result.notional) and result.notional > 0):
        return f"a notional must be positive, found {result.notional}"
    if result.mandatory and result.side is Side.BUY:
        return "only a sell can be mandatory: no limit needs a buy"
    return None


def _is_reason(reason: object) -> bool:
    return isinstance(reason, str) and 0 < len(reason) <= REASON_LENGTH_MAX


def _is_id(number: object) -> bool:
    """Return whether this is an integer, of numpy or not; a boolean is not one."""
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


def checked_sets(
    key: str, results: object, n_candidates: int, depth: int
) -> tuple[tuple[int, ...], ...]:
    """Check a pattern generator's sets."""
    if not isinstance(results, Sequence):
        raise ModuleContractError(key, f"returned {type(results).__name__}, needs a sequence")
    results = tuple(islice(results, SETS_MAX + 1))
    if len(results) > SETS_MAX:
        raise ModuleContractError(key, f"returned too many sets, at most {SETS_MAX}")
    for set_ids in results:
        if not isinstance(set_ids, tuple) or not 0 < len(set_ids) <= depth:
            raise ModuleContractError(
                key, f"a set is a tuple of 1 to {depth} ids, found {set_ids!r:.80}"
            )
        ids = set(set_ids)
        if len(ids) != len(set_ids) or not all(_is_id(i) and 0 <= i < n_candidates for i in ids):
            raise ModuleContractError(
                key, f"ids must differ and be below {n_candidates}: {set_ids!r}"
            )
    return results


def checked_block(key: str, block: object, null_id: int, depth: int) -> NDArray[np.int16]:
    """Check a sequence generator's block."""
    if not isinstance(block, np.ndarray) or block.dtype != np.int16:
        raise ModuleContractError(key, "a block is an int16 array")
    if block.ndim != len(("depth", "n_sequences")):
        raise ModuleContractError(key, "a block has the shape (depth, n_sequences)")
    if not 0 < block.shape[0] <= depth:
        raise ModuleContractError(key, f"a block has 1 to {depth} rows, found {block.shape[0]}")
    if block.shape[1] > SEQUENCES_PER_BLOCK_MAX:
        raise ModuleContractError(key, f"a block has at most {SEQUENCES_PER_BLOCK_MAX} sequences")
    if block.size and not (block.min() >= 0 and block.max() <= null_id):
        raise ModuleContractError(key, f"ids lie between 0 and {null_id}")
    return block


class StreamBudget:
    """Counts what one sequence generator yields, and stops one that never ends."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._sequences = 0
        self._blocks = 0

    def spend(self, n_sequences: int) -> None:
        """Count a block; raise ModuleContractError above the limits."""
        self._blocks += 1
        self._sequences += n_sequences
        if self._sequences > SEQUENCES_MAX or self._blocks > BLOCKS_MAX:
            raise ModuleContractError(
                self._key,
                f"yielded {self._sequences} sequences in {self._blocks} blocks, at most"
                f" {SEQUENCES_MAX} in {BLOCKS_MAX}",
            )


def checked_rejections(key: str, rejected: object, n_candidates: int) -> dict[int, str]:
    """Check a filter's rejections."""
    if not isinstance(rejected, Mapping):
        raise ModuleContractError(key, f"returned {type(rejected).__name__}, needs a mapping")
    if len(rejected) > n_candidates:
        raise ModuleContractError(key, f"rejected more than the {n_candidates} candidates")
    for candidate, reason in rejected.items():
        if not (_is_id(candidate) and 0 <= candidate < n_candidates):
            raise ModuleContractError(key, f"rejected {candidate!r}, which is not a candidate id")
        if not _is_reason(reason):
            raise ModuleContractError(key, f"gave no reason for rejecting {candidate}")
    return {int(candidate): reason for candidate, reason in rejected.items()}


def checked_conflicts(key: str, conflicts: object, n_candidates: int) -> NDArray[np.bool_] | None:
    """Check a filter's conflicts."""
    if conflicts is None:
        return None
    if not isinstance(conflicts, np.ndarray) or conflicts.dtype != np.bool_:
        raise ModuleContractError(key, "conflicts are a boolean array or None")
    if conflicts.shape != (n_candidates, n_candidates) or (conflicts != conflicts.T).any():
        raise ModuleContractError(key, f"conflicts need a symmetric ({n_candidates}, ...) matrix")
    return conflicts


def checked_alternatives(
    key: str, selected: object, ranked: Sequence[tuple[int, ...]]
) -> Sequence[tuple[int, ...]] | None:
    """Check a filter's alternatives."""
    if selected is None:
        return None
    if not isinstance(selected, Sequence):
        raise ModuleContractError(key, f"returned {type(selected).__name__}, needs a sequence")
    if len(selected) > len(ranked):
        raise ModuleContractError(key, f"selected more than the {len(ranked)} ranked sets")
    if not all(isinstance(chosen, tuple) and chosen in ranked for chosen in selected):
        raise ModuleContractError(key, "alternatives are some of the ranked sets, as they are")
    return selected
