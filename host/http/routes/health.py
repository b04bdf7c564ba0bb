"""Health of a bucket and of the appliance, liveness and readiness."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from host.http.api import TheApi, answer
from host.http.documentation import answers, problem_answers
from host.operations.buckets import require_bucket
from host.operations.health import (
    liveness_to_json,
    read_liveness,
    readiness_to_json,
)

router = APIRouter(tags=["health"])

FINDING: Final = {
    "id": "prices_stale",
    "severity": "warning",
    "bucket_id": "core",
    "subject": None,
    "what": "the last close is of 2022-12-28",
    "action": "Add newer closes to market/prices.csv.",
    "since": "2022-12-31T09:00:00+00:00",
    "fixable": False,
    "fix": None,
    "blocks": "nothing",
    "fault": None,
}
BUCKET_HEALTH: Final = {
    "schema_version": 1,
    "bucket_id": "core",
    "status": "degraded",
    "ready": True,
    "can_plan": True,
    "config_version": 3,
    "config_in_force": True,
    "prices_until": "2022-12-28",
    "last_success": "2022-12-28T18:30:00+00:00",
    "last_attempt": "2022-12-28T18:30:00+00:00",
    "outcome": "PLANNED",
    "valid_until": "2022-12-30",
    "modules": {"filters.diversity": {"status": "ok"}},
    "errors": [],
    "warnings": [FINDING],
    "live": True,
    "checked_at": "2022-12-31T10:00:00+00:00",
    "appliance": [],
}
HEALTH: Final = {
    "schema_version": 1,
    "status": "degraded",
    "live": True,
    "ready": True,
    "checked_at": "2022-12-31T10:00:00+00:00",
    "home": "/home/ada/.arduino-trader",
    "daemon": {"running": True, "pid": 4711, "linked": True},
    "findings": [FINDING],
    "buckets": {"core": {"status": "degraded"}},
}
LIVE: Final = {"schema_version": 1, "live": True, "running": True, "beat_age_s": 2.1}
READY: Final = {"schema_version": 1, "ready": True, "because": []}
NOT_LIVE: Final = 503


@router.get("/planner/health/{bucket_id}", responses=answers(BUCKET_HEALTH, 404))
async def get_bucket_health(bucket_id: str, api: TheApi) -> JSONResponse:
    """Health of a bucket: status, modules, errors and warnings, each with what to do.

    A bucket that is not healthy is an answer too: the status code is 200.
    """
    await api.run(require_bucket, api.home, bucket_id)
    report = await api.health(bucket_id)
    return answer(report.bucket_to_json(bucket_id))


@router.get("/health", responses=answers(HEALTH))
async def get_health(api: TheApi) -> JSONResponse:
    """Health of the whole appliance, as `trader health --json` prints it."""
    return answer((await api.health(None)).to_json())


@router.get(
    "/live",
    responses={
        **answers(LIVE),
        **problem_answers(),
        **answers(LIVE, status=503, text="Its loop does not turn."),
    },
)
async def get_liveness(api: TheApi) -> JSONResponse:
    """Liveness of the daemon: 200 while its loop turns, else 503."""
    record = liveness_to_json(await api.run(read_liveness, api.home))
    return answer(record, 200 if record["live"] else NOT_LIVE)


@router.get(
    "/ready",
    responses={**answers(READY), **answers(READY, status=503, text="A press would give no plan.")},
)
async def get_readiness(api: TheApi) -> JSONResponse:
    """Readiness: 200 when a press would give a plan, else 503 with the reasons."""
    record = readiness_to_json(await api.health(None), None)
    return answer(record, 200 if record["ready"] else NOT_LIVE)
