"""An explanation for a terminal: the sections that `trader plan --explain` adds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from host.presentation.columns import Column, fitting, table_of, width_of
from host.presentation.explanation_text import (
    PER_YEAR,
    break_even,
    by_theme,
    decimals_for,
    limit_name,
    plan_without_step,
    pros_and_cons,
    robustness_sentences,
    runner_up_sentence,
    score_percent,
    what_if_answer,
)
from host.presentation.plan_text import short_module_name
from host.text import money, percent, printable, quantity
from planner_core.model.records import Side

if TYPE_CHECKING:
    from planner_core.explain.explanation import Explanation, HoldingChange, StepEffect
    from planner_core.explain.limit_use import LimitUse
    from planner_core.explain.robustness import Robustness
    from planner_core.explain.what_if import WhatIf
    from planner_core.model.plan import Plan

LIMIT_CELLS = 10
LIMIT_NAME_MIN = 14
SECURITY_MIN = 8
"""Longer ids wrap on a narrow terminal."""
HEADERS = {
    "expected return": "expected\nreturn",
    "less risk": "less\nrisk",
    "more even spread": "more even\nspread",
    "closer to your targets": "closer to\ntargets",
    "less idle cash": "less idle\ncash",
    "costs": "costs\nand tax",
}
SIDE_STYLES = {Side.BUY: "green", Side.SELL: "magenta", Side.CONVERT: "cyan"}

RISK_FROM_WIDTH = 96
"""From this width on, shares of risk are shown beside the weights."""
BAR_CELLS_MAX = 60
HELD, BOUGHT, SOLD, TARGET = "█", "▒", "░", "┃"


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
    if explanation.robustness is not None:
        yield _robustness(plan, explanation.robustness)
    if explanation.what_if:
        yield _what_ifs(explanation.what_if)
    if explanation.better_gain is not None:
        yield _better(explanation.better_gain, proven=_is_proven(plan))


def _text(text: str, style: str = "") -> Text:
    return Text(printable(text), style)


def _titled(title: Text | str, *parts: RenderableType) -> Group:
    return Group(Text(title, "bold") if isinstance(title, str) else title, *parts)


def _reasons(plan: Plan, explanation: Explanation) -> Group:
    """Return for each step the reason, its effect, and the plan without it."""
    parts: list[RenderableType] = []
    for number, (step, effect) in enumerate(
        zip(plan.steps, explanation.steps, strict=True), start=1
    ):
        head = Text.assemble(
            (f"{number}  ", "dim"),
            (step.side.value, SIDE_STYLES[step.side]),
            " ",
            (f"{quantity(abs(step.quantity))} {printable(step.security)}", "bold"),
            (f"  {score_percent(effect.gain)}", "green" if effect.gain > 0 else "red"),
        )
        sources = ", ".join(short_module_name(source) for source in step.sources)
        lines = [
            Text.assemble(_text(_sentence(step.reason)), (f" ({printable(sources)})", "dim")),
            _text(pros_and_cons(effect.terms)),
            _text(
                " ".join(filter(None, (plan_without_step(effect, plan), break_even(effect, step))))
            ),
        ]
        parts.append(head)
        parts.append(Padding(Group(*(line for line in lines if line.plain)), (0, 0, 0, 3)))
    unit = f"   gains are % {PER_YEAR}, by this objective"
    return _titled(Text.assemble(("Why each step", "bold"), (unit, "dim")), *parts)


def _sentence(reason: str) -> str:
    text = f"{reason[:1].upper()}{reason[1:]}"
    return text if text.endswith(".") else f"{text}."


def _effects(plan: Plan, explanation: Explanation, width: int) -> Table | None:
    """Return the effect of each step, by theme, and of the plan; None if it does not fit."""
    assert plan.score is not None, "effects come with a score"
    decimals = decimals_for(max((abs(effect.gain) for effect in explanation.steps), default=0.0))
    effects = explanation.steps
    whole = {name: term.change for name, term in plan.score.terms.items()}
    rows = [*(by_theme(effect.terms) for effect in effects), by_theme(whole)]
    # A theme that no step touches, such as targets where there are none, takes no room.
    themes = [theme for theme in rows[-1] if any(row.get(theme) for row in rows)]
    shown = [
        Column(HEADERS.get(theme, theme.replace(" ", "\n", 1)),
               [_signed(row.get(theme, 0.0), decimals) for row in rows])
        for theme in themes
    ]  # fmt: skip
    gains = [*(effect.gain for effect in effects), plan.score.gain]
    columns = [
        Column("", [*(str(n) for n in range(1, len(effects) + 1)), ""], style="dim", drop=2),
        Column("", [*(Text(e.side.value, SIDE_STYLES[e.side]) for e in effects), ""], "left"),
        Column("", [*(_text(effect.security) for effect in effects), "plan"], "left", "bold",
               least=SECURITY_MIN),
        *shown,
        Column("in all", [Text(_points(gain, decimals), "bold") for gain in gains]),
        Column("plan\nwithout", [*(_without(effect, decimals) for effect in effects), ""], drop=1),
    ]  # fmt: skip
    if width_of(fitting(columns, width, 1), 1) > width:
        return None  # the sentences above contain the same
    legend = ("   a plus is good", "dim")
    title = Text.assemble(("What each step does, %", "bold"), legend)
    return table_of(columns, width, title=title, gap=1)


def _without(effect: StepEffect, decimals: int) -> str:
    gain = effect.gain_without
    return "-" if gain is None else _points(gain, decimals).removeprefix("+")


def _points(change: float, decimals: int) -> str:
    """Format percent without the sign, which is in the title."""
    return score_percent(change, decimals=decimals).removesuffix("%")


def _signed(change: float, decimals: int) -> Text:
    text = _points(change, decimals)
    style = "dim" if text == "0" else "green" if change > 0 else "red"
    return Text(text, style)


def _limits(limits: Sequence[LimitUse], width: int) -> Table:
    ordered = sorted(limits, key=lambda use: -use.share)
    styles = ["bold" if use.binds else "dim" for use in ordered]
    shown = list(zip(ordered, styles, strict=True))
    columns = [
        Column(
            "", [Text(printable(limit_name(u)), s) for u, s in shown], "left", least=LIMIT_NAME_MIN
        ),
        Column("used", [Text(_amount(use.used, use), style) for use, style in shown]),
        Column("of", [Text(_amount(use.limit, use), style) for use, style in shown]),
        Column("", [_limit_bar(use) for use in ordered], "left", drop=1),
        Column("", ["at its limit" if use.binds else "" for use in ordered], "left", drop=2),
    ]
    return table_of(columns, width, title="Limits")


def _limit_bar(use: LimitUse) -> Text:
    full = min(LIMIT_CELLS, round(use.share * LIMIT_CELLS))
    bar = Text("█" * full, "yellow" if use.binds else "blue")
    return bar.append("·" * (LIMIT_CELLS - full), "dim")


def _amount(value: float, use: LimitUse) -> str:
    if use.unit == "of NAV":
        return percent(value, 1)
    return f"{value:.0f}" if use.unit == "steps" else f"{money(value)} {use.unit}"


def _runner_up(plan: Plan, explanation: Explanation, min_gain: float) -> Group:
    runner_up = explanation.runner_up
    assert runner_up is not None, "called only when there is one"
    names = [
        f"{action.side.value} {quantity(abs(action.quantity))} {name}"
        for action, name in zip(runner_up.actions, runner_up.names, strict=True)
    ]
    title = "The next best choice" if plan.steps else "The nearest alternative"
    lines = [_text(_sentence(runner_up_sentence(runner_up, plan, names, min_gain)))]
    if not plan.steps:
        lines.append(_text(pros_and_cons(runner_up.terms)))
    return _titled(title, *(Padding(line, (0, 0, 0, 3)) for line in lines))


def _robustness(plan: Plan, answer: Robustness) -> Group:
    lines = (_text(sentence) for sentence in robustness_sentences(answer, plan))
    return _titled("How robust it is", *(Padding(line, (0, 0, 0, 3)) for line in lines))


def _what_ifs(answers: Sequence[WhatIf]) -> Table:
    table = Table(
        title="What would change the answer", title_style="bold", title_justify="left", box=None,
        show_header=False, pad_edge=False, padding=(0, 2, 0, 0),
    )  # fmt: skip
    table.add_column(justify="right", no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for answer in answers:
        text = Text.assemble(
            _text(f"If {answer.question}, "), _text(f"{what_if_answer(answer)}.", "bold"),
            (f"  {answer.setting} {answer.value_now} → {answer.value_then}", "dim"),
        )  # fmt: skip
        table.add_row(_gain_change(answer), text)
    return table


def _gain_change(answer: WhatIf) -> Text:
    if answer.same_steps:
        return Text("the same", "dim")
    if answer.gain_change is None:
        return Text("not comparable", "yellow")
    change = score_percent(answer.gain_change)
    return Text(change, "green" if answer.gain_change > 0 else "red")


def _better(gain: float, *, proven: bool) -> Text:
    """Return that a better plan exists; a proof can only have missed one with other sizes."""
    advice = (
        "Its sizes are not among those of the proof."
        if proven
        else "`trader plan --prove` searches for it."
    )
    gain_text = f"{score_percent(gain, signed=False)} {PER_YEAR}"
    sentence = f"A plan that gains {gain_text} is possible with today's settings. {advice}"
    return Text(sentence, "yellow")


def _is_proven(plan: Plan) -> bool:
    return plan.certificate is not None and plan.certificate.exact


# --- weights as bars ------------------------------------------------------------------------------


def weights_table(plan: Plan, holdings: Sequence[HoldingChange], width: int) -> Table:
    """Return the weight of each holding as a bar: held, sold and bought parts, and the target."""
    wide = width >= RISK_FROM_WIDTH
    legend = f"{HELD} kept  {SOLD} sold  {BOUGHT} bought  {TARGET} target"
    table = Table(
        title=Text.assemble(("Weights, % of the portfolio", "bold"), (f"   {legend}", "dim")),
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
    cells = max(10, min(BAR_CELLS_MAX, width - min(longest, 20) - 23 - (19 if wide else 0)))
    weight_max = max(max(h.weight_before, h.weight_after, h.target or 0.0) for h in holdings)
    for holding in holdings:
        row: list[RenderableType] = [
            Text(printable(holding.security)),
            f"{holding.weight_before * 100:.1f}",
            _after(holding),
            "" if holding.target is None else f"{holding.target * 100:.1f}",
            weight_bar(holding, weight_max, cells),
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


def weight_bar(holding: HoldingChange, weight_max: float, cells: int) -> Text:
    """Return the bar of a holding; `weight_max` takes all the cells, a target of 0 has no mark."""

    def cells_of(weight: float) -> int:
        return round(weight / weight_max * cells) if weight_max > 0 else 0

    before, after = cells_of(holding.weight_before), cells_of(holding.weight_after)
    n_held, end = min(before, after), max(before, after)
    if holding.weight_after != holding.weight_before and n_held == end:
        n_held = max(0, n_held - 1)  # show a change, however small
    is_bought = holding.weight_after > holding.weight_before
    traded = (BOUGHT, "green") if is_bought else (SOLD, "magenta")
    signs = [(HELD, "blue")] * n_held + [traded] * (end - n_held)
    if holding.target:
        place = min(cells - 1, cells_of(holding.target))
        signs += [(" ", "")] * (place + 1 - len(signs))
        signs[place] = (TARGET, "bold yellow")
    bar = Text()
    for sign, style in signs:
        bar.append(sign, style)
    return bar
