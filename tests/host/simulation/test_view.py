"""The demo's screen: fits the terminal, says what it must, and believes nothing it reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from host.appliance.bucket_selection import SELECTED_NAME
from host.cli.commands.demo import selected_bucket
from host.home.home import Home
from host.planning.plan_json import plan_to_json
from host.simulation.view import (
    DemoView,
    Style,
    matrix_lines,
    outcome_line,
    plan_lines,
    screen_lines,
)
from tests.host.sample_plans import held, nothing_to_do, planned

CODES = re.compile(r"\x1b\[[0-9;]*m")
LEVELS = [[(x + y) % 8 for x in range(13)] for y in range(8)]


def view_of(plan: object) -> DemoView:
    view = DemoView(bucket="core", levels=LEVELS, plan=plan if isinstance(plan, dict) else None)
    view.add_event("planning")
    return view


@pytest.mark.parametrize("plan", [planned(), nothing_to_do(), held()])
@pytest.mark.parametrize("colours", [True, False])
def test_the_screen_fits_80_columns_and_24_rows(plan: object, colours: bool) -> None:
    view = view_of(plan_to_json(plan, 0, None))  # type: ignore[arg-type]  # each is a Plan
    lines = screen_lines(view, Style(colours, 80, 24))
    assert len(lines) <= 23
    assert max(len(CODES.sub("", line)) for line in lines) <= 80
    assert colours == any("\x1b" in line for line in lines)


def test_a_plan_is_a_headline_and_a_row_per_step() -> None:
    record = plan_to_json(planned(), 0, None)
    steps = record["steps"]
    assert isinstance(steps, list)
    lines = plan_lines(record, Style(colours=False))
    assert lines[0].startswith(f"core, as of 2022-12-28: {len(steps)} steps")
    for number, (step, line) in enumerate(zip(steps, lines[2:], strict=True), start=1):
        assert line.split()[:3] == [str(number), step["side"], step["security"]]


def test_a_row_has_the_weights_in_full_on_80_columns() -> None:
    step = {
        "side": "sell", "security": "XOM", "quantity": 71.0, "value": 17_571.4, "cost": 20.93,
        "weight_before": 0.105, "weight_after": 0.054, "target": 0.049,
    }  # fmt: skip
    plan: dict[str, object] = {"outcome": "PLANNED", "steps": [step]}
    assert plan_lines(plan, Style(colours=False))[2].endswith("10.5% → 5.4%, target 4.9%")
    untargeted: dict[str, object] = {**plan, "steps": [{**step, "target": None}]}
    assert plan_lines(untargeted, Style(colours=False))[2].endswith("10.5% → 5.4%")


def test_a_plan_that_is_held_says_why() -> None:
    lines = plan_lines(plan_to_json(held("no closes"), 0, None), Style(colours=False))
    assert "no plan: no closes" in lines[0]


def test_the_matrix_has_a_frame_and_eight_rows() -> None:
    lines = matrix_lines(LEVELS, Style(colours=False))
    assert len(lines) == 10
    assert {len(line) for line in lines} == {29}
    assert {len(line) for line in matrix_lines(None, Style(colours=False))} == {29}


@pytest.mark.parametrize(
    "plan", [{}, {"steps": 5}, {"steps": [None, 5, {}]}, {"steps": [{"security": "\x1b[2J\n"}]}]
)
def test_a_plan_file_of_nonsense_is_shown_without_harm(plan: dict[str, object]) -> None:
    lines = screen_lines(view_of(plan), Style(False, 80, 24))
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("columns", [30, 40, 60])
def test_a_narrow_screen_has_the_keys_below_the_matrix(columns: int) -> None:
    lines = screen_lines(DemoView("core"), Style(False, columns, 24))
    assert all(len(line.rstrip()) <= columns for line in lines)
    keys = " ".join(" ".join(lines[10:]).split())
    assert keys.startswith("space: plan d: page b: bucket c: cancel q: quit")


def test_a_home_that_was_served_before_is_shown_with_its_bucket(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert selected_bucket(home) == ""
    home.state_dir.mkdir()
    (home.state_dir / SELECTED_NAME).write_text("satellite_a\n")
    assert selected_bucket(home) == "satellite_a"
    (home.state_dir / SELECTED_NAME).write_bytes(b"\xff")
    assert selected_bucket(home) == ""


def test_a_plan_that_lowers_the_score_says_what_it_costs_and_why() -> None:
    record = {**plan_to_json(planned(), 0, None), "score": {"gain": -0.0199}}
    (title, *_) = plan_lines(record, Style(colours=False, columns=200))
    assert title.endswith("steps; 1.99% a year worse by this objective, repairs a limit")


def test_a_plan_with_targets_says_how_far_they_are_before_and_after() -> None:
    metrics = {"distance": {"before": 0.061, "after": 0.0124}}
    plan: dict[str, object] = {"outcome": "PLANNED", "steps": [{}], "metrics": metrics}
    assert outcome_line("PLANNED", 0.2, plan) == "1 step; your targets are 6.1% → 1.2% away"
