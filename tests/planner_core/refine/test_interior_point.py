"""The batched solver, held to the conditions that only a maximum meets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner_core.model.arrays import FloatArray
from planner_core.refine.interior_point import Programs, _inverse, solve


def programs(seed: int, batch: int, size: int, n_rows: int, *, flat: bool = False) -> Programs:
    """Random programs of the planner's scale; the smallest sizes always fit into the rows."""
    generator = np.random.default_rng(seed)
    factor = generator.standard_normal((batch, size, size)) * 0.2
    low = generator.uniform(0.002, 0.01, (batch, size))
    rows = generator.uniform(-1.0, 1.0, (batch, n_rows, size))
    least = np.einsum("bms,bs->bm", rows, low)
    return Programs(
        quadratic=factor @ factor.transpose(0, 2, 1) * (not flat),
        linear=generator.standard_normal((batch, size)) * 0.05,
        low=low,
        high=low + generator.uniform(0.001, 0.2, (batch, size)),
        rows=rows,
        rhs=least + generator.uniform(1e-4, 0.1, (batch, n_rows)),
    )


def take(program: Programs, row: int) -> tuple[FloatArray, ...]:
    return (
        program.quadratic[row],
        program.linear[row],
        program.low[row],
        program.high[row],
        program.rows[row],
        program.rhs[row],
    )


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    batch=st.integers(1, 6),
    size=st.integers(1, 10),
    n_rows=st.integers(1, 6),
    flat=st.booleans(),
)
def test_every_solution_meets_the_conditions_of_a_maximum(
    seed: int, batch: int, size: int, n_rows: int, flat: bool
) -> None:
    program = programs(seed, batch, size, n_rows, flat=flat)
    solutions = solve(program)
    assert solutions.solved.all()
    for row in range(batch):
        quadratic, linear, low, high, rows, rhs = take(program, row)
        point, dual = solutions.primal[row], solutions.dual[row]
        assert (point >= low).all()
        assert (point <= high).all()
        slack = rhs - rows @ point
        assert slack.min() > -1e-7
        assert dual.min() >= 0.0
        assert np.abs(dual * slack).max() < 1e-7
        gradient = linear - 2 * quadratic @ point - dual @ rows
        off_low, off_high = point - low, high - point
        assert (np.abs(np.where(gradient > 0, off_high, off_low) * gradient) < 1e-6).all()


def test_a_program_without_a_solution_does_not_disturb_its_neighbours() -> None:
    program = programs(seed=3, batch=3, size=4, n_rows=2)
    alone = solve(program).primal
    program.rhs[1] = (
        program.rows[1] @ program.low[1] - np.abs(program.rows[1]) @ program.high[1] - 1.0
    )
    solutions = solve(program)
    assert solutions.solved.tolist() == [True, False, True]
    assert np.isfinite(solutions.primal).all()
    assert solutions.primal[[0, 2]] == pytest.approx(alone[[0, 2]], abs=1e-7)


def test_a_limit_that_binds_has_the_price_of_a_little_more_room() -> None:
    program = programs(seed=8, batch=1, size=5, n_rows=1)
    program.rows[:] = 1.0
    program.rhs[:] = program.low.sum() + 0.01
    program.linear[:] = np.abs(program.linear) + 0.05

    def best() -> float:
        point = solve(program).primal[0]
        return float(program.linear[0] @ point - point @ program.quadratic[0] @ point)

    dual, before = float(solve(program).dual[0, 0]), best()
    program.rhs[:] += 1e-4
    assert (best() - before) / 1e-4 == pytest.approx(dual, rel=0.02)
    assert dual > 0.01


def test_a_matrix_without_an_inverse_costs_accuracy_and_nothing_else() -> None:
    singular = np.array([[[1e9, 1e9], [1e9, 1e9]], [[2.0, 0.0], [0.0, 4.0]], [[0.0] * 2] * 2])
    inverse = _inverse(singular)
    assert np.isfinite(inverse).all()
    assert inverse[1] == pytest.approx(np.array([[0.5, 0.0], [0.0, 0.25]]), rel=1e-6)
