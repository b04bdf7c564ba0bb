"""Attacks by connections: idle, slow, endless, left open. Each ends, and others are served."""

from __future__ import annotations

import resource
import socket
import time
from pathlib import Path

import pytest

from host.home.access.token_store import TokenStore
from host.home.config.device_settings import WebTable
from host.home.home import Home
from host.http.server_limits import ServerLimits
from tests.host.http.attack_bench import (
    LIMITS,
    Target,
    attacked,
    is_ended,
    read_answer,
    wait_until,
)

SHORT_S = 0.3
HEAD = b"GET /x HTTP/1.1\r\nHost: localhost\r\n"
IDLE_CONNECTIONS = 1_000


def request(target: Target, path: str, *, post: bool = False) -> socket.socket:
    """Open a connection and send a whole head."""
    one = target.connect()
    method = "POST" if post else "GET"
    one.sendall(
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {target.token}\r\n".encode()
    )
    return one


def send_until_it_ends(
    one: socket.socket, data: bytes, pause_s: float = 0.0, at_most: int = 100_000
) -> None:
    """Send the same again and again, until the other side ends the connection."""
    for _ in range(at_most):
        try:
            one.sendall(data)
        except OSError:
            return
        time.sleep(pause_s)
    raise AssertionError("it was never ended")


# --- slow ---------------------------------------------------------------------------------------


def test_a_connection_that_sends_nothing_ends(tmp_path: Path) -> None:
    with attacked(Home(tmp_path), head_s=SHORT_S) as target:
        assert is_ended(target.connect())
        assert len(target.register) == 0


def test_a_head_that_comes_byte_by_byte_ends_however_steadily(tmp_path: Path) -> None:
    with attacked(Home(tmp_path), head_s=SHORT_S) as target:
        send_until_it_ends(target.connect(), b"X", pause_s=0.01)
        assert target.routes.requests == []


@pytest.mark.parametrize("drip", [b"\r\n", b"G"])
def test_the_second_request_of_a_connection_has_a_deadline_too(tmp_path: Path, drip: bytes) -> None:
    with attacked(Home(tmp_path), head_s=SHORT_S) as target:
        one = target.connect()
        one.sendall(HEAD + b"\r\n")
        assert read_answer(one).status == 200
        one.sendall(drip)
        assert is_ended(one)


def test_a_kept_connection_ends_when_nothing_more_comes(tmp_path: Path) -> None:
    with attacked(Home(tmp_path), idle_s=SHORT_S) as target:
        one = target.connect()
        one.sendall(HEAD + b"\r\n")
        assert read_answer(one).status == 200
        assert is_ended(one)


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 100\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"]
)
def test_a_body_that_does_not_come_ends(tmp_path: Path, framing: bytes) -> None:
    with attacked(Home(tmp_path), body_s=SHORT_S) as target:
        one = request(target, "/x", post=True)
        one.sendall(framing)
        assert is_ended(one)
        wait_until(lambda: len(target.register) == 0)


def test_an_endless_body_ends_and_its_memory_is_bounded(tmp_path: Path) -> None:
    with attacked(Home(tmp_path), body_s=SHORT_S) as target:
        one = request(target, "/ignored")  # nothing reads the body of a GET
        one.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
        before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        send_until_it_ends(one, b"10000\r\n" + b"x" * 65536 + b"\r\n")
        grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
        assert grown_kb < 32 * 1024
        assert target.get().status == 200


def refused(target: Target, framing: str) -> socket.socket:
    """Send the head of a request without a token; it is answered before its body comes."""
    one = target.connect()
    head = "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    one.sendall(f"{head}{framing}\r\n\r\n".encode())
    assert read_answer(one).status == 401
    return one


def test_an_endless_body_of_a_refused_request_is_not_read_on(tmp_path: Path) -> None:
    with attacked(Home(tmp_path)) as target:
        one = refused(target, "Transfer-Encoding: chunked")
        send_until_it_ends(one, b"10000\r\n" + b"x" * 65536 + b"\r\n", at_most=400)
        assert target.routes.requests == []


def test_a_steady_body_of_a_refused_request_ends_soon(tmp_path: Path) -> None:
    with attacked(Home(tmp_path), rest_s=SHORT_S) as target:
        one = refused(target, "Transfer-Encoding: chunked")
        send_until_it_ends(one, b"1\r\nx\r\n", pause_s=0.01, at_most=3_000)


def test_after_a_refusal_a_body_of_the_allowed_size_may_end_and_the_connection_is_kept(
    tmp_path: Path,
) -> None:
    with attacked(Home(tmp_path)) as target:
        one = refused(target, "Content-Length: 200000")
        for _ in range(2):
            one.sendall(b"x" * 100_000)
        one.sendall(HEAD + b"\r\n")
        assert read_answer(one).status == 200


def test_a_connection_whose_request_is_refused_makes_room(tmp_path: Path) -> None:
    with attacked(Home(tmp_path), connections_max=2) as target:
        for _ in range(2):
            refused(target, "Content-Length: 200000")
        assert target.get().status == 200


def test_a_client_that_does_not_read_its_answer_ends(tmp_path: Path) -> None:
    with attacked(Home(tmp_path), write_s=SHORT_S) as target:
        one = request(target, "/endless")
        one.sendall(b"\r\n")
        wait_until(lambda: len(target.register) == 1)
        wait_until(lambda: len(target.register) == 0)


# --- many ---------------------------------------------------------------------------------------


def test_a_thousand_idle_connections_shut_nobody_out(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    try:
        with attacked(Home(tmp_path)) as target:
            for n in range(IDLE_CONNECTIONS):
                target.connect()
                if n % 100 == 0:
                    assert target.get().status == 200
            assert target.get().status == 200
            assert len(target.register) <= LIMITS.connections_per_address_max
            assert target.post().status == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_when_all_are_busy_the_next_is_told_to_come_back(tmp_path: Path) -> None:
    with attacked(Home(tmp_path), connections_max=3, connections_per_address_max=10) as target:
        busy = [request(target, "/stream") for _ in range(3)]
        for one in busy:
            one.sendall(b"\r\n")
        wait_until(lambda: len(target.routes.requests) == 3)
        answer = target.get()
        assert answer.status in {0, 503}, "0: the reset came before the answer"
        assert len(target.register) == 3
        busy[0].close()
        wait_until(lambda: target.get().status == 200)


def test_the_connections_of_one_address_are_limited_before_those_of_all(tmp_path: Path) -> None:
    with attacked(Home(tmp_path), connections_max=10, connections_per_address_max=2) as target:
        for _ in range(2):
            request(target, "/stream").sendall(b"\r\n")
        wait_until(lambda: len(target.routes.requests) == 2)
        assert target.get().status in {0, 503}
        assert len(target.register) == 2


def test_a_busy_connection_is_never_ended_for_a_new_one(tmp_path: Path) -> None:
    with attacked(Home(tmp_path), connections_max=2) as target:
        one = request(target, "/x", post=True)
        one.sendall(b"Content-Length: 2\r\n\r\n{")
        wait_until(lambda: target.routes.requests == ["POST /x"])
        for _ in range(20):
            target.connect()
        one.sendall(b"}")
        assert read_answer(one).status == 200


# --- streams ------------------------------------------------------------------------------------


def stream(target: Target, token: str) -> socket.socket:
    one = target.connect()
    one.sendall(
        f"GET /stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    return one


def test_a_stream_of_a_revoked_token_ends_in_order(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with attacked(home) as target:
        revoked, other = stream(target, target.read_token), stream(target, target.token)
        for one in (revoked, other):
            assert b"data: 1" in read_until(one, b"data: 1\n\n")
        TokenStore(home).revoke("reader")
        assert read_until(revoked, b"0\r\n\r\n"), "the end of a chunked body"
        wait_until(lambda: target.routes.ended_streams == 1)
        other.settimeout(0.2)
        assert not is_ended(other), "a stream of another token goes on"


def test_streams_left_open_are_limited_and_the_rest_is_served(tmp_path: Path) -> None:
    with attacked(Home(tmp_path), streams_max=4, streams_per_address_max=3) as target:
        left_open = [stream(target, target.token) for _ in range(3)]
        for one in left_open:
            read_until(one, b"data: 1\n\n")
        answer = read_answer(stream(target, target.token))
        assert answer.status == 429
        assert answer.headers["retry-after"] == "10"
        assert "too many event streams" in answer.body
        assert target.get().status == 200
        left_open[0].close()
        wait_until(lambda: target.routes.ended_streams == 1)
        again = stream(target, target.token)
        assert b"data: 1" in read_until(again, b"data: 1\n\n")


def test_a_stream_whose_client_is_gone_ends(tmp_path: Path) -> None:
    with attacked(Home(tmp_path), token_check_s=0.02) as target:
        one = stream(target, target.token)
        read_until(one, b"data: 1\n\n")
        one.close()
        wait_until(lambda: len(target.register) == 0 and target.routes.ended_streams == 1)


def read_until(one: socket.socket, mark: bytes) -> bytes:
    """Read until a mark comes, or the connection ends."""
    data = b""
    while mark not in data and (chunk := one.recv(65536)):
        data += chunk
    assert mark in data
    return data


def test_every_limit_has_a_default(tmp_path: Path) -> None:
    with attacked(Home(tmp_path), ServerLimits(), WebTable()) as target:
        assert target.post().status == 200
