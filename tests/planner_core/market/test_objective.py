"""The objective says what its formula says: by hand, by the reference, by finite differences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner_core.market.objective import TERMS, Objective, build_objective, portfolio_metrics
from planner_core.model.config import ObjectiveConfig
from planner_core.model.records import GroupRule
from tests.builders import make_config, make_context, make_security, make_state
from tests.planner_core.reference import Book
from tests.planner_core.strategies import Portfolio, portfolios, reference_of

WEIGHTS = np.array([0.5, 0.3])
WITHOUT_TAIL = {name: name for name in TERMS if name != "tail_risk"}


def by_hand(**overrides: Any) -> Objective:  # noqa: ANN401 - an Objective's fields
    """Two securities, round numbers; the second one has no target of its own."""
    fields: dict[str, Any] = {
        "weights": ObjectiveConfig(),
        "mu": np.array([0.10, 0.05]),
        "covariance": np.array([[0.04, 0.01], [0.01, 0.09]]),
        "scenarios": np.empty((0, 2)),
        "target": np.array([0.4, 0.0]),
        "has_target": np.array([True, False]),
        "group_membership": np.array([[1.0, 1.0]]),
        "group_target": np.array([0.9]),
    }
    return Objective(**{**fields, **overrides})


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("expected_return", 0.10 * 0.5 + 0.05 * 0.3),
        ("risk", -4 / 2 * (0.04 * 0.25 + 2 * 0.01 * 0.15 + 0.09 * 0.09)),
        ("concentration", -0.15 * (0.25 + 0.09)),
        ("drift", -0.3 * 0.1**2),
        ("group_drift", -0.3 * 0.1**2),
        ("tail_risk", 0.0),
        ("cost", -0.002),
        ("tax", -0.004),
        ("turnover", -0.001 * 0.2),
    ],
)
def test_each_term_by_hand(term: str, expected: float) -> None:
    terms = by_hand().terms(WEIGHTS, cost=0.002, tax=0.004, turnover=0.2)
    assert tuple(terms) == TERMS
    assert terms[term] == pytest.approx(expected, abs=1e-15)


def test_the_tail_term_is_the_mean_of_the_worst_twentieth() -> None:
    # 40 windows: the worst two count. Losses of 0.5 * 20 % and 0.5 * 10 %.
    scenarios = np.zeros((40, 2))
    scenarios[3, 0], scenarios[7, 0] = -0.20, -0.10
    objective = by_hand(scenarios=scenarios)
    assert objective.tail_risk(WEIGHTS) == pytest.approx(0.075)
    assert objective.terms(WEIGHTS)["tail_risk"] == pytest.approx(-0.25 * 0.075)


@pytest.mark.parametrize(
    ("key", "term"),
    [
        ("risk_aversion", "risk"),
        ("concentration_penalty", "concentration"),
        ("drift_penalty", "drift"),
        ("group_drift_penalty", "group_drift"),
        ("tail_risk_penalty", "tail_risk"),
        ("turnover_penalty", "turnover"),
    ],
)
def test_a_penalty_of_zero_switches_exactly_its_own_term_off(key: str, term: str) -> None:
    scenarios = np.full((40, 2), -0.1)
    before = by_hand(scenarios=scenarios).terms(WEIGHTS, 0.1, 0.1, 0.1)
    off = by_hand(scenarios=scenarios, weights=ObjectiveConfig(**{key: 0.0}))
    after = off.terms(WEIGHTS, 0.1, 0.1, 0.1)
    assert after[term] == 0
    assert before[term] != 0
    assert {k: v for k, v in after.items() if k != term} == {
        k: v for k, v in before.items() if k != term
    }


def test_a_security_without_a_target_does_not_drift_and_one_with_target_zero_does() -> None:
    securities = (make_security("AAA", target=None), make_security("BBB", target=0.0))
    objective = make_state(make_context(securities=securities)).objective
    assert objective.terms(np.array([0.5, 0.0]))["drift"] == 0
    assert objective.terms(np.array([0.0, 0.5]))["drift"] == pytest.approx(-0.3 * 0.25)


def test_only_groups_with_a_target_drift() -> None:
    securities = tuple(
        make_security(n, groups={"industry": g}) for n, g in (("A", "x"), ("B", "y"))
    )
    rules = (GroupRule("industry", "x", target=0.6), GroupRule("industry", "y", cap=0.1))
    state = make_state(make_context(securities=securities, group_rules=rules))
    objective = build_objective(state.context, state.market, ObjectiveConfig())
    assert objective.group_target.tolist() == [0.6]
    assert objective.terms(np.array([0.5, 0.9]))["group_drift"] == pytest.approx(-0.3 * 0.01)


def smooth(objective: Objective, weight: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    terms = objective.terms(weight)
    return sum(terms[name] for name in WITHOUT_TAIL)


def test_the_gradient_is_the_slope_of_the_smooth_part() -> None:
    objective, step = by_hand(), 1e-6
    for i, direction in enumerate(np.eye(2)):
        slope = (
            smooth(objective, WEIGHTS + step * direction)
            - smooth(objective, WEIGHTS - step * direction)
        ) / (2 * step)
        assert objective.gradient(WEIGHTS)[i] == pytest.approx(slope, abs=1e-8)


def test_gradient_and_quadratic_carry_a_change_exactly() -> None:
    objective, change = by_hand(), np.array([0.07, -0.2])
    expected = smooth(objective, WEIGHTS + change) - smooth(objective, WEIGHTS)
    slope = objective.gradient(WEIGHTS) @ change - change @ objective.quadratic() @ change
    assert slope == pytest.approx(expected, abs=1e-15)


@settings(max_examples=25)
@given(portfolios(), st.integers(0, 2**16))
def test_every_term_is_that_of_the_reference(portfolio: Portfolio, seed: int) -> None:
    state = make_state(portfolio.context, portfolio.config)
    reference = reference_of(state)
    if reference.nav <= 0:
        return
    n = portfolio.context.n_securities
    held = np.random.default_rng(seed).random(n) * 100
    book = Book(quantity=held.tolist(), cash=0.0, cost=11.0, tax=5.0, turnover=900.0)
    units = np.nan_to_num(state.portfolio.unit_value)
    terms = state.objective.terms(
        held * units / state.nav, 11.0 / state.nav, 5.0 / state.nav, 900.0 / state.nav
    )
    assert terms == pytest.approx(reference.terms(book), rel=1e-9, abs=1e-9)


# -- figures beside the score ---------------------------------------------------------------------


def test_metrics_by_hand() -> None:
    metrics = portfolio_metrics(WEIGHTS, by_hand())
    variance = 0.04 * 0.25 + 2 * 0.01 * 0.15 + 0.09 * 0.09
    assert metrics["invested"] == pytest.approx(0.8)
    assert metrics["effective_n"] == pytest.approx(0.64 / 0.34)
    assert metrics["largest_weight"] == 0.5
    assert metrics["volatility"] == pytest.approx(variance**0.5)
    assert metrics["expected_return"] == pytest.approx(0.065)
    assert metrics["sharpe"] == pytest.approx(0.065 / variance**0.5)
    assert metrics["diversification_ratio"] == pytest.approx(
        (0.2 * 0.5 + 0.3 * 0.3) / variance**0.5
    )


@pytest.mark.parametrize("n", [0, 2])
def test_metrics_of_nothing_are_zero(n: int) -> None:
    objective = by_hand()
    if n == 0:
        empty = np.empty((0, 0))
        objective = replace(objective, mu=np.empty(0), covariance=empty, scenarios=np.empty((0, 0)))
    assert set(portfolio_metrics(np.zeros(n), objective).values()) == {0.0}


def test_the_effective_number_of_equal_weights_is_their_number() -> None:
    state = make_state(make_context(cash=0.0), make_config())
    assert portfolio_metrics(state.portfolio.weight, state.objective)[
        "effective_n"
    ] == pytest.approx(4.0)
