"""`POST /pair`: a code for a token; attacked."""

from __future__ import annotations

import httpx
import pytest

from host.clock import boot_time_s
from host.home.access import pairing as pairing_module
from host.home.access.pairing import Pairing
from host.home.access.token_store import TokenStore
from host.home.home import Home
from host.limits import HTTP_FAILURES_PER_ADDRESS, PAIRING_TRIES_MAX


@pytest.fixture
def stranger(client: httpx.Client) -> httpx.Client:
    """A client without a token."""
    del client.headers["Authorization"]
    return client


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def test_a_code_gives_a_token_that_works_and_no_second_one(
    stranger: httpx.Client, own_home: Home
) -> None:
    code = Pairing(own_home).open().code
    answer = stranger.post("/pair", json={"code": code, "name": "phone"})
    assert answer.status_code == 201
    record = answer.json()
    assert list(record) == ["schema_version", "name", "right", "token"]
    headers = {"Authorization": f"Bearer {record['token']}"}
    body = {"id": "mine", "config": "max_plan_depth = 3\n"}
    assert stranger.post("/presets", json=body).status_code == 401
    assert stranger.post("/presets", json=body, headers=headers).status_code == 201
    again = stranger.post("/pair", json={"code": code, "name": "second"})
    assert again.status_code == 403
    assert again.json()["code"] == "pairing_closed"


def test_a_device_may_ask_for_less(stranger: httpx.Client, own_home: Home) -> None:
    code = Pairing(own_home).open().code
    record = stranger.post("/pair", json={"code": code, "name": "panel", "read": True}).json()
    headers = {"Authorization": f"Bearer {record['token']}"}
    assert stranger.get("/presets", headers=headers).status_code == 200
    assert stranger.post("/satellites/core/dry-run", headers=headers).status_code == 403


def test_without_a_press_no_code_is_right(stranger: httpx.Client, own_home: Home) -> None:
    answer = stranger.post("/pair", json={"code": "000000", "name": "phone"})
    assert answer.status_code == 403
    assert "hold the board's button" in answer.json()["detail"]
    assert len(TokenStore(own_home).tokens()) == 1, "that of the bench"


def test_the_sixth_try_is_refused_with_the_right_code(
    stranger: httpx.Client, own_home: Home
) -> None:
    code = Pairing(own_home).open().code
    for _ in range(PAIRING_TRIES_MAX):
        answer = stranger.post("/pair", json={"code": other_than(code), "name": "phone"})
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong_code")
    answer = stranger.post("/pair", json={"code": code, "name": "phone"})
    assert (answer.status_code, answer.json()["code"]) == (403, "pairing_closed")


def test_after_two_minutes_the_code_is_worth_nothing(
    stranger: httpx.Client, own_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = Pairing(own_home).open().code
    monkeypatch.setattr(pairing_module.Pairing.__init__, "__defaults__", (later,))
    answer = stranger.post("/pair", json={"code": code, "name": "phone"})
    assert (answer.status_code, answer.json()["code"]) == (403, "pairing_closed")


def later() -> float:
    """Return the time of the boot clock in two minutes."""
    return boot_time_s() + 120.0


def test_who_guesses_codes_has_to_wait(stranger: httpx.Client, own_home: Home) -> None:
    statuses = []
    for _ in range(4):
        code = Pairing(own_home).open().code  # somebody holds the button again and again
        for _ in range(PAIRING_TRIES_MAX):
            guess = {"code": other_than(code), "name": "phone"}
            statuses.append(stranger.post("/pair", json=guess).status_code)
    assert statuses[:10] == [403] * 10
    assert 429 in statuses[10:]


def test_who_sends_codes_while_pairing_is_closed_may_send_the_right_one_later(
    stranger: httpx.Client, own_home: Home
) -> None:
    body = {"code": "000000", "name": "phone"}
    for _ in range(HTTP_FAILURES_PER_ADDRESS + 1):
        assert stranger.post("/pair", json=body).status_code == 403
    code = Pairing(own_home).open().code
    assert stranger.post("/pair", json={"code": code, "name": "phone"}).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        {"code": "12345", "name": "phone"},
        {"code": "1234567", "name": "phone"},
        {"code": 123456, "name": "phone"},
        {"code": "12345a", "name": "phone"},
        {"code": "١٢٣٤٥٦", "name": "phone"},
        {"code": "123456", "name": "../../x"},
        {"code": "123456", "name": "a\u0000b"},
        {"code": "123456", "name": "x" * 41},
        {"code": "123456"},
        {"code": "123456", "name": "phone", "right": "write"},
        [],
    ],
)
def test_a_wrong_form_costs_no_try(stranger: httpx.Client, own_home: Home, body: object) -> None:
    Pairing(own_home).open()
    assert stranger.post("/pair", json=body).status_code == 422
    window = Pairing(own_home).window()
    assert window is not None
    assert window.tries_left == PAIRING_TRIES_MAX


def test_a_name_in_use_is_a_conflict_and_the_window_stays_open(
    stranger: httpx.Client, own_home: Home
) -> None:
    code = Pairing(own_home).open().code
    assert stranger.post("/pair", json={"code": code, "name": "test"}).status_code == 409
    assert stranger.post("/pair", json={"code": code, "name": "phone"}).status_code == 201


def test_a_page_of_another_site_cannot_pair(stranger: httpx.Client, own_home: Home) -> None:
    code = Pairing(own_home).open().code
    headers = {"Origin": "https://evil.example"}
    body = {"code": code, "name": "phone"}
    assert stranger.post("/pair", json=body, headers=headers).status_code == 403
    form = stranger.post("/pair", data=body)
    assert form.status_code == 415
    assert stranger.post("/pair", json=body).status_code == 201


def test_neither_code_nor_token_is_in_journal_or_log(
    stranger: httpx.Client, own_home: Home
) -> None:
    code = Pairing(own_home).open().code
    token = stranger.post("/pair", json={"code": code, "name": "phone"}).json()["token"]
    for path in own_home.root.rglob("*"):
        if path.is_file():
            assert token.encode() not in path.read_bytes(), path
            assert code.encode() not in path.read_bytes() or path.parent != own_home.journal_dir


def test_a_code_that_others_can_read_is_not_used_and_no_path_is_told(
    stranger: httpx.Client, own_home: Home
) -> None:
    pairing = Pairing(own_home)
    code = pairing.open().code
    pairing.path.chmod(0o644)
    answer = stranger.post("/pair", json={"code": code, "name": "phone"})
    assert answer.status_code == 503
    assert str(own_home.root) not in answer.text
