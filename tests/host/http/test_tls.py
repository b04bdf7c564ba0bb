"""Encrypted connections: trusted by the fingerprint, and as limited as plain ones."""

from __future__ import annotations

import hashlib
import socket
import ssl
from pathlib import Path

import pytest

from host.home.access.certificate import certificate_file
from host.home.config.device_settings import WebTable
from host.home.home import Home
from host.http.certificate import (
    ensure_certificate,
    load_certificate,
    renew_certificate,
    tls_context,
)
from tests.host.http.attack_bench import Target, attacked, is_ended, read_answer, wait_until

OPEN = WebTable(host="0.0.0.0")  # noqa: S104 - the tests listen on loopback
SHORT_S = 0.3


def contexts(home: Home) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make a certificate; return the server's context, and one of a client that trusts it."""
    ensure_certificate(home, ["localhost", "127.0.0.1"])
    server = tls_context(home)
    client = ssl.create_default_context(cafile=str(certificate_file(home)))
    client.check_hostname = False  # connections of the bench name no host
    return server, client


def test_a_client_that_trusts_the_certificate_is_answered(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with attacked(home, web=OPEN, contexts=contexts(home)) as target:
        for _ in range(20):  # the first bytes often come with the end of the handshake
            assert target.post().status == 200
        assert target.get().status == 401
        with target.connect() as one:
            assert isinstance(one, ssl.SSLSocket)
            der = one.getpeercert(binary_form=True)
        assert der is not None
        fingerprint = ensure_certificate(home, []).fingerprint
        assert hashlib.sha256(der).hexdigest().upper() == fingerprint


def test_a_client_that_does_not_trust_it_refuses_the_server(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with attacked(home, web=OPEN, contexts=contexts(home)) as target:
        target.context = ssl.create_default_context()
        target.context.check_hostname = False
        with pytest.raises(ssl.SSLCertVerificationError):
            target.connect()
        wait_until(lambda: len(target.register) == 0)


def test_the_name_of_the_certificate_is_checked_by_a_usual_client(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with attacked(home, web=OPEN, contexts=contexts(home)) as target:
        context = ssl.create_default_context(cafile=str(certificate_file(home)))
        for name, is_right in (("localhost", True), ("evil.example", False)):
            raw = socket.create_connection(("127.0.0.1", target.port), 30)
            if is_right:
                context.wrap_socket(raw, server_hostname=name).close()
            else:
                with pytest.raises(ssl.SSLCertVerificationError):
                    context.wrap_socket(raw, server_hostname=name)
                raw.close()


def plain(target: Target) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", target.port), 30)
    target.sockets.append(one)
    return one


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03"])
def test_a_connection_without_a_handshake_ends(tmp_path: Path, sent: bytes) -> None:
    home = Home(tmp_path)
    with attacked(home, web=OPEN, contexts=contexts(home), handshake_s=SHORT_S) as target:
        one = plain(target)
        one.sendall(sent)
        assert is_ended(one)
        wait_until(lambda: len(target.register) == 0)
        assert target.routes.requests == []
        assert target.post().status == 200


def test_connections_without_a_handshake_shut_nobody_out(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with attacked(home, web=OPEN, contexts=contexts(home), connections_max=5) as target:
        for _ in range(50):
            plain(target)
        assert target.post().status == 200
        assert len(target.register) <= 5


def test_an_encrypted_connection_has_the_same_deadlines(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with attacked(home, web=OPEN, contexts=contexts(home), head_s=SHORT_S) as target:
        one = target.connect()
        one.sendall(b"GET /x HTTP/1.1\r\n")
        assert is_ended(one)


def test_a_renewed_certificate_is_used_for_new_connections(tmp_path: Path) -> None:
    home = Home(tmp_path)
    server, client = contexts(home)
    with attacked(home, web=OPEN, contexts=(server, client)) as target:
        earlier = target.connect()
        renew_certificate(home, ["localhost"], "by hand")
        load_certificate(server, home)
        with pytest.raises(ssl.SSLCertVerificationError):
            target.connect()
        client.load_verify_locations(str(certificate_file(home)))
        assert target.post().status == 200
        head = f"GET /x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {target.token}\r\n\r\n"
        earlier.sendall(head.encode())
        assert read_answer(earlier).status == 200
