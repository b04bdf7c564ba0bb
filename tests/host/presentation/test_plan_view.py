"""A plan in a terminal, at several widths, with and without colour."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date

import pytest
from rich.console import Console

from host.presentation.plan_view import ViewNotes, print_plan
from planner_core.model.plan import Plan
from planner_core.model.records import Finding, Severity, Side
from tests.host.sample_plans import held, nothing_to_do, planned, step

NOTES = ViewNotes(date(2022, 12, 28), is_demo=True, stored_at="plans/core/a.json")


def shown(plan: Plan, width: int = 80, *, colour: bool = False, encoding: str = "utf-8") -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
    console = Console(
        file=file, width=width, highlight=False, force_terminal=colour, no_color=not colour,
        color_system="standard" if colour else None,
    )  # fmt: skip
    print_plan(console, plan, NOTES)
    file.seek(0)
    return file.read()


@pytest.mark.parametrize("width", [80, 100, 120, 160, 200])
def test_all_that_matters_is_there_at_every_width(width: int) -> None:
    text = shown(planned(), width)
    for part in (
        "core", "as of 2022-12-28", "valid until 2023-01-04",
        "Sell 10 XOM, then buy 10 SHEL.L.",
        "80.00 GBP", "2,996", "30 Dec", "12.0 → 10.0%", "weight_based, plugin",
        "volatility a year", "diversification (equal holdings)", "largest weight", "+1.00",
        "expected return",
        "GE, KO", "→ add closes", "filters.mine", "ZeroDivisionError",
        "Ruled out", "Prices until 2022-12-28", "no order is sent", "survivors",
        "Stored as plans/core/a.json",
    ):  # fmt: skip
        assert part in " ".join(text.split()) or part in text, part


def test_a_risk_that_is_not_known_is_not_shown_as_none() -> None:
    unknown = {"volatility": 0.0, "expected_return": 0.0, "invested": 0.9, "largest_weight": 0.12}
    text = shown(replace(planned(), metrics_before=unknown, metrics_after=unknown))
    assert "volatility a year" not in text
    assert "largest weight" in text
    # Money alone has no risk, and that is known.
    alone = {**unknown, "invested": 0.0}
    assert "volatility a year" in shown(
        replace(planned(), metrics_before=alone, metrics_after=alone)
    )


@pytest.mark.parametrize("width", [80, 100, 120, 160])
@pytest.mark.parametrize("plan", [planned(), nothing_to_do(), held()])
def test_no_line_is_wider_than_the_terminal(plan: Plan, width: int) -> None:
    assert max(len(line.rstrip()) for line in shown(plan, width).splitlines()) <= width


@pytest.mark.parametrize("width", [34, 40, 60])
def test_a_narrow_terminal_loses_columns_and_never_what_to_trade(width: int) -> None:
    lines = shown(planned(), width).splitlines()
    assert [line.split()[:4] for line in lines if line.startswith(("1 ", "2 "))][:2] == [
        ["1", "sell", "XOM", "10"],
        ["2", "buy", "SHEL.L", "10"],
    ]
    assert not any("…" in line for line in lines)
    assert max(len(line.rstrip()) for line in lines if "Stored as" not in line) <= width


def test_tables_of_figures_stand_beside_each_other_only_where_both_have_room() -> None:
    for width, beside in ((100, False), (120, True)):
        (line,) = (line for line in shown(planned(), width).splitlines() if "Portfolio" in line)
        assert ("Score by this objective" in line) is beside


def test_without_colour_there_is_no_escape_sequence() -> None:
    assert "\x1b" not in shown(planned())
    assert "\x1b[" in shown(planned(), colour=True)


def test_a_terminal_without_utf8_gets_text_all_the_same() -> None:
    assert "Sell 10 XOM" in shown(planned(), encoding="ascii")


def test_a_plan_that_changes_nothing_shows_figures_as_they_are() -> None:
    text = shown(nothing_to_do())
    assert "now" in text
    assert "after" not in text
    assert "Score" not in text


def test_a_held_plan_shows_its_reason_once() -> None:
    reason = "prices.csv: no closes"
    finding = Finding("market_data", Severity.ERROR, reason)
    text = shown(replace(held(reason), findings=(finding,)))
    assert text.count(reason) == 1


def test_what_comes_from_outside_cannot_move_the_cursor_or_style_the_text() -> None:
    hostile = step(Side.BUY, "X[bold]", reason="\x1b[2J[red]a\nb\u202e[/red]")
    text = shown(planned(steps=(hostile,)))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[red]" in text
    assert "X[bold]" in text


@pytest.mark.parametrize(
    ("changes", "price"),
    [
        ({"price": 0.98, "quote": 98.0, "quote_unit": "percent"}, "98.00 %"),
        ({"price": 5_000.0, "quote": 50.0}, "50.00"),
        ({"price": 12.5, "quote": 1_250.0, "quote_unit": "GBX"}, "12.50"),
    ],
)
def test_a_price_is_shown_as_it_is_quoted(changes: dict[str, object], price: str) -> None:
    text = shown(planned(steps=(step(Side.BUY, "BOND", **changes),)))
    (line,) = [line for line in text.splitlines() if line.startswith("1 buy")]
    assert f" {price} " in line
