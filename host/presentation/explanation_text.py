"""The sentences of an explanation, for readers who are no quants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from host.presentation.plan_text import quoted_price
from host.text import exact_money, quantity
from planner_core.model.plan import Outcome, Plan, Step
from planner_core.model.records import PERCENT, Side

if TYPE_CHECKING:
    from planner_core.explain.explanation import RunnerUp, StepEffect
    from planner_core.explain.limit_use import LimitUse
    from planner_core.explain.robustness import Robustness
    from planner_core.explain.what_if import WhatIf

THEMES: Mapping[str, tuple[str, ...]] = {
    "expected return": ("expected_return", "opinion"),
    "less risk": ("risk", "tail_risk"),
    "more even spread": ("concentration",),
    "closer to your targets": ("tracking", "drift", "group_drift"),
    "less idle cash": ("idle_cash",),
    "costs": ("cost", "tax", "turnover"),
}
"""The terms of the score by their meaning for an owner; positive is always better."""
DOWNSIDES: Mapping[str, str] = {
    "expected return": "less expected return",
    "less risk": "more risk",
    "more even spread": "a less even spread",
    "closer to your targets": "further from your targets",
    "less idle cash": "more idle cash",
}
"""The names of themes that get worse."""
PER_YEAR = "of the portfolio a year"
"""Unit of the score."""
WORTH_NAMING = 0.05
"""A theme with less than this part of a step's largest one is not named."""
VIOLATION_TOLERANCE = 1e-9
DECIMALS = ((0.995e-3, 2), (0.995e-4, 3), (0.0, 4))
"""Decimals of a percentage by its size: two digits that say something, where there are any."""


def by_theme(terms: Mapping[str, float]) -> dict[str, float]:
    """Sum the changes of terms by theme; terms without a theme keep their name."""
    themed = {name for names in THEMES.values() for name in names}
    sums = {theme: sum(terms.get(n, 0.0) for n in names) for theme, names in THEMES.items()}
    return sums | {
        name.replace("_", " "): change for name, change in terms.items() if name not in themed
    }


def score_percent(change: float, *, signed: bool = True, decimals: int | None = None) -> str:
    """Format a change of the score in percent of the portfolio a year; never minus zero."""
    if decimals is None:
        decimals = decimals_for(abs(change))
    text = f"{change * 100:,.{decimals}f}"
    if not text.strip("-0.,"):
        return "0%"
    return f"+{text}%" if signed and change > 0 else f"{text}%"


def decimals_for(size: float) -> int:
    """Return the decimals at which a percentage of this size, a fraction, has digits to read."""
    return next(decimals for least, decimals in DECIMALS if size >= least)


def pros_and_cons(terms: Mapping[str, float]) -> str:
    """Return the reasons for and against trades: `For it: less risk (+0.63%). Against: ...`."""
    themes = by_theme(terms)
    least = WORTH_NAMING * max((abs(change) for change in themes.values()), default=0.0)
    large = {name: change for name, change in themes.items() if abs(change) > least}
    pros = sorted((n for n in large if large[n] > 0), key=lambda n: -large[n])
    cons = sorted((n for n in large if large[n] < 0), key=lambda n: large[n])
    sentences = []
    if pros:
        names = joined(
            f"{'more expected return' if n == 'expected return' else n} ({score_percent(large[n])})"
            for n in pros
        )
        sentences.append(f"For it: {names}.")
    if cons:
        names = joined(f"{DOWNSIDES.get(n, n)} ({score_percent(large[n])})" for n in cons)
        sentences.append(f"Against: {names}.")
    return " ".join(sentences)


def plan_without_step(effect: StepEffect, plan: Plan) -> str:
    """Return the gain of the plan without a step."""
    assert plan.score is not None, "effects come with a score"
    if effect.gain_without is None or effect.violation_without is None:
        return "The other steps cannot be done without it."
    sentence = (
        f"Without it the plan gains {score_percent(effect.gain_without, signed=False)} instead"
        f" of {score_percent(plan.score.gain, signed=False)}"
    )
    more = effect.violation_without - plan.violation_after
    if more > VIOLATION_TOLERANCE:
        return f"{sentence}, and another {more:.2%} of the portfolio stays outside the limits."
    return f"{sentence}."


def break_even(effect: StepEffect, step: Step) -> str:
    """Return up to which price a step is worth it; empty where it is unknown."""
    price = effect.break_even_price
    if price is None:
        return ""
    if price <= 0:
        return "Worth it at any price."
    distance = abs(price / step.price - 1)
    edge = "up to" if step.side is Side.BUY else "down to"
    beside = "above" if step.side is Side.BUY else "below"
    unit = "" if step.quote_unit == PERCENT else f" {step.currency}"
    worst = f"{quoted_price(step, price)}{unit}"
    return f"Worth it {edge} {worst}, {distance:.1%} {beside} the last close."


def what_if_answer(answer: WhatIf) -> str:
    """Return what would be done under another setting: the second half of `If ..., ...`."""
    if answer.outcome is Outcome.HELD:
        return "no plan could be made"
    if answer.same_steps:
        return _same_steps(answer)
    if answer.outcome is Outcome.NOTHING_TO_DO:
        return "nothing would be traded"
    if answer.same_trades:
        text = "the plan would make the same trades in other sizes"
    else:
        text = f"the plan would {_changed_trades(answer)}"
    gain, gain_today = answer.gain, answer.gain_of_plan
    if answer.gain_change is not None:
        text += f"{' and' if answer.same_trades else ', and'} gain {_compared(answer.gain_change)}"
        if answer.gain_change < 0 and gain_today is None and answer.setting != "max_plan_depth":
            # A wider limit can make it worse: less of the plan counts as a repair then.
            text += ", because only a trade that repairs a limit may exceed the trading allowed"
    elif gain is not None and gain_today is not None and 0 < gain_today < gain:
        text += f"; today's steps would reach {gain_today / gain:.0%} of the new optimum"
    return text


def _same_steps(answer: WhatIf) -> str:
    if not answer.n_steps:
        return "still nothing would be traded"
    if answer.gain is None or answer.gain_change is None:
        return "the steps would stay the same"
    now, then = (
        score_percent(gain, signed=False)
        for gain in (answer.gain - answer.gain_change, answer.gain)
    )
    return (
        "nothing would change"
        if now == then
        else f"the same steps would gain {then} instead of {now}"
    )


def _compared(change: float) -> str:
    """Return a change of the gain in words."""
    size = score_percent(abs(change), signed=False)
    return "as much" if size == "0%" else f"{size} {'more' if change > 0 else 'less'}"


def robustness_sentences(answer: Robustness, plan: Plan) -> list[str]:
    """Return how far a price may move, and how much may be filled, until step 1 changes."""
    subject = "Step 1 stays in the plan" if plan.steps else "Doing nothing stays the answer"
    move, fill = answer.price_move, answer.partial_fill
    if move is not None:
        direction = "falls" if move.move < 0 else "rises"
        sentences = [
            f"{subject} until {move.security} {direction} by {abs(move.move):.1%};"
            f" then {_first_instead(move.instead)}."
        ]
    else:
        tried = "No move" if answer.is_complete else "No move that was tried,"
        changes = "takes step 1 out of the plan" if plan.steps else "makes it trade"
        sentences = [f"{tried} of a single price, by up to 20%, {changes}."]
    if fill is not None:
        filled = f"{quantity(fill.quantity)} of {quantity(plan.steps[0].quantity)}"
        instead = _first_instead(fill.instead)
        sentences.append(f"After a fill of {filled} the rest is not worth a trade; {instead}.")
    elif answer.can_fill_in_part:
        sentences.append("However much of step 1 is filled, its rest stays in the plan.")
    if not answer.is_complete:
        sentences.append("Not everything was tried in time: less may change it.")
    return sentences


def _first_instead(step: Step | None) -> str:
    if step is None:
        return "nothing is traded"
    return f"the first step is to {step.side.value} {quantity(step.quantity)} {step.security}"


def limit_name(use: LimitUse) -> str:
    """Return the name of a limit."""
    kind, _, name = use.name.partition(" ")
    names = {
        "steps": "steps in a plan",
        "turnover": "trading allowed now",
        "cash": f"cash for buys {name}".rstrip(),
        "settled": "settled cash for buys",
        "position": f"{name} (nearest its cap)",
    }
    return names.get(kind, f"{name.replace('_', ' ')} ({kind})")


def runner_up_sentence(
    runner_up: RunnerUp, plan: Plan, names: Iterable[str], min_gain: float
) -> str:
    """Return the next best choice, and why it is worse."""
    assert plan.score is not None, "there are alternatives only where sets were scored"
    trades = joined(names)
    costs = sum(action.cost + action.tax for action in runner_up.actions)
    gain = score_percent(abs(runner_up.gain), signed=False)
    if runner_up.violation > plan.violation_after + VIOLATION_TOLERANCE:
        more = runner_up.violation - plan.violation_after
        return f"{trades}: it would leave another {more:.2%} of the portfolio outside the limits."
    if plan.steps:
        difference = score_percent(abs(plan.score.gain - runner_up.gain), signed=False)
        loses = "loses" if runner_up.gain < 0 else "gains"
        than = "more" if runner_up.gain > plan.score.gain else "less"
        return f"{trades}: it {loses} {gain} {PER_YEAR}, {difference} {than} than this plan."
    expenses = f"{exact_money(costs, plan.currency)} {plan.currency} of costs"
    if runner_up.gain > 0:
        least = score_percent(min_gain, signed=False)
        return (
            f"{trades}: it would gain {gain} {PER_YEAR} after {expenses}; a trade has to gain at"
            f" least {least}."
        )
    return f"{trades}: after {expenses} it would be {gain} {PER_YEAR} worse than doing nothing."


def joined(parts: Iterable[str]) -> str:
    """Join with commas and a last `and`."""
    *first, last = list(parts) or [""]
    return f"{', '.join(first)} and {last}" if first else last


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
