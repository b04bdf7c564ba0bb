"""Small concave programs, many at a time, by a primal-dual interior point method.

    maximise  q'x - x'Mx   with   low <= x <= high   and   Ax <= b

One Newton step solves a system of the size of x for the whole batch at once: for ten variables
that costs little more than a single one does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner_core.model.arrays import BoolArray, FloatArray

STEPS_MAX = 25
COMPLEMENTARITY = 1e-10
"""Mean product of slack and price at which a program counts as solved."""
FEASIBILITY = 1e-8
PRICE_START = 1e-2
PRICE_MAX = 1e8
"""A price beyond it belongs to a program that has no solution: it is left alone."""
SLACK_MIN = 1e-3
"""Rows may start violated, with this much slack to begin with."""
SHORT_OF_EDGE = 0.99
RIDGE = 1e-10
"""Part of its largest entry that a matrix without an inverse gets on its diagonal."""
TINY = 1e-30


@dataclass(frozen=True, slots=True, eq=False)
class Programs:
    """A batch of B programs with s variables and m rows.

    `quadratic` (B, s, s), positive semi-definite; `slope`, `low`, `high` (B, s) with
    `low < high`; `rows` (B, m, s); `room` (B, m).
    """

    quadratic: FloatArray
    slope: FloatArray
    low: FloatArray
    high: FloatArray
    rows: FloatArray
    room: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Solutions:
    """`point` (B, s); `price` (B, m), the multipliers of the rows; `solved` (B,)."""

    point: FloatArray
    price: FloatArray
    solved: BoolArray


def solve(programs: Programs) -> Solutions:
    """Solve a batch of programs.

    Notes
    -----
    S. Mehrotra, "On the implementation of a primal-dual interior point method", SIAM Journal on
    Optimization 2 (1992), 575-601: a predictor, and a corrector with the same matrix. The box is
    kept throughout, the rows are reached on the way. O(steps * B * s^2 * (s + m)).
    """
    size = programs.slope.shape[1]
    point = (programs.low + programs.high) / 2
    slack = _left(programs, point)
    slack[:, 2 * size :] = np.maximum(slack[:, 2 * size :], SLACK_MIN)
    price = np.full_like(slack, PRICE_START)
    solved = np.zeros(len(point), dtype=bool)
    for _ in range(STEPS_MAX):
        missing = slack - _left(programs, point)
        slope = 2 * _times(programs.quadratic, point) - programs.slope + _back(programs, price)
        mean = (slack * price).mean(axis=1)
        solved = (mean < COMPLEMENTARITY) & (np.abs(missing).max(axis=1) < FEASIBILITY)
        going = ~solved & (price.max(axis=1) < PRICE_MAX)
        if not going.any():
            break
        weight = price / slack
        inverse = _inverse(_matrix(programs, weight))
        product = slack * price
        moves = _moves(programs, inverse, slope, missing, product, slack, price)
        reach = _reach(slack, price, moves)
        after = ((slack + reach * moves[1]) * (price + reach * moves[2])).mean(axis=1)
        centre = (np.maximum(after, 0.0) / mean) ** 3 * mean
        product = product + moves[1] * moves[2] - centre[:, None]
        moves = _moves(programs, inverse, slope, missing, product, slack, price)
        reach = SHORT_OF_EDGE * _reach(slack, price, moves) * going[:, None]
        point = point + reach * moves[0]
        slack = slack + reach * moves[1]
        price = price + reach * moves[2]
    return Solutions(point, price[:, 2 * size :], solved)


def _left(programs: Programs, point: FloatArray) -> FloatArray:
    """Return what is left of every limit: above, below, rows; (B, 2 s + m)."""
    rows = programs.room - _times(programs.rows, point)
    left: FloatArray = np.hstack([programs.high - point, point - programs.low, rows])
    return left


def _times(matrix: FloatArray, vector: FloatArray) -> FloatArray:
    product: FloatArray = np.matmul(matrix, vector[:, :, None])[:, :, 0]
    return product


def _back(programs: Programs, price: FloatArray) -> FloatArray:
    """Return what prices of the limits add to the slope; (B, s)."""
    size = programs.slope.shape[1]
    rows = np.matmul(price[:, None, 2 * size :], programs.rows)[:, 0]
    back: FloatArray = price[:, :size] - price[:, size : 2 * size] + rows
    return back


def _matrix(programs: Programs, weight: FloatArray) -> FloatArray:
    size = programs.slope.shape[1]
    weighted = programs.rows * weight[:, 2 * size :, None]
    matrix: FloatArray = 2 * programs.quadratic + np.matmul(
        weighted.transpose(0, 2, 1), programs.rows
    )
    diagonal = np.arange(size)
    matrix[:, diagonal, diagonal] += weight[:, :size] + weight[:, size : 2 * size]
    return matrix


def _inverse(matrix: FloatArray) -> FloatArray:
    """Return the inverses; of matrices that are slightly larger where one has none.

    Prices and slacks of a program whose numbers are of very different sizes can leave less in a
    pivot than a float holds. The step is then a little shorter; where it ends is tested anyway.
    """
    try:
        inverse = np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        size = matrix.shape[1]
        largest = np.abs(matrix).max(axis=(1, 2), keepdims=True)
        inverse = np.linalg.inv(matrix + (RIDGE * largest + TINY) * np.eye(size))
    return inverse.astype(np.float64, copy=False)


def _moves(
    programs: Programs,
    inverse: FloatArray,
    slope: FloatArray,
    missing: FloatArray,
    product: FloatArray,
    slack: FloatArray,
    price: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the Newton step of point, slack and price that takes `product` off theirs."""
    point = _times(inverse, _back(programs, (product - price * missing) / slack) - slope)
    rows = _times(programs.rows, point)
    slack_move = -missing - np.hstack([point, -point, rows])
    price_move = -(product + price * slack_move) / slack
    return point, slack_move, price_move


def _reach(
    slack: FloatArray, price: FloatArray, moves: tuple[FloatArray, FloatArray, FloatArray]
) -> FloatArray:
    """Return how far each program can step before a slack or a price is 0, at most 1; (B, 1)."""
    shrink = np.maximum(-moves[1] / slack, -moves[2] / price).max(axis=1, keepdims=True)
    reach: FloatArray = 1.0 / np.maximum(shrink, 1.0)
    return reach
