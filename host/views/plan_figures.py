"""The figures of a plan before and after, and the terms of its score, as tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from host.printable import printable
from host.views.plan_words import TERM_NAMES, money, percent

if TYPE_CHECKING:
    from planner_core.plan import Plan

BAR_WIDTH = 10
EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")


def _grid(title: str, *headers: str) -> Table:
    """Make a table without lines: the title and dim headers carry it."""
    table = Table(
        title=title or None,
        title_style="bold",
        title_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        header_style="dim",
        show_header=bool(headers),
    )
    for header in headers:
        table.add_column(header, justify="right", no_wrap=True)
    return table


def figures_table(plan: Plan) -> Table:
    """Show figures before and after; only as they are, when nothing changes."""
    headers = ("before", "after", "change") if plan.steps else ("now",)
    table = _grid("Portfolio", "", *headers)
    table.columns[0].justify = "left"
    for label, before, after, kind in _figures(plan):
        if before is not None and after is not None:
            table.add_row(label, *_formatted(before, after, kind)[: len(headers)])
    return table


def _figures(plan: Plan) -> Iterator[tuple[str, float | None, float | None, str]]:
    yield f"NAV, {plan.currency}", plan.nav, plan.nav_after, "money"
    yield f"cash, {plan.currency}", plan.cash_before, plan.cash_after, "money"
    for name, label, kind in (
        ("expected_return", "expected return a year", "percent"),
        ("volatility", "volatility a year", "percent"),
        ("cvar95_21d", "loss in a bad month", "percent"),
        ("effective_n", "effective holdings", "count"),
        ("largest_weight", "largest weight", "percent"),
    ):
        yield label, plan.metrics_before.get(name), plan.metrics_after.get(name), kind


def _formatted(before: float, after: float, kind: str) -> tuple[str, str, str]:
    change = after - before
    if kind == "percent":
        return percent(before, 1), percent(after, 1), percent(change, 1, signed=True)
    decimals = 1 if kind == "count" else 0
    shown = money(change, decimals)
    return money(before, decimals), money(after, decimals), f"+{shown}" if change > 0 else shown


def terms_table(plan: Plan) -> Table:
    """Show the terms of the score before and after; all that is summed in it."""
    assert plan.score is not None, "without a score there is nothing to break down"
    table = _grid("Score, % of NAV a year", "", "before", "after", "change", "")
    table.columns[0].justify = "left"
    table.columns[4].justify = "left"
    rows = [
        (TERM_NAMES.get(name, name.replace("_", " ")), term)
        for name, term in plan.score.terms.items()
        if term.before or term.after
    ]
    largest = max((abs(term.change) for _, term in rows), default=0.0)
    for label, term in rows:
        bar = _bar(term.change / largest if largest else 0.0)
        table.add_row(Text(printable(label)), *_points(term.before, term.after, term.change), bar)
    score = plan.score
    total = [Text(text, "bold") for text in _points(score.before, score.after, score.gain)]
    table.add_row(Text("score", "bold"), *total, Text())
    return table


def _points(before: float, after: float, change: float) -> tuple[str, str, str]:
    """Format percent without the sign, which stands in the title."""
    return (
        percent(before).removesuffix("%"),
        percent(after).removesuffix("%"),
        percent(change, signed=True).removesuffix("%"),
    )


def _bar(share: float) -> Text:
    """Draw a share in [-1, 1] as a bar of eighths of a cell; what helps is green."""
    whole, eighths = divmod(round(abs(share) * BAR_WIDTH * 8), 8)
    return Text("█" * whole + EIGHTHS[eighths], "green" if share > 0 else "red")
