"""Configurations of buckets: read, check, compare, save, and their versions."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from host.home.config.load import EditBase, read_edit_base
from host.http.api import Api, TheApi, answer
from host.http.bodies import RequestBody, read_json, read_text
from host.http.documentation import BODY_PROBLEMS, answers, json_body, text_body
from host.http.problems import RequestError
from host.limits import CONFIG_REASON_LENGTH_MAX, TOML_BYTES_MAX
from host.operations.buckets import require_bucket
from host.operations.configs import (
    compare,
    compare_text,
    config_and_text,
    prepare_change,
    review_bucket,
    reviews_to_json,
    save_change,
    validate_text,
    version_log,
    version_record,
)

router = APIRouter(prefix="/buckets/{bucket_id}/config", tags=["configurations"])

TOML_EXAMPLE: Final = "max_plan_depth = 4\n"
SHA: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
VERSION: Final = {
    "version": 4,
    "sha256": SHA,
    "parent": 3,
    "changed_by": "user",
    "reason": "fewer trades",
    "created_at": "2026-11-22T18:32:01.123+00:00",
}
CHANGED: Final = {
    "modules_added": [],
    "modules_removed": [],
    "params_changed": {},
    "settings_changed": {"max_plan_depth": {"old": 5, "new": 4}},
}
CONFIG: Final = {
    "schema_version": 1,
    "bucket_id": "core",
    "path": "/home/ada/.arduino-trader/buckets/core.toml",
    "config_version": 3,
    "config_sha256": SHA,
    "text": "max_plan_depth = 5\n",
    "config": {"max_plan_depth": 5},
    "problems": [],
}
VALID: Final = {"schema_version": 1, "valid": True, "bucket_id": "core", "problems": []}
CHECKED: Final = {
    "schema_version": 1,
    "valid": True,
    "buckets": [{"bucket_id": "core", "valid": True, "problems": [], "data": {"valid": True}}],
}
DIFFERENCE: Final = {
    "schema_version": 1,
    "bucket_id": "core",
    "old": "file",
    "new": "request",
    "unified": ["-max_plan_depth = 5", "+max_plan_depth = 4"],
    **CHANGED,
    "plans": None,
    "comparison": None,
}
SAVED: Final = {"schema_version": 1, "bucket_id": "core", **VERSION, "changed": CHANGED}
LOG: Final = {"schema_version": 1, "bucket_id": "core", "versions": [VERSION]}
STORED: Final = {"schema_version": 1, "bucket_id": "core", **VERSION, "text": TOML_EXAMPLE}

ETAG_HEADER: Final = {
    "ETag": {
        "description": "the state of version and file, for `If-Match`",
        "required": True,
        "schema": {"type": "string"},
    }
}
VERSION_MAX: Final = 999_999_999
"""The names of versions have nine digits at most."""

Toml = Annotated[str, Field(max_length=TOML_BYTES_MAX)]
Reason = Annotated[str, Field(max_length=CONFIG_REASON_LENGTH_MAX)]
IfMatch = Annotated[
    str | None, Header(description="the ETag that the change was made from; required")
]


class TextBody(RequestBody):
    """A configuration."""

    toml: Toml = Field(description="the text of the file")


class SaveBody(TextBody):
    """A configuration to save, and why."""

    reason: Reason = Field("by the API", description="reason for the change")


class RollbackBody(RequestBody):
    """A version to return to, and why."""

    version: int = Field(ge=1, le=VERSION_MAX, description="its text becomes the newest version")
    reason: Reason | None = Field(None, description="by default `rollback to N`")


@router.get(
    "",
    responses={**answers(CONFIG, 404, 503, headers=ETAG_HEADER), 304: {"description": "As known."}},
)
async def get_config(
    bucket_id: str,
    api: TheApi,
    if_none_match: Annotated[
        str | None, Header(description="an ETag; the answer is 304 while it still holds")
    ] = None,
) -> Response:
    """Read the file: text, settings in force with all defaults, and what is wrong in it."""

    def read() -> tuple[EditBase, dict[str, object]]:
        require_bucket(api.home, bucket_id)
        base = read_edit_base(api.home, bucket_id)
        return base, config_and_text(api.home, bucket_id, base)

    base, record = await api.run(read)
    headers = {"ETag": etag_of(base)}
    if if_none_match is not None and _matches(if_none_match, base):
        return Response(status_code=304, headers=headers)
    return answer(record, headers=headers)


@router.get("/check", responses=answers(CHECKED, 404, 503))
async def check_config(bucket_id: str, api: TheApi) -> JSONResponse:
    """Check everything that a plan needs: configuration, portfolio, ledger and market data."""

    def check() -> dict[str, object]:
        require_bucket(api.home, bucket_id)
        return reviews_to_json([review_bucket(api.home, bucket_id)])

    return answer(await api.run(check))


@router.post(
    "/validate",
    responses=answers(VALID, 404, 503, *BODY_PROBLEMS),
    openapi_extra=text_body(TextBody, {"toml": TOML_EXAMPLE}, TOML_EXAMPLE, required=True),
)
async def validate_config(bucket_id: str, request: Request, api: TheApi) -> JSONResponse:
    """Check a text, and save nothing; `problems` has everything that is wrong, with its place."""
    await api.run(require_bucket, api.home, bucket_id)
    text = await _read_toml(request)
    return answer(await api.run(validate_text, api.home, bucket_id, text))


@router.post(
    "/diff",
    responses=answers(DIFFERENCE, 404, 429, 503, *BODY_PROBLEMS),
    openapi_extra=text_body(TextBody, {"toml": TOML_EXAMPLE}, TOML_EXAMPLE, required=True),
)
async def diff_config(
    bucket_id: str,
    request: Request,
    api: TheApi,
    plan: Annotated[bool, Query(description="also today's plan with each")] = False,
) -> JSONResponse:
    """Compare the file with a text: the lines, and what the planner would do differently."""
    await api.run(require_bucket, api.home, bucket_id)
    text = await _read_toml(request)
    if plan:
        return answer(await api.isolated.call("compare_text", bucket_id, text=text))
    return answer((await api.run(compare_text, api.home, bucket_id, text)).to_json())


@router.put(
    "",
    responses=answers(SAVED, 404, 412, 428, 503, *BODY_PROBLEMS, headers=ETAG_HEADER),
    openapi_extra=text_body(
        SaveBody, {"toml": TOML_EXAMPLE, "reason": "fewer trades"}, TOML_EXAMPLE, required=True
    ),
)
async def save_config(
    bucket_id: str,
    request: Request,
    api: TheApi,
    if_match: IfMatch = None,
    reason: Annotated[Reason | None, Query(description="for a body in TOML")] = None,
) -> JSONResponse:
    """Save a text as the newest version, if the configuration has not changed meanwhile.

    The text of the file is answered with the version that there is, and `changed` is null.
    """
    await api.run(require_bucket, api.home, bucket_id)
    body = await read_text(request, SaveBody)
    if not isinstance(body, SaveBody):
        body = SaveBody(toml=_require_text(body))
    return await api.run(_save, api, bucket_id, if_match, body.toml, reason or body.reason)


@router.post(
    "/rollback",
    responses=answers(SAVED, 404, 412, 428, 503, *BODY_PROBLEMS, headers=ETAG_HEADER),
    openapi_extra=json_body(RollbackBody, {"version": 3, "reason": "too few trades"}),
)
async def roll_back_config(
    bucket_id: str, request: Request, api: TheApi, if_match: IfMatch = None
) -> JSONResponse:
    """Make the text of an old version the newest one."""
    await api.run(require_bucket, api.home, bucket_id)
    body = await read_json(request, RollbackBody)
    stored = await api.run(version_record, api.home, bucket_id, body.version)
    reason = body.reason or f"rollback to {body.version}"
    return await api.run(_save, api, bucket_id, if_match, str(stored["text"]), reason)


@router.get("/versions", responses=answers(LOG, 404, 503))
async def list_config_versions(bucket_id: str, api: TheApi) -> JSONResponse:
    """List the versions, newest first: who changed what, when and why."""

    def read() -> dict[str, object]:
        require_bucket(api.home, bucket_id)
        return version_log(api.home, bucket_id)

    return answer(await api.run(read))


@router.get("/versions/diff", responses=answers(DIFFERENCE, 404, 409, 422, 503))
async def diff_config_versions(
    bucket_id: str,
    api: TheApi,
    old: Annotated[
        int | None, Query(ge=1, le=VERSION_MAX, description="number of a version")
    ] = None,
    new: Annotated[
        int | None, Query(ge=1, le=VERSION_MAX, description="number of a version")
    ] = None,
) -> JSONResponse:
    """Compare two versions; without `new` the file, without `old` the active version."""

    def read() -> dict[str, object]:
        require_bucket(api.home, bucket_id)
        names = [None if number is None else str(number) for number in (old, new)]
        return compare(api.home, bucket_id, *names).to_json()

    return answer(await api.run(read))


@router.get("/versions/{version}", responses=answers(STORED, 404, 409, 503))
async def get_config_version(bucket_id: str, version: int, api: TheApi) -> JSONResponse:
    """Show a version with its text."""

    def read() -> dict[str, object]:
        require_bucket(api.home, bucket_id)
        return version_record(api.home, bucket_id, version)

    return answer(await api.run(read))


def _save(api: Api, bucket_id: str, if_match: str | None, text: str, reason: str) -> JSONResponse:
    """Save a text on the state that the client knows."""
    base = read_edit_base(api.home, bucket_id)
    if if_match is None:
        message = f"If-Match is missing (send the ETag of GET /buckets/{bucket_id}/config)"
        raise RequestError(428, "precondition", message)
    if not _matches(if_match, base):
        message = (
            f"{bucket_id}: version and file are {etag_of(base)} now, not {if_match[:80]} (read them"
            " again, and repeat the change)"
        )
        raise RequestError(412, "lost_update", message, {"ETag": etag_of(base)})
    change = prepare_change(api.home, bucket_id, base, text)
    record = save_change(api.home, change, reason)
    return answer(record, headers={"ETag": etag_of(read_edit_base(api.home, bucket_id))})


async def _read_toml(request: Request) -> str:
    """Return the text of a body that has to have one."""
    body = await read_text(request, TextBody)
    return body.toml if isinstance(body, TextBody) else _require_text(body)


def _require_text(body: str | None) -> str:
    if body is None:
        raise RequestError(415, "media_type", "the body is missing (send application/toml)")
    return body


def etag_of(base: EditBase) -> str:
    """Return the state of version and file as an ETag."""
    return f'"{base.version}-{base.sha256[:16]}"'


def _matches(header: str, base: EditBase) -> bool:
    """Return whether a header names the state: `*`, or one of several ETags."""
    tags = {tag.strip() for tag in header.split(",")}
    return "*" in tags or etag_of(base) in tags
