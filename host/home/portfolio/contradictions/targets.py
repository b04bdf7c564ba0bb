"""Targets against caps and groups: what the owner wrote in one place rules out another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from host.home.portfolio.contradictions.contradiction import Contradiction, error

if TYPE_CHECKING:
    from host.home.portfolio.portfolio_file import PortfolioFile

WEIGHT_TOLERANCE: Final = 5e-4
"""Targets such as three times 0.3333 are rounded."""


@dataclass(frozen=True, slots=True)
class WrittenCap:
    """`constraints.position_weight_max`, where the owner wrote it; with its place."""

    weight: float
    place: str


def check_targets(portfolio: PortfolioFile, cap: WrittenCap | None) -> list[Contradiction]:
    """Return targets above the bucket's cap, and members above their group.

    A security's target above its own cap, and targets that sum to more than 1, are errors of the
    portfolio file itself.
    """
    contradictions = []
    if cap is not None:
        for security, table in portfolio.tables.securities.items():
            if table.target is not None and table.target > cap.weight + WEIGHT_TOLERANCE:
                place = portfolio.place("securities", security, "target")
                message = (
                    f"{place}: the target of {security}, {table.target:g}, is above"
                    f" position_weight_max = {cap.weight:g} in {cap.place}"
                )
                action = "lower the target, or raise position_weight_max"
                finding = error("target_above_cap", message, action, security)
                reason = f"the target of {security} is above its cap"
                contradictions.append(Contradiction(finding, reason=reason, stops_plan=True))
    for classification, groups in portfolio.tables.groups.items():
        for group in groups:
            contradictions += _check_group(portfolio, classification, group)
    return contradictions


def _check_group(portfolio: PortfolioFile, classification: str, group: str) -> list[Contradiction]:
    table = portfolio.tables.groups[classification][group]
    name, contradictions = f"{classification} {group}", []
    if table.target is not None and table.cap is not None and table.target > table.cap:
        place = portfolio.place("groups", classification, group)
        message = (
            f"{place}: the target of {name}, {table.target:g}, is above its cap, {table.cap:g}"
        )
        contradictions.append(_stop(name, message, "lower the target, or raise the cap"))
    members = _member_targets(portfolio, classification, group)
    total = sum(members.values())
    for key, limit in (("cap", table.cap), ("target", table.target)):
        if limit is not None and total > limit + WEIGHT_TOLERANCE:
            place = portfolio.place("groups", classification, group, key)
            first = portfolio.place("securities", next(iter(members)), "target")
            message = (
                f"{place}: the {key} of {name} is {limit:g}, but the targets of its members"
                f" ({', '.join(members)}) sum to {total:.4g} ({first})"
            )
            contradictions.append(_stop(name, message, f"lower their targets, or raise the {key}"))
            break
    return contradictions


def _member_targets(portfolio: PortfolioFile, classification: str, group: str) -> dict[str, float]:
    """Return the part of each member's target that counts for a group."""
    members = {}
    for security, table in portfolio.tables.securities.items():
        # A fund counts with the part that it has in the group.
        part = table.groups.get(classification, {}).get(group, 0.0)
        if table.target is not None and part > 0:
            members[security] = table.target * part
    return members


def _stop(name: str, message: str, action: str) -> Contradiction:
    finding = error("group_targets_contradict", message, action)
    return Contradiction(finding, reason=f"targets of {name} contradict", stops_plan=True)
