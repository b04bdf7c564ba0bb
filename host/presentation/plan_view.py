"""A plan for a terminal: one sentence, the steps, what they change, and the findings.

It imports rich, so only commands that print a plan import it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from host.presentation.columns import Column, table_of, width_of
from host.presentation.explanation_view import SECURITY_MIN, SIDE_STYLES, explanation_parts
from host.presentation.front_view import front_parts
from host.presentation.plan_text import (
    ADVICE_NOTE,
    DEMO_NOTE,
    TERM_NAMES,
    certificate_sentence,
    gain_and_costs,
    group_findings,
    group_rejections,
    has_opinion,
    headline,
    name_list,
    path_sentence,
    quoted_price,
    request_sentence,
    short_module_name,
)
from host.text import exact_money, money, percent, printable, quantity
from planner_core.model.plan import ModuleStatus, Outcome, Plan, Step
from planner_core.model.records import Severity

if TYPE_CHECKING:
    from planner_core.explain.explanation import Explanation
    from planner_core.explain.front import FrontPoint
    from planner_core.explain.path import PlanPath
    from planner_core.model.plan import Score

REASONS_FROM_WIDTH = 150
"""From this width on, the reasons are a column of the steps' table."""
WEIGHTS_FROM_WIDTH = 96
"""From this width on, the weights are."""
REJECTIONS_SHOWN = 6
REJECTED_NAMES_WIDTH = 34
MODULE_STATUS_TEXTS = {
    ModuleStatus.FAILED: "failed",
    ModuleStatus.TIMED_OUT: "took too long",
    ModuleStatus.SKIPPED_OPEN: "left out",
}
"""Of the modules that a plan was made without."""
REASON_MIN = 20

OUTCOME_STYLES = {
    Outcome.PLANNED: "bold green",
    Outcome.NOTHING_TO_DO: "bold cyan",
    Outcome.HELD: "bold red",
}
SEVERITY_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}

GAP = 2
TABLE_GAP = 6
"""Cells between two tables."""
ESTIMATES = frozenset({"expected_return", "volatility", "cvar95_21d"})
"""Figures that are 0 where nothing is known, not where there is no risk."""
LABEL_MIN = 14
"""Labels wrap on a narrow terminal, but not at every word."""
BAR_WIDTH = 10
EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")


@dataclass(frozen=True, slots=True)
class ViewNotes:
    """Details that a view shows besides the plan.

    Parameters
    ----------
    prices_until : date, optional
        The newest close that was used.
    is_demo : bool
        The home contains the demo's data.
    stored_at : str, optional
        The plan's file, relative to the home.
    explanation : Explanation, optional
        With `--explain`.
    path : PlanPath, optional
        How far the plan leads.
    front : sequence of FrontPoint
        With `--front`.
    depth : int
        The largest number of steps in a plan.
    min_gain : float, fraction of NAV
        The smallest gain that is worth a trade.
    """

    prices_until: date | None = None
    is_demo: bool = False
    stored_at: str | None = None
    explanation: Explanation | None = None
    path: PlanPath | None = None
    front: Sequence[FrontPoint] = ()
    depth: int = 5
    min_gain: float = 0.0005


def print_plan(console: Console, plan: Plan, notes: ViewNotes | None = None) -> None:
    """Print a plan, as wide as the console."""
    for number, part in enumerate(_parts(plan, notes or ViewNotes(), console.width)):
        if number:
            console.print()
        console.print(part)
    if notes is not None and notes.stored_at is not None:
        # Not wrapped, so that the path can be copied.
        console.print(_text(f"Stored as {notes.stored_at}", "dim"), soft_wrap=True)


def _parts(plan: Plan, notes: ViewNotes, width: int) -> Iterator[RenderableType]:
    yield _title(plan, notes)
    if plan.steps:
        with_reasons = notes.explanation is None  # an explanation contains them
        yield _steps_table(plan.steps, plan.currency, width, with_reasons=with_reasons)
        if width < REASONS_FROM_WIDTH and with_reasons:
            yield _reasons_table(plan.steps, with_weight=width < WEIGHTS_FROM_WIDTH)
    if plan.score is not None or not plan.steps:
        yield from figures_parts(plan, width)
    if notes.front:
        yield from front_parts(plan, notes.front, width)
    if notes.explanation is not None:
        yield from explanation_parts(plan, notes.explanation, notes.min_gain, width)
    for section in (_findings(plan), _modules(plan), _rejections(plan, notes)):
        if section is not None:
            yield section
    yield _footer(plan, notes)


def _text(text: str, style: str = "") -> Text:
    """Return a text from outside without markup and control characters."""
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
        _text(sentence)
        for sentence in (
            request_sentence(plan),
            gain_and_costs(plan),
            path_sentence(notes.path),
            certificate_sentence(plan, notes.depth, notes.min_gain),
        )
        if sentence
    ]
    return Group(*lines)


def _steps_table(
    steps: Sequence[Step], base_currency: str, width: int, *, with_reasons: bool
) -> Table:
    """Return the steps; a narrow terminal loses columns, but never what to trade."""
    foreign = any(step.currency != base_currency for step in steps)

    def price(step: Step) -> str:
        return quoted_price(step, step.price) + (f" {step.currency}" if foreign else "")

    def expenses(step: Step) -> str:
        return exact_money(step.cost + step.tax, base_currency)

    columns = [
        Column("#", [str(number) for number in range(1, len(steps) + 1)], style="dim"),
        Column("side", [Text(step.side.value, SIDE_STYLES[step.side]) for step in steps], "left"),
        Column("security", [_text(s.security) for s in steps], "left", "bold", least=SECURITY_MIN),
        Column("quantity", [quantity(abs(step.quantity)) for step in steps]),
        Column("price", [price(step) for step in steps], drop=4),
        Column(f"value {base_currency}", [money(abs(step.value)) for step in steps]),
        Column("cost+tax", [expenses(step) for step in steps], drop=2),
        Column("cash after", [money(step.cash_after) for step in steps], drop=3),
        Column("settles", [f"{step.settles_on:%d %b}".lstrip("0") for step in steps], drop=1),
    ]
    if width >= WEIGHTS_FROM_WIDTH:
        columns.append(Column("weight", [_weight_change(step) for step in steps]))
    if with_reasons and width >= REASONS_FROM_WIDTH:
        reasons = [_reason(step) for step in steps]
        columns.append(Column("why", reasons, "left", least=REASON_MIN, stretches=True))
    return table_of(columns, width, gap=2 if width >= WEIGHTS_FROM_WIDTH else 1)


def _weight_change(step: Step) -> Text:
    return Text(f"{step.weight_before * 100:.1f} → {step.weight_after * 100:.1f}%")


def _reason(step: Step) -> Text:
    return Text.assemble(_text(step.reason), (f" ({_module_names(step)})", "dim"))


def _module_names(step: Step) -> str:
    return printable(", ".join(map(short_module_name, step.sources)))


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
    in_headline = plan.reason if plan.outcome is Outcome.HELD else None
    findings = [finding for finding in plan.findings if finding.message != in_headline]
    if not findings:
        return None
    table = _listing("Notes")
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for group in group_findings(findings):
        text = _text(group.message)
        if group.securities:
            text = Text.assemble(text, "  ", _text(name_list(group.securities), "bold"))
        if group.action:
            text = Text.assemble(text, "\n", _text(f"→ {group.action}", "italic"))
        table.add_row(Text(group.severity.value, SEVERITY_STYLES[group.severity]), text)
    return table


def _modules(plan: Plan) -> Table | None:
    """Return the modules that the plan was made without."""
    missing = [attempt for attempt in plan.modules if attempt.status in MODULE_STATUS_TEXTS]
    if not missing:
        return None
    table = _listing("Planned without")
    table.add_column(no_wrap=True, style="bold")
    table.add_column(ratio=1, overflow="fold")
    for attempt in missing:
        text = MODULE_STATUS_TEXTS[attempt.status]
        if attempt.message:
            text += f": {attempt.message}"
        table.add_row(_text(attempt.key), _text(text))
    return table


def _rejections(plan: Plan, notes: ViewNotes) -> Table | None:
    if not plan.rejected:
        return None
    groups = group_rejections(plan.rejected)
    table = _listing("Ruled out")
    table.add_column(overflow="fold", max_width=REJECTED_NAMES_WIDTH)
    table.add_column(ratio=1, overflow="fold")
    shown = len(groups) if notes.explanation is not None else REJECTIONS_SHOWN
    for group in groups[:shown]:
        table.add_row(_text(name_list(group.securities), "bold"), _text(group.reason))
    rest = dict.fromkeys(name for group in groups[shown:] for name in group.securities)
    if rest:
        reasons = Text("other reasons (--json lists them)", "dim")
        table.add_row(_text(name_list(tuple(rest)), "bold"), reasons)
    return table


def _footer(plan: Plan, notes: ViewNotes) -> Text:
    lines = []
    if notes.prices_until is not None:
        lines.append(f"Prices until {notes.prices_until}.")
    if plan.stopped_by not in ("", "complete"):
        lines.append(f"The search reached its {plan.stopped_by}: this is the best so far.")
    if plan.n_candidates:
        trades = "1 trade" if plan.n_candidates == 1 else f"{plan.n_candidates:,} trades"
        sets = "1 set" if plan.n_sequences == 1 else f"{plan.n_sequences:,} sets"
        lines.append(f"{trades}, {sets} of them compared.")
    lines.append(ADVICE_NOTE)
    if notes.is_demo:
        lines.append(DEMO_NOTE)
    return Text(" ".join(lines), "dim")


# --- figures before and after, and the terms of the score -----------------------------------------


def figures_parts(plan: Plan, width: int) -> Iterator[RenderableType]:
    """Yield the figures and the terms of the score, side by side if they fit."""
    if plan.nav is None:
        return
    figures = _figure_columns(plan)
    if plan.score is None or not plan.steps:
        yield table_of(figures, width, title="Portfolio")
        return
    terms = _term_columns(plan.score)
    tables = [
        table_of(figures, width, title="Portfolio"),
        table_of(terms, width, title="Score by this objective, % of the portfolio a year"),
    ]
    if width_of(figures, GAP) + TABLE_GAP + width_of(terms, GAP) + GAP <= width:
        yield Columns(tables, padding=(0, TABLE_GAP))
    else:
        yield from tables


def _figure_columns(plan: Plan) -> list[Column]:
    """Return figures before and after, or only now when nothing is traded."""
    rows = [
        (label, *_formatted(before, after, kind))
        for label, before, after, kind in _figures(plan)
        if before is not None and after is not None
    ]
    labels, befores, afters, changes = zip(*rows, strict=True) if rows else ([], [], [], [])
    label = Column("", labels, "left", least=LABEL_MIN)
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
    # Where the targets alone decide, past returns are no part of the answer.
    returns = [("expected_return", "expected return a year", "percent")]
    for name, label, kind in (
        ("distance", "away from your targets", "percent"),
        ("tracking_error", "risk against your targets", "percent"),
        *(returns if has_opinion(plan) else ()),
        ("volatility", "volatility a year", "percent"),
        ("cvar95_21d", "loss in a bad month", "percent"),
        ("effective_n", "diversification (equal holdings)", "count"),
        ("largest_weight", "largest weight", "percent"),
    ):
        if name in ESTIMATES and not _has_estimate(plan):
            continue
        yield label, plan.metrics_before.get(name), plan.metrics_after.get(name), kind


def _has_estimate(plan: Plan) -> bool:
    """Return whether the risk has an estimate: without one, holdings show a risk of 0."""
    metrics = (plan.metrics_before, plan.metrics_after)
    return any(m.get("volatility") for m in metrics) or not any(m.get("invested") for m in metrics)


def _formatted(before: float, after: float, kind: str) -> tuple[str, str, str]:
    change = after - before
    if kind == "percent":
        return percent(before, 1), percent(after, 1), percent(change, 1, signed=True)
    decimals = 1 if kind == "count" else 0
    text = money(change, decimals)
    return money(before, decimals), money(after, decimals), f"+{text}" if change > 0 else text


def _term_columns(score: Score) -> list[Column]:
    """Return the terms that the score is the sum of, before and after."""
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
        Column("", labels, "left", least=LABEL_MIN),
        Column("before", befores, drop=2),
        Column("after", afters, drop=3),
        Column("change", changes),
        Column("", bars, "left", drop=1),
    ]


def _points(before: float, after: float, change: float) -> tuple[str, str, str]:
    """Format percent without the sign, which is in the title."""
    return (
        percent(before).removesuffix("%"),
        percent(after).removesuffix("%"),
        percent(change, signed=True).removesuffix("%"),
    )


def _bar(share: float) -> Text:
    """Return a share in [-1, 1] as a bar of eighths of a cell; a gain is green."""
    whole, eighths = divmod(round(abs(share) * BAR_WIDTH * 8), 8)
    return Text("█" * whole + EIGHTHS[eighths], "green" if share > 0 else "red")
