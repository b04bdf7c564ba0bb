"""Explanations with round numbers, of the plans in `sample_plans`."""

from __future__ import annotations

from planner_core.explain.explanation import Explanation, HoldingChange, RunnerUp, StepEffect
from planner_core.explain.limit_use import LimitUse
from planner_core.explain.what_if import WhatIf
from planner_core.model.plan import Action, Outcome
from planner_core.model.records import Side

ACTION = Action(0, 5.0, 80.0, "USD", 1.0, 400.0, 3.0, 0.0, -403.0, ("a.b",), "why")


def answer(**changes: object) -> WhatIf:
    fields: dict[str, object] = {
        "setting": "constraints.turnover_max",
        "value_now": "0.2",
        "value_then": "0.3",
        "question": "30% could be traded instead of 20%",
        "outcome": Outcome.PLANNED,
        "gain": 0.011,
        "gain_change": 0.001,
        "gain_of_plan": 0.01,
        "n_steps": 3,
        "same_steps": False,
        "same_trades": False,
        "added": (("buy", "KO"), ("buy", "GE")),
        "dropped": (("sell", "XOM"),),
    }
    return WhatIf(**(fields | changes))  # type: ignore[arg-type]


def explanation(**changes: object) -> Explanation:
    fields: dict[str, object] = {
        "steps": (
            StepEffect(
                "XOM", Side.SELL, {"risk": 0.009, "cost": -0.0001}, 0.0089, 0.0011, 0.0, 82.5
            ),
            StepEffect(
                "SHEL.L", Side.BUY, {"drift": 0.0012, "risk": -0.0001}, 0.0011, None, None, None
            ),
        ),
        "limits": (
            LimitUse("steps", 2, 5, "steps"),
            LimitUse("turnover", 0.2, 0.2, "of NAV"),
            LimitUse("cash", 1000.0, 2000.0, "USD"),
            LimitUse("position XOM", 0.12, 0.25, "of NAV"),
            LimitUse("industry health_care", 0.3, 0.4, "of NAV"),
        ),
        "what_if": (
            answer(),
            answer(gain_change=None, gain_of_plan=0.0088, setting="objective.risk_aversion"),
            answer(same_steps=True, same_trades=True, gain=0.01, gain_change=0.0),
        ),
        "holdings": (
            HoldingChange("XOM", 0.12, 0.10, 0.10, 0.7, 0.6),
            HoldingChange("SHEL.L", 0.0, 0.02, None, 0.0, 0.1),
            HoldingChange("KO", 0.05, 0.05, 0.08, 0.3, 0.3),
        ),
        "runner_up": RunnerUp((ACTION,), ("KO",), 0.009, 0.0, {"risk": 0.0091, "cost": -0.0001}),
    }
    return Explanation(**(fields | changes))  # type: ignore[arg-type]
