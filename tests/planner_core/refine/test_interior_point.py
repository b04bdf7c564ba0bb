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
        slope=generator.standard_normal((batch, size)) * 0.05,
        low=low,
        high=low + generator.uniform(0.001, 0.2, (batch, size)),
        rows=rows,
        room=least + generator.uniform(1e-4, 0.1, (batch, n_rows)),
    )


def take(made: Programs, row: int) -> tuple[FloatArray, ...]:
    return (
        made.quadratic[row],
        made.slope[row],
        made.low[row],
        made.high[row],
        made.rows[row],
        made.room[row],
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
    made = programs(seed, batch, size, n_rows, flat=flat)
    found = solve(made)
    assert found.solved.all()
    for row in range(batch):
        quadratic, slope, low, high, rows, room = take(made, row)
        point, price = found.point[row], found.price[row]
        assert (point >= low).all()
        assert (point <= high).all()
        left = room - rows @ point
        assert left.min() > -1e-7
        assert price.min() >= 0.0
        assert np.abs(price * left).max() < 1e-7
        gradient = slope - 2 * quadratic @ point - price @ rows
        off_low, off_high = point - low, high - point
        assert (np.abs(np.where(gradient > 0, off_high, off_low) * gradient) < 1e-6).all()


def test_a_program_without_a_solution_is_told_from_its_neighbours_that_have_one() -> None:
    made = programs(seed=3, batch=3, size=4, n_rows=2)
    alone = solve(made).point
    made.room[1] = made.rows[1] @ made.low[1] - np.abs(made.rows[1]) @ made.high[1] - 1.0
    found = solve(made)
    assert found.solved.tolist() == [True, False, True]
    assert np.isfinite(found.point).all()
    assert found.point[[0, 2]] == pytest.approx(alone[[0, 2]], abs=1e-7)


def test_a_limit_that_binds_has_the_price_of_a_little_more_room() -> None:
    made = programs(seed=8, batch=1, size=5, n_rows=1)
    made.rows[:] = 1.0
    made.room[:] = made.low.sum() + 0.01
    made.slope[:] = np.abs(made.slope) + 0.05

    def best() -> float:
        point = solve(made).point[0]
        return float(made.slope[0] @ point - point @ made.quadratic[0] @ point)

    price, before = float(solve(made).price[0, 0]), best()
    made.room[:] += 1e-4
    assert (best() - before) / 1e-4 == pytest.approx(price, rel=0.02)
    assert price > 0.01


def test_a_matrix_without_an_inverse_costs_accuracy_and_nothing_else() -> None:
    singular = np.array([[[1e9, 1e9], [1e9, 1e9]], [[2.0, 0.0], [0.0, 4.0]], [[0.0] * 2] * 2])
    found = _inverse(singular)
    assert np.isfinite(found).all()
    assert found[1] == pytest.approx(np.array([[0.5, 0.0], [0.0, 0.25]]), rel=1e-6)
