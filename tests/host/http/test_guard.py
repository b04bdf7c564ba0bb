"""Attacks by web pages and by requests: DNS rebinding, CSRF, types, ids, tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from host.home.access.token_store import TokenStore
from host.home.config.device_settings import WebTable
from host.home.home import Home
from host.http.guard import SECURITY_HEADERS, host_of
from host.http.throttle import ThrottleLimits
from tests.host.http.attack_bench import LIMITS, Target, attacked


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server on loopback."""
    home = Home(tmp_path_factory.mktemp("attacked"))
    with attacked(home, web=WebTable(names=["trader.lan"]), names=("trader.lan",)) as one:
        yield one


@pytest.fixture(autouse=True)
def _fresh(target: Target) -> None:
    target.routes.requests.clear()


# --- DNS rebinding ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:8484",
        "192.0.2.7",
        "0.0.0.0",  # noqa: S104 - a name in a header
        "[::ffff:192.0.2.7]",
        "localhost@evil.example",
        "evil.example#localhost",
        "localhost/../evil",
        "",
        "localhost:x",
    ],
)
def test_a_name_that_was_rebound_to_this_computer_reaches_no_route(
    target: Target, host: str
) -> None:
    answer = target.ask(f"GET /x HTTP/1.1\nHost: {host}")
    assert answer.status == 421
    assert "web.names in device.toml" in answer.body
    assert target.routes.requests == []


def test_without_a_host_nothing_is_answered(target: Target) -> None:
    assert target.ask("GET /x HTTP/1.0").status == 421
    assert target.ask("GET /x HTTP/1.1").status == 400
    assert target.routes.requests == []


def test_two_hosts_are_none(target: Target) -> None:
    answer = target.ask("GET /x HTTP/1.1\nHost: localhost\nHost: evil.example")
    assert answer.status in {400, 421}
    assert target.routes.requests == []


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8484", "127.0.0.1", "127.0.0.1:9", "[::1]:8484", "localhost."]
)
def test_the_names_of_this_computer_are_answered(target: Target, host: str) -> None:
    assert target.ask(f"GET /x HTTP/1.1\nHost: {host}").status == 200


def test_a_name_of_the_settings_is_answered_but_only_with_a_token(target: Target) -> None:
    assert target.ask("GET /x HTTP/1.1\nHost: trader.lan:8484").status == 401
    bearer = f"Authorization: Bearer {target.read_token}"
    assert target.ask(f"GET /x HTTP/1.1\nHost: trader.lan:8484\n{bearer}").status == 200


@pytest.mark.parametrize(
    ("header", "host"),
    [("a:b", None), ("[::1", None), ("::1", None), ("a b", "a b"), ("x:99999", None), ("X.", "x")],
)
def test_a_host_header_is_parsed_or_refused(header: str, host: str | None) -> None:
    assert host_of(header) == host


# --- CSRF: a page of another site ---------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        ("Origin: https://evil.example",),
        ("Origin: null",),
        ("Origin: http://localhost.evil.example",),
        ("Origin: http://localhost:1",),
        ("Origin: https://localhost",),
        ("Sec-Fetch-Site: cross-site",),
        ("Sec-Fetch-Site: same-site",),
        ("Sec-Fetch-Site: nonsense",),
        ("Origin: http://localhost", "Origin: https://evil.example"),
    ],
)
def test_a_page_of_another_site_neither_writes_nor_reads(
    target: Target, headers: tuple[str, ...]
) -> None:
    assert target.post("Content-Type: application/json", *headers).status == 403
    assert target.get("/x", *headers).status == 403
    assert target.routes.requests == []


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ("Origin: http://localhost",),
        ("Sec-Fetch-Site: same-origin", "Origin: http://localhost"),
        ("Sec-Fetch-Site: none",),
    ],
)
def test_programs_and_own_pages_may_write(target: Target, headers: tuple[str, ...]) -> None:
    assert target.post("Content-Type: application/json", *headers).status == 200


def test_no_answer_allows_another_site_to_read_it(target: Target) -> None:
    preflight = target.ask(
        "OPTIONS /x HTTP/1.1\nHost: localhost\nOrigin: https://evil.example\n"
        "Access-Control-Request-Method: POST"
    )
    for answer in (preflight, target.get("/x"), target.get("/x", "Origin: https://evil.example")):
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
        "application/jsonp",
    ],
)
def test_a_body_that_a_web_form_can_send_is_refused(target: Target, kind: str) -> None:
    answer = target.post(f"Content-Type: {kind}")
    assert answer.status == 415
    assert target.routes.requests == []


def test_a_body_without_a_type_is_refused(target: Target) -> None:
    assert target.post("X: y").status == 415
    chunked = target.ask(
        f"POST /x HTTP/1.1\nHost: localhost\nAuthorization: Bearer {target.token}\n"
        "Transfer-Encoding: chunked",
        b"0\r\n\r\n",
    )
    assert chunked.status == 415


@pytest.mark.parametrize("path", ["/x", "/nothing", "/pair"])
def test_every_answer_has_the_security_headers(target: Target, path: str) -> None:
    for answer in (target.get(path), target.get(path, "Origin: null"), target.post(token="x")):  # noqa: S106 - wrong
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers[name.lower()] == value.lower()
        assert "server" not in answer.headers


# --- tokens -------------------------------------------------------------------------------------


def test_this_computer_reads_without_a_token_and_writes_with_one(target: Target) -> None:
    assert target.get("/x").status == 200
    answer = target.ask("POST /x HTTP/1.1\nHost: localhost\nContent-Length: 0")
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("bearer")
    assert target.post().status == 200


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic dHJhZGVyOg==", "{token}", "Token {token}", "Bearer {token}x"],
)
def test_anything_but_the_token_is_refused(target: Target, authorization: str) -> None:
    value = authorization.format(token=target.token)
    answer = target.ask(f"GET /x HTTP/1.1\nHost: localhost\nAuthorization: {value}")
    assert answer.status == 401, "a wrong token is refused even where none is needed"
    assert target.token not in answer.body


def test_two_tokens_are_none(target: Target) -> None:
    bearer = f"Authorization: Bearer {target.token}"
    assert target.get("/x", bearer, "Authorization: Bearer x").status == 401


def test_a_read_token_reads_and_does_not_write(target: Target) -> None:
    assert target.get("/x", f"Authorization: Bearer {target.read_token}").status == 200
    answer = target.post(token=target.read_token)
    assert answer.status == 403
    assert "may only read" in answer.body


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "get"])
def test_every_method_but_the_reading_ones_needs_the_right_to_write(
    target: Target, method: str
) -> None:
    head = f"{method} /x HTTP/1.1\nHost: localhost\nAuthorization: Bearer {target.read_token}"
    assert target.ask(f"{head}\nContent-Length: 0").status == 403
    assert target.routes.requests == []


@pytest.mark.parametrize("path", ["/pair/", "/PAIR", "//pair", "/pair/..", "/x/../pair", "/pair;x"])
def test_only_the_pairing_route_itself_needs_no_token(target: Target, path: str) -> None:
    head = f"POST {path} HTTP/1.1\nHost: localhost\nContent-Length: 0"
    assert target.ask(head).status == 401


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For: 192.0.2.7", "Forwarded: for=192.0.2.7", "Via: 1.1 proxy"]
)
def test_what_comes_through_a_proxy_needs_a_token_to_read(target: Target, header: str) -> None:
    assert target.get("/x", header).status == 401


def test_a_header_cannot_claim_to_come_from_this_computer(tmp_path: Path) -> None:
    with attacked(Home(tmp_path), web=WebTable(token_for_reads=True)) as target:
        assert target.get("/x", "X-Forwarded-For: 127.0.0.1").status == 401


def test_the_settings_can_ask_for_a_token_for_every_read(tmp_path: Path) -> None:
    with attacked(Home(tmp_path), web=WebTable(token_for_reads=True)) as target:
        assert target.get("/x").status == 401
        assert target.get("/x", f"Authorization: Bearer {target.read_token}").status == 200


def test_beyond_loopback_reading_needs_a_token(tmp_path: Path) -> None:
    with attacked(Home(tmp_path), web=WebTable(host="0.0.0.0")) as target:  # noqa: S104 - refused
        assert target.get("/x").status == 401
        assert target.get("/x", f"Authorization: Bearer {target.read_token}").status == 200


def test_a_token_that_is_revoked_while_the_server_runs_ends_at_once(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with attacked(home) as target:
        assert target.post().status == 200
        TokenStore(home).revoke("writer")
        assert target.post().status == 401


def test_tokens_that_others_can_read_are_not_used_and_no_path_is_told(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with attacked(home) as target:
        (home.secrets_dir / "tokens.json").chmod(0o644)
        answer = target.post()
        assert answer.status == 503
        assert str(tmp_path) not in answer.body
        assert "trader health" in answer.body


# --- guessing -----------------------------------------------------------------------------------


def test_who_guesses_tokens_has_to_wait_and_the_right_one_always_passes(tmp_path: Path) -> None:
    throttle = ThrottleLimits(per_address=3, wait_s=1e6, in_all=100)
    home = Home(tmp_path)
    with attacked(home, throttle=throttle) as target:
        assert [target.post(token=f"guess{n}").status for n in range(3)] == [401] * 3
        answer = target.post(token="guess")  # noqa: S106 - wrong
        assert answer.status == 429
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["connection"] == "close"
        assert target.get("/x").status == 200, "who needs no token is not asked for one"
        assert target.post().status == 200, "nobody guesses 256 bits: it is the right one"
        assert target.post(token="guess").status == 401, "a row of mistakes has ended"  # noqa: S106 - wrong
    journal = "".join(path.read_text() for path in home.journal_dir.iterdir() if path.is_file())
    assert journal.count("AccessRefused") == 1
    assert "guess" not in journal


def test_a_header_does_not_make_every_guess_come_from_another_address(tmp_path: Path) -> None:
    throttle = ThrottleLimits(per_address=3, wait_s=1e6, in_all=100)
    with attacked(Home(tmp_path), throttle=throttle) as target:
        statuses = [
            target.get(
                "/x", "Authorization: Bearer guess", f"X-Forwarded-For: 198.51.100.{n}"
            ).status
            for n in range(4)
        ]
        assert statuses == [401, 401, 401, 429]


def test_an_attack_that_goes_on_is_recorded_once_and_not_each_time(tmp_path: Path) -> None:
    throttle = ThrottleLimits(per_address=1, wait_s=0.01, in_all=10_000)
    home = Home(tmp_path)
    with attacked(home, throttle=throttle) as target:
        n_compared = 0
        while n_compared < 5:
            n_compared += target.post(token="guess").status == 401  # noqa: S106 - wrong
    journal = "".join(path.read_text() for path in home.journal_dir.iterdir() if path.is_file())
    assert journal.count("AccessRefused") == 1


def test_a_right_token_costs_no_try(tmp_path: Path) -> None:
    throttle = ThrottleLimits(per_address=3, wait_s=1e6, in_all=100)
    with attacked(Home(tmp_path), LIMITS, throttle=throttle) as target:
        assert [target.post().status for _ in range(10)] == [200] * 10


def test_the_right_token_passes_while_all_addresses_together_fail_too_often(tmp_path: Path) -> None:
    throttle = ThrottleLimits(per_address=100, wait_s=1e6, in_all=3, wait_in_all_s=1e6)
    with attacked(Home(tmp_path), throttle=throttle) as target:
        statuses = [target.post(token=f"guess{n}").status for n in range(4)]
        assert statuses == [401, 401, 401, 429]
        assert target.post().status == 200


@pytest.mark.parametrize("scheme", ["Basic", "Token", "trader"])
def test_a_token_with_another_scheme_is_told_the_scheme_and_costs_no_try(
    tmp_path: Path, scheme: str
) -> None:
    throttle = ThrottleLimits(per_address=1, wait_s=1e6, in_all=100)
    with attacked(Home(tmp_path), throttle=throttle) as target:
        for _ in range(3):
            answer = target.get("/x", f"Authorization: {scheme} {target.token}")
            assert answer.status == 401
            assert "Authorization: Bearer TOKEN" in answer.body
            assert target.token not in answer.body


# --- sizes --------------------------------------------------------------------------------------


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(target: Target) -> None:
    for length in ("262145", "99999999999999999999", "9" * 30):
        head = (
            f"POST /x HTTP/1.1\nHost: localhost\nAuthorization: Bearer {target.token}\n"
            f"Content-Type: application/json\nContent-Length: {length}"
        )
        answer = target.ask(head)
        assert answer.status in {400, 413}
        assert answer.headers["connection"] == "close"
    assert target.routes.requests == []


def test_a_head_that_is_too_large_is_refused(target: Target) -> None:
    answer = target.ask("GET /x HTTP/1.1\nHost: localhost\nX: " + "y" * 20_000)
    assert answer.status in {0, 400, 431}
    many = "\n".join(f"X{n}: y" for n in range(3_000))
    assert target.ask(f"GET /x HTTP/1.1\nHost: localhost\n{many}").status in {0, 400, 431}
    assert target.routes.requests == []


@pytest.mark.parametrize(
    "head",
    [
        "GET /x HTTP/1.1\nHost: localhost\nContent-Length: 1\nTransfer-Encoding: chunked",
        "GET /x HTTP/1.1\nHost: localhost\nTransfer-Encoding: identity",
        "GET /x HTTP/1.1\nHost: localhost\nContent-Length: -1",
        "GET /x HTTP/1.1\nHost: localhost\nContent-Length: 1\nContent-Length: 2",
        "GET /\x00 HTTP/1.1\nHost: localhost",
        "GET /x HTTP/1.1\nHost: localhost\nX: a\x00b",
        "GET /x HTTP/1.1\nHost: localhost\n folded: x",
        "GET /é HTTP/1.1\nHost: localhost",
        "\x16\x03\x01 TLS to a server without",
    ],
)
def test_a_request_that_two_programs_would_read_differently_is_refused(
    target: Target, head: str
) -> None:
    assert target.ask(head).status in {0, 400, 421, 501}
    assert target.get("/x").status == 200
