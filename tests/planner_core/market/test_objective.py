"""The objective says what its formula says: by hand, by the reference, by finite differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner_core.market.objective import (
    TERMS,
    TERMS_WITH_TARGETS,
    Objective,
    portfolio_metrics,
)
from planner_core.market.targets import TargetPortfolio
from planner_core.model.config import ObjectiveConfig
from planner_core.model.records import GroupRule, Security
from tests.builders import make_config, make_context, make_security, make_state
from tests.planner_core.reference import Book
from tests.planner_core.strategies import Portfolio, portfolios, reference_of

WEIGHTS = np.array([0.5, 0.3])
NEUTRAL = np.array([0.4, 0.2])
"""What the targets ask for, with 0.4 in cash; WEIGHTS lie 0.1 above it each."""


def by_hand(**overrides: Any) -> Objective:  # noqa: ANN401 - an Objective's fields
    """Two securities, round numbers, no targets."""
    fields: dict[str, Any] = {
        "weights": ObjectiveConfig(),
        "mu": np.array([0.10, 0.05]),
        "covariance": np.array([[0.04, 0.01], [0.01, 0.09]]),
        "scenarios": np.empty((0, 2)),
        "neutral": np.zeros(2),
        "view": np.array([0.10, 0.05]),
        "aversion": 4.0,
        "pull": np.zeros(2),
        "group_membership": np.zeros((0, 2)),
    }
    return Objective(**{**fields, **overrides})


def by_hand_with_targets(**overrides: Any) -> Objective:  # noqa: ANN401 - an Objective's fields
    """Return the same two; the second one has no target of its own, but both are one group."""
    has_pull, group = np.array([True, False]), np.array([[1.0, 1.0]])
    weights = overrides.get("weights", ObjectiveConfig())
    fields: dict[str, Any] = {
        "neutral": NEUTRAL,
        "view": np.array([0.02, -0.04]),
        "aversion": weights.tracking_aversion,
        "pull": np.array([weights.drift_penalty / 0.4, 0.0]),
        "group_membership": group,
        "drag": weights.invested_return_assumed,
        "targets": TargetPortfolio(NEUTRAL, 0.4, has_pull, group, ()),
    }
    return by_hand(**{**fields, **overrides})


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("expected_return", 0.10 * 0.5 + 0.05 * 0.3),
        ("risk", -4 / 2 * (0.04 * 0.25 + 2 * 0.01 * 0.15 + 0.09 * 0.09)),
        ("concentration", -0.15 * (0.25 + 0.09)),
        ("drift", 0.0),
        ("group_drift", 0.0),
        ("tail_risk", 0.0),
        ("cost", -0.002),
        ("tax", -0.004),
        ("turnover", -0.001 * 0.2),
    ],
)
def test_each_term_by_hand_without_targets(term: str, expected: float) -> None:
    terms = by_hand().terms(WEIGHTS, cash=0.5, cost=0.002, tax=0.004, turnover=0.2)
    assert tuple(terms) == TERMS
    assert terms[term] == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        # Both weights lie 0.1 above their targets.
        ("tracking", -80 / 2 * (0.04 + 2 * 0.01 + 0.09) * 0.01),
        ("drift", -0.002 * 0.1**2 / 0.4),
        ("group_drift", -0.3 * 0.2**2),
        ("idle_cash", -0.04 * (0.5 - 0.4)),
        ("opinion", 0.02 * 0.1 - 0.04 * 0.1),
        ("concentration", -0.15 * 2 * 0.1**2),
        ("tail_risk", 0.0),
        ("cost", -0.002),
        ("tax", -0.004),
        ("turnover", -0.001 * 0.2),
    ],
)
def test_each_term_by_hand_with_targets(term: str, expected: float) -> None:
    objective = by_hand_with_targets()
    terms = objective.terms(WEIGHTS, cash=0.5, cost=0.002, tax=0.004, turnover=0.2)
    assert tuple(terms) == TERMS_WITH_TARGETS
    assert terms[term] == pytest.approx(expected, abs=1e-15)


def test_the_tail_term_is_the_mean_of_the_worst_twentieth() -> None:
    # 40 windows: the worst two count. Losses of 0.5 * 20 % and 0.5 * 10 %.
    scenarios = np.zeros((40, 2))
    scenarios[3, 0], scenarios[7, 0] = -0.20, -0.10
    objective = by_hand(scenarios=scenarios)
    assert objective.tail_risk(WEIGHTS) == pytest.approx(0.075)
    assert objective.terms(WEIGHTS)["tail_risk"] == pytest.approx(-0.25 * 0.075)


def test_with_targets_only_tail_risk_beyond_that_of_their_own_windows_counts() -> None:
    # The targets (0.4, 0.2) lose most in the windows 3 and 7, WEIGHTS (0, 1) in 5 and 9.
    scenarios = np.zeros((40, 2))
    scenarios[[3, 7], 0] = -0.2
    scenarios[[5, 9], 1] = -0.1
    objective = by_hand_with_targets(scenarios=scenarios)
    assert objective.tail_slope.tolist() == pytest.approx([0.2, 0.0])
    assert objective.terms(NEUTRAL)["tail_risk"] == pytest.approx(0.0, abs=1e-15)
    assert objective.terms(np.array([0.0, 1.0]))["tail_risk"] == pytest.approx(-0.25 * 0.1)


@pytest.mark.parametrize(
    ("key", "term"),
    [
        ("concentration_penalty", "concentration"),
        ("tail_risk_penalty", "tail_risk"),
        ("turnover_penalty", "turnover"),
    ],
)
def test_a_penalty_of_zero_switches_exactly_its_own_term_off(key: str, term: str) -> None:
    check_only_this_term_is_off(by_hand, key, term)


@pytest.mark.parametrize(
    ("key", "term"),
    [
        ("tracking_aversion", "tracking"),
        ("drift_penalty", "drift"),
        ("group_drift_penalty", "group_drift"),
        ("invested_return_assumed", "idle_cash"),
        ("concentration_penalty", "concentration"),
        ("tail_risk_penalty", "tail_risk"),
        ("turnover_penalty", "turnover"),
    ],
)
def test_with_targets_a_penalty_of_zero_does_so_too(key: str, term: str) -> None:
    check_only_this_term_is_off(by_hand_with_targets, key, term)


def check_only_this_term_is_off(make: Callable[..., Objective], key: str, term: str) -> None:
    scenarios = np.full((40, 2), -0.1)
    # In windows of its own, so that the tail of WEIGHTS is not that of the targets.
    scenarios[:3, 0], scenarios[3:6, 1] = -0.5, -0.8
    before = make(scenarios=scenarios).terms(WEIGHTS, 0.5, 0.1, 0.1, 0.1)
    off = make(scenarios=scenarios, weights=ObjectiveConfig().model_copy(update={key: 0.0}))
    after = off.terms(WEIGHTS, 0.5, 0.1, 0.1, 0.1)
    assert after[term] == 0
    assert before[term] != 0
    assert {k: v for k, v in after.items() if k != term} == {
        k: v for k, v in before.items() if k != term
    }


def test_a_risk_aversion_of_zero_switches_risk_off_without_targets() -> None:
    for aversion, risk in ((0.0, 0.0), (2.0, -1 * (0.04 * 0.25 + 0.02 * 0.15 + 0.09 * 0.09))):
        config = make_config(objective={"risk_aversion": aversion})
        state = make_state(make_context(n_securities=2), config)
        objective = replace(state.objective, covariance=by_hand().covariance)
        assert objective.terms(WEIGHTS)["risk"] == pytest.approx(risk)


def objective_of(*securities: Security, **fields: Any) -> Objective:  # noqa: ANN401 - a context's
    """Return the objective of securities worth 10,000 each beside 10,000 in cash."""
    return make_state(make_context(securities=securities, **fields)).objective


def test_a_security_without_a_target_does_not_drift_and_one_with_target_zero_does() -> None:
    objective = objective_of(make_security("AAA"), make_security("BBB", target=0.0))
    assert objective.neutral.tolist() == pytest.approx([1 / 3, 0.0])
    assert objective.terms(np.array([0.5, 0.0]))["drift"] == 0
    # The floor under the target of 0 is 0.02.
    assert objective.terms(np.array([0.0, 0.5]))["drift"] == pytest.approx(-0.002 * 0.25 / 0.02)


def test_only_groups_with_a_target_drift() -> None:
    securities = tuple(
        make_security(n, groups={"industry": g}) for n, g in (("A", "x"), ("B", "y"))
    )
    rules = (GroupRule("industry", "x", target=0.6), GroupRule("industry", "y", cap=0.4))
    objective = objective_of(*securities, group_rules=rules)
    # A moves with its group, B stays where it is.
    assert objective.neutral.tolist() == pytest.approx([0.6, 1 / 3])
    assert objective.terms(np.array([0.5, 0.9]))["group_drift"] == pytest.approx(-0.3 * 0.01)


def test_past_returns_have_no_say_by_default_and_tilt_only_the_mix_otherwise() -> None:
    securities = tuple(make_security(n, target=t) for n, t in (("A", 0.5), ("B", 0.3)))
    assert not objective_of(*securities).view.any()
    half, full = (
        make_state(
            make_context(securities=securities), make_config(objective={"opinion": opinion})
        ).objective
        for opinion in (0.5, 1.0)
    )
    assert full.view == pytest.approx(2 * half.view)
    assert np.abs(full.view).max() > 1e-3
    # 0 under the targets: more or less of all of them together is no opinion.
    assert float(full.neutral @ full.view) == pytest.approx(0.0, abs=1e-15)
    # Beyond that mean it is mu - lambda S w*.
    beyond = full.mu - 4 * full.covariance @ full.neutral
    assert full.view[0] - full.view[1] == pytest.approx(beyond[0] - beyond[1])


def smooth(objective: Objective, weight: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """Return what is linear and quadratic: all but CVaR95 and idle cash."""
    return sum(value for name, value in objective.terms(weight).items() if name != "tail_risk")


BOTH = pytest.mark.parametrize("objective", [by_hand(), by_hand_with_targets()])


@BOTH
def test_the_gradient_is_the_slope_of_the_smooth_part(objective: Objective) -> None:
    step = 1e-6
    for i, direction in enumerate(np.eye(2)):
        slope = (
            smooth(objective, WEIGHTS + step * direction)
            - smooth(objective, WEIGHTS - step * direction)
        ) / (2 * step)
        assert objective.gradient(WEIGHTS)[i] == pytest.approx(slope, abs=1e-8)


@BOTH
def test_gradient_and_quadratic_carry_a_change_exactly(objective: Objective) -> None:
    change = np.array([0.07, -0.2])
    expected = smooth(objective, WEIGHTS + change) - smooth(objective, WEIGHTS)
    slope = objective.gradient(WEIGHTS) @ change - change @ objective.quadratic @ change
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
    book = Book(quantity=held.tolist(), cash=700.0, charged=11.0, tax_charged=5.0, turnover=900.0)
    units = np.nan_to_num(state.portfolio.unit_value)
    cash = 700.0 - state.portfolio.cash_pending
    terms = state.objective.terms(
        held * units / state.nav, *np.array([cash, 11, 5, 900]) / state.nav
    )
    assert terms == pytest.approx(reference.terms(book), rel=1e-9, abs=1e-9)


# -- figures beside the score ---------------------------------------------------------------------


def test_metrics_by_hand() -> None:
    metrics = portfolio_metrics(WEIGHTS, 0.2, by_hand())
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
    assert set(portfolio_metrics(np.zeros(n), 0.0, objective).values()) == {0.0}


def test_the_effective_number_of_equal_weights_is_their_number() -> None:
    state = make_state(make_context(cash=0.0), make_config())
    metrics = portfolio_metrics(state.portfolio.weight, 0.0, state.objective)
    assert metrics["effective_n"] == pytest.approx(4.0)


def test_with_targets_the_distance_and_the_tracking_error_are_reported() -> None:
    assert "distance" not in portfolio_metrics(WEIGHTS, 0.2, by_hand())
    metrics = portfolio_metrics(WEIGHTS, 0.2, by_hand_with_targets())
    # Half of 0.1 + 0.1 of the securities and 0.2 of cash.
    assert metrics["distance"] == pytest.approx(0.2)
    assert metrics["tracking_error"] == pytest.approx(((0.04 + 0.02 + 0.09) * 0.01) ** 0.5)
