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


@router.get("", responses=answers(PLANS, 404, 503))
async def list_plans(
    bucket_id: str,
    api: TheApi,
    n: Annotated[int, Query(ge=1, le=PLANS_SHOWN_MAX)] = PLANS_SHOWN,
) -> JSONResponse:
    """List the newest plans of a bucket, with their outcomes."""

    def read() -> dict[str, object]:
        require_bucket(api.home, bucket_id)
        return newest_plans(api.home, bucket_id, n)

    return answer(await api.run(read))


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
