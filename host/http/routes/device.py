"""The appliance: its buckets, its modules, and metrics of its plans."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from host.home.config.plugin_catalogue import modules_of
from host.http.api import TheApi, answer
from host.http.documentation import answers, problem_answers
from host.operations.board_state import read_board_state
from host.operations.buckets import select_buckets
from host.operations.modules import find_modules, modules_to_json
from host.telemetry.metrics.metrics import MetricsStore
from host.telemetry.metrics.performance_report import metrics_to_json
from host.telemetry.metrics.prometheus import prometheus_text

router = APIRouter(tags=["appliance"])

PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS: Final = {"schema_version": 1, "buckets": ["core", "satellite_a"]}
METRICS: Final = {
    "schema_version": 1,
    "since": "2026-11-01T09:00:00+00:00",
    "updated": "2026-11-22T18:32:01+00:00",
    "percentile_error": 0.0905,
    "buckets": {"core": {"plans": {"count": 12, "mean_s": 0.41}}},
    "device": {"counters": {"worker_restarts": 0}, "gauges": {}},
}
METRICS_TEXT: Final = """\
# HELP arduino_trader_plans_total Plans, by outcome.
# TYPE arduino_trader_plans_total counter
arduino_trader_plans_total{bucket="core",outcome="PLANNED"} 12
"""
MODULES: Final = {
    "schema_version": 1,
    "modules": [
        {
            "key": "filters.diversity",
            "kind": "filters",
            "name": "diversity",
            "version": "1.0.0",
            "description": "Leaves out sets that are nearly the same.",
            "enabled_by_default": True,
            "plugin": None,
            "parameters": {"overlap_max": {"default": 0.5, "unit": "fraction"}},
        }
    ],
}
BOARD: Final = {
    "schema_version": 1,
    "linked": True,
    "bucket_id": "core",
    "shows": "result",
    "brightness": 15,
    "pixels": [[0, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]] * 8,
    "faults": [],
}
Bucket = Annotated[str | None, Query(description="only this bucket")]


@router.get("/buckets", responses=answers(BUCKETS, 503))
async def list_buckets(api: TheApi) -> JSONResponse:
    """List the buckets: those that have a portfolio."""
    return answer({"buckets": list(await api.run(api.home.require_bucket_ids))})


@router.get("/board", responses=answers(BOARD, 503))
async def get_board(api: TheApi) -> JSONResponse:
    """Show the matrix: 8 rows of 13 levels, 0 dark to 7 bright, as the daemon draws it now.

    `linked` says whether a board shows it. Without a daemon the answer is 503.
    """
    return answer(await read_board_state(api.home))


@router.get("/modules", responses=answers(MODULES))
async def list_modules(api: TheApi) -> JSONResponse:
    """List the modules of planner and plugins, with their rules and parameters."""

    def read() -> dict[str, object]:
        registries = modules_of(api.home)
        return modules_to_json(registries.all_modules(), registries)

    return answer(await api.run(read))


@router.get("/modules/{name}", responses=answers(MODULES, 404))
async def get_module(name: str, api: TheApi) -> JSONResponse:
    """Show the modules of a name, or of a key `kind.name`: two kinds may share a name."""

    def read() -> dict[str, object]:
        registries = modules_of(api.home)
        return modules_to_json(find_modules(name, registries), registries)

    return answer(await api.run(read))


@router.get("/metrics.json", responses=answers(METRICS, 404, 503))
async def get_metrics_as_json(api: TheApi, bucket: Bucket = None) -> JSONResponse:
    """Show time and memory of plans, per module and stage; docs/metrics.md explains each figure."""

    def read() -> dict[str, object]:
        bucket_ids = select_buckets(api.home, bucket)
        return metrics_to_json(MetricsStore(api.home).read(), bucket_ids)

    return answer(await api.run(read))


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Success.",
            "content": {PROMETHEUS: {"schema": {"type": "string"}, "example": METRICS_TEXT}},
        },
        **problem_answers(404, 503),
    },
)
async def get_metrics(api: TheApi, bucket: Bucket = None) -> Response:
    """Show the same for Prometheus, in its text format 0.0.4."""

    def read() -> str:
        bucket_ids = select_buckets(api.home, bucket)
        return prometheus_text(MetricsStore(api.home).read(), bucket_ids)

    return Response(await api.run(read), headers={"Content-Type": PROMETHEUS})
