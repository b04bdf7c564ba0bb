"""The same scan done by others: pure Python, compiled C, and CVaR for every sequence."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from operator import mul
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from planner_core.market.returns import tail_weights
from planner_core.search.evaluator import FLOAT32_MARGIN, LimitColumn, as_set
from tools.measure import BenchmarkError

if TYPE_CHECKING:
    from planner_core.model.arrays import FloatArray
    from planner_core.search.evaluator import Evaluator, IdBlock

KERNEL = Path(__file__).parent / "kernels" / "pair_scan.c"
TOP = 10
WALKED = 64
"""Sequences looked at together when the best of a scored block are collected."""

Floats = NDArray[np.float32]
Scan = Callable[["IdBlock"], object]


def by_formula(evaluator: Evaluator) -> Scan:
    """The objective without CVaR as its formula stands, a sequence at a time, in pure Python.

    Lists, local names, and `sum(map(mul, ...))` for every inner product: as fast as plain Python
    gets without collapsing the objective first.
    """
    state = evaluator.state
    objective, c = state.objective, state.objective.weights
    half, drag = objective.aversion / 2, objective.drag
    weight, neutral = state.portfolio.weight.tolist(), objective.neutral.tolist()
    view, covariance = objective.view.tolist(), objective.covariance.tolist()
    pull, groups = objective.pull.tolist(), objective.group_membership.tolist()
    # eta c'w, what the tail term has beside CVaR95.
    tail_slope = (c.tail_risk_penalty * objective.tail_slope).tolist()
    idle_before = state.limits.idle_before if drag else 0.0
    candidates = evaluator.candidates
    security = candidates.security.tolist()
    change = evaluator.tables.weight_change.tolist()
    spent = ((candidates.cost_scored + candidates.tax_scored) / state.nav).tolist()
    raised = (candidates.cash_delta / state.nav).tolist()

    def score(ids: list[int]) -> float:
        after = weight.copy()
        paid = turnover = 0.0
        idle = idle_before
        for i in ids:
            after[security[i]] += change[i]
            paid += spent[i]
            turnover += abs(change[i])
            idle += raised[i]
        d = [w - r for w, r in zip(after, neutral, strict=True)]
        risk = sum(map(mul, d, [sum(map(mul, row, d)) for row in covariance]))
        squares = list(map(mul, d, d))
        total = sum(map(mul, view, d)) - half * risk + sum(map(mul, tail_slope, after))
        total -= c.concentration_penalty * sum(squares) + sum(map(mul, pull, squares))
        for row in groups:
            total -= c.group_drift_penalty * sum(map(mul, row, d)) ** 2
        return float(total - paid - c.turnover_penalty * turnover - drag * max(0.0, idle))

    return lambda block: [score(ids) for ids in block.T.tolist()]


def by_pairs_in_python(evaluator: Evaluator) -> Scan:
    """Pair tables in pure Python: the gain of the tables alone."""
    lin, pair = evaluator.bound_lin.tolist(), evaluator.tables.pair.tolist()
    before = evaluator.bound_before

    def score(ids: list[int]) -> float:
        total = before
        for place, i in enumerate(ids):
            total += lin[i]
            row = pair[i]
            for other in ids[place + 1 :]:
                total += row[other]
        return total

    return lambda block: [score(ids) for ids in block.T.tolist()]


def by_c(evaluator: Evaluator, folder: Path) -> Callable[[IdBlock], Floats]:
    """The pair tables in C, compiled with `cc -O3` for the purpose."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise BenchmarkError("no C compiler: install gcc")
    library = folder / "pair_scan.so"
    subprocess.run(
        [compiler, "-O3", "-shared", "-fPIC", "-o", str(library), str(KERNEL)], check=True
    )
    scan = ctypes.CDLL(str(library)).pair_scan
    lin = evaluator.bound_lin.astype(np.float32)
    pair = np.ascontiguousarray(evaluator.tables.pair, dtype=np.float32)
    pointer = ctypes.c_void_p

    def scores(block: IdBlock) -> Floats:
        depth, n = block.shape
        scores_of_block = np.empty(n, dtype=np.float32)
        scan(
            pointer(block.ctypes.data),
            ctypes.c_size_t(depth),
            ctypes.c_size_t(n),
            pointer(lin.ctypes.data),
            pointer(pair.ctypes.data),
            ctypes.c_size_t(len(lin)),
            ctypes.c_float(evaluator.bound_before),
            pointer(scores_of_block.ctypes.data),
        )
        return scores_of_block

    return scores


class FullCvar:
    """The top sets with CVaR computed for every sequence, in float32, as fast as numpy can.

    Losses come from weights times scenarios or, with many securities, from a sum over the actions:
    whichever is faster here. Only the best by that are judged and scored again in float64, as the
    product does. Without whole tail windows the fractional last one counts as a whole one: the
    scores it is ordered by differ less than the margin it is given.
    """

    def __init__(self, evaluator: Evaluator, *, by_weights: bool) -> None:
        state, k = evaluator.state, evaluator.candidates.n
        scenarios = state.objective.scenarios
        self.evaluator = evaluator
        self.lin = evaluator.tables.lin.astype(np.float32)
        self.pair = np.ascontiguousarray(evaluator.tables.pair, dtype=np.float32).ravel()
        self.drag = np.float32(state.objective.drag)
        self.idle_before = np.float32(state.limits.idle_before)
        self.cash = evaluator.limit_usage[:, LimitColumn.CASH].astype(np.float32)
        self.eta = np.float32(state.objective.weights.tail_risk_penalty)
        self.base = -(scenarios @ state.portfolio.weight).astype(np.float32)
        self.n_tail = tail_weights(len(scenarios)).size
        change = np.zeros((k + 1, scenarios.shape[1]), dtype=np.float32)
        change[np.arange(k), evaluator.candidates.security] = evaluator.tables.weight_change[:k]
        self.change = change
        self.losses = np.ascontiguousarray(-scenarios.T, dtype=np.float32)
        self.loss_of_action = None if by_weights else change @ self.losses

    def scores(self, block: IdBlock) -> Floats:
        """Score every sequence of a block with every term."""
        ids = block.astype(np.int64)
        total = np.full(ids.shape[1], self.evaluator.tables.score_before, dtype=np.float32)
        width = self.evaluator.null_id + 1
        for place, row in enumerate(ids):
            total += self.lin[row]
            for other in ids[place + 1 :]:
                total += self.pair[row * width + other]
        table = self.change if self.loss_of_action is None else self.loss_of_action
        summed = table[ids[0]]
        for row in ids[1:]:
            summed += table[row]
        losses = summed @ self.losses if self.loss_of_action is None else summed
        losses += self.base
        cut = losses.shape[1] - self.n_tail
        losses.partition(cut, axis=1)
        if self.drag:
            idle = self.idle_before + self.cash[ids].sum(axis=0)
            total -= self.drag * np.maximum(idle, np.float32(0.0))
        scores_of_block: Floats = total - self.eta * losses[:, cut:].mean(axis=1)
        return scores_of_block

    def top(self, blocks: list[IdBlock]) -> list[tuple[int, ...]]:
        """Return the best legal sets of all blocks, best first."""
        best: dict[tuple[int, ...], float] = {}
        for block in blocks:
            scores = self.scores(block)
            order = np.argsort(-scores)
            for start in range(0, order.size, WALKED):
                chunk = order[start : start + WALKED]
                last = sorted(best.values())[-TOP] if len(best) >= TOP else -np.inf
                if scores[chunk[0]] < last - FLOAT32_MARGIN:
                    break
                self._admit(np.ascontiguousarray(block[:, chunk]), best)
        return sorted(best, key=lambda ids: (-best[ids], len(ids), ids))[:TOP]

    def _admit(self, block: IdBlock, best: dict[tuple[int, ...], float]) -> None:
        legal = self.evaluator.check_block(block).legal
        exact: FloatArray = self.evaluator.exact_scores(block)
        for column in np.flatnonzero(legal):
            best[as_set(block[:, column], self.evaluator.null_id)] = float(exact[column])
