"""The sentences of a plan, as a person reads them."""

from __future__ import annotations

import pytest

from host.presentation.plan_text import (
    consequence,
    grouped_findings,
    grouped_rejections,
    headline,
    money,
    named,
    percent,
    units,
)
from planner_core.model.records import Side
from tests.host.sample_plans import held, nothing_to_do, planned, step


def test_a_plan_says_what_to_sell_and_then_what_to_buy() -> None:
    assert headline(planned()) == "Sell 10 XOM, then buy 10 SHEL.L."


def test_several_trades_are_listed_and_a_lone_side_stands_alone() -> None:
    sells = tuple(step(Side.SELL, name) for name in ("A", "B", "C"))
    assert headline(planned(steps=sells)) == "Sell 10 A, 10 B and 10 C."


def test_many_trades_are_counted() -> None:
    buys = tuple(step(Side.BUY, name) for name in "ABCDEFGH")
    assert headline(planned(steps=buys)) == "Buy 8 (A, B, C, D and 4 more)."


def test_nothing_to_do_says_whether_there_was_a_choice() -> None:
    assert headline(nothing_to_do()) == "Do nothing: no trade is worth its costs today."
    without_choice = nothing_to_do(n_candidates=0)
    assert headline(without_choice) == "Do nothing: there is no trade that may be made today."


def test_a_held_plan_says_why() -> None:
    assert headline(held("the ledger is missing")) == "No plan: the ledger is missing"
    assert consequence(held()) == ""


def test_what_a_plan_is_worth_is_told_in_percent_and_money_after_its_costs() -> None:
    told = consequence(planned())
    assert "1.00% of the portfolio's worth is outside them now, 0.00% afterwards" in told
    assert (
        "1.00% of the portfolio's worth a year better (500 USD a year), after 9.00 USD of costs."
        in told
    )


def test_tax_is_named_where_there_is_some() -> None:
    told = consequence(planned(steps=(step(Side.SELL, "A", tax=12.5),)))
    assert "after 4.50 USD of costs and 12.50 USD of tax." in told


def test_a_repair_that_costs_score_is_not_called_better() -> None:
    plan = planned()
    assert plan.score is not None
    worse = type(plan.score)(0.06, 0.05)
    assert "1.00% of the portfolio's worth a year worse" in consequence(planned(score=worse))


def test_rejections_are_counted_by_reason_whatever_their_numbers() -> None:
    first, second = grouped_rejections(planned().rejected)
    assert (first.count, first.reason) == (2, "bought ... days ago (cooldown = 30)")
    assert first.securities == ("KO", "PG")
    assert (second.count, second.reason) == (1, "it is less than one lot")


def test_findings_that_differ_in_security_and_numbers_only_are_told_once() -> None:
    stale, tail = grouped_findings(planned().findings)
    assert (stale.message, stale.securities) == ("... days old", ("GE", "KO"))
    assert stale.action == "add closes"
    assert (tail.message, tail.securities) == ("the tail-risk term is off", ())


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234567.4, "1,234,567"), (-0.4, "0"), (0.0, "0"), (-1.5, "-2"), (-12.0, "-12")],
)
def test_money_has_thousands_apart_and_no_negative_zero(value: float, text: str) -> None:
    assert money(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.01234, "+1.23%"), (-0.01234, "-1.23%"), (-0.00001, "0.00%"), (0.0, "0.00%")],
)
def test_percent_has_a_sign_only_where_there_is_something(value: float, text: str) -> None:
    assert percent(value, signed=True) == text


@pytest.mark.parametrize(
    ("value", "text"), [(12.0, "12"), (1500.0, "1,500"), (0.25, "0.25"), (3.000001, "3.000001")]
)
def test_units_are_whole_or_as_exact_as_they_are_traded(value: float, text: str) -> None:
    assert units(value) == text


def test_names_that_do_not_fit_are_counted() -> None:
    assert named(["A", "B", "C"], limit=3) == "A, B, C"
    assert named(["A", "B", "C", "D"], limit=3) == "A, B and 2 more"
