"""An explanation as plain data: the key `explanation` of `trader plan --json`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from host.presentation.explanation_text import answered

if TYPE_CHECKING:
    from planner_core.explain.explanation import Explanation, HoldingChange, RunnerUp, StepEffect
    from planner_core.explain.limit_use import LimitUse
    from planner_core.explain.what_if import WhatIf
    from planner_core.model.plan import Action

JsonObject = dict[str, object]


def explanation_to_json(
    explanation: Explanation | None, security_ids: Sequence[str]
) -> JsonObject | None:
    """Return the explanation in the form that `docs/plan-json.md` describes."""
    if explanation is None:
        return None
    return {
        "steps": [_effect(effect) for effect in explanation.steps],
        "limits": [_limit(use) for use in explanation.limits],
        "what_if": [_what_if(answer) for answer in explanation.what_if],
        "holdings": [_holding(holding) for holding in explanation.holdings],
        "runner_up": _runner_up(explanation.runner_up, security_ids),
        "better_gain": number_or_null(explanation.better_gain),
    }


def number_or_null(value: float | None) -> float | None:
    """Return a JSON number: null for what is unknown, and no negative zero."""
    if value is None or not math.isfinite(value):
        return None
    return float(value) + 0.0


def action_to_json(action: Action, security_ids: Sequence[str]) -> JsonObject:
    """Return a trade that stands in no order."""
    known = 0 <= action.security < len(security_ids)
    traded = security_ids[action.security] if known else None
    if action.convert_to:
        traded = f"{action.currency}>{action.convert_to}"
    return {
        "side": action.side.value,
        "security": traded,
        "quantity": number_or_null(abs(action.quantity)),
        "price": number_or_null(action.price),
        "currency": action.currency,
        "fx_rate": number_or_null(action.fx_rate),
        "value": number_or_null(abs(action.value)),
        "cost": number_or_null(action.cost),
        "tax": number_or_null(action.tax),
        "sources": list(action.sources),
        "reason": action.reason,
        "mandatory": action.mandatory,
    }


def _terms(terms: Mapping[str, float]) -> JsonObject:
    return {name: number_or_null(change) for name, change in terms.items()}


def _effect(effect: StepEffect) -> JsonObject:
    return {
        "side": effect.side.value,
        "security": effect.security,
        "gain": number_or_null(effect.gain),
        "terms": _terms(effect.terms),
        "gain_without": number_or_null(effect.gain_without),
        "violation_without": number_or_null(effect.violation_without),
        "break_even_price": number_or_null(effect.break_even_price),
    }


def _limit(use: LimitUse) -> JsonObject:
    return {
        "name": use.name,
        "used": number_or_null(use.used),
        "limit": number_or_null(use.limit),
        "unit": use.unit,
        "binds": use.binds,
    }


def _what_if(answer: WhatIf) -> JsonObject:
    return {
        "setting": answer.setting,
        "value_now": answer.value_now,
        "value_then": answer.value_then,
        "question": answer.question,
        "answer": answered(answer),
        "outcome": answer.outcome.value,
        "gain": number_or_null(answer.gain),
        "gain_change": number_or_null(answer.gain_change),
        "gain_of_plan": number_or_null(answer.gain_of_plan),
        "n_steps": answer.n_steps,
        "same_steps": answer.same_steps,
        "same_trades": answer.same_trades,
        "added": [{"side": side, "security": security} for side, security in answer.added],
        "dropped": [{"side": side, "security": security} for side, security in answer.dropped],
    }


def _holding(holding: HoldingChange) -> JsonObject:
    return {
        "security": holding.security,
        "weight_before": number_or_null(holding.weight_before),
        "weight_after": number_or_null(holding.weight_after),
        "target": number_or_null(holding.target),
        "risk_before": number_or_null(holding.risk_before),
        "risk_after": number_or_null(holding.risk_after),
    }


def _runner_up(found: RunnerUp | None, security_ids: Sequence[str]) -> JsonObject | None:
    if found is None:
        return None
    return {
        "gain": number_or_null(found.gain),
        "violation": number_or_null(found.violation),
        "terms": _terms(found.terms),
        "steps": [action_to_json(action, security_ids) for action in found.actions],
    }
