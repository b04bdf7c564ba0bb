"""Bodies of requests: read up to a limit, then parsed as JSON or taken as TOML."""

from __future__ import annotations

from typing import Final, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError

from host.http.problems import RequestError
from host.limits import HTTP_BODY_BYTES_MAX

JSON: Final = "application/json"
TOML: Final = "application/toml"

BodyT = TypeVar("BodyT", bound="RequestBody")


class RequestBody(BaseModel):
    """Base of all JSON bodies: unknown keys, NaN and numbers in quotes are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


async def read_body(request: Request) -> bytes:
    """Return the body; RequestError when it is too large."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > HTTP_BODY_BYTES_MAX:
            message = f"the body is larger than {HTTP_BODY_BYTES_MAX:,} bytes (send less)"
            # The rest is not read: the connection cannot be used again.
            raise RequestError(413, "too_large", message, {"Connection": "close"})
    return bytes(data)


def media_type(request: Request) -> str:
    """Return the type of the body, without parameters; "" without one."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_json(request: Request, model: type[BodyT]) -> BodyT:
    """Return a JSON body.

    Raises
    ------
    RequestError
        415 for another type, 413 for a large body, 422 with every problem.
    """
    if media_type(request) != JSON:
        raise _unsupported(request, JSON)
    return parse_json(await read_body(request), model)


def parse_json(data: bytes, model: type[BodyT]) -> BodyT:
    """Parse a JSON body; RequestError (422) with every problem."""
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in each['loc']) or 'body'}: {each['msg']}"
            for each in error.errors(include_url=False, include_input=False)
        ]
        raise RequestError(422, "request", "\n".join(lines)) from None


async def read_text(request: Request, model: type[BodyT]) -> BodyT | str | None:
    """Return a JSON body, or the text of a TOML body; None for no body at all."""
    kind = media_type(request)
    data = await read_body(request)
    if not data and not kind:
        return None
    if kind == TOML:
        return decode_toml(data)
    if kind == JSON:
        return parse_json(data, model)
    raise _unsupported(request, f"{JSON} or {TOML}")


def decode_toml(data: bytes) -> str:
    """Return TOML as text; RequestError (422) when it is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"byte {error.start} of the TOML is not UTF-8 (save it as UTF-8)"
        raise RequestError(422, "encoding", message) from None


def _unsupported(request: Request, expected: str) -> RequestError:
    kind = media_type(request) or "missing"
    message = f"Content-Type is {kind!r:.100} (send {expected})"
    return RequestError(415, "media_type", message, {"Accept": expected})
