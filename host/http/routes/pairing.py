"""Pairing: a code from the matrix for a token."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from host.home.access.pairing import WrongCodeError
from host.home.access.secret_file import SecretFileError
from host.home.access.token_store import Right
from host.http.access import unusable_secrets
from host.http.api import TheApi, answer
from host.http.bodies import RequestBody, read_json
from host.http.documentation import BODY_PROBLEMS, answers, json_body
from host.limits import PAIRING_DIGITS, TOKEN_NAME
from host.operations.access import pair_device

router = APIRouter(tags=["pairing"])

PAIRED: Final = {
    "schema_version": 1,
    "name": "phone",
    "right": "write",
    "token": "trader_5tCkcWc6PBIk9mA3kZ2oZ0r3vQ1xN8yJ7uHfGdEsLw4",
}
REQUEST: Final = {"code": "204917", "name": "phone"}


class PairingBody(RequestBody):
    """A code, and the name of the device that gets a token."""

    code: Annotated[str, Field(pattern=rf"^[0-9]{{{PAIRING_DIGITS}}}$")] = Field(
        description="as the matrix or `trader pair` shows it"
    )
    name: Annotated[str, Field(pattern=f"^{TOKEN_NAME.pattern}$")] = Field(
        description="of the device, for `trader token list`"
    )
    read: bool = Field(False, description="the token may only read")


@router.post(
    "/pair",
    status_code=201,
    responses=answers(PAIRED, 403, 409, 429, 503, *BODY_PROBLEMS, status=201, text="Paired."),
    openapi_extra={**json_body(PairingBody, REQUEST), "security": []},
)
async def pair(request: Request, api: TheApi) -> JSONResponse:
    """Exchange the code of an open pairing window for a token, which is shown this once.

    The window is open for two minutes after the board's button was held for 5 s, or after `trader
    pair`, for five tries and one token. It needs no token.
    """
    body = await read_json(request, PairingBody)
    right = Right.READ if body.read else Right.WRITE
    address = request.client.host if request.client is not None else ""
    try:
        token = await api.run(pair_device, api.home, body.code, body.name, right)
    except SecretFileError:
        raise unusable_secrets() from None
    except WrongCodeError:  # without an open window nothing was guessed
        await api.access.note_failure(address, "codes")
        raise
    api.access.note_success(address)
    record = {"name": token.name, "right": token.right.value, "token": token.text}
    return answer(record, 201)
