"""A plan in plain words: the sentences that a table cannot say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from planner_core.model.plan import Outcome, Plan, Rejection, Step
from planner_core.model.records import Finding, Severity, Side

NAMED_STEPS_MAX = 6
NAMED_SECURITIES_MAX = 5

NUMBER = re.compile(r"[+-]?\d+(?:[.,:-]\d+)*(?: ?%)?")

TERM_NAMES = {
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


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """Findings that say the same of several securities; `message` without their names if so."""

    severity: Severity
    message: str
    action: str
    securities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RejectionGroup:
    """Ideas that were dropped for the same reason."""

    count: int
    reason: str
    securities: tuple[str, ...]


def headline(plan: Plan) -> str:
    """Return what to do, in one sentence."""
    if plan.outcome is Outcome.HELD:
        return f"No plan: {plan.reason or 'no reason was given'}"
    if plan.outcome is Outcome.NOTHING_TO_DO or not plan.steps:
        if plan.n_candidates == 0:
            return "Do nothing: there is no trade that may be made today."
        return "Do nothing: no trade is worth its costs today."
    by_side = {
        side: [step for step in plan.steps if step.side is side]
        for side in (Side.SELL, Side.CONVERT, Side.BUY)
    }
    briefly = len(plan.steps) > NAMED_STEPS_MAX
    parts = [
        f"{side.value} {_listed(steps, briefly=briefly)}"
        for side, steps in by_side.items()
        if steps
    ]
    sentence = ", then ".join(parts)
    return f"{sentence[:1].upper()}{sentence[1:]}."


def consequence(plan: Plan) -> str:
    """Return what the plan is worth and costs, in a sentence or two; empty without a plan."""
    if plan.outcome is not Outcome.PLANNED or plan.score is None:
        return ""
    sentences = []
    costs = sum(step.cost for step in plan.steps)
    tax = sum(step.tax for step in plan.steps)
    paid = f"{money(costs, 2)} {plan.currency} of costs"
    if tax > 0:
        paid += f" and {money(tax, 2)} {plan.currency} of tax"
    gain = plan.score.gain
    if plan.violation_before > plan.violation_after:
        sentences.append(
            f"It repairs broken limits: {percent(plan.violation_before)} of the portfolio's worth"
            f" is outside them now, {percent(plan.violation_after)} afterwards."
        )
    amount = f" ({money(abs(gain) * plan.nav)} {plan.currency} a year)" if plan.nav else ""
    better = "better" if gain >= 0 else "worse"
    sentences.append(
        f"By return, risk and targets together it is {percent(abs(gain))} of the portfolio's worth"
        f" a year {better}{amount}, after {paid}."
    )
    return " ".join(sentences)


def grouped_rejections(rejected: Iterable[Rejection]) -> list[RejectionGroup]:
    """Count rejections by reason, most frequent first; reasons may differ in their numbers."""
    groups: dict[str, list[Rejection]] = {}
    for rejection in rejected:
        groups.setdefault(NUMBER.sub("#", rejection.reason), []).append(rejection)
    ordered = sorted(groups.values(), key=len, reverse=True)
    return [
        RejectionGroup(
            count=len(group),
            reason=_shared_reason([rejection.reason for rejection in group]),
            securities=tuple(dict.fromkeys(rejection.security for rejection in group)),
        )
        for group in ordered
    ]


def grouped_findings(findings: Iterable[Finding]) -> list[FindingGroup]:
    """Join findings that differ in their security and numbers only; in order of appearance."""
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


def named(items: Sequence[str], limit: int = NAMED_SECURITIES_MAX) -> str:
    """Join names with commas; count the ones that do not fit."""
    if len(items) <= limit:
        return ", ".join(items)
    return f"{', '.join(items[: limit - 1])} and {len(items) - limit + 1} more"


def money(value: float, decimals: int = 0) -> str:
    """Format an amount with thousands apart; never minus zero."""
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text


def percent(value: float, decimals: int = 2, *, signed: bool = False) -> str:
    """Format a fraction as percent; never minus zero."""
    text = f"{value * 100:,.{decimals}f}"
    if not text.strip("-0.,"):
        return f"{text.removeprefix('-')}%"
    return f"{'+' if signed and value > 0 else ''}{text}%"


def units(value: float) -> str:
    """Format a quantity: whole units as such, fractions with what they need."""
    if abs(value - round(value)) < 1e-9:  # noqa: PLR2004 - below any tradable fraction
        return f"{round(value):,}"
    return f"{value:,.6f}".rstrip("0")


def short_source(key: str) -> str:
    """Return the short name of a module, as displays show it."""
    return key.rsplit(".", 1)[-1]


def _listed(steps: Sequence[Step], *, briefly: bool) -> str:
    if briefly:
        return f"{len(steps)} ({named([step.security for step in steps])})"
    parts = [f"{units(abs(step.quantity))} {step.security}" for step in steps]
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _without_name(finding: Finding) -> str:
    return finding.message.removeprefix(f"{finding.security}: ")


def _shared_reason(reasons: Sequence[str]) -> str:
    """Return the reason, with "..." for every number that differs."""
    numbers = [NUMBER.findall(reason) for reason in reasons]
    same = iter([len(set(column)) == 1 for column in zip(*numbers, strict=True)])
    return NUMBER.sub(lambda match: match.group() if next(same) else "...", reasons[0])
