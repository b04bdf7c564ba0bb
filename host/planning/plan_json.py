"""A plan and its explanation as plain data: for `trader plan --json` and the plan store.

`docs/plan-json.md` explains every key with its unit. A key is never left out: an unknown value is
null, so that a reader need not test which keys there are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from host.presentation.explanation_text import what_if_answer
from planner_core.model.plan import (
    Action,
    Alternative,
    Certificate,
    ModuleAttempt,
    NewMoney,
    Outcome,
    Plan,
    Rejection,
    Score,
    Step,
)

if TYPE_CHECKING:
    from planner_core.explain.explanation import Explanation, HoldingChange, RunnerUp, StepEffect
    from planner_core.explain.front import FrontPoint
    from planner_core.explain.limit_use import LimitUse
    from planner_core.explain.path import PlanPath
    from planner_core.explain.robustness import Robustness
    from planner_core.explain.what_if import WhatIf

SCHEMA_VERSION = 1

JsonObject = dict[str, object]


def plan_to_json(
    plan: Plan,
    config_version: int,
    config_sha256: str | None,
    *,
    created_at: datetime | None = None,
    security_ids: Sequence[str] = (),
) -> JsonObject:
    """Return the plan in the form that others build on.

    Parameters
    ----------
    plan : Plan
    config_version : int
        0: the configuration is not versioned yet.
    config_sha256 : str, optional
        Of the bytes of the configuration file; None when it was not read.
    created_at : datetime, optional
        When the plan was made, on the host's clock; `as_of` is the day it is made for.
    security_ids : sequence of str
        The columns of the context, to name the securities of alternatives by.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "outcome": plan.outcome.value,
        "reason": plan.reason or None,
        "bucket_id": plan.bucket_id,
        "as_of": plan.as_of.isoformat(),
        "created_at": created_at.isoformat(timespec="seconds") if created_at else None,
        "valid_until": plan.valid_until.isoformat() if plan.valid_until else None,
        "trace_id": plan.trace_id,
        "currency": plan.currency or None,
        "nav": _number(plan.nav),
        "nav_after": _number(plan.nav_after),
        "cash_before": _number(plan.cash_before),
        "cash_after": _number(plan.cash_after),
        "cash_required": None if plan.cash_before is None else _number(plan.cash_required),
        "new_money": _new_money(plan.new_money),
        "buy_only": plan.buy_only,
        "score": _score(plan.score),
        "violation": _violation(plan),
        "certificate": _certificate(plan.certificate),
        "steps": [_step(step) for step in plan.steps],
        "metrics": _metrics(plan),
        "modules": [_module(attempt) for attempt in plan.modules],
        "findings": [
            {
                "id": finding.id,
                "severity": finding.severity.value,
                "message": finding.message,
                "action": finding.action or None,
                "security": finding.security,
            }
            for finding in plan.findings
        ],
        "rejected": [_rejection(rejection) for rejection in plan.rejected],
        "alternatives": [
            _alternative(alternative, security_ids) for alternative in plan.alternatives
        ],
        "n_candidates": plan.n_candidates,
        "n_sizes": plan.n_sizes,
        "n_sequences": plan.n_sequences,
        "stopped_by": plan.stopped_by or None,
        "config_version": config_version,
        "config_sha256": config_sha256,
        "context_digest": plan.context_digest or None,
        "path": None,  # the host fills it in where somebody waits for it
        "front": None,  # `trader plan --front` fills it in
        "explanation": None,  # `--explain` fills it in
        "profile": None,  # and `--profile` this one
    }


def path_to_json(path: PlanPath | None) -> JsonObject | None:
    """Return how far a plan leads, in the form that `docs/plan-json.md` describes."""
    if path is None:
        return None
    return {
        "trades": path.n_trades,
        "later_trades": path.n_later_trades,
        "later_plans": path.n_later_plans,
        "distance_before": _number(path.distance_before),
        "distance_after": _number(path.distance_after),
        "distance_end": _number(path.distance_end),
        "complete": path.is_complete,
    }


def front_to_json(points: Sequence[FrontPoint]) -> list[JsonObject]:
    """Return what 1 to 10 trades reach each, in the form that `docs/plan-json.md` describes."""
    return [
        {
            "trades_max": point.trades_max,
            "gain": _number(point.gain),
            "share": _number(point.share),
            "violation": _number(point.violation),
            "distance": _number(point.distance),
            "cost": _number(point.cost),
            "tax": _number(point.tax),
            "proof": point.proof.value,
            "reached_min": _number(point.reached_min),
            "trades": [
                {
                    "side": trade.side.value,
                    "security": trade.security,
                    "quantity": _number(trade.quantity),
                    "value": _number(trade.value),
                }
                for trade in point.trades
            ],
        }
        for point in points
    ]


def explanation_to_json(explanation: Explanation, security_ids: Sequence[str]) -> JsonObject:
    """Return the explanation in the form that `docs/plan-json.md` describes."""
    return {
        "steps": [_effect(effect) for effect in explanation.steps],
        "limits": [_limit(use) for use in explanation.limits],
        "what_if": [_what_if(answer) for answer in explanation.what_if],
        "holdings": [_holding(holding) for holding in explanation.holdings],
        "runner_up": _runner_up(explanation.runner_up, security_ids),
        "better_gain": _number(explanation.better_gain),
        "robustness": _robustness(explanation.robustness),
    }


def _number(value: float | None) -> float | None:
    """Return a JSON number: null for an unknown or infinite value, and no negative zero."""
    if value is None or not math.isfinite(value):
        return None
    return float(value) + 0.0


def _action(action: Action, security_ids: Sequence[str]) -> JsonObject:
    """Return a trade of an alternative, which has no place in an order."""
    has_id = 0 <= action.security < len(security_ids)
    traded = security_ids[action.security] if has_id else None
    if action.convert_to:
        traded = f"{action.currency}>{action.convert_to}"
    return {
        "side": action.side.value,
        "security": traded,
        "quantity": _number(abs(action.quantity)),
        "price": _number(action.price),
        "accrued": _number(action.accrued),
        "currency": action.currency,
        "fx_rate": _number(action.fx_rate),
        "value": _number(abs(action.value)),
        "cost": _number(action.cost),
        "tax": _number(action.tax),
        "sources": list(action.sources),
        "reason": action.reason,
        "mandatory": action.mandatory,
    }


def _score(score: Score | None) -> JsonObject:
    if score is None:
        return {"before": None, "after": None, "gain": None, "terms": {}}
    return {
        "before": _number(score.before),
        "after": _number(score.after),
        "gain": _number(score.gain),
        "terms": {
            name: {
                "before": _number(term.before),
                "after": _number(term.after),
                "change": _number(term.change),
            }
            for name, term in score.terms.items()
        },
    }


def _new_money(new_money: NewMoney | None) -> JsonObject | None:
    if new_money is None:
        return None
    return {
        "amount": _number(new_money.amount),
        "spent": _number(new_money.spent),
        "reason": new_money.reason or None,
    }


def _violation(plan: Plan) -> JsonObject:
    if plan.outcome is Outcome.HELD:
        return {"before": None, "after": None}
    return {
        "before": _number(plan.violation_before),
        "after": _number(plan.violation_after),
    }


def _certificate(certificate: Certificate | None) -> JsonObject | None:
    if certificate is None:
        return None
    return {
        "upper_bound": _number(certificate.upper_bound),
        "gap": _number(certificate.gap),
        "exact": certificate.exact,
        "nodes": certificate.nodes,
        "elapsed_s": _number(certificate.elapsed_s),
        "answer": certificate.answer.value,
    }


def _step(step: Step) -> JsonObject:
    return {
        "side": step.side.value,
        "security": step.security,
        "quantity": _number(abs(step.quantity)),
        "price": _number(step.price),
        "accrued": _number(step.accrued),
        "quote": _number(step.price if step.quote is None else step.quote),
        "quote_unit": step.quote_unit or None,
        "currency": step.currency,
        "fx_rate": _number(step.fx_rate),
        "value": _number(abs(step.value)),
        "cost": _number(step.cost),
        "tax": _number(step.tax),
        "cash_after": _number(step.cash_after),
        "settles_on": step.settles_on.isoformat(),
        "weight_before": _number(step.weight_before),
        "weight_after": _number(step.weight_after),
        "sources": list(step.sources),
        "reason": step.reason,
        "mandatory": step.mandatory,
        "repair_value": _number(step.repair_value),
        "target": _number(step.target),
    }


def _metrics(plan: Plan) -> JsonObject:
    names = [*plan.metrics_before, *(n for n in plan.metrics_after if n not in plan.metrics_before)]
    return {
        name: {
            "before": _number(plan.metrics_before.get(name)),
            "after": _number(plan.metrics_after.get(name)),
        }
        for name in names
    }


def _module(attempt: ModuleAttempt) -> JsonObject:
    return {
        "key": attempt.key,
        "status": attempt.status.value,
        "elapsed_s": _number(attempt.elapsed_s),
        "message": attempt.message or None,
    }


def _rejection(rejection: Rejection) -> JsonObject:
    return {
        "side": rejection.side.value,
        "security": rejection.security,
        "value": _number(abs(rejection.value)),
        "sources": list(rejection.sources),
        "reason": rejection.reason,
    }


def _alternative(alternative: Alternative, security_ids: Sequence[str]) -> JsonObject:
    return {
        "gain": _number(alternative.gain),
        "violation": _number(alternative.violation),
        "steps": [_action(action, security_ids) for action in alternative.actions],
    }


def _terms(terms: Mapping[str, float]) -> JsonObject:
    return {name: _number(change) for name, change in terms.items()}


def _effect(effect: StepEffect) -> JsonObject:
    return {
        "side": effect.side.value,
        "security": effect.security,
        "gain": _number(effect.gain),
        "terms": _terms(effect.terms),
        "gain_without": _number(effect.gain_without),
        "violation_without": _number(effect.violation_without),
        "break_even_price": _number(effect.break_even_price),
    }


def _limit(use: LimitUse) -> JsonObject:
    return {
        "name": use.name,
        "used": _number(use.used),
        "limit": _number(use.limit),
        "unit": use.unit,
        "binds": use.binds,
    }


def _what_if(answer: WhatIf) -> JsonObject:
    return {
        "setting": answer.setting,
        "value_now": answer.value_now,
        "value_then": answer.value_then,
        "question": answer.question,
        "answer": what_if_answer(answer),
        "outcome": answer.outcome.value,
        "gain": _number(answer.gain),
        "gain_change": _number(answer.gain_change),
        "gain_of_plan": _number(answer.gain_of_plan),
        "n_steps": answer.n_steps,
        "same_steps": answer.same_steps,
        "same_trades": answer.same_trades,
        "added": [{"side": side, "security": security} for side, security in answer.added],
        "dropped": [{"side": side, "security": security} for side, security in answer.dropped],
    }


def _robustness(answer: Robustness | None) -> JsonObject | None:
    if answer is None:
        return None
    move, fill = answer.price_move, answer.partial_fill
    return {
        "price_move": None
        if move is None
        else {
            "security": move.security,
            "move": _number(move.move),
            "instead": None if move.instead is None else _step(move.instead),
        },
        "partial_fill": None
        if fill is None
        else {
            "quantity": _number(fill.quantity),
            "instead": None if fill.instead is None else _step(fill.instead),
        },
        "can_fill_in_part": answer.can_fill_in_part,
        "is_complete": answer.is_complete,
        "n_plans": answer.n_plans,
    }


def _holding(holding: HoldingChange) -> JsonObject:
    return {
        "security": holding.security,
        "weight_before": _number(holding.weight_before),
        "weight_after": _number(holding.weight_after),
        "target": _number(holding.target),
        "risk_before": _number(holding.risk_before),
        "risk_after": _number(holding.risk_after),
    }


def _runner_up(runner_up: RunnerUp | None, security_ids: Sequence[str]) -> JsonObject | None:
    if runner_up is None:
        return None
    return {
        "gain": _number(runner_up.gain),
        "violation": _number(runner_up.violation),
        "terms": _terms(runner_up.terms),
        "steps": [_action(action, security_ids) for action in runner_up.actions],
    }
