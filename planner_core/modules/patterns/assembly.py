"""Assemble candidates into a set that fits: no conflicts, and cash covered at the end.

Patterns are greedy: they take candidates in an order that makes sense and skip what does not fit.
The sets need not be the best, only good and varied starts for the search, which checks every limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from planner_core.market.state import PlanningState
from planner_core.model.candidates import Candidates
from planner_core.modules.module import ModuleParameters, parameter


class PatternParameters(ModuleParameters):
    """The parameters of most patterns."""

    variants: int = parameter(
        3, unit="sets", ge=1, le=50, description="how many sets to propose, each from another start"
    )


def compatible(candidates: Candidates, chosen: Sequence[int], new: int) -> bool:
    """Return whether a candidate conflicts with none of the chosen."""
    return not any(candidates.conflicts[new, other] for other in chosen)


def spare_cash(candidates: Candidates, chosen: Iterable[int], state: PlanningState) -> float:
    """Return the cash above what is required, after the chosen are traded; base currency."""
    # free - required + sum of cash deltas; costs and tax are in the deltas.
    cash_change = sum(float(candidates.cash_delta[i]) for i in chosen)
    return state.limits.cash_free - state.limits.cash_required + cash_change


def add_sells(
    candidates: Candidates, chosen: list[int], sells: Iterable[int], limit: int
) -> list[int]:
    """Add compatible sells, in their order, until the set has `limit` actions."""
    for candidate in sells:
        if len(chosen) >= limit:
            break
        if compatible(candidates, chosen, candidate):
            chosen.append(candidate)
    return chosen


def add_affordable_buys(
    candidates: Candidates,
    chosen: list[int],
    buys: Iterable[int],
    state: PlanningState,
    limit: int,
) -> list[int]:
    """Add compatible buys that the cash still covers, in their order, up to `limit` actions."""
    spare = spare_cash(candidates, chosen, state)
    for candidate in buys:
        if len(chosen) >= limit:
            break
        # Value and costs of the buy, as a positive amount.
        needed = -float(candidates.cash_delta[candidate])
        # A buy that is too large is skipped, not the end: a smaller one behind it may still fit.
        if needed <= spare and compatible(candidates, chosen, candidate):
            chosen.append(candidate)
            spare -= needed
    return chosen


def fund_buys(
    candidates: Candidates, buys: Sequence[int], sells: Sequence[int], state: PlanningState
) -> list[int]:
    """Take the buys in order, each with as many sells before it as it needs to be affordable."""
    depth = state.config.max_plan_depth
    chosen: list[int] = []
    for buy in buys:
        trial = [*chosen, buy]
        if not compatible(candidates, chosen, buy) or len(trial) > depth:
            continue
        # Add sells until the buy is paid for; without enough of them, leave the buy out.
        for sell in sells:
            if spare_cash(candidates, trial, state) >= 0 or len(trial) >= depth:
                break
            if compatible(candidates, trial, sell):
                trial.append(sell)
        if spare_cash(candidates, trial, state) >= 0:
            chosen = trial
    return chosen


def distinct(sets: Iterable[Sequence[int]]) -> list[tuple[int, ...]]:
    """Return the non-empty sets, each once, in their order."""
    # A set has no order of its own: sorted ids make equal sets equal tuples.
    return list(dict.fromkeys(tuple(sorted(chosen)) for chosen in sets if chosen))


def rotations(ids: Sequence[int], variants: int) -> list[list[int]]:
    """Return the list rotated to start at its first, second, ... place.

    A greedy fill depends on where it begins: each rotation gives another set.
    """
    return [[*ids[start:], *ids[:start]] for start in range(min(variants, len(ids)))]
