"""Ids that lead outside, in every route that takes one: no file is read or written by them."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from host.home.config.device_settings import WebTable
from host.home.home import Home
from host.http.access import open_access
from host.http.api import Api
from host.http.app import build_app
from host.http.throttle import ThrottleLimits

IDS = (  # the client itself resolves `..`, but not what is encoded
    "%2e%2e",
    "%2E%2E%2Fsecrets%2Ftokens",
    "..%2f..%2fetc%2fpasswd",
    "..%5c..%5cx",
    "%252e%252e%252fsecrets",
    "core%00",
    "core%00.toml",
    "core%0a",
    "%2e",
    "%20",
    "core.toml",
    "CORE",
    "%ff%fe",
    "%c0%ae%c0%ae%c0%af",
    "x" * 5_000,
    "-rf",
    "~root",
    "%24HOME",
)
NOWHERE = Home(Path("none"))
ROUTES = sorted(
    (method, path)
    for path, methods in build_app(Api(NOWHERE, open_access(NOWHERE, WebTable(), ThrottleLimits())))
    .openapi()["paths"]
    .items()
    for method in methods
    if "{" in path
)


def content(home: Home) -> dict[Path, bytes]:
    """Return every file of a home, and of the folder that it is in."""
    return {
        path: path.read_bytes()
        for path in home.root.parent.rglob("*")
        if path.is_file() and path.name != "token_use.json"
    }


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_an_id_that_leads_outside_is_refused_and_changes_nothing(
    client: httpx.Client, own_home: Home, method: str, path: str
) -> None:
    before = content(own_home)
    parameters = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    for bad in IDS:
        for name in parameters:
            url = path.replace("{" + name + "}", bad)
            for other in parameters:
                url = url.replace("{" + other + "}", "core" if "bucket" in other else "1")
            answer = client.request(method.upper(), url, json={} if method != "get" else None)
            assert 400 <= answer.status_code < 500, (url, answer.text)
            assert "sha256" not in answer.text
            assert "root:" not in answer.text
    assert content(own_home) == before
