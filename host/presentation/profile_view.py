"""A waterfall of one plan: each stage with its modules as bars on one axis of time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from host.telemetry.metrics.performance_report import duration
from host.telemetry.metrics.profile import MODULE
from host.text import printable

if TYPE_CHECKING:
    from rich.console import Console

    from host.telemetry.metrics.profile import Profile, Span

BAR = "█"
THIN = "▏"
"""For a span too short for a bar."""
DURATION_CELLS = 9
"""Width of the longest duration and of the gaps between the columns."""
BARS_MAX = 80
BARS_MIN = 4
SHORT_FRACTION = 0.002
"""Calls that take a smaller part of the plan are summed up in one line."""


def print_profile(console: Console, profile: Profile, total_s: float) -> None:
    """Print the waterfall."""
    spans = profile.spans
    shown = [s for s in spans if s.kind != MODULE or _has_own_line(s, total_s)]
    names = [_name(span) for span in shown]
    longest = max((len(name) for name in names), default=0)
    cells = max(BARS_MIN, min(BARS_MAX, console.width - longest - DURATION_CELLS))
    table = Table(
        title=Text(f"Profile: {duration(total_s)} in total", "bold"),
        title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0), show_header=False,
    )  # fmt: skip
    table.add_column("", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for span, name in zip(shown, names, strict=True):
        style = "" if span.status == "ok" else "red"
        table.add_row(
            Text(name, style or ("dim" if span.kind == MODULE else "bold")),
            duration(span.elapsed_s),
            waterfall_bar(span, total_s, cells),
        )
    console.print(table)
    rest = [span for span in spans if span.kind == MODULE and not _has_own_line(span, total_s)]
    if rest:
        total = duration(sum(span.elapsed_s for span in rest))
        console.print(Text(f"{len(rest)} shorter calls of modules: {total}", "dim"))
    if profile.scoring_s:
        text = f"Scoring sequences: {duration(profile.scoring_s)} of the search"
        console.print(Text(text, "dim"))


def waterfall_bar(span: Span, total_s: float, cells: int) -> Text:
    """Return a bar from begin to end of a span; the whole plan takes all the cells."""
    if total_s <= 0:
        return Text()
    start = min(cells - 1, max(0, int(span.start_s / total_s * cells)))
    end = min(cells, max(start, round(span.end_s / total_s * cells)))
    style = "red" if span.status != "ok" else ("cyan" if span.kind == MODULE else "blue")
    return Text(" " * start + (BAR * (end - start) or THIN), style)


def _has_own_line(span: Span, total_s: float) -> bool:
    return span.status != "ok" or span.end_s - span.start_s >= SHORT_FRACTION * total_s


def _name(span: Span) -> str:
    if span.kind != MODULE:
        return printable(span.name)
    _, _, short = span.name.partition(".")
    return f"  {printable(short)}"
