"""Errors as `application/problem+json` (RFC 9457), with the same text as the command line."""

from __future__ import annotations

import http
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from host.errors import (
    HistoryError,
    HostError,
    LostUpdateError,
    NoBucketError,
    NotFoundError,
    NoVersionError,
    UsageError,
    error_lines,
    expected_errors,
)
from host.home.access.pairing import PairingClosedError, WrongCodeError
from host.home.access.token_store import TokenExistsError
from host.home.config.presets import NoPresetError, PresetError, PresetExistsError
from host.home.storage.problems import ConfigFileError, ConfigFileUnreadableError
from host.json_record import versioned
from host.operations.isolated import BusyError, IsolatedError
from host.operations.problems import places_of

if TYPE_CHECKING:
    from fastapi import FastAPI

    from planner_core.errors import PlannerError

MEDIA_TYPE: Final = "application/problem+json"
LINES_MAX: Final = 50
"""Of one answer; a configuration may have hundreds of problems."""
RETRY_AFTER_S: Final = 60

STATUSES: Final[Sequence[tuple[type[Exception], int]]] = (
    (NotFoundError, 404),
    (NoBucketError, 404),
    (NoVersionError, 404),
    (NoPresetError, 404),
    (PresetExistsError, 409),
    (TokenExistsError, 409),
    (PairingClosedError, 403),
    (WrongCodeError, 403),
    (HistoryError, 409),
    (LostUpdateError, 412),
    (BusyError, 429),
    (UsageError, 400),
    (ConfigFileUnreadableError, 503),
    (ConfigFileError, 422),
    (PresetError, 422),
)
"""The first class that fits. All other errors are of the home, its data or its disk: 503."""
STATUSES_BY_CODE: Final[Mapping[str, int]] = {"usage": 400, "config_file": 422, "not_found": 404}
"""Of errors that come from another process."""
UNAVAILABLE: Final = 503


class RequestError(HostError):
    """A request that the API itself refuses.

    Parameters
    ----------
    status : int
    code : str
    message : str
    headers : mapping of str, optional
    """

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})


def problem(
    status: int,
    code: str,
    lines: Sequence[str],
    problems: Sequence[Mapping[str, object]] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return a problem as a response.

    Parameters
    ----------
    status : int
    code : str
        Stable name of the kind of problem.
    lines : sequence of str
        As the command line prints them.
    problems : sequence of mapping
        Places in a text: `file`, `line`, `column`, `message`.
    headers : mapping of str, optional
    """
    content = versioned(
        {
            "type": "about:blank",
            "title": http.HTTPStatus(status).phrase,
            "status": status,
            "detail": "\n".join(lines[:LINES_MAX]),
            "code": code,
            "problems": list(problems[:LINES_MAX]),
        }
    )
    return JSONResponse(content, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def problem_of(error: HostError | PlannerError) -> JSONResponse:
    """Return one of our errors as a response."""
    lines = error_lines(error)
    if isinstance(error, RequestError):
        return problem(error.status, error.code, lines, headers=error.headers)
    if isinstance(error, IsolatedError):
        status = STATUSES_BY_CODE.get(error.code, UNAVAILABLE)
        return problem(status, error.code, lines, error.problems)
    status = next((each for kind, each in STATUSES if isinstance(error, kind)), UNAVAILABLE)
    headers = {"Retry-After": str(RETRY_AFTER_S)} if isinstance(error, BusyError) else None
    return problem(status, error.code, lines, places_of(error), headers)


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error with a problem."""
    for kind in expected_errors():
        app.add_exception_handler(kind, _on_expected_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_error)


async def _on_expected_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, expected_errors())
    return problem_of(error)


async def _on_invalid_request(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    lines = [
        f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()
    ]
    return problem(422, "request", lines)


async def _on_http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, "http", [str(error.detail)], headers=error.headers)
