"""The comparison of two plans as a table, with the verdict and the trades that differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from rich.text import Text

from host.presentation.columns import Column, table_of
from host.presentation.comparison_text import (
    DISTANCE,
    SCORE_DECIMALS,
    SideView,
    verdict_lines,
)
from host.text import exact_money, money, percent, printable, quantity
from planner_core.explain.comparison import Basis, Comparison, Judgement, Verdict
from planner_core.model.records import Side

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from planner_core.model.plan import Plan

LABEL_MIN: Final = 12
"""The name of a side may wrap to this width."""
MODULES_SHOWN: Final = 3
STYLES: Final = {Verdict.A: "bold green", Verdict.B: "bold green", Verdict.TIE: "bold cyan"}
NONE: Final = "-"

Row = tuple[str, str, str]


def print_comparison(console: Console, comparison: Comparison, a: SideView, b: SideView) -> None:
    """Print the verdict, the figures of both plans, and the trades of each."""
    for number, part in enumerate(_parts(comparison, a, b, console.width)):
        if number:
            console.print()
        console.print(part)


def _parts(
    comparison: Comparison, a: SideView, b: SideView, width: int
) -> Iterator[RenderableType]:
    lines = verdict_lines(comparison, a, b)
    style = STYLES.get(comparison.verdict, "bold yellow")
    yield Text("\n").join(
        Text(printable(line), style if number == 0 else "") for number, line in enumerate(lines)
    )
    rows = list(figure_rows(comparison, a, b))
    yield table_of(
        [
            Column("", [name for name, _, _ in rows], "left"),
            Column(a.title, [Text(printable(cell)) for _, cell, _ in rows], least=LABEL_MIN),
            Column(b.title, [Text(printable(cell)) for _, _, cell in rows], least=LABEL_MIN),
        ],
        width,
    )
    trades = list(trade_rows(a, b))
    if trades and comparison.basis is not Basis.SAME_PLAN:
        yield table_of(
            [
                Column("trade", [Text(printable(name)) for name, _, _ in trades], "left"),
                Column(a.title, [cell for _, cell, _ in trades]),
                Column(b.title, [cell for _, _, cell in trades]),
            ],
            width,
        )


def figure_rows(comparison: Comparison, a: SideView, b: SideView) -> Iterator[Row]:
    """Yield what is compared, a row each; a dash where a side has no such figure."""
    plans = [side.plan for side in (a, b) if side.plan is not None]
    currency = plans[0].currency if plans else ""

    def row(name: str, figure: Callable[[SideView, Plan], str]) -> Row:
        cell_a, cell_b = (
            figure(side, side.plan) if side.plan is not None and side.has_plan else NONE
            for side in (a, b)
        )
        return name, cell_a, cell_b

    yield "configuration", a.label, b.label
    yield "outcome", a.outcome, b.outcome
    if not (a.has_plan or b.has_plan):
        return
    yield row("trades", lambda _, plan: str(len(plan.steps)))
    yield row("score after, a year", lambda _, plan: _score(plan))
    yield from _gain_rows(comparison, a, b)
    if any(DISTANCE in plan.metrics_after for plan in plans):
        yield row("from targets before", lambda _, plan: _distance(plan.metrics_before))
        yield row("from targets after", lambda _, plan: _distance(plan.metrics_after))
    if any(plan.violation_before > 0 for plan in plans):
        yield row("outside limits after", lambda _, plan: percent(plan.violation_after))
    yield row(f"cash required, {currency}", lambda _, p: exact_money(p.cash_required, currency))
    yield row(f"costs, {currency}", lambda side, _: exact_money(side.costs, currency))
    yield row(f"tax, {currency}", lambda side, _: exact_money(side.tax, currency))
    yield row("turnover", lambda side, _: percent(side.turnover, 1))
    yield row("sets compared", lambda _, plan: money(plan.n_sequences))
    yield row("time of the planner", lambda side, _: f"{side.planner_s:.2f} s")
    if a.failed_modules or b.failed_modules:
        yield row("modules left out", lambda side, _: _names(side.failed_modules))


def _gain_rows(comparison: Comparison, a: SideView, b: SideView) -> Iterator[Row]:
    """Yield the gains of both plans: by the one objective, or by each."""
    if comparison.by_a is None or comparison.by_b is None:
        return
    if comparison.same_objective:
        yield "gain", *_gains(comparison.by_a)
    else:
        yield f"gain by {a.title}'s objective", *_gains(comparison.by_a)
        yield f"gain by {b.title}'s objective", *_gains(comparison.by_b)


def _gains(judgement: Judgement) -> tuple[str, str]:
    gain_a, gain_b = (
        NONE if gain is None else percent(gain, SCORE_DECIMALS, signed=True)
        for gain in (judgement.gain_a, judgement.gain_b)
    )
    return gain_a, gain_b


def _score(plan: Plan) -> str:
    return NONE if plan.score is None else percent(plan.score.after, SCORE_DECIMALS)


def _distance(metrics: Mapping[str, float]) -> str:
    return percent(metrics[DISTANCE], 1) if DISTANCE in metrics else NONE


def _names(keys: Sequence[str]) -> str:
    shown = ", ".join(short_name(key) for key in keys[:MODULES_SHOWN])
    more = len(keys) - MODULES_SHOWN
    return f"{shown or 'none'}{f' and {more} more' if more > 0 else ''}"


def short_name(key: str) -> str:
    """Return the name of a module without its kind, or the label of a plugin."""
    return key if "/" in key else key.rpartition(".")[2]


def trade_rows(a: SideView, b: SideView) -> Iterator[Row]:
    """Yield every trade of either plan with its quantity on both sides, sells first."""
    trades = [
        {(step.side, step.security): step.quantity for step in side.plan.steps} if side.plan else {}
        for side in (a, b)
    ]
    order = (Side.SELL, Side.CONVERT, Side.BUY)
    for side, security in sorted({*trades[0], *trades[1]}, key=lambda t: (order.index(t[0]), t[1])):
        cell_a, cell_b = (
            quantity(abs(of_side[side, security])) if (side, security) in of_side else NONE
            for of_side in trades
        )
        yield f"{side.value} {security}", cell_a, cell_b
