"""Solve a batch of small concave programs by a primal-dual interior point method.

    maximise  g'x - x'Mx   subject to   low <= x <= high   and   A x <= b

All limits are one list of inequalities `G x <= h` with G = [I; -I; A], slacks s = h - G x > 0 and
dual variables z > 0. A maximum meets the Karush-Kuhn-Tucker conditions

    2 M x - g + G'z = 0      dual residual
    G x + s - h = 0          primal residual
    s_i z_i = 0              complementarity

The method takes Newton steps on them with `s_i z_i = sigma mu` in place of 0, where mu is the mean
of s_i z_i. It drives mu to 0 and keeps s and z positive all the way: the iterates stay inside.

Eliminating s and z leaves one system of the size of x. numpy solves it for the whole batch at
once, so many programs of ten variables cost little more than one.

Sources: S. Mehrotra, "On the implementation of a primal-dual interior point method", SIAM Journal
on Optimization 2 (1992), 575-601. J. Nocedal, S. J. Wright, "Numerical Optimization", 2nd ed.
(2006), chapters 16 and 19; the names here are theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner_core.model.arrays import BoolArray, FloatArray

ITERATIONS_MAX = 25
"""Batches of the demo need 5 to 10; the rest is reserve."""
COMPLEMENTARITY = 1e-10
"""Mean product of slack and dual at which a program counts as solved."""
FEASIBILITY = 1e-8
"""Largest primal residual of a solved program."""
DUAL_START = 1e-2
"""Of the order of the gradient (score per weight): limits and objective count alike at first."""
DUAL_MAX = 1e8
"""The dual grows without bound when no point is feasible: such a program is given up."""
SLACK_MIN = 1e-3
"""Rows may start violated, with this much slack to begin with."""
FRACTION_TO_BOUNDARY = 0.99
"""Part of the longest step that is taken, so that no slack or dual becomes 0."""
RIDGE = 1e-10
"""A singular matrix gets this part of its largest entry on its diagonal."""
TINY = 1e-30
"""Keeps the ridge above 0 for a matrix of zeros."""


@dataclass(frozen=True, slots=True, eq=False)
class Programs:
    """A batch of B programs with n variables and m rows.

    Parameters
    ----------
    quadratic : ndarray of shape (B, n, n)
        M, positive semi-definite.
    linear : ndarray of shape (B, n)
        g.
    low, high : ndarray of shape (B, n)
        `low < high`.
    rows : ndarray of shape (B, m, n)
        A.
    rhs : ndarray of shape (B, m)
        b.
    """

    quadratic: FloatArray
    linear: FloatArray
    low: FloatArray
    high: FloatArray
    rows: FloatArray
    rhs: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Solutions:
    """`primal` (B, n), the maximisers; `dual` (B, m), of the rows only; `solved` (B,)."""

    primal: FloatArray
    dual: FloatArray
    solved: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class _Direction:
    """A Newton direction: `primal` (B, n); `slacks`, `dual` (B, 2 n + m)."""

    primal: FloatArray
    slacks: FloatArray
    dual: FloatArray


def solve(programs: Programs) -> Solutions:
    """Solve a batch of programs.

    Notes
    -----
    Mehrotra's predictor and corrector, both with one inverse. The box holds from the start, the
    rows at the end. O(iterations * B * n^2 * (n + m)).
    """
    n = programs.linear.shape[1]
    # The middle of the box is far from both bounds.
    primal = (programs.low + programs.high) / 2
    slacks = _slacks(programs, primal)
    # The middle of the box may break a row: an infeasible start gives that row a slack anyway.
    slacks[:, 2 * n :] = np.maximum(slacks[:, 2 * n :], SLACK_MIN)
    dual = np.full_like(slacks, DUAL_START)
    solved = np.zeros(len(primal), dtype=bool)
    for _ in range(ITERATIONS_MAX):
        # r_p = G x + s - h
        primal_residual = slacks - _slacks(programs, primal)
        # r_d = 2 M x - g + G'z
        dual_residual = (
            2 * _batched_matvec(programs.quadratic, primal)
            - programs.linear
            + _adjoint(programs, dual)
        )
        # mu = s'z / (2 n + m), the distance from complementarity
        mu = (slacks * dual).mean(axis=1)
        # Every step scales both residuals by 1 - step_length. Only the primal one is tested: what
        # is left of the dual one costs a little score, never a limit.
        solved = (mu < COMPLEMENTARITY) & (np.abs(primal_residual).max(axis=1) < FEASIBILITY)
        # A program is left as it is once it is solved, or once its duals diverge.
        active = ~solved & (dual.max(axis=1) < DUAL_MAX)
        if not active.any():
            break
        inverse = _inverse(_normal_matrix(programs, dual / slacks))
        # One inverse serves both directions.
        # Predictor (affine scaling): aim at s_i z_i = 0.
        complementarity = slacks * dual
        direction = _newton_direction(
            programs, inverse, dual_residual, primal_residual, complementarity, slacks, dual
        )
        step_length = _step_length(slacks, dual, direction)
        slacks_affine = slacks + step_length * direction.slacks
        mu_affine = (slacks_affine * (dual + step_length * direction.dual)).mean(axis=1)
        # Centring: sigma = (mu_affine / mu)^3, small where the predictor got far.
        sigma_mu = (np.maximum(mu_affine, 0.0) / mu) ** 3 * mu
        # Corrector: aim at sigma mu, and add the second-order term ds_i dz_i of the predictor.
        complementarity = complementarity + direction.slacks * direction.dual - sigma_mu[:, None]
        direction = _newton_direction(
            programs, inverse, dual_residual, primal_residual, complementarity, slacks, dual
        )
        # Solved and hopeless programs stay where they are: their step is 0.
        step_length = FRACTION_TO_BOUNDARY * _step_length(slacks, dual, direction) * active[:, None]
        primal = primal + step_length * direction.primal
        slacks = slacks + step_length * direction.slacks
        dual = dual + step_length * direction.dual
    return Solutions(primal, dual[:, 2 * n :], solved)


def _slacks(programs: Programs, primal: FloatArray) -> FloatArray:
    """Return h - G x: to the upper bounds, to the lower bounds, to the rows; (B, 2 n + m)."""
    # The order of all inequalities in this module: upper bounds, lower bounds, rows.
    rows = programs.rhs - _batched_matvec(programs.rows, primal)
    slacks: FloatArray = np.hstack([programs.high - primal, primal - programs.low, rows])
    return slacks


def _batched_matvec(matrix: FloatArray, vector: FloatArray) -> FloatArray:
    """Return one matrix-vector product per program: (B, m, n) by (B, n) gives (B, m)."""
    product: FloatArray = np.matmul(matrix, vector[:, :, None])[:, :, 0]
    return product


def _adjoint(programs: Programs, dual: FloatArray) -> FloatArray:
    """Return G'z = z_upper - z_lower + A'z_rows; (B, n)."""
    n = programs.linear.shape[1]
    rows = np.matmul(dual[:, None, 2 * n :], programs.rows)[:, 0]
    adjoint: FloatArray = dual[:, :n] - dual[:, n : 2 * n] + rows
    return adjoint


def _normal_matrix(programs: Programs, scaling: FloatArray) -> FloatArray:
    """Return 2 M + G'DG with D = diag(z / s), the matrix of the reduced system; (B, n, n)."""
    n = programs.linear.shape[1]
    scaled_rows = programs.rows * scaling[:, 2 * n :, None]
    matrix: FloatArray = 2 * programs.quadratic + np.matmul(
        scaled_rows.transpose(0, 2, 1), programs.rows
    )
    # The box part of G is I and -I: it adds to the diagonal only.
    diagonal = np.arange(n)
    matrix[:, diagonal, diagonal] += scaling[:, :n] + scaling[:, n : 2 * n]
    return matrix


def _inverse(matrix: FloatArray) -> FloatArray:
    """Return the inverses, after adding a small ridge to all if one of them is singular.

    Duals and slacks of very different sizes can leave less in a pivot than a float holds. The
    ridge makes the step a little shorter; the residuals are tested anyway.
    """
    try:
        inverse = np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        n = matrix.shape[1]
        largest = np.abs(matrix).max(axis=(1, 2), keepdims=True)
        inverse = np.linalg.inv(matrix + (RIDGE * largest + TINY) * np.eye(n))
    return inverse.astype(np.float64, copy=False)


def _newton_direction(
    programs: Programs,
    inverse: FloatArray,
    dual_residual: FloatArray,
    primal_residual: FloatArray,
    complementarity: FloatArray,
    slacks: FloatArray,
    dual: FloatArray,
) -> _Direction:
    """Return the Newton direction for the residuals r_d, r_p and r_c (`complementarity`).

    The linearised conditions are `2 M dx + G'dz = -r_d`, `G dx + ds = -r_p` and
    `z ds + s dz = -r_c`. Eliminating ds and dz gives
    `(2 M + G'DG) dx = G'((r_c - z r_p) / s) - r_d`.
    """
    # Each division is by a positive number: slacks never reach 0.
    rhs = _adjoint(programs, (complementarity - dual * primal_residual) / slacks) - dual_residual
    primal_step = _batched_matvec(inverse, rhs)
    rows = _batched_matvec(programs.rows, primal_step)
    # Back substitution: ds = -r_p - G dx, then dz = -(r_c + z ds) / s.
    slack_step = -primal_residual - np.hstack([primal_step, -primal_step, rows])
    dual_step = -(complementarity + dual * slack_step) / slacks
    return _Direction(primal_step, slack_step, dual_step)


def _step_length(slacks: FloatArray, dual: FloatArray, direction: _Direction) -> FloatArray:
    """Return the longest step, at most 1, that keeps slacks and duals at 0 or above; (B, 1).

    `s + a ds >= 0` holds up to `a = 1 / max(-ds / s)`, and so for the dual. Both share one length.
    """
    shrinkage = np.maximum(-direction.slacks / slacks, -direction.dual / dual)
    step_length: FloatArray = 1.0 / np.maximum(shrinkage.max(axis=1, keepdims=True), 1.0)
    return step_length
