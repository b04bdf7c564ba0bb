"""A plan for a terminal: one sentence, the steps, what they change, and what to know about it.

Rich is imported here, and this module only by commands that print a plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from host.presentation.columns import Column, table_of
from host.presentation.explanation_text import proven
from host.presentation.explanation_view import SIDE_STYLES, explanation_parts
from host.presentation.plan_figures import figures_parts
from host.presentation.plan_text import (
    consequence,
    grouped_findings,
    grouped_rejections,
    headline,
    money,
    named,
    short_source,
    units,
)
from host.text import printable
from planner_core.model.plan import ModuleStatus, Outcome, Plan, Step
from planner_core.model.records import Severity

if TYPE_CHECKING:
    from planner_core.explain.explanation import Explanation

WIDE = 150
"""From here on, the reasons stand in the table of steps."""
MEDIUM = 96
"""From here on, weights do."""
REJECTIONS_SHOWN = 6
FATES = {
    ModuleStatus.FAILED: "failed",
    ModuleStatus.TIMED_OUT: "took too long",
    ModuleStatus.SKIPPED_OPEN: "left out",
}
"""What became of a module that a plan did without."""
SECURITY = 8
"""Longer ids wrap where there is no room for them."""
WHY_LEAST = 20

OUTCOME_STYLES = {
    Outcome.PLANNED: "bold green",
    Outcome.NOTHING_TO_DO: "bold cyan",
    Outcome.HELD: "bold red",
}
SEVERITY_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}

DEMO_NOTE = (
    "Demo data: 20 survivors of the US market, picked with hindsight; their past flatters any plan."
)


@dataclass(frozen=True, slots=True)
class ViewNotes:
    """What a view tells besides the plan.

    Parameters
    ----------
    prices_until : date, optional
        The youngest close that was used.
    is_demo : bool
        The home holds the demo's data.
    stored_at : str, optional
        Where in the home the plan was saved.
    explanation : Explanation, optional
        The reasons; None when they were not asked for.
    depth : int
        Most steps in a plan.
    min_gain : float, fraction of NAV
        The smallest gain that is worth a trade.
    """

    prices_until: date | None = None
    is_demo: bool = False
    stored_at: str | None = None
    explanation: Explanation | None = None
    depth: int = 5
    min_gain: float = 0.0005


def print_plan(console: Console, plan: Plan, notes: ViewNotes | None = None) -> None:
    """Print a plan, as wide as the console."""
    for number, part in enumerate(_parts(plan, notes or ViewNotes(), console.width)):
        if number:
            console.print()
        console.print(part)
    if notes is not None and notes.stored_at is not None:
        # Unbroken, so that it can be copied.
        console.print(_text(f"Kept as {notes.stored_at}", "dim"), soft_wrap=True)


def _parts(plan: Plan, notes: ViewNotes, width: int) -> Iterator[RenderableType]:
    yield _title(plan, notes)
    if plan.steps:
        told_below = notes.explanation is not None
        yield _steps_table(plan.steps, plan.currency, width, with_reasons=not told_below)
        if width < WIDE and not told_below:
            yield _reasons_table(plan.steps, with_weight=width < MEDIUM)
    if plan.score is not None or not plan.steps:
        yield from figures_parts(plan, width)
    if notes.explanation is not None:
        yield from explanation_parts(plan, notes.explanation, notes.min_gain, width)
    for section in (_findings(plan), _modules(plan), _rejections(plan, notes)):
        if section is not None:
            yield section
    yield _footer(plan, notes)


def _text(text: str, style: str = "") -> Text:
    """Make text of words from outside: no markup, no control characters."""
    return Text(printable(text), style)


def _title(plan: Plan, notes: ViewNotes) -> Group:
    place = Text.assemble((printable(plan.bucket_id), "bold"), (f"  as of {plan.as_of}", "dim"))
    if plan.valid_until is not None:
        place.append(f", valid until {plan.valid_until}", "dim")
    lines: list[RenderableType] = [
        place,
        Text(),
        _text(headline(plan), OUTCOME_STYLES[plan.outcome]),
    ]
    lines += [
        _text(told)
        for told in (consequence(plan), proven(plan, notes.depth, notes.min_gain))
        if told
    ]
    return Group(*lines)


def _steps_table(
    steps: Sequence[Step], base_currency: str, width: int, *, with_reasons: bool
) -> Table:
    """Show the steps; what a narrow terminal has no room for, but never what to trade."""
    foreign = any(step.currency != base_currency for step in steps)

    def price(step: Step) -> str:
        return f"{step.price:,.2f}" + (f" {step.currency}" if foreign else "")

    columns = [
        Column("#", [str(number) for number in range(1, len(steps) + 1)], style="dim"),
        Column("side", [Text(step.side.value, SIDE_STYLES[step.side]) for step in steps], "left"),
        Column("security", [_text(s.security) for s in steps], "left", "bold", least=SECURITY),
        Column("quantity", [units(abs(step.quantity)) for step in steps]),
        Column("price", [price(step) for step in steps], drop=4),
        Column(f"value {base_currency}", [money(abs(step.value)) for step in steps]),
        Column("cost+tax", [money(step.cost + step.tax, 2) for step in steps], drop=2),
        Column("cash after", [money(step.cash_after) for step in steps], drop=3),
        Column("settles", [f"{step.settles_on:%d %b}".lstrip("0") for step in steps], drop=1),
    ]
    if width >= MEDIUM:
        columns.append(Column("weight", [_weight_change(step) for step in steps]))
    if with_reasons and width >= WIDE:
        whys = [_reason(step) for step in steps]
        columns.append(Column("why", whys, "left", least=WHY_LEAST, stretches=True))
    return table_of(columns, width, gap=2 if width >= MEDIUM else 1)


def _weight_change(step: Step) -> Text:
    return Text(f"{step.weight_before * 100:.1f} → {step.weight_after * 100:.1f}%")


def _reason(step: Step) -> Text:
    return Text.assemble(_text(step.reason), (f" ({_module_names(step)})", "dim"))


def _module_names(step: Step) -> str:
    return printable(", ".join(map(short_source, step.sources)))


def _reasons_table(steps: Sequence[Step], *, with_weight: bool) -> Table:
    table = Table(
        title="Why", title_style="bold", title_justify="left", box=None, show_header=False,
        pad_edge=False, padding=(0, 1, 0, 0),
    )  # fmt: skip
    table.add_column(justify="right", style="dim")
    table.add_column(style="bold", no_wrap=True)
    if with_weight:
        table.add_column(justify="right", no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for number, step in enumerate(steps, start=1):
        weight = [_weight_change(step)] if with_weight else []
        table.add_row(str(number), _text(step.security), *weight, _reason(step))
    return table


def _listing(title: str) -> Table:
    return Table(
        title=title, title_style="bold", title_justify="left", box=None, show_header=False,
        pad_edge=False, padding=(0, 2, 0, 0),
    )  # fmt: skip


def _findings(plan: Plan) -> Table | None:
    told_already = plan.reason if plan.outcome is Outcome.HELD else None
    findings = [finding for finding in plan.findings if finding.message != told_already]
    if not findings:
        return None
    table = _listing("To know")
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for group in grouped_findings(findings):
        told = _text(group.message)
        if group.securities:
            told = Text.assemble(told, "  ", _text(named(group.securities), "bold"))
        if group.action:
            told = Text.assemble(told, "\n", _text(f"→ {group.action}", "italic"))
        table.add_row(Text(group.severity.value, SEVERITY_STYLES[group.severity]), told)
    return table


def _modules(plan: Plan) -> Table | None:
    """List the modules that the plan had to do without."""
    missing = [attempt for attempt in plan.modules if attempt.status in FATES]
    if not missing:
        return None
    table = _listing("Planned without")
    table.add_column(no_wrap=True, style="bold")
    table.add_column(ratio=1, overflow="fold")
    for attempt in missing:
        told = FATES[attempt.status]
        if attempt.message:
            told += f": {attempt.message}"
        table.add_row(_text(attempt.key), _text(told))
    return table


def _rejections(plan: Plan, notes: ViewNotes) -> Table | None:
    if not plan.rejected:
        return None
    groups = grouped_rejections(plan.rejected)
    table = _listing(f"Not taken: {len(plan.rejected)} ideas")
    table.add_column(justify="right")
    table.add_column(ratio=1, overflow="fold")
    shown = len(groups) if notes.explanation is not None else REJECTIONS_SHOWN
    for group in groups[:shown]:
        told = _text(group.reason)
        told.append_text(_text(f"  {named(group.securities)}", "dim"))
        table.add_row(f"{group.count} ×", told)
    rest = sum(group.count for group in groups[shown:])
    if rest:
        table.add_row(f"{rest} ×", Text("for other reasons (--json lists them)", "dim"))
    return table


def _footer(plan: Plan, notes: ViewNotes) -> Text:
    lines = []
    if notes.prices_until is not None:
        lines.append(f"Prices until {notes.prices_until}.")
    if plan.stopped_by not in ("", "complete"):
        lines.append(f"The search was stopped by its {plan.stopped_by}: the best so far.")
    if plan.n_candidates:
        lines.append(f"{plan.n_candidates:,} trades, {plan.n_sequences:,} sets of them compared.")
    lines.append("This is advice; no order is sent.")
    if notes.is_demo:
        lines.append(DEMO_NOTE)
    return Text(" ".join(lines), "dim")
