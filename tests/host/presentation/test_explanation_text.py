"""The sentences of an explanation, word for word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.presentation.explanation_text import (
    break_even,
    by_theme,
    limit_name,
    plan_without_step,
    pros_and_cons,
    runner_up_sentence,
    score_percent,
    what_if_answer,
)
from host.presentation.plan_text import TERM_NAMES
from planner_core.explain.limit_use import LimitUse
from planner_core.market.objective import TERMS, TERMS_WITH_TARGETS
from planner_core.model.plan import Outcome
from tests.host.sample_explanations import answer, explanation
from tests.host.sample_plans import nothing_to_do, planned

MIN_GAIN = 0.0005


def test_every_term_has_a_meaning_and_unknown_ones_keep_their_name() -> None:
    terms = dict.fromkeys((*TERMS, *TERMS_WITH_TARGETS), 0.001)
    themes = by_theme({**terms, "my_term": 0.5})
    assert sum(themes.values()) == pytest.approx(0.001 * len(terms) + 0.5)
    assert "my term" in themes
    assert not set(terms) & set(themes)
    assert set(terms) <= set(TERM_NAMES)


def test_for_and_against_name_what_matters_with_its_size() -> None:
    text = pros_and_cons({"risk": 0.006, "expected_return": -0.005, "cost": -0.00001})
    assert text == "For it: less risk (+0.60%). Against: less expected return (-0.50%)."
    assert pros_and_cons({}) == ""


def test_a_step_says_what_the_plan_is_without_it_and_up_to_which_price_it_is_worth_it() -> None:
    plan = planned()
    sell, buy = explanation().steps
    assert plan_without_step(sell, plan) == "Without it the plan gains 0.11% instead of 1.00%."
    assert plan_without_step(buy, plan) == "The other steps cannot be done without it."
    text = break_even(sell, plan.steps[0])
    assert text == "Worth it down to 82.50 USD, 17.5% below the last close."
    assert break_even(buy, plan.steps[1]) == ""


def test_an_answer_says_what_would_be_traded_otherwise_in_a_sentence() -> None:
    assert what_if_answer(answer()) == (
        "the plan would also buy KO and GE, but not sell XOM, and gain 0.10% more"
    )
    sizes = answer(same_trades=True, gain_change=0.0)
    assert (
        what_if_answer(sizes)
        == "the plan would make the same trades in other sizes and gain as much"
    )
    assert what_if_answer(answer(outcome=Outcome.HELD)) == "no plan could be made"
    idle = answer(outcome=Outcome.NOTHING_TO_DO, n_steps=0)
    assert what_if_answer(idle) == "nothing would be traded"
    assert what_if_answer(answer(same_steps=True, n_steps=0)) == "still nothing would be traded"
    anew = answer(n_steps=2, dropped=())
    text = "the plan would buy KO and GE, and gain 0.10% more"
    assert what_if_answer(anew) == text, "there was nothing before that it could add to"


def test_the_same_steps_are_told_with_their_gain_only_where_it_changes() -> None:
    same = answer(same_steps=True, gain=0.0155, gain_change=0.0008)
    assert what_if_answer(same) == "the same steps would gain 1.55% instead of 1.47%"
    assert what_if_answer(answer(same_steps=True, gain_change=0.000_001)) == "nothing would change"
    other = answer(same_steps=True, gain_change=None)
    assert what_if_answer(other) == "the steps would stay the same"


def test_a_wider_limit_that_makes_the_plan_worse_comes_with_its_reason() -> None:
    worse = answer(same_trades=True, gain_change=-0.00013, gain_of_plan=None)
    assert what_if_answer(worse) == (
        "the plan would make the same trades in other sizes and gain 0.013% less,"
        " because only a trade that repairs a limit may exceed the trading allowed"
    )
    fewer = answer(gain_change=-0.0004, gain_of_plan=None, setting="max_plan_depth", added=())
    assert what_if_answer(fewer) == "the plan would not sell XOM, and gain 0.040% less"


def test_under_another_objective_today_s_steps_are_measured_against_the_best_there() -> None:
    text = what_if_answer(answer(gain_change=None, gain=0.02, gain_of_plan=0.015))
    assert text.endswith("today's steps would reach 75% of the new optimum")


def test_the_next_best_choice_says_what_is_wrong_with_it() -> None:
    runner_up = explanation().runner_up
    assert runner_up is not None
    text = runner_up_sentence(runner_up, planned(), ["buy 5 KO"], MIN_GAIN)
    assert text == ("buy 5 KO: it gains 0.90% of the portfolio a year, 0.10% less than this plan.")
    idle = nothing_to_do()
    text = runner_up_sentence(runner_up, idle, ["buy 5 KO"], 0.02)
    assert "a trade has to gain at least 2.00%" in text
    worse = type(runner_up)(runner_up.actions, runner_up.names, -0.0003, 0.0, {})
    text = runner_up_sentence(worse, idle, ["buy 5 KO"], MIN_GAIN)
    assert text == (
        "buy 5 KO: after 3.00 USD of costs it would be 0.030% of the portfolio a year worse than"
        " doing nothing."
    )
    broken = type(runner_up)(runner_up.actions, runner_up.names, 0.1, 0.02, {})
    assert "another 2.00% of the portfolio outside the limits" in runner_up_sentence(
        broken, idle, [], MIN_GAIN
    )


def test_limits_have_names_that_an_owner_knows() -> None:
    names = [limit_name(use) for use in explanation().limits]
    assert names == [
        "steps in a plan", "trading allowed now", "cash for buys", "XOM (nearest its cap)",
        "health care (industry)",
    ]  # fmt: skip
    assert limit_name(LimitUse("cash EUR", 0, 1, "EUR")) == "cash for buys EUR"


@given(st.floats(-1, 1))
def test_changes_of_the_score_never_show_minus_zero(change: float) -> None:
    assert score_percent(change).strip("+-0.,%") or score_percent(change) == "0%"
