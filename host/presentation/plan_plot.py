"""A plan as one figure: weights and risk before and after, and the score from before to after.

matplotlib is the extra `[plots]`; its imports stay inside functions, because this module is also
imported to check the option. No window is opened: the figure is drawn in memory and written to one
file.
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
from host.presentation.explanation_text import by_theme
from host.presentation.plan_text import ADVICE_NOTE, DEMO_NOTE, effect_and_costs, headline
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

# Okabe and Ito's colours, which remain apart for every kind of colour vision; the shapes and the
# words say the same without any colour.
INK, GREY, FAINT, RULE = "#222222", "#6b6b6b", "#b9b9b9", "#e4e4e4"
BLUE, VERMILION = "#0072b2", "#d55e00"

STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same figure everywhere
    "font.size": 9.0,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "xtick.color": GREY,
    "xtick.labelsize": 8.0,
    "ytick.color": INK,
    "ytick.major.size": 0.0,
    "xtick.major.size": 0.0,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "svg.hashsalt": "arduino-trader",  # the same plan gives the same bytes
}


class PlotError(HostError):
    """A plot cannot be drawn here."""

    code = "plot"


def check_plotting(path: Path) -> None:
    """Check before planning that a plot can be drawn.

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
    """Draw a plan into a file, which is written entirely or not at all.

    Raises
    ------
    StorageError
        When it cannot be written.
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
    """Use a temporary folder for matplotlib's caches, and our style instead of the user's.

    Otherwise it would write its list of fonts into the user's home.
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
    draw_panel_title(weights, "Weight, % of the portfolio")
    draw_panel_title(risk, "Share of the portfolio's risk, %")
    draw_legend(weights)
    draw_waterfall(place(0.20, 0.965, head_in + rows_in + GAP_IN, bars_in), plan, changes)
    _head(figure, plan, title, height)
    _foot(figure, left_out, is_demo=is_demo, height=height)
    return figure


def shown_holdings(holdings: Sequence[HoldingChange]) -> tuple[list[HoldingChange], int]:
    """Return the holdings to draw and the number of others; one that changes is always drawn."""

    def size(holding: HoldingChange) -> tuple[bool, float]:
        changed = holding.weight_before != holding.weight_after
        return changed, max(holding.weight_before, holding.weight_after, holding.target or 0.0)

    largest = sorted(holdings, key=size, reverse=True)[:ROWS_MAX]
    ordered = [holding for holding in holdings if holding in largest]
    return ordered, len(holdings) - len(ordered)


def _head(figure: Figure, plan: Plan, title: Sequence[str], height: float) -> None:
    left, top = 0.032, 1 - 0.28 / height
    figure.text(left, top, "\n".join(title), size=15, weight="bold", va="top", linespacing=1.25)
    subtitle = f"{printable(plan.bucket_id)}, as of {plan.as_of}"
    if plan.steps and plan.score is not None and plan.nav is not None:
        subtitle += f"   ·   {effect_and_costs(plan).rstrip('.')}"
    below = top - (0.3 * len(title) + 0.02) / height
    figure.text(left, below, subtitle, size=9.5, color=GREY, va="top")


def _foot(figure: Figure, left_out: int, *, is_demo: bool, height: float) -> None:
    sentences = [ADVICE_NOTE, "Expected returns are estimates."]
    if is_demo:
        sentences.append(DEMO_NOTE)
    if left_out:
        sentences.append(f"{left_out} smaller holdings that do not change are not drawn.")
    figure.text(0.032, 0.2 / height, "  ".join(sentences), size=8, color=GREY, va="bottom")


# --- the panels -----------------------------------------------------------------------------------


def draw_panel_title(axes: Axes, text: str) -> None:
    """Write the title of a panel above its left edge."""
    axes.set_title(text, loc="left", size=10.5, weight="bold", pad=10)


def draw_dumbbells(axes: Axes, holdings: Sequence[HoldingChange], what: str) -> None:
    """Draw each holding before and after on a row of its own; targets as ticks."""
    from matplotlib.ticker import MaxNLocator

    for row, holding in enumerate(holdings):
        before = getattr(holding, f"{what}_before") * 100
        after = getattr(holding, f"{what}_after") * 100
        traded = holding.weight_before != holding.weight_after
        size = 6 if traded else 4
        if before == after:
            axes.plot(after, row, "o", ms=size, color=GREY, zorder=3, clip_on=False)
        else:
            axes.plot([before, after], [row, row], color=BLUE, lw=2.2 if traded else 1, alpha=0.35)
            axes.plot(before, row, "o", ms=size, mfc="white", mec=GREY, mew=1.2, zorder=3,
                      clip_on=False)  # fmt: skip
            axes.plot(after, row, "o", ms=size, color=BLUE, zorder=4, clip_on=False)
        if what == "weight" and holding.target is not None:
            axes.plot(holding.target * 100, row, "|", ms=11, mew=2.2, color=VERMILION, zorder=5)
    axes.set_ylim(len(holdings) - 0.4, -0.6)
    axes.set_yticks(range(len(holdings)))
    if what == "weight":
        axes.set_yticklabels([printable(holding.security)[:12] for holding in holdings], size=9)
        for label, holding in zip(axes.get_yticklabels(), holdings, strict=True):
            changed = holding.weight_before != holding.weight_after
            label.set_fontweight("bold" if changed else "normal")
            label.set_color(INK if changed else GREY)
    else:
        axes.set_yticklabels([])
    axes.grid(axis="x")
    drawn = [getattr(h, f"{what}_{when}") * 100 for h in holdings for when in ("before", "after")]
    low, high = min(0.0, *drawn), axes.get_xlim()[1]
    axes.set_xlim(low - 0.012 * (high - low), high)  # a hedge's share of the risk is negative
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    axes.spines["bottom"].set_visible(False)
    axes.hlines(range(len(holdings)), *axes.get_xlim(), color=RULE, lw=0.5, zorder=1)


def draw_legend(axes: Axes) -> None:
    """Draw the legend of the signs, beside the title of the panel."""
    from matplotlib.lines import Line2D

    def sign(marker: str, **looks: Any) -> Line2D:  # noqa: ANN401 - settings of a line
        return Line2D([], [], linestyle="", marker=marker, **looks)

    axes.legend(
        handles=[
            sign("o", ms=6, mfc="white", mec=GREY, mew=1.2, label="before"),
            sign("o", ms=6, color=BLUE, label="after"),
            sign("o", ms=4, color=GREY, label="unchanged"),
            sign("|", ms=11, mew=2.2, color=VERMILION, label="target"),
        ],
        loc="lower right", bbox_to_anchor=(1.0, 1.005), ncols=4, frameon=False, fontsize=8.5,
        handletextpad=0.2, columnspacing=1.2, borderaxespad=0.0,
    )  # fmt: skip


def themes_changed(plan: Plan) -> list[tuple[str, float]]:
    """Return the changes of the score by theme, in percent of NAV a year."""
    assert plan.score is not None, "only scored plans are drawn"
    themes = by_theme({name: term.change for name, term in plan.score.terms.items()})
    return [(name, change * 100) for name, change in themes.items() if change]


def _meaning_of_score(plan: Plan) -> str:
    if "distance" in plan.metrics_before:
        return "the score: 0 on your targets, less what leads away from them"
    return "the score: the safe yearly return that would be as good"


def draw_waterfall(axes: Axes, plan: Plan, rows: Sequence[tuple[str, float]]) -> None:
    """Draw the score now, its changes by theme, and the score after, a row each."""
    assert plan.score is not None, "only scored plans are drawn"
    score = plan.score
    at = score.before * 100
    axes.barh(0, at, color=FAINT, height=0.62)
    edges = [(0.0, at)]
    for row, (_, change) in enumerate(rows, start=1):
        colour = BLUE if change > 0 else VERMILION
        axes.barh(row, change, left=at, color=colour, height=0.62)
        axes.plot([at, at], [row - 1.31, row + 0.31], color=GREY, lw=0.7)
        edges.append((min(at, at + change), max(at, at + change)))
        at += change
    last = len(rows) + 1
    axes.plot([at, at], [last - 1.31, last + 0.31], color=GREY, lw=0.7)
    axes.barh(last, score.after * 100, color=GREY, height=0.62)
    edges.append((min(0.0, at), max(0.0, at)))
    figures = [f"{score.before * 100:.2f}", *(f"{c:+.2f}" for _, c in rows), f"{at:.2f}"]
    edges[0] = (min(edges[0]), max(edges[0]))
    for row, (text, (_, right)) in enumerate(zip(figures, edges, strict=True)):
        total = row in (0, last)
        axes.annotate(
            text.replace("-", "−"), (right, row), xytext=(5, 0), textcoords="offset points",
            va="center", size=9, weight="bold" if total else "normal",
        )  # fmt: skip
    labels = ["score now", *(name for name, _ in rows), "score after"]
    axes.set_yticks(range(len(labels)), labels=labels, size=9)
    for row in (0, last):
        axes.get_yticklabels()[row].set_fontweight("bold")
    axes.set_ylim(last + 0.6, -0.6)
    low, high = min(edge[0] for edge in edges), max(edge[1] for edge in edges)
    room = 0.08 * (high - low)
    axes.set_xlim(low - (room if low < 0 else 0.0), high + room if high > low else low + 1.0)
    axes.axvline(0, color=FAINT, lw=0.8)
    axes.grid(axis="x")
    axes.spines["bottom"].set_visible(False)
    captions: tuple[tuple[str, float, dict[str, Any]], ...] = (
        (
            "From the score now to the score after, % of the portfolio a year",
            0.032,
            {"weight": "bold"},
        ),
        (_meaning_of_score(plan), 0.60, {"color": GREY}),
    )
    for text, right, looks in captions:
        axes.annotate(
            text, (right, 1), xycoords=("figure fraction", "axes fraction"), xytext=(0, 10),
            textcoords="offset points", size=10.5 if "weight" in looks else 8.5, va="baseline",
            **looks,
        )  # fmt: skip
