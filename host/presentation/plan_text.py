"""A plan in sentences: what to do, what it is worth, what is proven of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from host.text import exact_money, money, percent, quantity
from planner_core.model.currencies import minor_digits
from planner_core.model.plan import Certificate, Outcome, Plan, ProofAnswer, Rejection, Step
from planner_core.model.records import PERCENT, Finding, Severity, Side

if TYPE_CHECKING:
    from planner_core.explain.path import PlanPath

ADVICE_NOTE = "This is advice; no order is sent."
DEMO_NOTE = (
    "Demo data: 20 survivors of the US market, chosen with hindsight, so any plan looks too good."
)
NAMED_STEPS_MAX = 6
NAMED_SECURITIES_MAX = 5
CENTS = 2
"""Decimals of a close that is no whole number."""

NUMBER = re.compile(r"[+-]?\d+(?:[.,:-]\d+)*(?: ?%)?")

TERM_NAMES = {
    "tracking": "risk against your targets",
    "idle_cash": "money that is not invested",
    "opinion": "your opinion on returns",
    "expected_return": "expected return",
    "risk": "risk",
    "concentration": "concentration",
    "drift": "distance to targets",
    "group_drift": "distance to group targets",
    "tail_risk": "bad months (tail risk)",
    "cost": "costs",
    "tax": "tax",
    "turnover": "turnover",
}

GAP_TOLERANCE = 1e-9
"""A gap smaller than this, in score units, is zero."""
PERCENT_MIN = 0.0001
PROVEN = "Proven best for this objective"
PER_YEAR = "of the portfolio a year"
SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"))
NAMED_COUNT_MAX = 10**15
"""Beyond this a power of ten is easier to read than a name."""


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """Findings with the same message about several securities, which it does not repeat."""

    severity: Severity
    message: str
    action: str
    securities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RejectionGroup:
    """Trades that were ruled out for the same reason."""

    count: int
    reason: str
    securities: tuple[str, ...]


def headline(plan: Plan) -> str:
    """Return what to do, in one sentence."""
    if plan.outcome is Outcome.HELD:
        return f"No plan: {plan.reason or 'no reason was given'}"
    if plan.outcome is Outcome.NOTHING_TO_DO or not plan.steps:
        if plan.n_candidates == 0:
            return (
                "Do nothing: no trade that is allowed leads closer to your targets."
                if "distance" in plan.metrics_before
                else "Do nothing: no trade is allowed today."
            )
        return "Do nothing: no trade is worth its costs today."
    by_side = {
        side: [step for step in plan.steps if step.side is side]
        for side in (Side.SELL, Side.CONVERT, Side.BUY)
    }
    briefly = len(plan.steps) > NAMED_STEPS_MAX
    parts = [
        f"{side.value} {_step_list(steps, briefly=briefly)}"
        for side, steps in by_side.items()
        if steps
    ]
    sentence = ", then ".join(parts)
    return f"{sentence[:1].upper()}{sentence[1:]}."


def gain_and_costs(plan: Plan) -> str:
    """Return what the plan repairs, improves and costs, in a sentence or two.

    When nothing is traded: how far the targets are, if there are any. Empty without a plan.
    """
    if plan.score is None:
        return ""
    if plan.outcome is not Outcome.PLANNED:
        distance = plan.metrics_before.get("distance")
        return "" if distance is None else f"Your targets are {percent(distance, 1)} away."
    sentences = []
    if plan.violation_before > plan.violation_after:
        sentences.append(
            f"It repairs broken limits: {percent(plan.violation_before)} of the portfolio is"
            f" outside your limits now, {percent(plan.violation_after)} after it."
        )
    sentences.append(effect_and_costs(plan))
    return " ".join(sentences)


def effect_and_costs(plan: Plan) -> str:
    """Return what a plan with steps improves, and what it costs.

    Only money is stated as money: costs, tax, and the return that history lets expect, where that
    has a say. The rest of the objective is no amount that anybody will be paid.
    """
    costs = sum(step.cost for step in plan.steps)
    tax = sum(step.tax for step in plan.steps)
    expenses = f"for {exact_money(costs, plan.currency)} {plan.currency} of costs"
    if tax > 0:
        expenses += f" and {exact_money(tax, plan.currency)} {plan.currency} of tax"
    if "distance" not in plan.metrics_before:
        before = plan.metrics_before.get("volatility", 0.0)
        after = plan.metrics_after.get("volatility", 0.0)
        risk = f"volatility {_change_of(before, after)}"
        return f"By past prices: {_expected_return(plan)}, {risk}, {expenses}."
    sentence = f"{_distance_change(plan)}, {expenses}."
    if has_opinion(plan):
        sentence += f" By past prices: {_expected_return(plan)}."
    return sentence


def has_opinion(plan: Plan) -> bool:
    """Return whether what history says has a say in this plan."""
    if "distance" not in plan.metrics_before:
        return True
    opinion = plan.score.terms.get("opinion") if plan.score else None
    return opinion is not None and (opinion.before != 0 or opinion.after != 0)


def _distance_change(plan: Plan) -> str:
    before = plan.metrics_before["distance"]
    after = plan.metrics_after.get("distance", before)
    change = _change_of(before, after)
    if "→" not in change:
        return f"As close to your targets as before: {change} away"
    return f"{'Closer to' if after < before else 'Further from'} your targets: {change} away"


def _expected_return(plan: Plan) -> str:
    before, after = (
        m.get("expected_return", 0.0) for m in (plan.metrics_before, plan.metrics_after)
    )
    text = f"expected return {_change_of(before, after)} a year"
    amount = money(abs(after - before) * (plan.nav or 0.0))
    if amount == "0":
        return text
    return f"{text} ({amount} {plan.currency} {'more' if after > before else 'less'})"


def _change_of(before: float, after: float) -> str:
    """Return `6.1% → 1.2%`; one figure where nothing changes at two decimals."""
    for decimals in (1, 2):
        texts = percent(before, decimals), percent(after, decimals)
        if texts[0] != texts[1]:
            return " → ".join(texts)
    return percent(after, 1)


def request_sentence(plan: Plan) -> str:
    """Return what the plan was made with beside the files: new money, or no sells; else ""."""
    without_sells = ", without sells" if plan.buy_only else ""
    if plan.new_money is None:
        return "Planned without sells." if plan.buy_only else ""
    amount = f"{exact_money(plan.new_money.amount, plan.currency)} {plan.currency}".rstrip()
    sentence = f"Planned with {amount} of new money, as if it had come in today{without_sells}."
    if not plan.new_money.reason or plan.outcome is Outcome.HELD:
        return sentence
    if plan.new_money.spent == 0:
        return f"{sentence} Nothing is bought: {plan.new_money.reason}."
    spent = exact_money(plan.new_money.spent, plan.currency)
    return f"{sentence} Buys take {spent} {plan.currency}: {plan.new_money.reason}."


def path_sentence(path: PlanPath | None) -> str:
    """Return how far a plan and those after it lead; empty without targets or steps."""
    if path is None:
        return ""
    now = f"{path.n_trades} trade{'s' if path.n_trades > 1 else ''} now"
    end = f"within {percent(path.distance_end, 1)} of the targets"
    if path.n_later_plans == 0:
        more = "" if path.is_complete else "; more are likely in later plans"
        return f"Outlook: {now}, then {end}{more}."
    plans = "1 plan" if path.n_later_plans == 1 else f"{path.n_later_plans} plans"
    later = f"about {path.n_later_trades} more in {plans}"
    more = "" if path.is_complete else ", and more after that"
    return f"Outlook: {now}, {later}, then {end}{more}."


def group_rejections(rejected: Iterable[Rejection]) -> list[RejectionGroup]:
    """Count rejections by reason, most frequent first; reasons may differ in their numbers."""
    groups: dict[str, list[Rejection]] = {}
    for rejection in rejected:
        groups.setdefault(NUMBER.sub("#", _reason_alone(rejection)), []).append(rejection)
    ordered = sorted(groups.values(), key=len, reverse=True)
    return [
        RejectionGroup(
            count=len(group),
            reason=_shared_reason([_reason_alone(rejection) for rejection in group]),
            securities=tuple(dict.fromkeys(rejection.security for rejection in group)),
        )
        for group in ordered
    ]


def group_findings(findings: Iterable[Finding]) -> list[FindingGroup]:
    """Join findings that differ only in their security and numbers; in order of appearance."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.id, NUMBER.sub("#", _without_name(finding))), []).append(finding)
    return [
        FindingGroup(group[0].severity, group[0].message, group[0].action, ())
        if len(group) == 1
        else FindingGroup(
            group[0].severity,
            _shared_reason([_without_name(finding) for finding in group]),
            group[0].action,
            tuple(dict.fromkeys(finding.security or "" for finding in group)),
        )
        for group in groups.values()
    ]


def name_list(names: Sequence[str], limit: int = NAMED_SECURITIES_MAX) -> str:
    """Join names with commas; count those beyond the limit."""
    if len(names) <= limit:
        return ", ".join(names)
    return f"{', '.join(names[: limit - 1])} and {len(names) - limit + 1} more"


def short_module_name(key: str) -> str:
    """Return the name of a module without its kind."""
    return key.rsplit(".", 1)[-1]


def quoted_price(step: Step, price: float) -> str:
    """Return a price of a step's security as a broker quotes it: bonds in percent of par.

    Prices in pence are shown in pounds.
    """
    quote = price
    if step.quote is not None and step.quote_unit in ("", PERCENT):
        quote = price / step.price * step.quote
    if step.quote_unit == PERCENT:
        return f"{money(quote, CENTS)} %"
    # A close in yen may have decimals all the same.
    decimals = minor_digits(step.currency)
    return money(quote, decimals if quote == round(quote) else max(decimals, CENTS))


def _step_list(steps: Sequence[Step], *, briefly: bool) -> str:
    if briefly:
        return f"{len(steps)} ({name_list([step.security for step in steps])})"
    parts = [f"{quantity(abs(step.quantity))} {step.security}" for step in steps]
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _reason_alone(rejection: Rejection) -> str:
    return rejection.reason.removeprefix(f"{rejection.security}: ")


def _without_name(finding: Finding) -> str:
    return finding.message.removeprefix(f"{finding.security}: ")


def _shared_reason(reasons: Sequence[str]) -> str:
    """Return the reason, with "..." for every number that differs."""
    numbers = [NUMBER.findall(reason) for reason in reasons]
    same = iter([len(set(column)) == 1 for column in zip(*numbers, strict=True)])
    return NUMBER.sub(lambda match: match.group() if next(same) else "...", reasons[0])


# --- the certificate ------------------------------------------------------------------------------


def certificate_sentence(plan: Plan, depth: int, min_gain: float) -> str:
    """Return what a certificate proves, in one sentence; empty without one.

    Figures are rounded so that the sentence stays true: gaps up, shares down.
    """
    certificate = plan.certificate
    if certificate is None or plan.score is None:
        return ""
    trades = plan.n_candidates + plan.n_sizes
    if trades == 0:
        return f"{PROVEN}: there is no trade to choose from."
    sets = _named_sets(trades, depth)
    if plan.outcome is not Outcome.PLANNED:
        return _proof_of_doing_nothing(certificate, plan.score.before, sets, min_gain)
    if certificate.exact:
        return f"{PROVEN}: no plan among {sets} is better."
    return _proof_with_gap(certificate, sets)


def _named_sets(trades: int, depth: int) -> str:
    if trades == 1:
        return "doing nothing and this one trade"
    sets = f"the {large_count(number_of_sets(trades, depth))} sets of"
    sets += f" up to {depth}" if depth > 1 else " one"
    return f"{sets} of these {trades:,} trades"


def _proof_with_gap(certificate: Certificate, sets: str) -> str:
    if certificate.gap <= GAP_TOLERANCE:
        return (
            f"{PROVEN} among {sets}, of those that leave as little outside the limits."
            " Whether one leaves less is not proven."
        )
    bound = f"no plan among {sets} is better by more than {_rounded_up(certificate.gap)} {PER_YEAR}"
    return _not_proven(certificate, f"{bound}, by this objective")


def _proof_of_doing_nothing(
    certificate: Certificate, before: float, sets: str, min_gain: float
) -> str:
    gain_max = certificate.upper_bound - before
    if certificate.exact or gain_max <= GAP_TOLERANCE:
        return f"{PROVEN}: none of {sets} beats doing nothing."
    bound = f"none of {sets} gains more than {_rounded_up(gain_max)} {PER_YEAR}, by this objective"
    if gain_max < min_gain:
        return f"Not exact: {bound}; less than {min_gain:.2%} is not worth a trade."
    return _not_proven(certificate, bound)


def _not_proven(certificate: Certificate, bound: str) -> str:
    """Return a bound as an answer of its own, or as an open question with the way to go on."""
    if certificate.answer is not ProofAnswer.OPEN:
        return f"Not exact: {bound}."
    seconds = f"{certificate.elapsed_s:.1f} s"
    return f"Open after {seconds}: {bound}. `trader plan BUCKET --prove 60` tries longer."


def number_of_sets(n_candidates: int, depth: int) -> int:
    """Count the sets of up to `depth` of so many trades, the empty one included."""
    return sum(math.comb(n_candidates, size) for size in range(depth + 1))


def large_count(number: int) -> str:
    """Format a large count with the name of its scale: 4.8 billion."""
    if number >= NAMED_COUNT_MAX:
        return f"10^{int(math.log10(number))}"
    for scale, name in SCALES:
        if number >= scale:
            return f"{number / scale:.1f} {name}"
    return f"{number:,}"


def _rounded_up(fraction: float) -> str:
    """Format a fraction as percent with two significant digits, never smaller than it is."""
    # A smaller bound says no more to anybody.
    value = max(fraction * 100, PERCENT_MIN)
    digits = max(0, 1 - math.floor(math.log10(value)))
    scale: float = 10.0**digits
    # 1e-9: an exact value, such as 0.1 * 100, is not rounded up for its last float digit.
    return f"{math.ceil(value * scale - 1e-9) / scale:.{min(digits, 8)}f}%"
