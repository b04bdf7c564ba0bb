"""What an explanation and a certificate say, word for word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.presentation.explanation_text import (
    answered,
    basis_points,
    by_theme,
    counted,
    left_out,
    limit_name,
    number_of_sets,
    proven,
    told_runner_up,
    why_it_pays,
    worth_until,
)
from planner_core.explain.limit_use import LimitUse
from planner_core.market.objective import TERMS
from planner_core.model.plan import Certificate, Outcome
from tests.host.sample_explanations import answer, explanation
from tests.host.sample_plans import held, nothing_to_do, planned

MIN_GAIN = 0.0005


def certificate(gap: float, *, exact: bool = False, upper_bound: float = 0.06) -> Certificate:
    return Certificate(upper_bound=upper_bound, gap=gap, exact=exact, nodes=9, elapsed_s=10.0)


def test_a_closed_gap_is_called_proven_and_says_over_what() -> None:
    plan = planned(certificate=certificate(0.0, exact=True), n_candidates=226)
    assert proven(plan, 5, MIN_GAIN) == (
        "Proven: no better plan exists among the 4.8 billion sets of up to 5 of these 226 trades."
    )


def test_an_open_gap_says_how_wide_it_is_and_how_much_of_the_gain_is_safe() -> None:
    told = proven(planned(certificate=certificate(0.0001)), 5, MIN_GAIN)
    assert told.startswith("Proven to within 0.010% of NAV a year in 10 s: at least 99.0% of")


@given(st.floats(2e-9, 0.5), st.floats(1e-6, 0.5))
def test_an_open_gap_is_never_told_smaller_nor_the_share_larger(gap: float, gain: float) -> None:
    plan = planned(certificate=certificate(gap))
    assert plan.score is not None
    plan = planned(certificate=certificate(gap), score=type(plan.score)(0.0, gain))
    told = proven(plan, 5, MIN_GAIN)
    within = float(told.split("within ")[1].split("%")[0])
    share = float(told.split("at least ")[1].split("%")[0])
    assert within >= gap * 100 * (1 - 1e-6)
    assert share <= gain / (gain + gap) * 100 + 1e-9


def test_a_plan_whose_repair_is_not_proven_is_not_called_the_best() -> None:
    told = proven(planned(certificate=certificate(0.0)), 5, MIN_GAIN)
    assert "no better plan" not in told
    assert "Whether one leaves less is not proven." in told


def test_doing_nothing_is_proven_by_what_the_best_set_would_gain() -> None:
    exact = nothing_to_do(certificate=certificate(0.0, exact=True, upper_bound=0.05))
    assert "beats doing nothing" in proven(exact, 5, MIN_GAIN)
    little = nothing_to_do(certificate=certificate(0.0001, upper_bound=0.0501))
    assert "less than 0.05% is not worth a trade" in proven(little, 5, MIN_GAIN)
    open_ = nothing_to_do(certificate=certificate(0.01, upper_bound=0.06))
    assert "gains more than 1.00% of NAV a year." in proven(open_, 5, MIN_GAIN)
    none = nothing_to_do(certificate=certificate(0.0, exact=True), n_candidates=0)
    assert proven(none, 5, MIN_GAIN) == "Proven: there is no trade to choose from."


def test_without_a_certificate_nothing_is_claimed() -> None:
    assert proven(planned(), 5, MIN_GAIN) == ""
    assert proven(held(), 5, MIN_GAIN) == ""


@pytest.mark.parametrize(
    ("number", "text"),
    [(12, "12"), (123_456, "123,456"), (4_764_000_000, "4.8 billion"), (10**17, "10^17")],
)
def test_large_counts_are_told_as_people_say_them(number: int, text: str) -> None:
    assert counted(number) == text


def test_sets_are_counted_by_hand() -> None:
    assert number_of_sets(4, 2) == 1 + 4 + 6
    assert number_of_sets(0, 5) == 1


def test_every_term_has_a_meaning_and_unknown_ones_keep_their_name() -> None:
    themes = by_theme({**dict.fromkeys(TERMS, 0.001), "my_term": 0.5})
    assert sum(themes.values()) == pytest.approx(0.001 * len(TERMS) + 0.5)
    assert "my term" in themes
    assert not set(TERMS) & set(themes)


def test_for_and_against_name_what_matters_with_its_size() -> None:
    told = why_it_pays({"risk": 0.006, "expected_return": -0.005, "cost": -0.00001})
    assert told == "For it: less risk (+60). Against: less expected return (-50)."
    assert why_it_pays({}) == ""


def test_a_step_says_what_the_plan_is_without_it_and_up_to_which_price_it_is_worth_it() -> None:
    plan = planned()
    sell, buy = explanation().steps
    assert left_out(sell, plan) == "Without it the plan gains 11 bp instead of 100."
    assert left_out(buy, plan) == "The other steps cannot be done without it."
    told = worth_until(sell, plan.steps[0])
    assert told == "Worth it down to 82.50 USD, 17.5% below the last close."
    assert worth_until(buy, plan.steps[1]) == ""


def test_an_answer_says_what_would_be_traded_otherwise_in_a_sentence() -> None:
    assert answered(answer()) == (
        "the plan would also buy KO and GE, but not sell XOM, and gain 10 bp more"
    )
    sizes = answer(same_trades=True, gain_change=0.0)
    assert answered(sizes) == "the plan would make the same trades in other sizes and gain as much"
    assert answered(answer(outcome=Outcome.HELD)) == "no plan could be made"
    idle = answer(outcome=Outcome.NOTHING_TO_DO, n_steps=0)
    assert answered(idle) == "nothing would be traded"
    assert answered(answer(same_steps=True, n_steps=0)) == "still nothing would be traded"
    anew = answer(n_steps=2, dropped=())
    said = "the plan would buy KO and GE, and gain 10 bp more"
    assert answered(anew) == said, "there was nothing before that it could add to"


def test_the_same_steps_are_told_with_their_gain_only_where_it_changes() -> None:
    same = answer(same_steps=True, gain=0.0155, gain_change=0.0008)
    assert answered(same) == "the same steps would gain 155 bp instead of 147"
    assert answered(answer(same_steps=True, gain_change=0.000_001)) == "nothing would change"
    other = answer(same_steps=True, gain_change=None)
    assert answered(other) == "the steps would stay the same"


def test_a_wider_limit_that_makes_the_plan_worse_comes_with_its_reason() -> None:
    worse = answer(same_trades=True, gain_change=-0.00013, gain_of_plan=None)
    assert answered(worse) == (
        "the plan would make the same trades in other sizes and gain 1.3 bp less,"
        " as only what repairs a limit may go beyond the trading allowed"
    )
    fewer = answer(gain_change=-0.0004, gain_of_plan=None, setting="max_plan_depth", added=())
    assert answered(fewer) == "the plan would not sell XOM, and gain 4.0 bp less"


def test_under_another_objective_today_s_steps_are_measured_against_the_best_there() -> None:
    told = answered(answer(gain_change=None, gain=0.02, gain_of_plan=0.015))
    assert told.endswith("today's steps would reach 75% of what is possible then")


def test_the_next_best_choice_says_what_is_wrong_with_it() -> None:
    found = explanation().runner_up
    assert found is not None
    told = told_runner_up(found, planned(), ["buy 5 KO"], MIN_GAIN)
    assert told == "buy 5 KO: it gains 90 bp, 10 bp less than this plan."
    idle = nothing_to_do()
    told = told_runner_up(found, idle, ["buy 5 KO"], 0.02)
    assert "less than the 200 bp that are worth a trade" in told
    worse = type(found)(found.actions, found.names, -0.0003, 0.0, {})
    told = told_runner_up(worse, idle, ["buy 5 KO"], MIN_GAIN)
    assert told == "buy 5 KO: after 3.00 USD of costs it would be 3.0 bp worse than doing nothing."
    broken = type(found)(found.actions, found.names, 0.1, 0.02, {})
    assert "2.00% of NAV more outside the limits" in told_runner_up(broken, idle, [], MIN_GAIN)


def test_limits_have_names_that_an_owner_knows() -> None:
    names = [limit_name(use) for use in explanation().limits]
    assert names == [
        "steps in a plan", "trading allowed now", "cash for buys", "XOM (nearest its cap)",
        "health care (industry)",
    ]  # fmt: skip
    assert limit_name(LimitUse("cash EUR", 0, 1, "EUR")) == "cash for buys EUR"


@given(st.floats(-1, 1))
def test_basis_points_never_show_minus_zero(change: float) -> None:
    assert basis_points(change).strip("+-0.,") or basis_points(change) == "0"
