"""Weights before and after as bars of characters, with the target marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from host.text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from planner_core.explain.explanation import HoldingChange
    from planner_core.model.plan import Plan

WIDE = 96
"""From here on, shares of risk stand beside the weights."""
BARS_MAX = 60
"""Longer bars say no more."""
KEPT, BOUGHT, SOLD, TARGET = "█", "▒", "░", "┃"


def weights_table(plan: Plan, holdings: Sequence[HoldingChange], width: int) -> Table:
    """Draw the weight of each holding: what is kept, sold and bought, and where the target is."""
    wide = width >= WIDE
    legend = f"{KEPT} kept  {SOLD} sold  {BOUGHT} bought  {TARGET} target"
    table = Table(
        title=Text.assemble(("Weights, % of NAV", "bold"), (f"   {legend}", "dim")),
        title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0),
        header_style="dim",
    )  # fmt: skip
    table.add_column("", style="bold", overflow="fold")
    for header in ("before", "after", "target"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("")
    if wide:
        table.add_column("risk before", justify="right", no_wrap=True)
        table.add_column("after", justify="right", no_wrap=True)
    longest = max((len(holding.security) for holding in holdings), default=0)
    cells = max(10, min(BARS_MAX, width - min(longest, 20) - 23 - (19 if wide else 0)))
    most = max(max(h.weight_before, h.weight_after, h.target or 0.0) for h in holdings)
    for holding in holdings:
        row: list[RenderableType] = [
            Text(printable(holding.security)),
            f"{holding.weight_before * 100:.1f}",
            _after(holding),
            "" if holding.target is None else f"{holding.target * 100:.1f}",
            weight_bar(holding, most, cells),
        ]
        if wide:
            row += [f"{holding.risk_before:.0%}", f"{holding.risk_after:.0%}"]
        table.add_row(*row)
    if plan.nav and plan.cash_before is not None and plan.cash_after is not None:
        before, after = plan.cash_before / plan.nav * 100, plan.cash_after / plan.nav * 100
        table.add_row(Text("cash", "dim"), f"{before:.1f}", f"{after:.1f}", "", "")
    return table


def _after(holding: HoldingChange) -> Text:
    changed = holding.weight_after != holding.weight_before
    return Text(f"{holding.weight_after * 100:.1f}", "bold" if changed else "")


def weight_bar(holding: HoldingChange, most: float, cells: int) -> Text:
    """Draw one bar of so many cells for the weight `most`; a target of nothing has no mark."""

    def at(weight: float) -> int:
        return round(weight / most * cells) if most > 0 else 0

    before, after = at(holding.weight_before), at(holding.weight_after)
    kept, end = min(before, after), max(before, after)
    if holding.weight_after != holding.weight_before and kept == end:
        kept = max(0, kept - 1)  # a change is seen, however small
    moved = (BOUGHT, "green") if holding.weight_after > holding.weight_before else (SOLD, "magenta")
    drawn = [(KEPT, "blue")] * kept + [moved] * (end - kept)
    if holding.target:
        place = min(cells - 1, at(holding.target))
        drawn += [(" ", "")] * (place + 1 - len(drawn))
        drawn[place] = (TARGET, "bold yellow")
    bar = Text()
    for sign, style in drawn:
        bar.append(sign, style)
    return bar
