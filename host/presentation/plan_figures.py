"""The figures of a plan before and after, and the terms of its score, as tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.columns import Columns
from rich.text import Text

from host.presentation.columns import Column, table_of, width_of
from host.presentation.plan_text import TERM_NAMES, money, percent
from host.text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from planner_core.model.plan import Plan, Score

GAP = 2
BETWEEN = 6
"""Cells between two tables."""
LABEL_LEAST = 14
"""Labels wrap where they have less room than they want, but not at every word."""
BAR_WIDTH = 10
EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")


def figures_parts(plan: Plan, width: int) -> Iterator[RenderableType]:
    """Yield the figures and the terms of the score, beside each other where there is room."""
    if plan.nav is None:
        return
    figures = _figure_columns(plan)
    if plan.score is None or not plan.steps:
        yield table_of(figures, width, title="Portfolio")
        return
    terms = _term_columns(plan.score)
    tables = [
        table_of(figures, width, title="Portfolio"),
        table_of(terms, width, title="Score, % of NAV a year"),
    ]
    if width_of(figures, GAP) + BETWEEN + width_of(terms, GAP) + GAP <= width:
        yield Columns(tables, padding=(0, BETWEEN))
    else:
        yield from tables


def _figure_columns(plan: Plan) -> list[Column]:
    """Show figures before and after; only as they are, when nothing changes."""
    rows = [
        (label, *_formatted(before, after, kind))
        for label, before, after, kind in _figures(plan)
        if before is not None and after is not None
    ]
    labels, befores, afters, changes = zip(*rows, strict=True) if rows else ([], [], [], [])
    label = Column("", labels, "left", least=LABEL_LEAST)
    if not plan.steps:
        return [label, Column("now", befores)]
    return [
        label,
        Column("before", befores, drop=2),
        Column("after", afters),
        Column("change", changes, drop=1),
    ]


def _figures(plan: Plan) -> Iterator[tuple[str, float | None, float | None, str]]:
    yield f"worth (NAV), {plan.currency}", plan.nav, plan.nav_after, "money"
    yield f"cash, {plan.currency}", plan.cash_before, plan.cash_after, "money"
    for name, label, kind in (
        ("expected_return", "expected return a year", "percent"),
        ("volatility", "swings a year (volatility)", "percent"),
        ("cvar95_21d", "loss in a bad month", "percent"),
        ("effective_n", "spread, as equal holdings", "count"),
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


def _term_columns(score: Score) -> list[Column]:
    """Show the terms of the score before and after; all that is summed in it."""
    terms = [
        (TERM_NAMES.get(name, name.replace("_", " ")), term)
        for name, term in score.terms.items()
        if term.before or term.after
    ]
    largest = max((abs(term.change) for _, term in terms), default=0.0)
    total = [Text(text, "bold") for text in _points(score.before, score.after, score.gain)]
    rows = [
        (
            Text(printable(label)),
            *map(Text, _points(term.before, term.after, term.change)),
            _bar(term.change / largest if largest else 0.0),
        )
        for label, term in terms
    ]
    rows.append((Text("score", "bold"), *total, Text()))
    labels, befores, afters, changes, bars = zip(*rows, strict=True)
    return [
        Column("", labels, "left", least=LABEL_LEAST),
        Column("before", befores, drop=2),
        Column("after", afters, drop=3),
        Column("change", changes),
        Column("", bars, "left", drop=1),
    ]


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
