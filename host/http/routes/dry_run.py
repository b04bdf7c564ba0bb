"""Dry run: try a configuration without saving anything."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from host.http.api import TheApi, answer
from host.http.bodies import RequestBody, read_text
from host.http.documentation import BODY_PROBLEMS, answers, text_body
from host.limits import MONEY_MAX, TOML_BYTES_MAX
from host.operations.buckets import require_bucket

router = APIRouter(tags=["configurations"])

TOML_EXAMPLE: Final = "max_plan_depth = 4\n"
RESULT: Final = {
    "schema_version": 1,
    "valid": True,
    "bucket_id": "core",
    "file": "request",
    "modules_loaded": {"filters.diversity": {"type": "Diversity", "status": "ok", "params": {}}},
    "outcome": "PLANNED",
    "candidates": 14,
    "estimated_sequences": 3472,
    "is_exact": True,
    "estimated_s": 0.21,
    "peak_memory_mb": 96.4,
    "warnings": [],
    "errors": [],
    "problems": [],
}


class DryRunBody(RequestBody):
    """A configuration to try, and what to plan for."""

    toml: Annotated[str, Field(max_length=TOML_BYTES_MAX)] | None = Field(
        None, description="a configuration; null: the bucket's own file"
    )
    invest: float = Field(
        0.0, ge=0, le=MONEY_MAX, description="base currency; plan as if it had come in today"
    )
    buy_only: bool = Field(False, description="plan without sells")


@router.post(
    "/satellites/{bucket_id}/dry-run",
    responses=answers(RESULT, 404, 429, 503, *BODY_PROBLEMS),
    openapi_extra=text_body(DryRunBody, {"toml": TOML_EXAMPLE}, TOML_EXAMPLE, required=False),
)
async def dry_run(bucket_id: str, request: Request, api: TheApi) -> JSONResponse:
    """Try a configuration of any bucket: modules, number of sequences, time, memory.

    Nothing is written. Without a body the bucket's own file is tried. A configuration that is not
    valid is an answer too: `valid` is false, and `problems` has the places.
    """
    await api.run(require_bucket, api.home, bucket_id)
    body = await read_text(request, DryRunBody)
    if isinstance(body, str):
        body = DryRunBody(toml=body[: TOML_BYTES_MAX + 1])
    body = body or DryRunBody()
    result = await api.isolated.call(
        "dry_run", bucket_id, text=body.toml, invest=body.invest, buy_only=body.buy_only
    )
    return answer(result)
