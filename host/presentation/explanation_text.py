"""The sentences of an explanation and of a certificate, in words that no quant is needed for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from planner_core.market.costs import BASIS_POINT
from planner_core.model.plan import Certificate, Outcome, Plan, Step
from planner_core.model.records import Side

if TYPE_CHECKING:
    from planner_core.explain.explanation import RunnerUp, StepEffect
    from planner_core.explain.limit_use import LimitUse
    from planner_core.explain.what_if import WhatIf

THEMES: Mapping[str, tuple[str, ...]] = {
    "expected return": ("expected_return",),
    "less risk": ("risk", "tail_risk"),
    "more even spread": ("concentration",),
    "closer to your targets": ("drift", "group_drift"),
    "costs": ("cost", "tax", "turnover"),
}
"""What the terms of the score mean to an owner; positive is always better."""
WORTH_NAMING = 0.05
"""A theme with less than this part of a step's largest one is not named."""
EXACT = 1e-9
"""A gap this small, in score units, is none."""
DECIMALS_BELOW_BP = 9.95
"""Smaller figures are told with a decimal."""
SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"))
UNTOLD = 10**15
"""Beyond this, nobody can picture the number by its name."""


def by_theme(terms: Mapping[str, float]) -> dict[str, float]:
    """Return the changes of terms, summed by what they mean; terms without a theme by name."""
    themed = {name for names in THEMES.values() for name in names}
    sums = {theme: sum(terms.get(n, 0.0) for n in names) for theme, names in THEMES.items()}
    return sums | {
        name.replace("_", " "): change for name, change in terms.items() if name not in themed
    }


def basis_points(change: float, *, signed: bool = True, decimals: int | None = None) -> str:
    """Format a change of the score in bp; never minus zero. Small ones get a decimal."""
    value = change / BASIS_POINT
    if decimals is None:
        decimals = 1 if abs(value) < DECIMALS_BELOW_BP else 0
    text = f"{value:,.{decimals}f}"
    if not text.strip("-0.,"):
        return "0"
    return f"+{text}" if signed and value > 0 else text


def why_it_pays(terms: Mapping[str, float]) -> str:
    """Return what speaks for and against trades: `For it: less risk (+63 bp). Against: ...`."""
    themes = by_theme(terms)
    least = WORTH_NAMING * max((abs(change) for change in themes.values()), default=0.0)
    named = {name: change for name, change in themes.items() if abs(change) > least}
    helps = sorted((n for n in named if named[n] > 0), key=lambda n: -named[n])
    hurts = sorted((n for n in named if named[n] < 0), key=lambda n: named[n])
    against = {"expected return": "less expected return", "less risk": "more risk"} | {
        "more even spread": "a less even spread",
        "closer to your targets": "further from your targets",
    }
    sentences = []
    if helps:
        said = joined(
            f"{'more expected return' if n == 'expected return' else n} ({basis_points(named[n])})"
            for n in helps
        )
        sentences.append(f"For it: {said}.")
    if hurts:
        said = joined(f"{against.get(n, n)} ({basis_points(named[n])})" for n in hurts)
        sentences.append(f"Against: {said}.")
    return " ".join(sentences)


def left_out(effect: StepEffect, plan: Plan) -> str:
    """Return what the plan would be without a step."""
    assert plan.score is not None, "effects come with a score"
    if effect.gain_without is None or effect.violation_without is None:
        return "The other steps cannot be done without it."
    told = (
        f"Without it the plan gains {basis_points(effect.gain_without, signed=False)} bp instead"
        f" of {basis_points(plan.score.gain, signed=False)}"
    )
    more = effect.violation_without - plan.violation_after
    if more > EXACT:
        return f"{told}, and {more:.2%} of NAV more stays outside the limits."
    return f"{told}."


def worth_until(effect: StepEffect, step: Step) -> str:
    """Return up to which price a step is worth it; empty where none is known."""
    price = effect.break_even_price
    if price is None:
        return ""
    if price <= 0:
        return "Worth it at any price."
    away = abs(price / step.price - 1)
    edge = "up to" if step.side is Side.BUY else "down to"
    beside = "above" if step.side is Side.BUY else "below"
    return f"Worth it {edge} {price:,.2f} {step.currency}, {away:.1%} {beside} the last close."


def answered(answer: WhatIf) -> str:
    """Return what would be done under another setting: the second half of `If ..., ...`."""
    if answer.outcome is Outcome.HELD:
        return "no plan could be made"
    if answer.same_steps:
        return _answered_the_same(answer)
    if answer.outcome is Outcome.NOTHING_TO_DO:
        return "nothing would be traded"
    if answer.same_trades:
        told = "the plan would make the same trades in other sizes"
    else:
        told = f"the plan would {_changed_trades(answer)}"
    gain, stay = answer.gain, answer.gain_of_plan
    if answer.gain_change is not None:
        told += f"{' and' if answer.same_trades else ', and'} gain {_compared(answer.gain_change)}"
        if answer.gain_change < 0 and stay is None and answer.setting != "max_plan_depth":
            # How a wider limit can make it worse: less of the plan would be a repair.
            told += ", as only what repairs a limit may go beyond the trading allowed"
    elif gain is not None and stay is not None and 0 < stay < gain:
        told += f"; today's steps would reach {stay / gain:.0%} of what is possible then"
    return told


def _answered_the_same(answer: WhatIf) -> str:
    if not answer.n_steps:
        return "still nothing would be traded"
    if answer.gain is None or answer.gain_change is None:
        return "the steps would stay the same"
    now, then = (
        basis_points(gain, signed=False) for gain in (answer.gain - answer.gain_change, answer.gain)
    )
    return (
        "nothing would change"
        if now == then
        else f"the same steps would gain {then} bp instead of {now}"
    )


def _compared(change: float) -> str:
    """Return a change of the gain in words."""
    size = basis_points(abs(change), signed=False)
    return "as much" if size == "0" else f"{size} bp {'more' if change > 0 else 'less'}"


def limit_name(use: LimitUse) -> str:
    """Return what is limited."""
    kind, _, name = use.name.partition(" ")
    names = {
        "steps": "steps in a plan",
        "turnover": "trading allowed now",
        "cash": f"cash for buys {name}".rstrip(),
        "settled": "settled cash for buys",
        "position": f"{name} (nearest its cap)",
    }
    return names.get(kind, f"{name.replace('_', ' ')} ({kind})")


def told_runner_up(found: RunnerUp, plan: Plan, names: Iterable[str], min_gain: float) -> str:
    """Return what the next best choice would be, and what is wrong with it."""
    assert plan.score is not None, "there are alternatives only where sets were scored"
    told = joined(names)
    costs = sum(action.cost + action.tax for action in found.actions)
    paid = f"{costs:,.2f} {plan.currency} of costs"
    gain = basis_points(abs(found.gain), signed=False)
    if found.violation > plan.violation_after + EXACT:
        more = found.violation - plan.violation_after
        return f"{told}: it would leave {more:.2%} of NAV more outside the limits."
    if plan.steps:
        less = basis_points(plan.score.gain - found.gain, signed=False)
        return f"{told}: it gains {gain} bp, {less} bp less than this plan."
    if found.gain > 0:
        least = basis_points(min_gain, signed=False)
        return (
            f"{told}: it would gain {gain} bp after {paid}, less than the {least} bp that are"
            " worth a trade."
        )
    return f"{told}: after {paid} it would be {gain} bp worse than doing nothing."


def proven(plan: Plan, depth: int, min_gain: float) -> str:
    """Return what a certificate proves, in one sentence; empty without one.

    Figures are rounded so that the sentence stays true: gaps up, shares down.
    """
    found = plan.certificate
    if found is None or plan.score is None:
        return ""
    trades = plan.n_candidates + plan.n_sizes
    sets = f"the {counted(number_of_sets(trades, depth))} sets of"
    sets += f" up to {depth}" if depth > 1 else " one"
    sets += f" of these {trades:,} trades"
    if trades == 0:
        return "Proven: there is no trade to choose from."
    if plan.outcome is not Outcome.PLANNED:
        return _proven_nothing(found, plan.score.before, sets, min_gain)
    if found.exact:
        return f"Proven: no better plan exists among {sets}."
    return _proven_nearly(found, plan.score.gain, sets)


def _proven_nearly(found: Certificate, gain: float, sets: str) -> str:
    if found.gap <= EXACT:
        return (
            f"Proven: among {sets}, none that leaves as little outside the limits scores higher."
            " Whether one leaves less is not proven."
        )
    told = f"Proven to within {_rounded_up(found.gap)} of NAV a year in {found.elapsed_s:.0f} s"
    if gain <= 0:
        return f"{told}, among {sets}."
    share = math.floor(gain / (gain + found.gap) * 1000) / 10
    return f"{told}: at least {share:.1f}% of the largest gain possible among {sets}."


def _proven_nothing(found: Certificate, before: float, sets: str, min_gain: float) -> str:
    most = found.upper_bound - before
    if found.exact or most <= EXACT:
        return f"Proven: none of {sets} beats doing nothing."
    bound = f"none of {sets} gains more than {_rounded_up(most)} of NAV a year"
    if most < min_gain:
        return f"Proven: {bound}; less than {min_gain:.2%} is not worth a trade."
    return f"Proven in {found.elapsed_s:.0f} s: {bound}."


def number_of_sets(n_candidates: int, depth: int) -> int:
    """Count the sets of up to `depth` of so many trades, the empty one included."""
    return sum(math.comb(n_candidates, size) for size in range(depth + 1))


def counted(number: int) -> str:
    """Format a large count as people say it."""
    if number >= UNTOLD:
        return f"10^{int(math.log10(number))}"
    for scale, name in SCALES:
        if number >= scale:
            return f"{number / scale:.1f} {name}"
    return f"{number:,}"


def joined(parts: Iterable[str]) -> str:
    """Join with commas and a last `and`."""
    said = list(parts)
    if len(said) <= 1:
        return "".join(said)
    return f"{', '.join(said[:-1])} and {said[-1]}"


def _changed_trades(answer: WhatIf) -> str:
    """Return `also buy KO and GE, but not sell XOM`."""
    added = joined(_by_side(answer.added, "and"))
    if len(answer.added) < answer.n_steps and added:
        added = f"also {added}"
    dropped = joined(_by_side(answer.dropped, "or"))
    if dropped:
        dropped = f"not {dropped}"
    return ", but ".join(filter(None, (added, dropped)))


def _by_side(trades: Iterable[tuple[str, str]], word: str) -> list[str]:
    names: dict[str, list[str]] = {}
    for side, security in trades:
        names.setdefault(side, []).append(security)
    return [f"{side} {f' {word} '.join(traded)}" for side, traded in names.items()]


def _rounded_up(fraction: float) -> str:
    """Format a fraction as percent with two significant digits, never smaller than it is."""
    value = fraction * 100
    digits = max(0, 1 - math.floor(math.log10(value)))
    scale: float = 10.0**digits
    return f"{math.ceil(value * scale - 1e-9) / scale:.{min(digits, 8)}f}%"
