"""An explanation in a terminal, and as data."""

from __future__ import annotations

import io
import json
import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from host.planning.plan_json import explanation_to_json
from host.presentation.explanation_view import BOUGHT, HELD, SOLD, TARGET, weight_bar
from host.presentation.plan_view import ViewNotes, print_plan
from planner_core.explain.explanation import Explanation, HoldingChange
from planner_core.model.plan import Certificate, Plan
from tests.host.sample_explanations import answer, explanation
from tests.host.sample_plans import nothing_to_do, planned

EXPLANATION_KEYS = [
    "steps", "limits", "what_if", "holdings", "runner_up", "better_gain", "robustness",
]  # fmt: skip
PART_KEYS = {
    "steps": [
        "side", "security", "gain", "terms", "gain_without", "violation_without",
        "break_even_price",
    ],
    "limits": ["name", "used", "limit", "unit", "binds"],
    "what_if": [
        "setting", "value_now", "value_then", "question", "answer", "outcome", "gain",
        "gain_change", "gain_of_plan", "n_steps", "same_steps", "same_trades", "added", "dropped",
    ],
    "holdings": [
        "security", "weight_before", "weight_after", "target", "risk_before", "risk_after",
    ],
}  # fmt: skip
IDLE = explanation(steps=(), better_gain=0.02)


def shown(plan: Plan, reasons: Explanation, width: int) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False, emoji=False, markup=False)
    print_plan(console, plan, ViewNotes(explanation=reasons))
    return file.getvalue()


@pytest.mark.parametrize("width", [80, 120, 160])
def test_everything_is_shown_at_every_width(width: int) -> None:
    text = " ".join(shown(planned(), explanation(), width).split())
    for part in (
        "sell 10 XOM +0.89%", "Sell 10 XOM for 1,000 USD", "(rebalance_sells)",
        "For it: less risk (+0.90%)",
        "Without it the plan gains 0.11% instead of 1.00%", "Worth it down to 82.50 USD",
        "The other steps cannot be done without it",
        "gains are % of the portfolio a year, by this objective",
        "closer to", "without", "Weights, % of the portfolio", "trading allowed now 20.0% 20.0%",
        "at its limit",
        "Buy 5 KO: it gains 0.90% of the portfolio a year, 0.10% less than this plan.",
        "If 30% could be traded instead of 20%, the plan would also buy KO and GE, but not sell"
        " XOM, and gain 0.10% more.", "+0.10%", "not comparable", "the same",
        "constraints.turnover_max 0.2 → 0.3",
    ):  # fmt: skip
        assert part in text, part


@pytest.mark.parametrize("width", [80, 96, 120, 160])
@pytest.mark.parametrize(("plan", "reasons"), [(planned(), explanation()), (nothing_to_do(), IDLE)])
def test_no_line_is_wider_than_the_terminal(plan: Plan, reasons: Explanation, width: int) -> None:
    assert max(len(line.rstrip()) for line in shown(plan, reasons, width).splitlines()) <= width


@pytest.mark.parametrize("width", [40, 60])
def test_a_narrow_terminal_names_every_step_and_cuts_no_word(width: int) -> None:
    lines = shown(planned(), explanation(), width).splitlines()
    assert not any("…" in line for line in lines)
    assert max(len(line.rstrip()) for line in lines) <= width
    assert any("What each step does" in line for line in lines) is (width == 60)


def test_when_nothing_is_to_be_done_the_nearest_alternative_and_a_better_plan_are_shown() -> None:
    text = " ".join(shown(nothing_to_do(), IDLE, 100).split())
    assert "The nearest alternative" in text
    assert "Why each step" not in text
    better = "A plan that gains 2.00% of the portfolio a year is possible with today's settings."
    assert f"{better} `trader plan" in text


def test_a_proof_that_missed_other_sizes_is_not_recommended_again() -> None:
    proof = Certificate(upper_bound=0.1, gap=0.0, exact=True, nodes=9, elapsed_s=1.0)
    proven_plan = replace(nothing_to_do(), certificate=proof)
    text = " ".join(shown(proven_plan, IDLE, 100).split())
    assert "settings. Its sizes are not among those of the proof" in text


def test_what_comes_from_outside_cannot_style_the_text() -> None:
    hostile = explanation(
        holdings=(HoldingChange("\x1b[2JX[bold]", 0.1, 0.1, 0.2, 1.0, 1.0),),
        what_if=(answer(question="\x1b[31m[red]", added=(("buy", "\x1bA"),)),),
    )
    text = shown(planned(), hostile, 80)
    assert "\x1b" not in text
    assert "X[bold]" in text


@given(
    st.floats(0, 1), st.floats(0, 1), st.none() | st.floats(0, 1), st.integers(10, 60)
)  # fmt: skip
def test_a_bar_fits_and_shows_every_change_and_target(
    before: float, after: float, target: float | None, cells: int
) -> None:
    weight_max = max(before, after, target or 0.0)
    holding = HoldingChange("A", before, after, target, 0.0, 0.0)
    bar = weight_bar(holding, weight_max, cells).plain
    assert len(bar) <= cells
    assert (TARGET in bar) == bool(target)
    if before == after == weight_max > 0 and not target:
        assert bar == HELD * cells
    if abs(before - after) > 3 * weight_max / cells:
        assert (BOUGHT if after > before else SOLD) in bar


def test_the_data_have_exactly_the_keys_of_the_contract() -> None:
    record = explanation_to_json(explanation(), ("KO",))
    assert record is not None
    assert list(record) == EXPLANATION_KEYS
    for part, keys in PART_KEYS.items():
        assert list(record[part][0]) == keys  # type: ignore[index]
    assert list(record["runner_up"]) == ["gain", "violation", "terms", "steps"]  # type: ignore[call-overload]


def test_the_data_are_json_whatever_the_numbers() -> None:
    wild = explanation(
        holdings=(HoldingChange("A", math.nan, math.inf, None, -0.0, 0.0),), runner_up=None
    )
    text = json.dumps(explanation_to_json(wild, ()), allow_nan=False)
    assert json.loads(text)["holdings"][0]["weight_before"] is None
    assert not re.search(r"-0\.0\b", text)
