"""A plan for a terminal: one sentence, the steps, what they change, and what to know about it.

Rich is imported here, and this module only by commands that print a plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from host.plan_words import (
    TERM_NAMES,
    consequence,
    grouped_findings,
    grouped_rejections,
    headline,
    money,
    named,
    percent,
    units,
)
from host.printable import printable
from planner_core.context import Severity, Side
from planner_core.plan import ModuleStatus, Outcome, Plan, Step

WIDE = 150
"""From here on, the reasons stand in the table of steps."""
MEDIUM = 96
"""From here on, weights do, and the two tables of figures stand beside each other."""
BAR_WIDTH = 10
EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
REJECTIONS_SHOWN = 6

OUTCOME_STYLES = {
    Outcome.PLANNED: "bold green",
    Outcome.NOTHING_TO_DO: "bold cyan",
    Outcome.HELD: "bold red",
}
SEVERITY_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
SIDE_STYLES = {Side.BUY: "green", Side.SELL: "magenta"}

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
    """

    prices_until: date | None = None
    is_demo: bool = False
    stored_at: str | None = None


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
    yield _title(plan)
    if plan.steps:
        yield _steps_table(plan.steps, plan.currency, width)
        if width < WIDE:
            yield _reasons_table(plan.steps, with_weight=width < MEDIUM)
    if plan.nav is not None and not plan.steps:
        yield _figures_table(plan)
    elif plan.score is not None and plan.nav is not None:
        before_after = [_figures_table(plan), _terms_table(plan)]
        if width < MEDIUM:
            yield from before_after
        else:
            yield Columns(before_after, padding=(0, 6))
    for section in (_findings(plan), _modules(plan), _rejections(plan)):
        if section is not None:
            yield section
    yield _footer(plan, notes)


def _text(text: str, style: str = "") -> Text:
    """Make text of words from outside: no markup, no control characters."""
    return Text(printable(text), style)


def _title(plan: Plan) -> Group:
    place = Text.assemble((printable(plan.bucket_id), "bold"), (f"  as of {plan.as_of}", "dim"))
    if plan.valid_until is not None:
        place.append(f", valid until {plan.valid_until}", "dim")
    lines: list[RenderableType] = [
        place,
        Text(),
        _text(headline(plan), OUTCOME_STYLES[plan.outcome]),
    ]
    worth = consequence(plan)
    if worth:
        lines.append(_text(worth))
    return Group(*lines)


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


def _steps_table(steps: Sequence[Step], base_currency: str, width: int) -> Table:
    foreign = any(step.currency != base_currency for step in steps)
    table = Table(
        box=None, pad_edge=False, padding=(0, 2 if width >= MEDIUM else 1, 0, 0), header_style="dim"
    )
    table.add_column("#", justify="right", style="dim")
    table.add_column("side")
    table.add_column("security", style="bold", overflow="fold")
    for header in ("quantity", "price", f"value {base_currency}", "cost+tax", "cash after"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("settles", no_wrap=True)
    if width >= MEDIUM:
        table.add_column("weight", justify="right", no_wrap=True)
    if width >= WIDE:
        table.add_column("why", ratio=1)
    for number, step in enumerate(steps, start=1):
        price = f"{step.price:,.2f}" + (f" {step.currency}" if foreign else "")
        row = [
            Text(str(number)),
            Text(step.side.value, SIDE_STYLES[step.side]),
            _text(step.security),
            Text(units(abs(step.quantity))),
            Text(price),
            Text(money(abs(step.value))),
            Text(money(step.cost + step.tax, 2)),
            Text(money(step.cash_after)),
            Text(f"{step.settles_on:%d %b}".lstrip("0")),
        ]
        if width >= MEDIUM:
            row.append(_weight_change(step))
        if width >= WIDE:
            row.append(_reason(step))
        table.add_row(*row)
    return table


def _weight_change(step: Step) -> Text:
    return Text(f"{step.weight_before * 100:.1f} → {step.weight_after * 100:.1f}%")


def _reason(step: Step) -> Text:
    return Text.assemble(_text(step.reason), (f" ({_module_names(step)})", "dim"))


def _module_names(step: Step) -> str:
    return printable(", ".join(source.rsplit(".", 1)[-1] for source in step.sources))


def _reasons_table(steps: Sequence[Step], *, with_weight: bool) -> Table:
    table = Table(
        title="Why", title_style="bold", title_justify="left", box=None, show_header=False,
        pad_edge=False, padding=(0, 1, 0, 0),
    )  # fmt: skip
    table.add_column(justify="right", style="dim")
    table.add_column(style="bold", no_wrap=True)
    if with_weight:
        table.add_column(justify="right", no_wrap=True)
    table.add_column(ratio=1)
    for number, step in enumerate(steps, start=1):
        weight = [_weight_change(step)] if with_weight else []
        table.add_row(str(number), _text(step.security), *weight, _reason(step))
    return table


def _figures_table(plan: Plan) -> Table:
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


def _terms_table(plan: Plan) -> Table:
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
        table.add_row(_text(label), *_points(term.before, term.after, term.change), bar)
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
    table.add_column(ratio=1)
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
    usual = (ModuleStatus.OK, ModuleStatus.DISABLED)
    missing = [attempt for attempt in plan.modules if attempt.status not in usual]
    if not missing:
        return None
    table = _listing("Planned without")
    table.add_column(no_wrap=True, style="bold")
    table.add_column(ratio=1)
    for attempt in missing:
        told = attempt.status.value.replace("_", " ")
        if attempt.message:
            told += f": {attempt.message}"
        table.add_row(_text(attempt.key), _text(told))
    return table


def _rejections(plan: Plan) -> Table | None:
    if not plan.rejected:
        return None
    groups = grouped_rejections(plan.rejected)
    table = _listing(f"Not taken: {len(plan.rejected)} ideas")
    table.add_column(justify="right")
    table.add_column(ratio=1)
    for group in groups[:REJECTIONS_SHOWN]:
        told = _text(group.reason)
        told.append_text(_text(f"  {named(group.securities)}", "dim"))
        table.add_row(f"{group.count} ×", told)
    rest = sum(group.count for group in groups[REJECTIONS_SHOWN:])
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
