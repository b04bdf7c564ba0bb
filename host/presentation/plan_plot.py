"""A plan as one figure: weights and risk before and after, and the score from before to after.

matplotlib is imported only here and only when a plot is asked for; it is the extra `[plots]`. No
window is opened: the figure goes through Agg or SVG into memory, and from there into one file.
"""

from __future__ import annotations

import os
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host.errors import HostError, StorageError
from host.home.storage.atomic_file import write_atomic
from host.presentation.plan_panels import (
    GREY,
    STYLE,
    draw_dumbbells,
    draw_legend,
    draw_panel_title,
    draw_waterfall,
    themes_changed,
)
from host.presentation.plan_text import headline, money, percent
from host.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from planner_core.explain.explanation import Explanation, HoldingChange
    from planner_core.model.plan import Plan

ROWS_MAX = 30
"""More holdings than this are left out, the smallest untraded ones first."""
WIDTH_IN = 11.0
ROW_IN = 0.235
BAR_IN = 0.34
HEAD_IN, FOOT_IN, GAP_IN = 1.25, 0.75, 0.85
DPI = 160

ADVICE = "This is advice as of a day; no order is sent. Expected returns are estimates."
DEMO = "Demo data: 20 survivors of the US market, picked with hindsight; they flatter any plan."


class PlotError(HostError):
    """A plot cannot be drawn here."""

    code = "plot"


def check_plotting(path: Path) -> None:
    """Raise what would make a plot fail, before anything is planned.

    Raises
    ------
    PlotError
        When matplotlib is not installed.
    StorageError
        When the folder does not exist, or the path is one.
    """
    if find_spec("matplotlib") is None:
        raise PlotError(
            "--plot needs matplotlib, which is not installed (pip install 'arduino-trader[plots]')"
        )
    if path.is_dir():
        raise StorageError(f"{path}: is a folder (name a file in it)")
    if not path.parent.is_dir():
        raise StorageError(f"{path}: there is no folder {path.parent} (make it first)")


def draw_plan(plan: Plan, explanation: Explanation, path: Path, *, is_demo: bool) -> None:
    """Draw a plan into a file, which is there entirely or not at all.

    Raises
    ------
    StorageError
        When it could not be written.
    """
    kind = path.suffix.lower().removeprefix(".")
    assert kind in ("png", "svg"), "the command line refuses other suffixes"
    with _matplotlib():
        figure = plan_figure(plan, explanation, is_demo=is_demo)
        buffer = BytesIO()
        metadata = {"Date": None} if kind == "svg" else {}
        figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata)
    write_atomic(path, buffer.getvalue())


@contextmanager
def _matplotlib() -> Iterator[None]:
    """Lend matplotlib a passing folder for its caches, and our style instead of the user's.

    It would otherwise leave its list of fonts in the user's home, where nobody asked for it.
    """
    if "MPLCONFIGDIR" in os.environ:
        with _our_style():
            yield
        return
    with tempfile.TemporaryDirectory(prefix="arduino-trader-") as folder:
        os.environ["MPLCONFIGDIR"] = folder
        try:
            with _our_style():
                yield
        finally:
            del os.environ["MPLCONFIGDIR"]


@contextmanager
def _our_style() -> Iterator[None]:
    import matplotlib as mpl

    style: Any = STYLE
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(style)
        yield


def plan_figure(plan: Plan, explanation: Explanation, *, is_demo: bool) -> Figure:
    """Compose the figure; sizes are inches, so that rows stay readable however many there are."""
    from matplotlib.figure import Figure

    holdings, left_out = shown_holdings(explanation.holdings)
    rows_in = max(4, len(holdings)) * ROW_IN
    title = textwrap.wrap(printable(headline(plan)), 82)[:3]
    head_in = HEAD_IN + 0.3 * (len(title) - 1)
    changes = themes_changed(plan)
    bars_in = (len(changes) + 2) * BAR_IN
    height = head_in + rows_in + GAP_IN + bars_in + FOOT_IN
    figure = Figure(figsize=(WIDTH_IN, height), facecolor="white")

    def place(left: float, right: float, top_in: float, height_in: float) -> Axes:
        bottom = (height - top_in - height_in) / height
        return figure.add_axes((left, bottom, right - left, height_in / height))

    weights = place(0.085, 0.60, head_in, rows_in)
    risk = place(0.65, 0.965, head_in, rows_in)
    draw_dumbbells(weights, holdings, "weight")
    draw_dumbbells(risk, holdings, "risk")
    draw_panel_title(weights, "Weight, % of NAV")
    draw_panel_title(risk, "Share of the portfolio's risk, %")
    draw_legend(weights)
    draw_waterfall(place(0.20, 0.965, head_in + rows_in + GAP_IN, bars_in), plan, changes)
    _head(figure, plan, title, height)
    _foot(figure, left_out, is_demo=is_demo, height=height)
    return figure


def shown_holdings(holdings: Sequence[HoldingChange]) -> tuple[list[HoldingChange], int]:
    """Return the holdings to draw, and how many are left out: never one that changes."""

    def size(holding: HoldingChange) -> tuple[bool, float]:
        changed = holding.weight_before != holding.weight_after
        return changed, max(holding.weight_before, holding.weight_after, holding.target or 0.0)

    kept = sorted(holdings, key=size, reverse=True)[:ROWS_MAX]
    ordered = [holding for holding in holdings if holding in kept]
    return ordered, len(holdings) - len(ordered)


def _head(figure: Figure, plan: Plan, title: Sequence[str], height: float) -> None:
    left, top = 0.032, 1 - 0.28 / height
    figure.text(left, top, "\n".join(title), size=15, weight="bold", va="top", linespacing=1.25)
    told = f"{printable(plan.bucket_id)}, as of {plan.as_of}"
    if plan.steps and plan.score is not None and plan.nav is not None:
        paid = sum(step.cost + step.tax for step in plan.steps)
        better = "better" if plan.score.gain >= 0 else "worse"
        told += (
            f"   ·   {percent(abs(plan.score.gain))} of NAV a year {better} by return, risk and"
            f" targets together ({money(abs(plan.score.gain) * plan.nav)} {plan.currency}),"
            f" after {money(paid, 2)} {plan.currency} of costs"
        )
    below = top - (0.3 * len(title) + 0.02) / height
    figure.text(left, below, told, size=9.5, color=GREY, va="top")


def _foot(figure: Figure, left_out: int, *, is_demo: bool, height: float) -> None:
    told = [ADVICE]
    if is_demo:
        told.append(DEMO)
    if left_out:
        told.append(f"{left_out} smaller holdings that do not change are not drawn.")
    figure.text(0.032, 0.2 / height, "  ".join(told), size=8, color=GREY, va="bottom")
