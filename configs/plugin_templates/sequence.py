"""MyModule: sets to compare. Written by `trader plugin new`; it works as it is.

A sequence generator enumerates or searches sets of candidates, and yields them in blocks. The
planner checks every limit, scores them exactly and keeps the best.

    trader plugin check my_module      after every change
    trader help plugin                 the other commands

Only the names of `planner_core.api` stay as they are (docs/plugin-api.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from planner_core.api import (
    ModuleMetadata,
    ModuleParameters,
    PlanningState,
    SearchSpace,
    SequenceGenerator,
    parameter,
    sequence_registry,
)


class MyModuleParameters(ModuleParameters):
    """How many candidates to combine."""

    # Each parameter has a default, a unit and bounds. The bucket's TOML sets it:
    # my_module = { candidates = 30 }. A bool, int, float, str, Literal or tuple is possible.
    candidates: int = parameter(
        20, unit="candidates", ge=2, le=200, description="most promising candidates to combine"
    )


class MyModule(SequenceGenerator[MyModuleParameters]):
    """Compare every pair of the most promising candidates.

    The number of pairs grows with the square of `candidates`. Say here what is compared, and where
    the idea is from: `trader modules show my_module` prints it.

    Source: our own rule.
    """

    metadata = ModuleMetadata(
        name="my_module",
        version="0.1.0",  # raise it when results may change
        description="Compare every pair of the most promising candidates",
        author="you",
        requires_api=">=1,<2",
        tags=("exhaustive",),
        enabled_by_default=False,  # only the buckets that name it use it
    )
    parameters_model = MyModuleParameters

    # A search cannot be cached. `async def generate` with `yield` works as well.
    def generate(
        self, space: SearchSpace, state: PlanningState, parameters: MyModuleParameters
    ) -> Iterator[np.ndarray]:
        """Yield int16 arrays of shape (depth, n_sequences); a column is a set of candidate ids."""
        pair_length = 2
        promising = space.promising[: parameters.candidates]
        conflicts = space.candidates.conflicts
        pairs = [(a, b) for a, b in combinations(promising, 2) if not conflicts[a, b]]
        if space.depth < pair_length or not pairs:
            return
        block = np.full((space.depth, len(pairs)), space.null_id, dtype=np.int16)
        block[:pair_length] = np.array(pairs, dtype=np.int16).T
        yield block


sequence_registry.register(MyModule())
