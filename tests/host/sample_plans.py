"""Plans with round numbers, for what shows, stores and prints them."""

from __future__ import annotations

from datetime import date
from typing import Any

from planner_core.model.plan import (
    Action,
    Alternative,
    ModuleAttempt,
    ModuleStatus,
    Outcome,
    Plan,
    Rejection,
    Score,
    Step,
    TermChange,
)
from planner_core.model.records import Finding, Severity, Side

AS_OF = date(2022, 12, 28)
TRACE_ID = "0123456789abcdef0123456789abcdef"
SHA256 = "ab" * 32
METRICS_BEFORE = {
    "expected_return": 0.09,
    "volatility": 0.2,
    "effective_n": 9.0,
    "largest_weight": 0.12,
}
METRICS_AFTER = {
    "expected_return": 0.08,
    "volatility": 0.18,
    "effective_n": 10.0,
    "largest_weight": 0.1,
}


def step(side: Side, security: str, **changes: Any) -> Step:  # noqa: ANN401 - fields of Step
    fields: dict[str, Any] = {
        "quantity": 10.0,
        "price": 100.0,
        "currency": "USD",
        "fx_rate": 1.0,
        "value": 1000.0,
        "cost": 4.5,
        "tax": 0.0,
        "cash_after": 2995.5,
        "settles_on": date(2022, 12, 30),
        "sources": ("opportunity_calculators.rebalance_sells",),
        "reason": "Sell 10 XOM for 1,000 USD: 12.0% becomes 10.0%, the target is 10.0%.",
        "weight_before": 0.12,
        "weight_after": 0.10,
    }
    return Step(side=side, security=security, **(fields | changes))


def planned(**changes: Any) -> Plan:  # noqa: ANN401 - fields of Plan
    fields: dict[str, Any] = {
        "outcome": Outcome.PLANNED,
        "bucket_id": "core",
        "as_of": AS_OF,
        "currency": "USD",
        "trace_id": TRACE_ID,
        "nav": 50_000.0,
        "nav_after": 49_991.0,
        "cash_before": 2000.0,
        "cash_after": 1991.0,
        "score": Score(
            0.05,
            0.06,
            {
                "expected_return": TermChange(0.09, 0.08),
                "risk": TermChange(-0.04, -0.01982),
                "cost": TermChange(0.0, -0.00018),
            },
        ),
        "violation_before": 0.01,
        "steps": (
            step(Side.SELL, "XOM"),
            step(
                Side.BUY,
                "SHEL.L",
                currency="GBP",
                fx_rate=1.25,
                price=80.0,
                cash_after=1991.0,
                sources=("opportunity_calculators.weight_based", "my.plugin"),
            ),
        ),
        "metrics_before": METRICS_BEFORE,
        "metrics_after": METRICS_AFTER,
        "modules": (
            ModuleAttempt("filters.diversity", ModuleStatus.OK, 0.01),
            ModuleAttempt("filters.mine", ModuleStatus.FAILED, 0.2, "ZeroDivisionError: division"),
            ModuleAttempt("filters.off", ModuleStatus.DISABLED),
        ),
        "findings": (
            Finding("price_stale", Severity.WARNING, "GE: 6 days old", "add closes", "GE"),
            Finding("price_stale", Severity.WARNING, "KO: 9 days old", "add closes", "KO"),
            Finding("tail_off", Severity.INFO, "the tail-risk term is off"),
        ),
        "rejected": (
            Rejection("KO", Side.BUY, 900.0, ("a.b",), "bought 3 days ago (cooldown = 30)"),
            Rejection("PG", Side.BUY, 800.0, ("a.b",), "bought 12 days ago (cooldown = 30)"),
            Rejection("GE", Side.SELL, 10.0, ("a.c",), "it is less than one lot"),
        ),
        "alternatives": (
            Alternative(
                0.009,
                0.0,
                (Action(1, -5.0, 80.0, "GBP", 1.25, -500.0, 3.0, 1.0, 496.0, ("a.b",), "why"),),
            ),
        ),
        "n_candidates": 42,
        "n_sequences": 12_345,
        "context_digest": "cd" * 32,
        "valid_until": date(2023, 1, 4),
    }
    return Plan(**(fields | changes))


def toward_targets(
    before: float = 0.061,
    after: float = 0.012,
    **changes: Any,  # noqa: ANN401 - of a plan
) -> Plan:
    """A plan of a bucket with targets, which leads from one distance to another."""
    terms = {
        "tracking": TermChange(-0.10, -0.001),
        "drift": TermChange(-0.03, -0.001),
        "idle_cash": TermChange(-0.002, 0.0),
        "opinion": TermChange(0.0, 0.0),
        "cost": TermChange(0.0, -0.0004),
    }
    score_before = sum(term.before for term in terms.values())
    score_after = sum(term.after for term in terms.values())
    fields: dict[str, Any] = {
        "score": Score(score_before, score_after, terms),
        "violation_before": 0.0,
        "metrics_before": {**METRICS_BEFORE, "distance": before, "tracking_error": 0.05},
        "metrics_after": {**METRICS_AFTER, "distance": after, "tracking_error": 0.005},
    }
    return planned(**(fields | changes))


def nothing_to_do(**changes: Any) -> Plan:  # noqa: ANN401 - fields of Plan
    unchanged: dict[str, Any] = {
        "outcome": Outcome.NOTHING_TO_DO,
        "reason": "doing nothing scores best",
        "steps": (),
        "nav_after": 50_000.0,
        "cash_after": 2000.0,
        "score": Score(0.05, 0.05, {"risk": TermChange(-0.04, -0.04)}),
        "violation_before": 0.0,
        "alternatives": (),
    }
    return planned(**(unchanged | changes))


def held(reason: str = "market/prices.csv: no closes (add some)") -> Plan:
    return Plan(Outcome.HELD, "core", AS_OF, "", TRACE_ID, reason)
