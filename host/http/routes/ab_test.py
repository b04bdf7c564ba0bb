"""A/B test: two configurations on today's state."""

from __future__ import annotations

from typing import Annotated, Final, Self

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import Field, model_validator

from host.home.config.presets import ID
from host.http.api import TheApi, answer
from host.http.bodies import RequestBody, read_json
from host.http.documentation import BODY_PROBLEMS, answers, json_body
from host.limits import MONEY_MAX, TOML_BYTES_MAX
from host.operations.buckets import require_bucket

router = APIRouter(tags=["configurations"])

SIDE: Final = {
    "name": "current",
    "kind": "current",
    "config_version": 3,
    "valid": True,
    "problems": [],
    "outcome": "PLANNED",
    "reason": None,
    "end_score": -0.0155,
    "n_steps": 5,
    "cash_required": 0.0,
}
JUDGEMENT: Final = {
    "gain_a": 0.0601,
    "gain_b": 0.0613,
    "violation_a": 0.0,
    "violation_b": 0.0,
    "allows_a": True,
    "allows_b": True,
    "prefers": "b",
}
RESULT: Final = {
    "schema_version": 1,
    "bucket_id": "core",
    "as_of": "2022-12-28",
    "currency": "EUR",
    "winner": "b",
    "basis": "score",
    "reason": "B is better by 0.12% of the portfolio a year.",
    "same_objective": True,
    "same_limits": True,
    "closer": "b",
    "cheaper": "a",
    "by_a": JUDGEMENT,
    "by_b": JUDGEMENT,
    "a": SIDE,
    "b": {**SIDE, "name": "low-turnover", "kind": "preset"},
}

# No file of this computer: a name with a dot or a slash would be one.
Name = Annotated[str, Field(pattern=f"^{ID.pattern}$")]


class AbBody(RequestBody):
    """Two configurations to compare."""

    a: Name = Field(description="a version such as `3`, `current` (the bucket's file), or a preset")
    b: Name | None = Field(None, description="the other one")
    toml: Annotated[str, Field(max_length=TOML_BYTES_MAX)] | None = Field(
        None, description="instead of b: a configuration"
    )
    invest: float = Field(
        0.0, ge=0, le=MONEY_MAX, description="base currency; plan as if it had come in today"
    )
    buy_only: bool = Field(False, description="plan without sells")

    @model_validator(mode="after")
    def _one_other_side(self) -> Self:
        """Refuse one side alone, and three."""
        if (self.b is None) is (self.toml is None):
            raise ValueError("either b or toml is needed")
        return self


@router.post(
    "/buckets/{bucket_id}/ab",
    responses=answers(RESULT, 404, 429, 503, *BODY_PROBLEMS),
    openapi_extra=json_body(AbBody, {"a": "current", "b": "low-turnover"}),
)
async def compare_two_configurations(bucket_id: str, request: Request, api: TheApi) -> JSONResponse:
    """Plan with both on today's state, and say which plan is better: docs/ab.md has the rules.

    Nothing is written. A side that is not valid, or has no plan, is part of the answer.
    """
    await api.run(require_bucket, api.home, bucket_id)
    body = await read_json(request, AbBody)
    return answer(await api.isolated.call("ab_test", bucket_id, **body.model_dump()))
