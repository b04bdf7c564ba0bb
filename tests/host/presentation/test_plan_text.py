"""The sentences of a plan, as a person reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.presentation.plan_text import (
    certificate_sentence,
    gain_and_costs,
    group_findings,
    group_rejections,
    headline,
    large_count,
    name_list,
    number_of_sets,
)
from planner_core.model.plan import Certificate
from planner_core.model.records import Side
from tests.host.sample_plans import held, nothing_to_do, planned, step

MIN_GAIN = 0.0005


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
    assert headline(without_choice) == "Do nothing: no trade is allowed today."


def test_a_held_plan_says_why() -> None:
    assert headline(held("the ledger is missing")) == "No plan: the ledger is missing"
    assert gain_and_costs(held()) == ""


def test_what_a_plan_is_worth_is_told_in_percent_and_money_after_its_costs() -> None:
    text = gain_and_costs(planned())
    assert "1.00% of the portfolio is outside your limits now, 0.00% after it." in text
    assert (
        "Return, risk and targets together get better by 1.00% of the portfolio a year (500 USD),"
        " after 9.00 USD of costs." in text
    )


def test_tax_is_named_where_there_is_some() -> None:
    text = gain_and_costs(planned(steps=(step(Side.SELL, "A", tax=12.5),)))
    assert "after 4.50 USD of costs and 12.50 USD of tax." in text


def test_a_repair_that_costs_score_is_not_called_better() -> None:
    plan = planned()
    assert plan.score is not None
    worse = type(plan.score)(0.06, 0.05)
    assert "get worse by 1.00% of the portfolio a year" in gain_and_costs(planned(score=worse))


def test_rejections_are_counted_by_reason_whatever_their_numbers() -> None:
    first, second = group_rejections(planned().rejected)
    assert (first.count, first.reason) == (2, "bought ... days ago (cooldown = 30)")
    assert first.securities == ("KO", "PG")
    assert (second.count, second.reason) == (1, "it is less than one lot")


def test_findings_that_differ_in_security_and_numbers_only_are_told_once() -> None:
    stale, tail = group_findings(planned().findings)
    assert (stale.message, stale.securities) == ("... days old", ("GE", "KO"))
    assert stale.action == "add closes"
    assert (tail.message, tail.securities) == ("the tail-risk term is off", ())


def test_names_that_do_not_fit_are_counted() -> None:
    assert name_list(["A", "B", "C"], limit=3) == "A, B, C"
    assert name_list(["A", "B", "C", "D"], limit=3) == "A, B and 2 more"


def certificate(gap: float, *, exact: bool = False, upper_bound: float = 0.06) -> Certificate:
    return Certificate(upper_bound=upper_bound, gap=gap, exact=exact, nodes=9, elapsed_s=10.0)


def test_a_closed_gap_is_called_proven_and_says_over_what() -> None:
    plan = planned(certificate=certificate(0.0, exact=True), n_candidates=226)
    assert certificate_sentence(plan, 5, MIN_GAIN) == (
        "Proven: no better plan exists among the 4.8 billion sets of up to 5 of these 226 trades."
    )


def test_an_open_gap_says_how_wide_it_is_and_how_much_of_the_gain_is_safe() -> None:
    text = certificate_sentence(planned(certificate=certificate(0.0001)), 5, MIN_GAIN)
    assert text.startswith("Proven to within 0.010% of NAV a year in 10 s: at least 99.0% of")


@given(st.floats(2e-9, 0.5), st.floats(1e-6, 0.5))
def test_an_open_gap_is_never_told_smaller_nor_the_share_larger(gap: float, gain: float) -> None:
    plan = planned(certificate=certificate(gap))
    assert plan.score is not None
    plan = planned(certificate=certificate(gap), score=type(plan.score)(0.0, gain))
    text = certificate_sentence(plan, 5, MIN_GAIN)
    within = float(text.split("within ")[1].split("%")[0])
    share = float(text.split("at least ")[1].split("%")[0])
    assert within >= gap * 100 * (1 - 1e-6)
    assert share <= gain / (gain + gap) * 100 + 1e-9


def test_a_plan_whose_repair_is_not_proven_is_not_called_the_best() -> None:
    text = certificate_sentence(planned(certificate=certificate(0.0)), 5, MIN_GAIN)
    assert "no better plan" not in text
    assert "Whether a set leaves less is not proven." in text


def test_doing_nothing_is_proven_by_what_the_best_set_would_gain() -> None:
    exact = nothing_to_do(certificate=certificate(0.0, exact=True, upper_bound=0.05))
    assert "beats doing nothing" in certificate_sentence(exact, 5, MIN_GAIN)
    little = nothing_to_do(certificate=certificate(0.0001, upper_bound=0.0501))
    assert "less than 0.05% is not worth a trade" in certificate_sentence(little, 5, MIN_GAIN)
    open_ = nothing_to_do(certificate=certificate(0.01, upper_bound=0.06))
    assert "gains more than 1.00% of NAV a year." in certificate_sentence(open_, 5, MIN_GAIN)
    none = nothing_to_do(certificate=certificate(0.0, exact=True), n_candidates=0)
    assert certificate_sentence(none, 5, MIN_GAIN) == "Proven: there is no trade to choose from."


def test_without_a_certificate_nothing_is_claimed() -> None:
    assert certificate_sentence(planned(), 5, MIN_GAIN) == ""
    assert certificate_sentence(held(), 5, MIN_GAIN) == ""


@pytest.mark.parametrize(
    ("number", "text"),
    [(12, "12"), (123_456, "123,456"), (4_764_000_000, "4.8 billion"), (10**17, "10^17")],
)
def test_large_counts_are_told_as_people_say_them(number: int, text: str) -> None:
    assert large_count(number) == text


def test_sets_are_counted_by_hand() -> None:
    assert number_of_sets(4, 2) == 1 + 4 + 6
    assert number_of_sets(0, 5) == 1
