"""Findings about how much history a security has, and about closes that allow no estimate."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from planner_core.model.arrays import IntArray
from planner_core.model.context import PlanningContext
from planner_core.model.records import Finding, Severity

if TYPE_CHECKING:
    from planner_core.market.prices import PriceHistory


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
    context: PlanningContext,
    history: PriceHistory,
    doubts: Mapping[int, Doubt],
    n_returns: IntArray,
    days_min: int,
) -> list[Finding]:
    """Return a finding for each security without an estimate, or with a short history.

    None for one that is held for a move that is not believed: it may be short because only one side
    of the move is used, and the finding of the move has the cure.
    """
    findings = []
    for column, security in enumerate(context.securities):
        name, n = security.id, int(n_returns[column])
        doubt = doubts.get(column)
        if doubt is None and n >= days_min:
            continue
        is_short = doubt in (None, Doubt.FEW_RETURNS, Doubt.FEW_COMMON_RETURNS)
        if is_short and column in history.quarantined:
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
        n_unused = unused_closes(context, history, column)
        if is_short and n + n_unused >= days_min:
            what = f"{n_unused} closes of {name} are on another level and not used"
            add = f"correct them in market/prices.csv; to see them, run: trader data show {name}"
        findings.append(Finding(DOUBT_IDS[doubt], Severity.WARNING, f"{what}: {effect}", add, name))
    return findings


def unused_closes(context: PlanningContext, history: PriceHistory, column: int) -> int:
    """Return how many closes of market days are not used, because of a move in them."""
    written = history.market_days.has_close[:, column] & ~np.isnan(context.prices[:, column])
    return int((written & np.isnan(history.closes[:, column])).sum())


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
