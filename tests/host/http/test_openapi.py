"""The OpenAPI document: complete, and true under schemathesis."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, Config, GenerationMode
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance

from host.home.config.device_settings import WebTable
from host.home.home import Home
from host.http.access import open_access
from host.http.api import Api
from host.http.app import build_app
from host.http.throttle import ThrottleLimits

EXAMPLES = 15
"""Per route: each takes milliseconds, but a dry run and a health check a second."""


@pytest.fixture(scope="module")
def api_schema(demo_client: httpx.Client) -> BaseSchema:
    """The document of a server."""
    # A body that is too large is refused before its content is looked at.
    rejections = {"expected-statuses": ["4xx"]}
    config = Config.from_dict({"checks": {"negative_data_rejection": rejections}})
    return schemathesis.openapi.from_url(f"{demo_client.base_url}/openapi.json", config=config)


NOWHERE = Home(Path("none"))
ACCESS = open_access(NOWHERE, WebTable(), ThrottleLimits())
DOCUMENT = build_app(Api(NOWHERE, ACCESS)).openapi()
OPERATIONS = sorted(
    (path, method)
    for path, methods in DOCUMENT["paths"].items()
    if path != "/events/stream"  # it has no end; test_events.py reads it
    for method in methods
)
EXCLUDED: Mapping[str, list[CheckFunction]] = {
    # 503 is what they are for.
    "/live": [not_a_server_error],
    "/ready": [not_a_server_error],
    "/board": [not_a_server_error],  # there is no daemon
    # A text that the schema allows need not be a valid configuration.
    "/buckets/{bucket_id}/ab": [positive_data_acceptance],
    "/presets": [positive_data_acceptance],
}


CASES = [
    (path, method, mode)
    for path, method in OPERATIONS
    for mode in GenerationMode
    # Nothing is wrong in a request without a body or a query: a path is any text.
    if mode is GenerationMode.POSITIVE or "requestBody" in DOCUMENT["paths"][path][method]
]


@pytest.mark.parametrize(("path", "method", "mode"), CASES)
def test_schemathesis_finds_nothing(
    api_schema: BaseSchema, demo_client: httpx.Client, path: str, method: str, mode: GenerationMode
) -> None:
    operation = api_schema[path][method]

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Case[Any]) -> None:
        token = demo_client.headers["Authorization"]
        case.call_and_validate(
            headers={"Authorization": token}, excluded_checks=EXCLUDED.get(path, [])
        )

    check()


def test_every_route_has_an_example_an_id_a_tag_and_a_description() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    ids = []
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            ids.append(operation["operationId"])
            assert operation["description"], path
            assert set(operation["tags"]) <= tags, path
            body = operation.get("requestBody", {"content": {}})
            successes = [r for s, r in operation["responses"].items() if s.startswith("2")]
            contents = [body["content"], *(r.get("content", {}) for r in successes)]
            for content in contents:
                assert all("example" in each for each in content.values()), path
    assert len(ids) == len(set(ids))
