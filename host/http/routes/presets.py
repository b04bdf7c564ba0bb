"""Presets: named configurations."""

from __future__ import annotations

from typing import Annotated, Final, Self

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import Field, model_validator

from host.home.config.presets import ID, PresetLibrary
from host.http.api import Api, TheApi, answer
from host.http.bodies import RequestBody, read_json
from host.http.documentation import BODY_PROBLEMS, answers, json_body
from host.limits import PRESET_BYTES_MAX, TEXT_LENGTH_MAX
from host.operations.buckets import require_bucket
from host.operations.presets import (
    NewPreset,
    create_preset,
    create_preset_of_bucket,
    preset_to_json,
    presets_to_json,
)

router = APIRouter(tags=["presets"])

TAGS_MAX: Final = 20
ABOUT: Final = {
    "id": "low-turnover",
    "name": "Low turnover",
    "description": "Few and large trades.",
    "author": "arduino-trader",
    "tags": ["cautious"],
    "downloads": 2,
    "rating": 5,
    "created_at": "2026-11-22",
}
PRESET: Final = {"schema_version": 1, **ABOUT, "config": "max_plan_depth = 3\n"}
PRESETS: Final = {"schema_version": 1, "presets": [ABOUT]}
NEW: Final = {"id": "mine", "config": "max_plan_depth = 3\n", "tags": ["own"]}

Text = Annotated[str, Field(max_length=TEXT_LENGTH_MAX)]


class PresetBody(RequestBody):
    """A preset to create, from a text or from the file of a bucket."""

    id: str = Field(pattern=f"^{ID.pattern}$")
    name: Text | None = None
    description: Text | None = None
    author: Text | None = None
    tags: list[Text] = Field([], max_length=TAGS_MAX)
    config: Annotated[str, Field(max_length=PRESET_BYTES_MAX)] | None = Field(
        None, description="a configuration, as TOML"
    )
    bucket_id: str | None = Field(None, description="instead: the bucket whose file is saved")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        """Refuse a preset from nothing, or from two texts."""
        if (self.config is None) is (self.bucket_id is None):
            raise ValueError("either config or bucket_id is needed")
        return self


@router.get("/presets", responses=answers(PRESETS))
async def list_presets(
    api: TheApi,
    tag: Annotated[
        str | None, Query(max_length=TEXT_LENGTH_MAX, description="only presets that have it")
    ] = None,
) -> JSONResponse:
    """List the presets, shipped and your own; with `tag` only those that have it."""
    library = PresetLibrary(api.home)
    return answer(presets_to_json(await api.run(library.list, tag)))


@router.get("/presets/{preset_id}", responses=answers(PRESET, 404, 503))
async def get_preset(preset_id: str, api: TheApi) -> JSONResponse:
    """Show a preset with its configuration."""
    library = PresetLibrary(api.home)
    return answer(preset_to_json(await api.run(library.get, preset_id)))


@router.post(
    "/presets",
    status_code=201,
    responses=answers(PRESET, 404, 409, 503, *BODY_PROBLEMS, status=201, text="Created."),
    openapi_extra=json_body(PresetBody, NEW),
)
async def create_a_preset(request: Request, api: TheApi) -> JSONResponse:
    """Create a preset. Its configuration is checked first; `problems` has what is wrong in it."""
    body = await read_json(request, PresetBody)
    record = await api.run(_create, api, body)
    return answer(record, 201, {"Location": f"/presets/{body.id}"})


def _create(api: Api, body: PresetBody) -> dict[str, object]:
    about = NewPreset(
        id=body.id,
        name=body.name,
        description=body.description,
        author=body.author,
        tags=tuple(body.tags),
    )
    if body.bucket_id is not None:
        require_bucket(api.home, body.bucket_id)
        return preset_to_json(create_preset_of_bucket(api.home, about, body.bucket_id))
    assert body.config is not None
    return preset_to_json(create_preset(api.home, about, body.config))
