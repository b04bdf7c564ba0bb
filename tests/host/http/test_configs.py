"""Configurations over HTTP: no change is lost, and none is made on what the client has not seen."""

from __future__ import annotations

import httpx
import pytest

from host.home.home import Home
from tests.host.conftest import Trader

CONFIG = "/buckets/core/config"
TOML = {"Content-Type": "application/toml"}
FEWER = "max_plan_depth = 4\n"
WRONG = "max_plan_depth = 3\n[costs]\nfixed_cots = 1\n"


def etag(client: httpx.Client) -> str:
    return client.get(CONFIG).headers["ETag"]


def test_a_configuration_has_its_text_its_settings_and_its_state(
    client: httpx.Client, own_home: Home, trader: Trader
) -> None:
    trader("config", "commit", "core", "--home", own_home.root)
    answer = client.get(CONFIG)
    record = answer.json()
    assert record["text"] == own_home.bucket_file("core").read_text()
    shown = trader("config", "show", "core", "--json", "--home", own_home.root).json
    same = ("path", "config_version", "config_sha256", "config")
    assert {key: record[key] for key in same} == {key: shown[key] for key in same}
    unchanged = client.get(CONFIG, headers={"If-None-Match": answer.headers["ETag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_a_wrong_file_is_shown_with_its_problems(client: httpx.Client, own_home: Home) -> None:
    own_home.bucket_file("core").write_text(WRONG)
    record = client.get(CONFIG).json()
    assert (record["text"], record["config"]) == (WRONG, None)
    assert [(p["line"], p["column"]) for p in record["problems"]] == [(3, 1)]


def test_a_file_that_was_deleted_is_missing_and_not_cut_off(
    client: httpx.Client, own_home: Home
) -> None:
    own_home.bucket_file("core").unlink()
    record = client.get(CONFIG).json()
    assert (record["text"], record["config"]) == ("", None)
    assert ["there is no such file" in p["message"] for p in record["problems"]] == [True]


@pytest.mark.parametrize("as_json", [True, False])
def test_a_saved_text_is_the_newest_version_with_its_reason(
    client: httpx.Client, own_home: Home, as_json: bool
) -> None:
    headers = {"If-Match": etag(client)}
    if as_json:
        body = {"toml": FEWER, "reason": "fewer trades"}
        answer = client.put(CONFIG, headers=headers, json=body)
    else:
        url = f"{CONFIG}?reason=fewer%20trades"
        answer = client.put(url, headers={**headers, **TOML}, content=FEWER)
    assert answer.status_code == 200
    record = answer.json()
    assert record["reason"] == "fewer trades"
    assert record["changed"]["settings_changed"]["max_plan_depth"]["new"] == 4
    assert own_home.bucket_file("core").read_text() == FEWER
    assert answer.headers["ETag"] == etag(client) != headers["If-Match"]
    assert client.get(f"{CONFIG}/versions").json()["versions"][0]["reason"] == "fewer trades"
    assert client.get(f"{CONFIG}/versions/{record['version']}").json()["text"] == FEWER


def test_a_change_on_an_old_state_is_refused_whoever_changed_it(
    client: httpx.Client, own_home: Home, trader: Trader
) -> None:
    first = etag(client)
    trader("config", "commit", "core", "--home", own_home.root)
    own_home.bucket_file("core").write_text("max_plan_depth = 7\n")
    for state in (first, '"1-0000000000000000"', 'W/"1"', ""):
        answer = client.put(CONFIG, headers={"If-Match": state, **TOML}, content=FEWER)
        assert answer.status_code == 412
        assert answer.headers["ETag"] == etag(client)
    assert client.put(CONFIG, headers=TOML, content=FEWER).status_code == 428
    assert own_home.bucket_file("core").read_text() == "max_plan_depth = 7\n"


def test_a_wrong_text_is_refused_with_its_places_and_nothing_changes(
    client: httpx.Client, own_home: Home
) -> None:
    before = own_home.bucket_file("core").read_bytes()
    answer = client.put(CONFIG, headers={"If-Match": etag(client), **TOML}, content=WRONG)
    assert answer.status_code == 422
    assert [(p["line"], p["column"]) for p in answer.json()["problems"]] == [(3, 1)]
    assert own_home.bucket_file("core").read_bytes() == before
    checked = client.post(f"{CONFIG}/validate", headers=TOML, content=WRONG).json()
    assert checked["valid"] is False
    assert checked["problems"][0]["line"] == 3
    assert client.post(f"{CONFIG}/validate", json={"toml": FEWER}).json()["valid"] is True


def test_a_difference_is_shown_before_it_is_saved(client: httpx.Client, own_home: Home) -> None:
    own_home.bucket_file("core").write_text("max_plan_depth = 5\n")
    answer = client.post(f"{CONFIG}/diff?plan=true", headers=TOML, content=FEWER).json()
    assert answer["unified"][-2:] == ["-max_plan_depth = 5", "+max_plan_depth = 4"]
    assert set(answer["plans"]) == {"old", "new"}
    assert not own_home.plans_dir("core").exists()


def test_a_rollback_makes_the_old_text_the_newest_version(
    client: httpx.Client, own_home: Home, trader: Trader
) -> None:
    trader("config", "commit", "core", "--home", own_home.root)
    before = own_home.bucket_file("core").read_text()
    client.put(CONFIG, headers={"If-Match": etag(client), **TOML}, content=FEWER)
    answer = client.post(
        f"{CONFIG}/rollback", headers={"If-Match": etag(client)}, json={"version": 1}
    )
    assert (answer.json()["version"], answer.json()["reason"]) == (3, "rollback to 1")
    assert own_home.bucket_file("core").read_text() == before
    difference = client.get(f"{CONFIG}/versions/diff", params={"old": 1, "new": 3}).json()
    assert difference["unified"] == []
    missing = client.get(f"{CONFIG}/versions/9")
    assert missing.status_code == 404
    assert missing.json()["detail"] == "core: no version 9 (versions 1 to 3 exist)"


def test_the_check_is_that_of_the_command(
    client: httpx.Client, own_home: Home, trader: Trader
) -> None:
    own_home.prices_file.unlink()
    words = ("config", "check", "core", "--json", "--home", own_home.root)
    assert client.get(f"{CONFIG}/check").json() == trader(*words).json


def test_two_configurations_are_compared_as_the_command_does(
    client: httpx.Client, own_home: Home, trader: Trader
) -> None:
    answer = client.post("/buckets/core/ab", json={"a": "current", "b": "low-turnover"})
    words = ("ab", "core", "current", "low-turnover", "--json", "--home", own_home.root)
    printed = trader(*words).json
    record = answer.json()
    for one in (record, printed):
        for side in ("a", "b"):
            del one[side]["runtime_s"]
    assert record == printed
    sent = client.post("/buckets/core/ab", json={"a": "current", "toml": WRONG}).json()
    assert (sent["b"]["valid"], sent["b"]["problems"][0]["line"]) == (False, 3)


@pytest.mark.parametrize("name", ["/etc/hostname", "../device.toml", "x.toml", "-", ""])
def test_a_file_of_the_computer_is_no_side(client: httpx.Client, name: str) -> None:
    for body in ({"a": name, "b": "current"}, {"a": "current", "b": name}):
        answer = client.post("/buckets/core/ab", json=body)
        assert answer.status_code == 422
    missing = client.post("/buckets/core/ab", json={"a": "current", "b": "9"})
    assert missing.status_code == 404
