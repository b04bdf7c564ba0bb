"""A plan as plain data: what `trader plan --json` prints, the plan store keeps and the API sends.

`docs/plan-json.md` explains every key with its unit. A key is never left out: what is not known is
null, so that a reader asks for values and not for shapes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from host.planning.explanation_json import (
    JsonObject,
    action_to_json,
    number_or_null,
)
from planner_core.model.plan import (
    Alternative,
    Certificate,
    ModuleAttempt,
    Outcome,
    Plan,
    Rejection,
    Score,
    Step,
)

SCHEMA_VERSION = 1


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
        "nav": number_or_null(plan.nav),
        "nav_after": number_or_null(plan.nav_after),
        "cash_before": number_or_null(plan.cash_before),
        "cash_after": number_or_null(plan.cash_after),
        "cash_required": None if plan.cash_before is None else number_or_null(plan.cash_required),
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
        "alternatives": [_alternative(found, security_ids) for found in plan.alternatives],
        "n_candidates": plan.n_candidates,
        "n_sizes": plan.n_sizes,
        "n_sequences": plan.n_sequences,
        "stopped_by": plan.stopped_by or None,
        "config_version": config_version,
        "config_sha256": config_sha256,
        "context_digest": plan.context_digest or None,
        "explanation": None,  # the host adds the reasons when they are asked for
        "profile": None,  # as well
    }


def plan_json_text(record: Mapping[str, object]) -> str:
    """Return the record as JSON text for people and programs; never with NaN in it."""
    return json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)


def _score(score: Score | None) -> JsonObject:
    if score is None:
        return {"before": None, "after": None, "gain": None, "terms": {}}
    return {
        "before": number_or_null(score.before),
        "after": number_or_null(score.after),
        "gain": number_or_null(score.gain),
        "terms": {
            name: {
                "before": number_or_null(term.before),
                "after": number_or_null(term.after),
                "change": number_or_null(term.change),
            }
            for name, term in score.terms.items()
        },
    }


def _violation(plan: Plan) -> JsonObject:
    if plan.outcome is Outcome.HELD:
        return {"before": None, "after": None}
    return {
        "before": number_or_null(plan.violation_before),
        "after": number_or_null(plan.violation_after),
    }


def _certificate(certificate: Certificate | None) -> JsonObject | None:
    if certificate is None:
        return None
    return {
        "upper_bound": number_or_null(certificate.upper_bound),
        "gap": number_or_null(certificate.gap),
        "exact": certificate.exact,
        "nodes": certificate.nodes,
        "elapsed_s": number_or_null(certificate.elapsed_s),
    }


def _step(step: Step) -> JsonObject:
    return {
        "side": step.side.value,
        "security": step.security,
        "quantity": number_or_null(abs(step.quantity)),
        "price": number_or_null(step.price),
        "currency": step.currency,
        "fx_rate": number_or_null(step.fx_rate),
        "value": number_or_null(abs(step.value)),
        "cost": number_or_null(step.cost),
        "tax": number_or_null(step.tax),
        "cash_after": number_or_null(step.cash_after),
        "settles_on": step.settles_on.isoformat(),
        "weight_before": number_or_null(step.weight_before),
        "weight_after": number_or_null(step.weight_after),
        "sources": list(step.sources),
        "reason": step.reason,
        "mandatory": step.mandatory,
    }


def _metrics(plan: Plan) -> JsonObject:
    names = [*plan.metrics_before, *(n for n in plan.metrics_after if n not in plan.metrics_before)]
    return {
        name: {
            "before": number_or_null(plan.metrics_before.get(name)),
            "after": number_or_null(plan.metrics_after.get(name)),
        }
        for name in names
    }


def _module(attempt: ModuleAttempt) -> JsonObject:
    return {
        "key": attempt.key,
        "status": attempt.status.value,
        "elapsed_s": number_or_null(attempt.elapsed_s),
        "message": attempt.message or None,
    }


def _rejection(rejection: Rejection) -> JsonObject:
    return {
        "side": rejection.side.value,
        "security": rejection.security,
        "value": number_or_null(abs(rejection.value)),
        "sources": list(rejection.sources),
        "reason": rejection.reason,
    }


def _alternative(alternative: Alternative, security_ids: Sequence[str]) -> JsonObject:
    return {
        "gain": number_or_null(alternative.gain),
        "violation": number_or_null(alternative.violation),
        "steps": [action_to_json(action, security_ids) for action in alternative.actions],
    }
