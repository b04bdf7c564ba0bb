"""Simpler ways to choose trades, judged by the same objective: greedy, and rounding an optimum."""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING

import numpy as np

from planner_core.market.limits import VIOLATION_TOLERANCE
from planner_core.market.trade_sizing import price_trade
from planner_core.model.candidates import build_candidates, same_security_conflicts
from planner_core.model.records import Side
from planner_core.modules.opportunities.weight_based import solve_target_weights
from planner_core.search.evaluator import Evaluator, as_block
from tools.measure import BenchmarkError

if TYPE_CHECKING:
    from planner_core.market.state import PlanningState
    from planner_core.model.plan import Action


def greedy(evaluator: Evaluator, depth: int) -> float:
    """Add the candidate that helps most, `depth` times; return the exact score of the best set.

    On the way a set may still need a sell to be legal, as a buy that awaits its funding does; only
    legal ones count in the end.
    """
    chosen: tuple[int, ...] = ()
    best = _rank_sets(evaluator, [chosen], depth)[0][0]
    for _ in range(depth):
        sets = [(*chosen, i) for i in range(evaluator.candidates.n) if i not in chosen]
        ranks = _rank_sets(evaluator, sets, depth)
        open_sets = [(score, ids) for (_, score), ids in zip(ranks, sets, strict=True)]
        best = min([best, *(legal for legal, _ in ranks)])
        score, ids = min(open_sets, default=(np.inf, chosen))
        if not np.isfinite(score):
            break
        chosen = ids
    return -best[1]


def _rank_sets(
    evaluator: Evaluator, sets: list[tuple[int, ...]], depth: int
) -> list[tuple[tuple[float, float], float]]:
    """Return each set's rank (violation, negative score) and its negative score while it grows.

    Smaller is better; infinite where it is not legal, or beyond repair.
    """
    if not sets:
        return []
    block = as_block(sets, depth, evaluator.null_id)
    check = evaluator.check_block(block)
    level = np.where(check.legal, np.rint(check.violation / VIOLATION_TOLERANCE), np.inf)
    score = -evaluator.exact_scores(block)
    growing = np.where(check.legal | check.repairable, score, np.inf)
    return [
        ((float(at), float(exact)), float(still))
        for at, exact, still in zip(level, score, growing, strict=True)
    ]


def discrete_allocation(state: PlanningState, depth: int) -> float:
    """Round an optimum to shares with PyPortfolioOpt, and keep its largest trades.

    It gets our own continuous optimum (its own would be of another objective) and rounds it by its
    greedy DiscreteAllocation, which knows of no limit but the budget. Of the trades toward that,
    the `depth` largest are kept; then trades are given up, smallest first, until every limit
    holds: buys only, while it is cash that is missing. Returns the exact score.
    """
    trades = allocate(state, solve_target_weights(state)) - state.portfolio.quantity
    value = np.abs(trades * np.nan_to_num(state.portfolio.unit_value))
    largest = [int(i) for i in np.argsort(-value, kind="stable")[:depth] if trades[i]]
    actions = [_trade(state, i, float(trades[i])) for i in largest]
    short = state.limits.cash_required - state.limits.cash_free
    score, legal = _score_if_legal(state, actions)
    while actions and not legal:
        buys = [action for action in actions if action.quantity > 0]
        is_short = sum(action.cash_delta for action in actions) < short
        smallest = min((is_short and buys) or actions, key=lambda action: abs(action.value))
        actions.remove(smallest)
        score, legal = _score_if_legal(state, actions)
    return score


def _score_if_legal(state: PlanningState, actions: list[Action]) -> tuple[float, bool]:
    conflicts = same_security_conflicts(actions)
    evaluator = Evaluator(state, build_candidates(actions, np.zeros(len(actions)), conflicts))
    block = as_block([tuple(range(len(actions)))], max(len(actions), 1), evaluator.null_id)
    return float(evaluator.exact_scores(block)[0]), bool(evaluator.check_block(block).legal[0])


def _trade(state: PlanningState, column: int, quantity: float) -> Action:
    return price_trade(state, column, Side.BUY if quantity > 0 else Side.SELL, abs(quantity))


def allocate(
    state: PlanningState, optimum: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return whole shares for weights of NAV, by PyPortfolioOpt's greedy rounding; (n,)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pandas = importlib.import_module("pandas")
            pypfopt = importlib.import_module("pypfopt")
    except ImportError as error:
        raise BenchmarkError("pypfopt is missing; run: bash tools/bootstrap.sh bench") from error
    held = [int(i) for i in np.flatnonzero(optimum > 1e-6)]  # noqa: PLR2004 - dust of the solver
    invested = float(optimum[held].sum())
    allocation = pypfopt.DiscreteAllocation(
        {i: float(optimum[i]) / invested for i in held},
        pandas.Series({i: float(state.portfolio.unit_value[i]) for i in held}),
        total_portfolio_value=invested * state.nav,
    )
    shares_by_column, _ = allocation.greedy_portfolio()
    shares = np.zeros(optimum.size)
    for column, quantity in shares_by_column.items():
        shares[column] = quantity
    return shares
