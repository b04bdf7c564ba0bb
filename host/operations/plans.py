"""Stored plans: the newest of a bucket, and one of them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from host.errors import NotFoundError
from host.home.plan_store import PlanStore
from host.telemetry.events import plan_summary

if TYPE_CHECKING:
    from host.home.home import Home
    from host.home.plan_store import PlanRecord


def newest_plans(home: Home, bucket_id: str, most: int) -> dict[str, Any]:
    """Return a summary of the newest plans of a bucket; a damaged one has no outcome."""
    plans = [
        {
            "trace_id": file.trace_id,
            "created_at": file.created_at.isoformat(timespec="milliseconds"),
            **plan_summary(record or {}),
        }
        for file, record in islice(PlanStore(home).peek_newest_first(bucket_id), most)
    ]
    return {"bucket_id": bucket_id, "plans": plans}


def latest_plan(home: Home, bucket_id: str) -> PlanRecord:
    """Return the newest plan of a bucket; NotFoundError without one."""
    stored = PlanStore(home).latest(bucket_id)
    if stored is None:
        raise NotFoundError(f"{bucket_id}: no plan is stored yet (trader plan {bucket_id})")
    return stored.record


def plan_of_trace(home: Home, bucket_id: str, trace_id: str) -> PlanRecord:
    """Return the plan of a trace id; NotFoundError when it is missing or damaged."""
    stored = PlanStore(home).load(bucket_id, trace_id)
    if stored is None:
        raise NotFoundError(
            f"{bucket_id}: no plan {trace_id!r:.80} is stored (the newest 200 are kept; see"
            " `trader events tail --type PlanStored`)"
        )
    return stored.record
