"""The routes that are asked for by name: their answers are those of the command line."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from host.home.home import Home
from host.limits import HTTP_BODY_BYTES_MAX
from tests.host.conftest import Trader

WRONG = "max_plan_depth = 3\n[costs]\nfixed_cots = 1\n"
PROBLEM_KEYS = ["schema_version", "type", "title", "status", "detail", "code", "problems"]


def test_the_health_of_a_bucket_has_status_modules_errors_and_warnings(
    client: httpx.Client, own_home: Home, trader: Trader
) -> None:
    own_home.fx_file.unlink()
    answer = client.get("/planner/health/core")
    assert answer.status_code == 200
    record = answer.json()
    assert list(record)[:2] == ["schema_version", "bucket_id"]
    assert record["status"] == "failed"
    printed = trader("health", "core", "--json", "--home", own_home.root).json
    assert record["errors"] == printed["buckets"]["core"]["errors"] != []
    assert record["modules"] == printed["buckets"]["core"]["modules"]


def test_the_health_of_the_appliance_is_that_of_the_command(
    client: httpx.Client, own_home: Home, trader: Trader
) -> None:
    printed = trader("health", "--json", "--home", own_home.root).json
    answer = client.get("/health").json()
    for record in (printed, answer):
        del record["checked_at"]
    assert answer == printed


def test_nothing_is_live_or_ready_without_a_daemon(client: httpx.Client) -> None:
    live, ready = client.get("/live"), client.get("/ready")
    assert (live.status_code, live.json()["live"]) == (503, False)
    assert (ready.status_code, ready.json()["ready"]) == (503, False)
    assert ready.json()["because"][0]["id"] == "daemon_not_running"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("application/toml", WRONG), ("application/json", {"toml": WRONG})],
)
def test_a_dry_run_of_a_wrong_text_names_the_places_and_is_an_answer(
    client: httpx.Client, content_type: str, body: str | dict[str, str]
) -> None:
    sent: dict[str, Any] = {"json": body} if isinstance(body, dict) else {"content": body}
    answer = client.post("/satellites/core/dry-run", headers={"Content-Type": content_type}, **sent)
    assert answer.status_code == 200
    record = answer.json()
    assert record["valid"] is False
    assert [(p["line"], p["column"]) for p in record["problems"]] == [(3, 1)]
    assert "did you mean `fixed_cost`?" in record["errors"][0]


def test_a_dry_run_of_the_core_counts_what_the_command_counts_and_writes_nothing(
    client: httpx.Client, own_home: Home, trader: Trader
) -> None:
    client.get("/presets")  # writes when the token was used
    before = {path: path.read_bytes() for path in own_home.root.rglob("*") if path.is_file()}
    record = client.post("/satellites/core/dry-run", json={"buy_only": True}).json()
    after = {path: path.read_bytes() for path in own_home.root.rglob("*") if path.is_file()}
    assert after == before
    words = ("dry-run", "core", "--buy-only", "--json", "--home", own_home.root)
    printed = trader(*words).json
    same = ("valid", "outcome", "candidates", "estimated_sequences", "modules_loaded")
    assert {key: record[key] for key in same} == {key: printed[key] for key in same}
    assert list(record) == list(printed)


def test_presets_are_listed_by_tag_shown_and_created(client: httpx.Client, own_home: Home) -> None:
    text = "max_plan_depth = 3\n"
    answer = client.post("/presets", json={"id": "mine", "config": text, "tags": ["own"]})
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/presets/mine"
    assert (own_home.presets_dir / "mine.toml").is_file()
    assert [preset["id"] for preset in client.get("/presets?tag=own").json()["presets"]] == ["mine"]
    assert len(client.get("/presets").json()["presets"]) > 1
    assert client.get("/presets/mine").json()["config"] == text
    saved = client.post("/presets", json={"id": "of-core", "bucket_id": "core"})
    assert saved.json()["config"] == own_home.bucket_file("core").read_text()


REFUSED: dict[str, tuple[str, str, dict[str, Any], int, str]] = {
    "unknown bucket": ("GET", "/planner/health/cor", {}, 404, "did you mean `core`?"),
    "no bucket id": ("GET", "/planner/health/%2e%2e", {}, 404, "is not a bucket id"),
    "unknown preset": ("GET", "/presets/none", {}, 404, "no preset 'none' (presets: "),
    "unknown route": ("GET", "/nothing", {}, 404, "Not Found"),
    "wrong method": ("DELETE", "/presets", {}, 405, "Method Not Allowed"),
    "form": ("POST", "/presets", {"data": {"id": "x"}}, 415, "send application/json"),
    "no type": ("POST", "/satellites/core/dry-run", {"content": b"x = 1"}, 415, "missing"),
    "no source": ("POST", "/presets", {"json": {"id": "x"}}, 422, "either config or bucket_id"),
    "bad id": ("POST", "/presets", {"json": {"id": "../x", "config": ""}}, 422, "id: "),
    "empty preset": ("POST", "/presets", {"json": {"id": "x", "config": ""}}, 422, "is empty"),
    "preset like a version": (
        "POST",
        "/presets",
        {"json": {"id": "v3", "config": "max_plan_depth = 3\n"}},
        422,
        "means a version",
    ),
    "escape in a preset": (
        "POST",
        "/presets",
        {"json": {"id": "x", "name": "a\u202eb", "config": "max_plan_depth = 3\n"}},
        422,
        "name has a character that cannot be printed",
    ),
    "unknown key": ("POST", "/satellites/core/dry-run", {"json": {"tom": ""}}, 422, "tom: "),
    "nan": (
        "POST",
        "/satellites/core/dry-run",
        {"content": b'{"invest": NaN}', "headers": {"Content-Type": "application/json"}},
        422,
        "invest: ",
    ),
    "not utf-8": (
        "POST",
        "/satellites/core/dry-run",
        {"content": b"# caf\xe9", "headers": {"Content-Type": "application/toml"}},
        422,
        "byte 5 of the TOML is not UTF-8",
    ),
    "too large": (
        "POST",
        "/presets",
        {
            "content": b" " * (HTTP_BODY_BYTES_MAX + 1),
            "headers": {"Content-Type": "application/json"},
        },
        413,
        "at most 262,144 are allowed",
    ),
    "long tag": ("GET", f"/presets?tag={'x' * 300}", {}, 422, "query.tag: "),
    "exists": (
        "POST",
        "/presets",
        {"json": {"id": "momentum", "config": "max_plan_depth = 3\n"}},
        409,
        "exists already (choose another id)",
    ),
    "wrong config": (
        "POST",
        "/presets",
        {"json": {"id": "x", "config": WRONG}},
        422,
        "did you mean `fixed_cost`?",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_request_is_a_problem_that_says_what_to_do(
    client: httpx.Client, name: str
) -> None:
    method, url, sent, status, text = REFUSED[name]
    answer = client.request(method, url, **sent)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    record = answer.json()
    assert list(record) == PROBLEM_KEYS
    assert (record["schema_version"], record["status"]) == (1, status)
    assert text in record["detail"]


def test_a_problem_has_the_text_of_the_command_line(
    client: httpx.Client, own_home: Home, trader: Trader
) -> None:
    answer = client.get("/planner/health/cor").json()
    assert trader("health", "cor", "--home", own_home.root).err == f"{answer['detail']}\n"


def test_the_places_in_a_wrong_configuration_are_in_the_problem(client: httpx.Client) -> None:
    record = client.post("/presets", json={"id": "x", "config": WRONG}).json()
    assert [(p["line"], p["column"]) for p in record["problems"]] == [(3, 1)]


def test_a_home_that_is_gone_is_unavailable(client: httpx.Client, own_home: Home) -> None:
    own_home.root.rename(own_home.root.with_name("moved"))
    answer = httpx.get(f"{client.base_url}/planner/health/core")
    assert answer.status_code == 503
    assert "no trader home found here (run: trader init" in answer.json()["detail"]
