"""Answers in the OpenAPI document: an example of each, and the problems of a route."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from host.http.bodies import JSON, TOML
from host.http.problems import MEDIA_TYPE

Schema = dict[str, Any]

PROBLEM_SCHEMA: Final[Schema] = {
    "type": "object",
    "required": ["schema_version", "type", "title", "status", "detail", "code", "problems"],
    "properties": {
        "schema_version": {"type": "integer"},
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "as the command line says it"},
        "code": {"type": "string", "description": "the kind of problem; it never changes"},
        "problems": {
            "type": "array",
            "items": {"type": "object"},
            "description": "places in a text: file, line, column, message",
        },
    },
}
MEANINGS: Final[Mapping[int, str]] = {
    400: "The request is wrong.",
    401: "A token is needed, or it is not known.",
    403: "No right to do this.",
    404: "There is no such bucket, preset, plan, version or module.",
    409: "It contradicts what is there.",
    412: "The configuration was changed meanwhile; read it again.",
    413: "The body is too large.",
    415: "The body has another type than documented.",
    421: "`Host` is not a name of this computer.",
    422: "The content is not valid; `problems` has the places.",
    428: "`If-Match` is missing.",
    429: "Too many requests of this kind are waiting.",
    431: "Address and headers are too large.",
    503: "The home, its data or its disk cannot be used now; `detail` says what to do.",
}
BODY_PROBLEMS: Final = (413, 415, 422)
GUARD_PROBLEMS: Final = (400, 401, 403, 413, 421, 429, 431)
"""Of `host.http.guard`: of every route."""


def answers(
    example: Mapping[str, object],
    *problems: int,
    status: int = 200,
    text: str = "Success.",
    headers: Mapping[str, Any] | None = None,
) -> dict[int | str, dict[str, Any]]:
    """Return the documented answers of a route: the success by its example, and the problems.

    Parameters
    ----------
    example : mapping
        Each of its keys is in every answer.
    problems : int
        Status codes.
    status : int
    text : str
    headers : mapping, optional
        Documented headers of the success.
    """
    content = {JSON: {"schema": schema_of(example), "example": dict(example)}}
    success: dict[str, Any] = {"description": text, "content": content}
    if headers:
        success["headers"] = dict(headers)
    return {status: success, **problem_answers(*problems)}


def problem_answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documented problems of a route."""
    return {
        # 422: FastAPI would document its own form of it.
        status: {
            "description": MEANINGS[status],
            "content": {MEDIA_TYPE: {"schema": PROBLEM_SCHEMA}},
        }
        for status in sorted({*statuses, *GUARD_PROBLEMS, 422})
    }


def schema_of(example: Mapping[str, object]) -> Schema:
    """Return the schema of an object with the keys of its example; every value may be null."""
    return {
        "type": "object",
        "required": list(example),
        "properties": {key: _schema_of_value(value) for key, value in example.items()},
    }


def _schema_of_value(value: object) -> Schema:
    match value:
        case bool():
            kind = "boolean"
        case int() | float():
            kind = "number"
        case str():
            kind = "string"
        case list() | tuple():
            kind = "array"
        case _:
            kind = "object"
    return {"type": [kind, "null"]}


def json_body(model: type[BaseModel], example: Mapping[str, object]) -> dict[str, Any]:
    """Return the documented body of a route that takes JSON."""
    content = {JSON: _json_content(model, example)}
    return {"requestBody": {"required": True, "content": content}}


def text_body(
    model: type[BaseModel], example: Mapping[str, object], toml: str, *, required: bool
) -> dict[str, Any]:
    """Return the documented body of a route that takes TOML, alone or within JSON."""
    content = {
        JSON: _json_content(model, example),
        TOML: {"schema": {"type": "string"}, "example": toml},
    }
    return {"requestBody": {"required": required, "content": content}}


def _json_content(model: type[BaseModel], example: Mapping[str, object]) -> dict[str, Any]:
    return {"schema": model.model_json_schema(), "example": dict(example)}
