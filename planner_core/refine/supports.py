"""Which legs to trade, each set of them judged at its best sizes.

A support is a set of legs. Its worth at its best sizes is a small concave program, so a batch of
supports costs one call of `interior_point.solve`. From good supports, those of the search, this
climbs by adding, dropping and exchanging a leg. Not every neighbour is solved: the prices of the
limits at the current sizes tell what each leg would be worth beside the others, and the best few
by that estimate are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from planner_core.model.arrays import FloatArray, IntArray
from planner_core.refine.interior_point import Programs, Solutions, solve
from planner_core.refine.legs import Legs

Support = tuple[int, ...]
"""Legs in increasing order."""

_Estimate = tuple[float, Support]
"""What a neighbour adds to the score at most likely."""

NEIGHBOURS = 24
"""Most promising neighbours of a support that are solved."""
CLIMB_MAX = 40
WORTH_TOLERANCE = 1e-9
CURVATURE_MIN = 1e-12
"""Without risk or penalties the objective is flat: a leg is then worth all or nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Sized:
    """A support at its best sizes (L,), what that adds to the score, and the limits' prices."""

    support: Support
    size: FloatArray
    worth: float
    price: FloatArray


class SupportSearch:
    """Climbs among supports, and remembers what it solved."""

    def __init__(self, legs: Legs, depth: int) -> None:
        self.legs = legs
        self.depth = depth
        self.solved: dict[Support, Sized | None] = {}

    @property
    def found(self) -> list[Sized]:
        """Every support that can be carried out, best first."""
        sized = [s for s in self.solved.values() if s is not None]
        return sorted(sized, key=lambda s: (-s.worth, s.support))

    def climb(self, start: Support, must_stop: Callable[[], bool]) -> None:
        """Go from a support to ever better neighbours until there is none, or no time."""
        self._solve([start], np.zeros(self.legs.n))
        current = self.solved[start]
        for _ in range(CLIMB_MAX):
            if current is None or must_stop():
                return
            around = self._neighbours(current)
            self._solve(around, current.size)
            best = max(
                (s for s in map(self.solved.get, around) if s is not None),
                key=lambda s: s.worth,
                default=None,
            )
            if best is None or best.worth <= current.worth + WORTH_TOLERANCE:
                return
            current = best

    def _solve(self, supports: Iterable[Support], near: FloatArray) -> None:
        """Find the best sizes of supports not solved yet.

        CVaR95 and impact are made linear twice: at the sizes of `near` (L,), then at those found.
        """
        fresh = [s for s in dict.fromkeys(supports) if s not in self.solved]
        if not fresh:
            return
        members = np.full((len(fresh), self.depth), -1, dtype=np.int64)
        for row, support in enumerate(fresh):
            members[row, : len(support)] = support
        everywhere = np.broadcast_to(near, (len(fresh), self.legs.n))
        size, _ = self._best_sizes(members, self.legs.slope_at(everywhere))
        size, solution = self._best_sizes(members, self.legs.slope_at(size))
        worth = self.legs.worth(size)
        for row, support in enumerate(fresh):
            self.solved[support] = (
                Sized(support, size[row], float(worth[row]), solution.price[row])
                if solution.solved[row]
                else None
            )

    def _best_sizes(self, members: IntArray, slope: FloatArray) -> tuple[FloatArray, Solutions]:
        """Solve supports padded to one length with -1, such a place kept at 0; sizes (B, L)."""
        legs = self.legs
        used, at = members >= 0, np.maximum(members, 0)
        batch = np.arange(len(members))[:, None]
        both = used[:, :, None] & used[:, None, :]
        quadratic = np.where(both, legs.quadratic[at[:, :, None], at[:, None, :]], 0.0)
        quadratic += np.where(used, 0.0, 1.0)[:, :, None] * np.eye(self.depth)
        low, high = np.where(used, legs.low[at], -1.0), np.where(used, legs.high[at], 1.0)
        solution = solve(
            Programs(
                quadratic=quadratic,
                slope=np.where(used, slope[batch, at], 0.0),
                low=low,
                high=high,
                rows=(legs.rows[:, at] * used).transpose(1, 0, 2),
                room=legs.room - (legs.entry[:, at] * used).sum(axis=2).T,
            )
        )
        size = np.zeros((len(members), legs.n))
        np.add.at(size, (batch, at), np.clip(solution.point, low, high) * used)
        return size, solution

    def _neighbours(self, current: Sized) -> list[Support]:
        """Return the most promising neighbours by what legs are worth at the current prices.

        A leg that leaves takes along what it adds beside the others; one that comes adds what its
        best size would. The others' sizes stand still for the estimate.
        """
        legs, members = self.legs, list(current.support)
        curvature = np.maximum(np.diag(legs.quadratic), CURVATURE_MIN)
        slope = legs.slope_at(current.size[None, :])[0] - current.price @ legs.rows
        slope -= 2 * legs.quadratic @ current.size
        entry = legs.fixed + current.price @ legs.entry
        size = current.size[members]
        lost = slope[members] * size + curvature[members] * size**2 - entry[members]
        clashes = legs.conflicts[members].sum(axis=0)

        def joined(rest: Support, slope: FloatArray, clashes: IntArray) -> list[_Estimate]:
            best = np.clip(slope / (2 * curvature), legs.low, legs.high)
            gain = slope * best - curvature * best**2 - entry
            places = np.flatnonzero(clashes == 0)
            places = places[np.argsort(-gain[places], kind="stable")][:NEIGHBOURS]
            return [(float(gain[leg]), tuple(sorted((*rest, int(leg))))) for leg in places]

        estimates: list[_Estimate] = []
        if len(members) < self.depth:
            estimates += joined(current.support, slope, clashes)
        for place, leg in enumerate(members):
            rest = current.support[:place] + current.support[place + 1 :]
            loss = float(lost[place])
            if rest:
                estimates.append((-loss, rest))
            freed = slope + 2 * legs.quadratic[leg] * size[place]
            others = clashes - legs.conflicts[leg]
            others[leg] = 1
            estimates += [(gain - loss, s) for gain, s in joined(rest, freed, others)]
        estimates.sort(key=lambda estimate: (-estimate[0], estimate[1]))
        return [support for _, support in estimates[:NEIGHBOURS]]
