"""The sentences of a plan, as a person reads them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.presentation.plan_text import (
    certificate_sentence,
    gain_and_costs,
    group_findings,
    group_rejections,
    has_opinion,
    headline,
    large_count,
    name_list,
    number_of_sets,
    path_sentence,
    request_sentence,
)
from planner_core.explain.path import PlanPath
from planner_core.model.plan import Certificate, NewMoney, ProofAnswer, Score, TermChange
from planner_core.model.records import Side
from tests.host.sample_plans import held, nothing_to_do, planned, step, toward_targets

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


def test_without_targets_only_the_expected_return_is_stated_as_money() -> None:
    assert gain_and_costs(planned()) == (
        "It repairs broken limits: 1.00% of the portfolio is outside your limits now, 0.00% after"
        " it. By past prices: expected return 9.0% → 8.0% a year (500 USD less), volatility"
        " 20.0% → 18.0%, for 9.00 USD of costs."
    )


def test_with_targets_the_headline_is_the_distance_and_what_it_costs() -> None:
    text = gain_and_costs(toward_targets())
    assert text == "Closer to your targets: 6.1% → 1.2% away, for 9.00 USD of costs."
    forced = gain_and_costs(toward_targets(0.012, 0.02, violation_before=0.01))
    assert "Further from your targets: 1.2% → 2.0% away" in forced
    same = gain_and_costs(toward_targets(0.012, 0.012))
    assert same.startswith("As close to your targets as before: 1.2% away, for")
    assert "1.21% → 1.23%" in gain_and_costs(toward_targets(0.0121, 0.0123))


def test_an_opinion_adds_the_return_that_it_expects() -> None:
    assert not has_opinion(toward_targets())
    plan = toward_targets()
    assert plan.score is not None
    terms = {**plan.score.terms, "opinion": TermChange(0.001, 0.002)}
    text = gain_and_costs(toward_targets(score=Score(0.0, 0.1, terms)))
    assert text.endswith(" By past prices: expected return 9.0% → 8.0% a year (500 USD less).")


def test_when_nothing_is_traded_the_distance_is_stated() -> None:
    metrics = toward_targets().metrics_after
    idle = nothing_to_do(metrics_before=metrics, metrics_after=metrics, n_candidates=0)
    assert gain_and_costs(idle) == "Your targets are 1.2% away."
    assert headline(idle).endswith("no trade that is allowed leads closer to your targets.")
    assert gain_and_costs(nothing_to_do()) == ""


def test_tax_is_named_where_there_is_some() -> None:
    text = gain_and_costs(planned(steps=(step(Side.SELL, "A", tax=12.5),)))
    assert "for 4.50 USD of costs and 12.50 USD of tax." in text


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


def certificate(
    gap: float,
    *,
    exact: bool = False,
    upper_bound: float = 0.06,
    answer: ProofAnswer = ProofAnswer.OPEN,
) -> Certificate:
    return Certificate(
        upper_bound=upper_bound, gap=gap, exact=exact, nodes=9, elapsed_s=10.0, answer=answer
    )


def test_a_closed_gap_is_called_proven_and_says_over_what() -> None:
    plan = planned(certificate=certificate(0.0, exact=True), n_candidates=226)
    assert certificate_sentence(plan, 5, MIN_GAIN) == (
        "Proven best for this objective: no plan among the 4.8 billion sets of up to 5 of these"
        " 226 trades is better."
    )


def test_a_gap_says_that_the_plan_is_not_exact_and_how_much_better_one_could_be() -> None:
    within = certificate(0.0001, answer=ProofAnswer.WITHIN)
    assert certificate_sentence(planned(certificate=within), 1, MIN_GAIN) == (
        "Not exact: no plan among the 43 sets of one of these 42 trades is better by more than"
        " 0.010% of the portfolio a year, by this objective."
    )
    text = certificate_sentence(planned(certificate=certificate(0.5)), 5, MIN_GAIN)
    assert text.startswith("Open after 10.0 s: no plan among")
    assert text.endswith("by this objective. `trader plan BUCKET --prove 60` tries longer.")


@given(st.floats(2e-9, 0.5), st.sampled_from(ProofAnswer))
def test_a_gap_is_never_stated_smaller_than_it_is(gap: float, answer: ProofAnswer) -> None:
    text = certificate_sentence(planned(certificate=certificate(gap, answer=answer)), 5, MIN_GAIN)
    stated = float(text.split("by more than ")[1].split("%")[0])
    assert stated >= gap * 100 * (1 - 1e-6)


def test_a_plan_whose_repair_is_not_proven_is_not_called_the_best() -> None:
    text = certificate_sentence(planned(certificate=certificate(0.0)), 5, MIN_GAIN)
    assert "is better" not in text
    assert "Whether one leaves less is not proven." in text


def test_doing_nothing_is_proven_by_what_the_best_set_would_gain() -> None:
    exact = nothing_to_do(certificate=certificate(0.0, exact=True, upper_bound=0.05))
    assert "beats doing nothing" in certificate_sentence(exact, 5, MIN_GAIN)
    little = nothing_to_do(certificate=certificate(0.0001, upper_bound=0.0501))
    text = certificate_sentence(little, 5, MIN_GAIN)
    assert text.startswith("Not exact: none of")
    assert text.endswith("less than 0.05% is not worth a trade.")
    unproven = nothing_to_do(certificate=certificate(0.01, upper_bound=0.06))
    text = certificate_sentence(unproven, 5, MIN_GAIN)
    assert text.startswith("Open after 10.0 s: none of")
    assert "gains more than 1.00% of the portfolio a year, by this objective." in text
    none = nothing_to_do(certificate=certificate(0.0, exact=True), n_candidates=0)
    assert certificate_sentence(none, 5, MIN_GAIN) == (
        "Proven best for this objective: there is no trade to choose from."
    )


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


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (None, ""),
        (
            PlanPath(5, 9, 2, 0.3, 0.1, 0.004, is_complete=True),
            "Outlook: 5 trades now, about 9 more in 2 plans, then within 0.4% of the targets.",
        ),
        (
            PlanPath(1, 0, 0, 0.3, 0.1, 0.1, is_complete=True),
            "Outlook: 1 trade now, then within 10.0% of the targets.",
        ),
        (
            PlanPath(5, 5, 1, 0.9, 0.7, 0.5, is_complete=False),
            "Outlook: 5 trades now, about 5 more in 1 plan, then within 50.0% of the targets, and"
            " more after that.",
        ),
        (
            PlanPath(5, 0, 0, 0.9, 0.7, 0.7, is_complete=False),
            "Outlook: 5 trades now, then within 70.0% of the targets; more are likely in later"
            " plans.",
        ),
    ],
)
def test_the_outlook_says_how_far_how_many_trades_lead(
    path: PlanPath | None, sentence: str
) -> None:
    assert path_sentence(path) == sentence


def test_new_money_says_how_much_of_it_is_spent_and_why_the_rest_is_not() -> None:
    opening = "Planned with 1,000.00 EUR of new money, as if it had come in today."
    spent = replace(planned(), currency="EUR", new_money=NewMoney(1000.0, 1000.0))
    assert request_sentence(spent) == opening
    part = replace(spent, new_money=NewMoney(1000.0, 403.0, "597.00 EUR are left: it costs more"))
    assert request_sentence(part) == (
        f"{opening} Buys take 403.00 EUR: 597.00 EUR are left: it costs more."
    )
    none = replace(spent, new_money=NewMoney(1000.0, 0.0, "AAA may not be bought"))
    assert request_sentence(none) == f"{opening} Nothing is bought: AAA may not be bought."
