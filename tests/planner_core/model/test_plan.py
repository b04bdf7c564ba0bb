"""Small rules of the parts of a plan."""

# ruff: noqa: ANN401 - overrides are of any type

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from planner_core.model.plan import Action, Outcome, Plan, Score, TermChange
from planner_core.model.records import Side


def plan_of(**fields: Any) -> Plan:
    return Plan(Outcome.PLANNED, "core", date(2024, 6, 28), "EUR", "t", **fields)


@pytest.mark.parametrize(
    ("before", "after", "required"),
    [(1_000.0, 400.0, 600.0), (400.0, 1_000.0, 0.0), (None, None, 0.0), (-500.0, 100.0, 0.0)],
)
def test_the_cash_required_is_what_a_plan_takes_out(
    before: float | None, after: float | None, required: float
) -> None:
    assert plan_of(cash_before=before, cash_after=after).cash_required == required


def test_gain_and_change_are_after_less_before() -> None:
    assert Score(before=-0.02, after=0.03).gain == pytest.approx(0.05)
    assert TermChange(before=-0.02, after=-0.03).change == pytest.approx(-0.01)


@pytest.mark.parametrize(("quantity", "side"), [(5.0, Side.BUY), (-5.0, Side.SELL)])
def test_the_side_of_an_action_is_the_sign_of_its_quantity(quantity: float, side: Side) -> None:
    assert Action(0, quantity, 1.0, "EUR", 1.0, quantity, 0, 0, -quantity, (), "").side is side


def test_outcomes_are_the_words_of_the_interface() -> None:
    assert [outcome.value for outcome in Outcome] == ["PLANNED", "NOTHING_TO_DO", "HELD"]


def test_a_figure_that_is_unknown_is_none_and_not_nan() -> None:
    held = plan_of()
    unknown = (held.nav, held.nav_after, held.score, held.cash_before, held.valid_until)
    assert unknown == (None,) * 5
    assert not any((held.steps, held.alternatives, held.rejected))
