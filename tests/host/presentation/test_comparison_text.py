"""Every answer of a comparison in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from host.presentation.comparison_text import SideView, verdict_lines
from planner_core.explain.comparison import Basis, Comparison, Judgement, Verdict
from planner_core.model.plan import Outcome, StoppedBy
from tests.host.sample_plans import planned

PLAN = planned(metrics_after={"distance": 0.02}, metrics_before={"distance": 0.1})
A = SideView("A", "3", "PLANNED", "", PLAN, 0.2, 0.0005)
B = SideView("B", "low-turnover", "PLANNED", "", PLAN, 0.2, 0.0005)


def by(prefers: Verdict, **changes: Any) -> Judgement:  # noqa: ANN401 - fields of a judgement
    judgement = Judgement(0.02, 0.01, 0.0, 0.0, allows_a=True, allows_b=True, prefers=prefers)
    return replace(judgement, **changes)


def answer(verdict: Verdict, basis: Basis, by_a: Judgement, by_b: Judgement) -> Comparison:
    same = basis in {Basis.SCORE, Basis.LIMITS, Basis.SAME_PLAN}
    return Comparison(verdict, basis, same, same, by_a, by_b, Verdict.TIE, Verdict.TIE)


FOR_A, FOR_B, TIED = by(Verdict.A), by(Verdict.B), by(Verdict.TIE)
BLIND = by(Verdict.NO_COMPARISON, gain_a=None)


@pytest.mark.parametrize(
    ("comparison", "words"),
    [
        (answer(Verdict.TIE, Basis.SAME_PLAN, TIED, TIED), "Tie: both make the same trades."),
        (
            answer(Verdict.A, Basis.SCORE, FOR_A, FOR_A),
            "A wins: its plan gains 2.00% of the portfolio a year, instead of 1.00%, by the"
            " objective that both have.",
        ),
        (
            answer(Verdict.TIE, Basis.SCORE, *[by(Verdict.TIE, gain_a=0.0102)] * 2),
            "Tie: the scores differ by 0.020%, and only 0.05% is worth a trade (min_gain_bps).",
        ),
        (
            answer(Verdict.B, Basis.LIMITS, *[by(Verdict.B, violation_a=0.03)] * 2),
            "B wins: 0.00% of the portfolio stays outside the limits, instead of 3.00%.",
        ),
        (
            answer(Verdict.B, Basis.BOTH_OBJECTIVES, FOR_B, FOR_B),
            "B wins under both objectives.",
        ),
        (
            answer(Verdict.A, Basis.BOTH_OBJECTIVES, FOR_A, TIED),
            "A wins: one objective prefers its plan, that of B sees no difference that is worth a"
            " trade.",
        ),
        (
            answer(Verdict.TIE, Basis.BOTH_OBJECTIVES, TIED, TIED),
            "Tie: neither objective sees a difference that is worth a trade.",
        ),
        (
            answer(Verdict.NO_WINNER, Basis.NONE, FOR_A, FOR_B),
            "No winner: each plan wins under its own objective.",
        ),
        (
            answer(Verdict.NO_WINNER, Basis.NONE, BLIND, FOR_B),
            "No winner: no score compares both plans, and distance and costs do not agree.",
        ),
        (
            answer(Verdict.B, Basis.DISTANCE_AND_COSTS, BLIND, FOR_B),
            "B wins by distance and costs: no score compares both plans.",
        ),
    ],
    ids=lambda value: f"{value.verdict}, {value.basis}" if isinstance(value, Comparison) else "",
)
def test_the_first_sentence_is_the_answer(comparison: Comparison, words: str) -> None:
    lines = verdict_lines(comparison, A, B)
    assert lines[0] == words
    differs = "The two objectives differ, so their scores do not compare."
    assert any(line.startswith(differs) for line in lines) is (comparison.same_objective is False)


def test_both_scores_are_shown_where_the_objectives_differ() -> None:
    lines = verdict_lines(answer(Verdict.NO_WINNER, Basis.NONE, FOR_A, BLIND), A, B)
    assert (
        "By A's objective A's plan gains 2.000%, B's plan gains 1.000% of the portfolio a year."
        in lines
    )
    assert any("A's plan has a trade without a price" in line for line in lines)


def test_limits_that_decide_against_a_score_are_named() -> None:
    reserve = by(Verdict.B, violation_a=0.03)
    lines = verdict_lines(answer(Verdict.NO_WINNER, Basis.NONE, FOR_A, reserve), A, B)
    assert lines[0] == "No winner: each plan wins under its own configuration."
    assert (
        "But the limits of B come first: A's plan 3.00% and B's plan 0.00% of the portfolio stay"
        " outside them." in lines
    )
    both = verdict_lines(answer(Verdict.B, Basis.BOTH_OBJECTIVES, FOR_B, reserve), A, B)
    assert both[0] == "B wins under both configurations."


def test_the_closer_and_the_cheaper_plan_are_named_with_their_figures() -> None:
    far = replace(PLAN, metrics_after={"distance": 0.05}, steps=())
    comparison = replace(
        answer(Verdict.NO_WINNER, Basis.NONE, FOR_A, FOR_B),
        closer=Verdict.A,
        cheaper=Verdict.B,
        by_b=by(Verdict.B, allows_a=False),
    )
    lines = verdict_lines(comparison, A, replace(B, plan=far))
    assert "A is closer to the targets: 2.0% away, instead of 5.0%." in lines
    assert any(line.startswith("B is cheaper: 0.00 USD of costs and tax") for line in lines)
    assert "The settings of B do not allow A's plan." in lines


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("INVALID", "B: its configuration is not valid: because"),
        ("CRASHED", "B: the planner ended with an error: because"),
        ("HELD", "B: no plan can be made: because"),
    ],
)
def test_a_side_without_a_plan_says_why(outcome: str, words: str) -> None:
    held = replace(PLAN, outcome=Outcome.HELD) if outcome == "HELD" else None
    side = SideView("B", "x.toml", outcome, "because", held)
    assert verdict_lines(Comparison(Verdict.A, Basis.NO_PLAN), A, side) == [
        "A wins: only it has a plan.",
        words,
    ]
    neither = verdict_lines(Comparison(Verdict.NO_COMPARISON, Basis.NO_PLAN), side, side)
    assert neither[0] == "No comparison: neither side has a plan."


def test_doing_nothing_on_both_sides_and_a_search_that_was_cut_short_are_said() -> None:
    nothing = replace(PLAN, outcome=Outcome.NOTHING_TO_DO, steps=(), stopped_by=StoppedBy.DEADLINE)
    lines = verdict_lines(
        answer(Verdict.TIE, Basis.SAME_PLAN, TIED, TIED), replace(A, plan=nothing), B
    )
    assert lines == [
        "Tie: both do nothing today.",
        "A's search was cut short: a longer one may find a better plan.",
    ]


def test_sides_with_other_titles_begin_sentences_with_a_capital() -> None:
    comparison = answer(Verdict.A, Basis.SCORE, FOR_A, FOR_A)
    lines = verdict_lines(comparison, replace(A, title="old"), replace(B, title="new"))
    assert lines[0].startswith("Old wins: ")
