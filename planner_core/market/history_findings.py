"""Findings about how much history a security has, and about closes that allow no estimate."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from planner_core.model.arrays import IntArray
from planner_core.model.context import PlanningContext
from planner_core.model.records import Finding, Severity


class Doubt(StrEnum):
    """Why a security has no estimate."""

    FEW_RETURNS = "few_returns"
    FEW_COMMON_RETURNS = "few_common_returns"
    WILD = "wild"
    CONSTANT = "constant"


DOUBT_IDS = {
    None: "short_history",
    Doubt.FEW_RETURNS: "risk_unknown",
    Doubt.FEW_COMMON_RETURNS: "risk_unknown",
    Doubt.WILD: "closes_implausible",
    Doubt.CONSTANT: "closes_constant",
}


def estimate_findings(
    context: PlanningContext, doubts: Mapping[int, Doubt], n_returns: IntArray, days_min: int
) -> list[Finding]:
    """Return a finding for each security without an estimate, or with a short history."""
    findings = []
    for column, security in enumerate(context.securities):
        name, n = security.id, int(n_returns[column])
        doubt = doubts.get(column)
        if doubt is None and n >= days_min:
            continue
        add = f"add closes of {name} to market/prices.csv"
        effect = "its risk is not known, and it is traded toward its target only"
        if doubt is Doubt.FEW_RETURNS:
            what = f"{name} has {n} daily returns, fewer than 60"
        elif doubt is Doubt.FEW_COMMON_RETURNS:
            what = f"{name} shares fewer than 60 days with the others"
        elif doubt is Doubt.WILD:
            what = f"{name} moves by more than 20 % on a typical day"
            add = (
                f"correct closes of another unit or security in market/prices.csv; to see them,"
                f" run: trader data show {name}"
            )
        elif doubt is Doubt.CONSTANT:
            what = f"{name} has had the same close for 60 days"
            add = f"bring the closes of {name} in market/prices.csv up to date"
        else:
            what = f"{name} has {n} daily returns, fewer than {days_min}"
            effect = "its volatility counts as closer to that of its group"
            if not security.target:
                effect += ", and it is not bought"
        findings.append(Finding(DOUBT_IDS[doubt], Severity.WARNING, f"{what}: {effect}", add, name))
    return findings


def empty_correlations_finding() -> Finding:
    """Return the finding about securities that all seem unrelated."""
    return Finding(
        "correlations_empty",
        Severity.WARNING,
        "no two securities move together at all, which real prices never do: the risk is not"
        " known, and securities are traded toward their targets only",
        "check the closes in market/prices.csv",
    )


def tail_risk_off_finding(windows_min: int) -> Finding:
    """Return the finding about too few windows for the tail."""
    return Finding(
        "tail_risk_off",
        Severity.INFO,
        f"fewer than {windows_min} windows of 21 days: losses in bad months do not count",
        "a longer price history switches it on",
    )
