"""Choose which trades to make, with every set of them judged at its best sizes.

A leg is a security and a side; a support is a set of legs. Over a support's sizes x the gain in
score is concave, so its best sizes follow from a small program,

    maximise  g'x - x'Mx   subject to   low <= x <= high   and   A x <= b

and a batch of supports costs one call of `interior_point.solve`. CVaR95 and market impact enter g
by their slopes at a nearby point, and the exact gain is computed at the solution.

From good supports, those of the search, this climbs by adding, dropping or exchanging one leg. A
support has hundreds of such neighbours. The dual variables of the limits say what a unit of cash or
turnover is worth at the current sizes, and so estimate what each leg would add beside the others.
Only the neighbours with the best estimates are solved.

Source: pricing by the dual variables is that of column generation (L. R. Ford, D. R. Fulkerson,
Management Science 5 (1958), 97-101); the climb is our own.
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
"""The most that a neighbour is likely to add to the score, and the neighbour."""

NEIGHBOURS = 24
"""Neighbours of a support that are solved, best estimate first."""
CLIMB_MAX = 40
"""Steps of a climb; each one improves, so this is only a bound on time."""
GAIN_TOLERANCE = 1e-9
"""A step must gain more than the solver's own error."""
CURVATURE_MIN = 1e-12
"""Without risk or penalties M is 0: the floor makes a leg's best size one of its two bounds."""
PADDING = -1
"""Fills the places that a support shorter than the depth leaves open."""


@dataclass(frozen=True, slots=True, eq=False)
class SizedSupport:
    """A support at its best sizes.

    `size` (n_legs,), 0 outside the support; `gain`, what that adds to the score; `dual` (n_rows,),
    the dual variables of the limits: score per unit of each limit.
    """

    support: Support
    size: FloatArray
    gain: float
    dual: FloatArray


class SupportSearch:
    """Climb among supports; each support is solved once."""

    def __init__(self, legs: Legs, depth: int) -> None:
        self.legs = legs
        self.depth = depth
        self.solved: dict[Support, SizedSupport | None] = {}
        """None where no sizes were found that keep every limit."""

    @property
    def feasible(self) -> list[SizedSupport]:
        """Every solved support that can be carried out, best first."""
        sized = [s for s in self.solved.values() if s is not None]
        return sorted(sized, key=lambda s: (-s.gain, s.support))

    def climb(self, start: Support, must_stop: Callable[[], bool]) -> None:
        """Move from a support to its best neighbour while that improves and time is left."""
        self._solve([start], np.zeros(self.legs.n))
        current = self.solved[start]
        for _ in range(CLIMB_MAX):
            if current is None or must_stop():
                return
            neighbours = self._neighbours(current)
            # Neighbours share most legs with the current support: its sizes are a good first guess.
            self._solve(neighbours, current.size)
            best = max(
                (s for s in map(self.solved.get, neighbours) if s is not None),
                key=lambda s: s.gain,
                default=None,
            )
            if best is None or best.gain <= current.gain + GAIN_TOLERANCE:
                return
            current = best

    def _solve(self, supports: Iterable[Support], guess: FloatArray) -> None:
        """Solve the supports that are new, starting from sizes `guess` (n_legs,)."""
        fresh = [s for s in dict.fromkeys(supports) if s not in self.solved]
        if not fresh:
            return
        # One width for the batch: programs of one shape are solved in one call.
        members = np.full((len(fresh), self.depth), PADDING, dtype=np.int64)
        for row, support in enumerate(fresh):
            members[row, : len(support)] = support
        # CVaR95 and impact are linearised twice: at the guess, then at the sizes that come of it.
        guesses = np.broadcast_to(guess, (len(fresh), self.legs.n))
        size, _ = self._best_sizes(members, self.legs.slope_at(guesses))
        size, solution = self._best_sizes(members, self.legs.slope_at(size))
        # CVaR95 and impact are exact in the gain; only the sizes come of their slopes.
        gain = self.legs.gain(size)
        for row, support in enumerate(fresh):
            self.solved[support] = (
                SizedSupport(support, size[row], float(gain[row]), solution.dual[row])
                if solution.solved[row]
                else None
            )

    def _best_sizes(self, members: IntArray, slope: FloatArray) -> tuple[FloatArray, Solutions]:
        """Solve supports (B, depth), filled up with PADDING; return sizes (B, n_legs)."""
        # M, g, the box and A of each support are gathered from those of all legs.
        legs = self.legs
        in_use, leg = members != PADDING, np.maximum(members, 0)
        batch = np.arange(len(members))[:, None]
        both = in_use[:, :, None] & in_use[:, None, :]
        # A padded place is a variable of its own: maximise -x^2 over [-1, 1], which gives 0.
        quadratic = np.where(both, legs.quadratic[leg[:, :, None], leg[:, None, :]], 0.0)
        quadratic += np.where(in_use, 0.0, 1.0)[:, :, None] * np.eye(self.depth)
        low, high = np.where(in_use, legs.low[leg], -1.0), np.where(in_use, legs.high[leg], 1.0)
        solution = solve(
            Programs(
                quadratic=quadratic,
                linear=np.where(in_use, slope[batch, leg], 0.0),
                low=low,
                high=high,
                rows=(legs.rows[:, leg] * in_use).transpose(1, 0, 2),
                # A x + entry <= b: ticket fees use the limits whatever the sizes are.
                rhs=legs.rhs - (legs.entry[:, leg] * in_use).sum(axis=2).T,
            )
        )
        size = np.zeros((len(members), legs.n))
        # `add.at`, because every padded place points at leg 0 too, with a size of 0.
        np.add.at(size, (batch, leg), np.clip(solution.primal, low, high) * in_use)
        return size, solution

    def _neighbours(self, current: SizedSupport) -> list[Support]:
        """Return the neighbours with the best estimates.

        The other sizes stand still in an estimate. A leg that leaves takes away what it adds beside
        the others; a leg that joins adds the most it could.
        """
        legs, members = self.legs, list(current.support)
        curvature = np.maximum(np.diag(legs.quadratic), CURVATURE_MIN)
        # Slope of the Lagrangian at the current sizes x: g - A'z - 2 M x.
        slope = legs.slope_at(current.size[None, :])[0] - current.dual @ legs.rows
        slope -= 2 * legs.quadratic @ current.size
        # Cost of trading a leg at all: the ticket fee, and what it uses of the limits at price z.
        entry = legs.fixed + current.dual @ legs.entry
        size = current.size[members]
        # Lagrangian at x less that at x_i = 0: slope_i x_i + M_ii x_i^2 - entry_i.
        loss = slope[members] * size + curvature[members] * size**2 - entry[members]
        n_conflicts = legs.conflicts[members].sum(axis=0)

        def joining(rest: Support, slope: FloatArray, n_conflicts: IntArray) -> list[_Estimate]:
            # Gain of a leg of size t from 0: slope t - M_ii t^2 - entry; its vertex, clipped.
            best = np.clip(slope / (2 * curvature), legs.low, legs.high)
            gain = slope * best - curvature * best**2 - entry
            joinable = np.flatnonzero(n_conflicts == 0)
            joinable = joinable[np.argsort(-gain[joinable], kind="stable")][:NEIGHBOURS]
            return [(float(gain[leg]), tuple(sorted((*rest, int(leg))))) for leg in joinable]

        # The three moves: a leg joins, a leg leaves, one leaves and another joins.
        estimates: list[_Estimate] = []
        if len(members) < self.depth:
            estimates += joining(current.support, slope, n_conflicts)
        for place, leg in enumerate(members):
            rest = current.support[:place] + current.support[place + 1 :]
            leg_loss = float(loss[place])
            # Without any leg there is nothing to size: the empty support is doing nothing.
            if rest:
                estimates.append((-leg_loss, rest))
            # Without leg i the slopes lose its cross term: slope_j + 2 M_ij x_i.
            slope_without = slope + 2 * legs.quadratic[leg] * size[place]
            others = n_conflicts - legs.conflicts[leg]
            # The leg that leaves may not come back at once.
            others[leg] = 1
            exchanges = joining(rest, slope_without, others)
            estimates += [(gain - leg_loss, support) for gain, support in exchanges]
        # Ties by ids: a plan must be repeatable.
        estimates.sort(key=lambda estimate: (-estimate[0], estimate[1]))
        return [support for _, support in estimates[:NEIGHBOURS]]
