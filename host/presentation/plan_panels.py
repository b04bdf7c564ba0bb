"""The panels of a plan's figure: dots before and after, and the waterfall of the score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from host.presentation.explanation_text import by_theme
from host.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from planner_core.explain.explanation import HoldingChange
    from planner_core.model.plan import Plan

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


def draw_panel_title(axes: Axes, text: str) -> None:
    """Write what a panel shows above its left edge."""
    axes.set_title(text, loc="left", size=10.5, weight="bold", pad=10)


def draw_dumbbells(axes: Axes, holdings: Sequence[HoldingChange], what: str) -> None:
    """Draw before and after of each holding on a line of its own; targets as ticks."""
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
    """Explain the signs, beside the title of the panel."""
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
    """Return what the plan changes, by its meaning: percent of NAV a year."""
    assert plan.score is not None, "only scored plans are drawn"
    themes = by_theme({name: term.change for name, term in plan.score.terms.items()})
    return [(name, change * 100) for name, change in themes.items() if change]


def draw_waterfall(axes: Axes, plan: Plan, rows: Sequence[tuple[str, float]]) -> None:
    """Draw the way from the score now to the score after, a row per meaning of the terms."""
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
        ("From the score now to the score after, % of NAV a year", 0.032, {"weight": "bold"}),
        ("the score: the safe yearly return that would be as good", 0.52, {"color": GREY}),
    )
    for text, right, looks in captions:
        axes.annotate(
            text, (right, 1), xycoords=("figure fraction", "axes fraction"), xytext=(0, 10),
            textcoords="offset points", size=10.5 if "weight" in looks else 8.5, va="baseline",
            **looks,
        )  # fmt: skip
