"""An explanation for a terminal: the sections that `trader plan --explain` adds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from host.presentation.columns import Column, fitting, table_of, width_of
from host.presentation.explanation_text import (
    THEMES,
    answered,
    basis_points,
    by_theme,
    left_out,
    limit_name,
    told_runner_up,
    why_it_pays,
    worth_until,
)
from host.presentation.plan_text import money, short_source, units
from host.presentation.weight_bars import weights_table
from host.text import printable
from planner_core.market.costs import BASIS_POINT
from planner_core.model.records import Side

if TYPE_CHECKING:
    from planner_core.explain.explanation import Explanation, StepEffect
    from planner_core.explain.limit_use import LimitUse
    from planner_core.explain.what_if import WhatIf
    from planner_core.model.plan import Plan

LIMIT_CELLS = 10
NAME_LEAST = 14
SECURITY = 8
"""Longer ids wrap where there is no room for them."""
WHOLE_FROM = 10.0
"""Smaller amounts are told with cents."""
FINE_BELOW = 20 * BASIS_POINT
"""A smaller gain is shown with decimals."""
HEADERS = (
    "expected\nreturn",
    "less\nrisk",
    "more even\nspread",
    "closer to\ntargets",
    "costs\nand tax",
)
SIDE_STYLES = {Side.BUY: "green", Side.SELL: "magenta", Side.CONVERT: "cyan"}


def explanation_parts(
    plan: Plan, explanation: Explanation, min_gain: float, width: int
) -> Iterator[RenderableType]:
    """Yield the sections, as wide as the console."""
    if explanation.steps:
        yield _reasons(plan, explanation)
        effects = _effects(plan, explanation, width)
        if effects is not None:
            yield effects
    if explanation.holdings:
        yield weights_table(plan, explanation.holdings, width)
    if explanation.limits:
        yield _limits(explanation.limits, width)
    if explanation.runner_up is not None:
        yield _runner_up(plan, explanation, min_gain)
    if explanation.what_if:
        yield _what_ifs(explanation.what_if)
    if explanation.better_gain is not None:
        yield _better(explanation.better_gain, proven=_is_proven(plan))


def _text(text: str, style: str = "") -> Text:
    return Text(printable(text), style)


def _titled(title: Text | str, *parts: RenderableType) -> Group:
    return Group(Text(title, "bold") if isinstance(title, str) else title, *parts)


def _reasons(plan: Plan, explanation: Explanation) -> Group:
    """Tell of each step why, what it does, and what would be without it."""
    parts: list[RenderableType] = []
    for number, (step, effect) in enumerate(
        zip(plan.steps, explanation.steps, strict=True), start=1
    ):
        head = Text.assemble(
            (f"{number}  ", "dim"),
            (step.side.value, SIDE_STYLES[step.side]),
            " ",
            (f"{units(abs(step.quantity))} {printable(step.security)}", "bold"),
            (f"  {basis_points(effect.gain)} bp", "green" if effect.gain > 0 else "red"),
        )
        sources = ", ".join(short_source(source) for source in step.sources)
        lines = [
            Text.assemble(_text(_sentence(step.reason)), (f" ({printable(sources)})", "dim")),
            _text(why_it_pays(effect.terms)),
            _text(" ".join(filter(None, (left_out(effect, plan), worth_until(effect, step))))),
        ]
        parts.append(head)
        parts.append(Padding(Group(*(line for line in lines if line.plain)), (0, 0, 0, 3)))
    return _titled(Text.assemble(("Why each step", "bold"), (_unit(plan), "dim")), *parts)


def _unit(plan: Plan) -> str:
    if plan.nav is None:
        return ""
    one = plan.nav * BASIS_POINT
    worth = money(one, 0 if one >= WHOLE_FROM else 2)
    return f"   1 bp is 0.01% of NAV a year, {worth} {printable(plan.currency)}"


def _sentence(reason: str) -> str:
    text = f"{reason[:1].upper()}{reason[1:]}"
    return text if text.endswith(".") else f"{text}."


def _effects(plan: Plan, explanation: Explanation, width: int) -> Table | None:
    """Show what each step does, by theme; the last row is the plan. None without the room."""
    assert plan.score is not None, "effects come with a score"
    decimals = 0 if abs(plan.score.gain) >= FINE_BELOW else 1
    effects = explanation.steps
    whole = {name: term.change for name, term in plan.score.terms.items()}
    figures = [*(_figures(effect.terms, decimals) for effect in effects), _figures(whole, decimals)]
    gains = [*(effect.gain for effect in effects), plan.score.gain]
    columns = [
        Column("", [*(str(n) for n in range(1, len(effects) + 1)), ""], style="dim", drop=2),
        Column("", [*(Text(e.side.value, SIDE_STYLES[e.side]) for e in effects), ""], "left"),
        Column("", [*(_text(effect.security) for effect in effects), "plan"], "left", "bold",
               least=SECURITY),
        *(Column(head, column) for head, column in zip(HEADERS, zip(*figures, strict=True),
                                                       strict=True)),
        Column("in all", [Text(basis_points(g, decimals=decimals), "bold") for g in gains]),
        Column("plan\nwithout", [*(_without(effect, decimals) for effect in effects), ""], drop=1),
    ]  # fmt: skip
    if width_of(fitting(columns, width, 1), 1) > width:
        return None  # the words above say the same
    told = ("   a plus is good; the rows add up", "dim")
    title = Text.assemble(("What each step does, bp", "bold"), told)
    return table_of(columns, width, title=title, gap=1)


def _without(effect: StepEffect, decimals: int) -> str:
    gain = effect.gain_without
    return "-" if gain is None else basis_points(gain, signed=False, decimals=decimals)


def _figures(terms: Mapping[str, float], decimals: int) -> list[Text]:
    themes = by_theme(terms)
    shown = [themes[theme] for theme in THEMES]
    shown[-1] += sum(change for theme, change in themes.items() if theme not in THEMES)
    return [_signed(change, decimals) for change in shown]


def _signed(change: float, decimals: int) -> Text:
    text = basis_points(change, decimals=decimals)
    style = "dim" if text == "0" else "green" if change > 0 else "red"
    return Text(text, style)


def _limits(limits: Sequence[LimitUse], width: int) -> Table:
    ordered = sorted(limits, key=lambda use: -use.share)
    styles = ["bold" if use.binds else "dim" for use in ordered]
    shown = list(zip(ordered, styles, strict=True))
    columns = [
        Column("", [Text(printable(limit_name(u)), s) for u, s in shown], "left", least=NAME_LEAST),
        Column("used", [Text(_amount(use.used, use), style) for use, style in shown]),
        Column("of", [Text(_amount(use.limit, use), style) for use, style in shown]),
        Column("", [_limit_bar(use) for use in ordered], "left", drop=1),
        Column("", ["holds it back" if use.binds else "" for use in ordered], "left", drop=2),
    ]
    return table_of(columns, width, title="Limits")


def _limit_bar(use: LimitUse) -> Text:
    full = min(LIMIT_CELLS, round(use.share * LIMIT_CELLS))
    bar = Text("█" * full, "yellow" if use.binds else "blue")
    return bar.append("·" * (LIMIT_CELLS - full), "dim")


def _amount(value: float, use: LimitUse) -> str:
    if use.unit == "of NAV":
        return f"{value * 100:.1f}%"
    return f"{value:.0f}" if use.unit == "steps" else f"{money(value)} {use.unit}"


def _runner_up(plan: Plan, explanation: Explanation, min_gain: float) -> Group:
    found = explanation.runner_up
    assert found is not None, "asked for only when there is one"
    names = [
        f"{action.side.value} {units(abs(action.quantity))} {name}"
        for action, name in zip(found.actions, found.names, strict=True)
    ]
    told = told_runner_up(found, plan, names, min_gain)
    title = "The next best choice" if plan.steps else "The nearest alternative"
    lines = [_text(_sentence(told))]
    if not plan.steps:
        lines.append(_text(why_it_pays(found.terms)))
    return _titled(title, *(Padding(line, (0, 0, 0, 3)) for line in lines))


def _what_ifs(answers: Sequence[WhatIf]) -> Table:
    table = Table(
        title="What would change the answer", title_style="bold", title_justify="left", box=None,
        show_header=False, pad_edge=False, padding=(0, 2, 0, 0),
    )  # fmt: skip
    table.add_column(justify="right", no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for answer in answers:
        told = Text.assemble(
            _text(f"If {answer.question}, "), _text(f"{answered(answer)}.", "bold"),
            (f"  {answer.setting} {answer.value_now} → {answer.value_then}", "dim"),
        )  # fmt: skip
        table.add_row(_verdict(answer), told)
    return table


def _verdict(answer: WhatIf) -> Text:
    if answer.same_steps:
        return Text("the same", "dim")
    if answer.gain_change is None:
        return Text("another", "yellow")
    change = basis_points(answer.gain_change)
    return Text(f"{change} bp", "green" if answer.gain_change > 0 else "red")


def _better(gain: float, *, proven: bool) -> Text:
    """Tell of a better plan; one that a proof does not know is made of other sizes."""
    where = (
        "its sizes are not among those of the proof."
        if proven
        else "`trader plan --prove` looks for it."
    )
    told = (
        "Planning under other settings met a plan that today's allow and that gains"
        f" {basis_points(gain, signed=False)} bp: {where}"
    )
    return Text(told, "yellow")


def _is_proven(plan: Plan) -> bool:
    return plan.certificate is not None and plan.certificate.exact
