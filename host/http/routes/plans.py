"""Stored plans."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from host.http.api import TheApi, answer
from host.http.documentation import answers
from host.operations.buckets import require_bucket
from host.operations.plans import latest_plan, newest_plans, plan_of_trace

router = APIRouter(prefix="/buckets/{bucket_id}/plans", tags=["plans"])

PLANS_SHOWN: Final = 20
PLANS_SHOWN_MAX: Final = 50
"""Each is read for its summary, and has up to 4 MB."""
TRACE_ID: Final = "3fa2c1d09f4e4a5c8a7be0d1c2f3a4b5"
SUMMARY: Final = {
    "trace_id": TRACE_ID,
    "created_at": "2026-11-22T18:32:01.123+00:00",
    "outcome": "PLANNED",
    "n_steps": 5,
    "gain": 0.0041,
    "config_version": 3,
}
PLANS: Final = {"schema_version": 1, "bucket_id": "core", "plans": [SUMMARY]}
PLAN: Final = {
    "schema_version": 1,
    "outcome": "PLANNED",
    "reason": None,
    "bucket_id": "core",
    "as_of": "2022-12-28",
    "created_at": "2026-11-22T18:32:01+00:00",
    "trace_id": TRACE_ID,
    "currency": "EUR",
    "nav": 30182.4,
    "steps": [{"side": "sell", "security": "XOM", "quantity": 3, "value": 318.9}],
}


REQUESTED: Final = {
    "schema_version": 1,
    "bucket_id": "core",
    "trace_id": TRACE_ID,
    "joined": False,
    "progress": f"/buckets/core/plans/{TRACE_ID}/progress",
    "plan": f"/buckets/core/plans/{TRACE_ID}",
}
ACCEPTED: Final = "Requested, or joined to the plan that is under way."
PROGRESS: Final = {
    "schema_version": 1,
    "bucket_id": "core",
    "trace_id": TRACE_ID,
    "state": "running",
    "stage": "search",
    "fraction": 0.8,
    "lines": [],
}


@router.get("", responses=answers(PLANS, 404, 503))
async def list_plans(
    bucket_id: str,
    api: TheApi,
    n: Annotated[int, Query(ge=1, le=PLANS_SHOWN_MAX, description="at most")] = PLANS_SHOWN,
) -> JSONResponse:
    """List the newest plans of a bucket, with their outcomes."""

    def read() -> dict[str, object]:
        require_bucket(api.home, bucket_id)
        return newest_plans(api.home, bucket_id, n)

    return answer(await api.run(read))


@router.post("", status_code=202, responses=answers(REQUESTED, 404, 503, status=202, text=ACCEPTED))
async def request_plan(bucket_id: str, api: TheApi) -> JSONResponse:
    """Request a plan. While one of the bucket is under way, requests join it: one plan, one id.

    `Location` is where to follow it. With a daemon the board shows the plan, as after a press.
    """
    await api.run(require_bucket, api.home, bucket_id)
    record = await api.plans.request(bucket_id)
    url = f"/buckets/{bucket_id}/plans/{record['trace_id']}"
    requested = {"bucket_id": bucket_id, **record, "progress": f"{url}/progress", "plan": url}
    return answer(requested, 202, {"Location": f"{url}/progress"})


@router.get("/latest", responses=answers(PLAN, 404, 503))
async def get_latest_plan(bucket_id: str, api: TheApi) -> JSONResponse:
    """Show the newest plan, as docs/plan-json.md explains it; a HELD one has the reason."""

    def read() -> dict[str, object]:
        require_bucket(api.home, bucket_id)
        return latest_plan(api.home, bucket_id)

    return answer(await api.run(read))


@router.get("/{trace_id}", responses=answers(PLAN, 404, 503))
async def get_plan(bucket_id: str, trace_id: str, api: TheApi) -> JSONResponse:
    """Show the plan of a trace id."""

    def read() -> dict[str, object]:
        require_bucket(api.home, bucket_id)
        return plan_of_trace(api.home, bucket_id, trace_id)

    return answer(await api.run(read))


@router.delete("/{trace_id}", responses=answers(PROGRESS, 404, 503))
async def cancel_plan(bucket_id: str, trace_id: str, api: TheApi) -> JSONResponse:
    """Cancel a plan that is under way; a plan that is stored stays. The answer is its progress."""
    await api.run(require_bucket, api.home, bucket_id)
    return answer(await api.plans.cancel(bucket_id, trace_id))


@router.get("/{trace_id}/progress", responses=answers(PROGRESS, 404, 503))
async def get_plan_progress(bucket_id: str, trace_id: str, api: TheApi) -> JSONResponse:
    """Follow a plan: `queued`, `running`, then `stored`, `failed`, `cancelled` or `expired`.

    `lines` say why there is no plan.
    """
    await api.run(require_bucket, api.home, bucket_id)
    return answer(await api.plans.progress(bucket_id, trace_id))
