"""The input of a sequence generator: candidates, evaluator, ranking and seeds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from planner_core.model.candidates import Candidates
from planner_core.search.evaluator import Evaluator
from planner_core.search.ranking import Ranking


@dataclass(frozen=True, eq=False)
class SearchSpace:
    """The candidates of a run, and the seeds that the pattern generators proposed.

    Parameters
    ----------
    candidates : Candidates
    evaluator : Evaluator
    ranking : Ranking
        The best sets so far; a generator may start from them.
    seeds : tuple of tuple of int
        Sets of candidate ids, at most `depth` long.
    depth : int
        Most steps of a sequence.
    """

    candidates: Candidates
    evaluator: Evaluator
    ranking: Ranking
    seeds: tuple[tuple[int, ...], ...]
    depth: int

    @property
    def null_id(self) -> int:
        """The id of the null candidate."""
        return self.candidates.null_id

    @cached_property
    def promising(self) -> tuple[int, ...]:
        """All candidate ids: those in seeds first, each part by the gain of a candidate alone."""
        # A pattern's candidate may look poor alone: a sell that funds a good buy is one.
        seeded = {i for seed in self.seeds for i in seed}
        return tuple(
            sorted(
                range(self.candidates.n),
                key=lambda i: (i not in seeded, -self.candidates.gain[i], i),
            )
        )
