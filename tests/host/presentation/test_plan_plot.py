"""A plan as a picture: where it goes, what is refused, and what is on it."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from host.errors import StorageError
from host.presentation import plan_plot
from host.presentation.plan_plot import (
    PlotError,
    check_plotting,
    draw_plan,
    plan_figure,
    shown_holdings,
)
from planner_core.explain.explanation import HoldingChange
from tests.host.sample_explanations import explanation
from tests.host.sample_plans import nothing_to_do, planned

pytest.importorskip("matplotlib")

SIGNATURES = {".png": b"\x89PNG\r\n\x1a\n", ".svg": b"<?xml"}


@pytest.mark.parametrize("suffix", [".png", ".svg", ".PNG"])
def test_a_plan_is_drawn_into_the_one_file_that_was_named(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "user"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    path = tmp_path / f"plan{suffix}"
    draw_plan(planned(), explanation(), path, is_demo=True)
    assert path.read_bytes().startswith(SIGNATURES[suffix.lower()])
    assert stat.S_ISREG(path.stat().st_mode)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [path.name, "user"]
    assert not list(home.iterdir())
    assert "MPLCONFIGDIR" not in os.environ


def test_the_same_plan_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        draw_plan(planned(), explanation(), tmp_path / name, is_demo=False)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_the_figure_says_what_to_do_that_it_is_advice_and_what_the_demo_data_are() -> None:
    figure = plan_figure(planned(), explanation(), is_demo=True)
    texts = " ".join(text.get_text() for text in figure.texts)
    assert "Sell 10 XOM, then buy 10 SHEL.L." in texts
    assert "no order is sent" in texts
    assert "survivors" in texts
    assert "expected return 9.0% → 8.0% a year (500 USD less)" in texts
    assert len(figure.axes) == 3


def test_doing_nothing_and_a_score_below_nothing_can_be_drawn() -> None:
    idle = plan_figure(nothing_to_do(), explanation(steps=()), is_demo=False)
    assert "survivors" not in " ".join(text.get_text() for text in idle.texts)
    plan = planned()
    assert plan.score is not None
    below = replace(plan.score, before=-0.05, after=-0.04)
    assert plan_figure(planned(score=below), explanation(), is_demo=False).axes


def test_many_holdings_leave_room_for_those_that_change() -> None:
    many = tuple(
        HoldingChange(f"S{i}", (100 - i) / 10_000, (100 - i) / 10_000, None, 0.01, 0.01)
        for i in range(100)
    )
    small = HoldingChange("NEW", 0.0, 0.0001, None, 0.0, 0.0)
    drawn, left_out = shown_holdings((*many, small))
    assert small in drawn
    assert len(drawn) + left_out == 101
    assert plan_figure(planned(), explanation(holdings=(*many, small)), is_demo=False).axes


def test_without_matplotlib_the_command_that_installs_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_plot, "find_spec", lambda _name: None)
    with pytest.raises(PlotError, match=r"pip install 'arduino-trader\[plots\]'"):
        check_plotting(tmp_path / "plan.png")


def test_a_folder_that_is_not_there_is_not_made_and_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no folder"):
        check_plotting(tmp_path / "nowhere" / "plan.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(StorageError, match="is a folder"):
        check_plotting(tmp_path / "folder.png")
    check_plotting(tmp_path / "plan.png")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.png"]


def test_a_failed_write_leaves_the_picture_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plan.png"
    path.write_bytes(b"before")

    def full(*_: object) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(plan_plot, "write_atomic", full)
    with pytest.raises(StorageError):
        draw_plan(planned(), explanation(), path, is_demo=False)
    assert path.read_bytes() == b"before"
