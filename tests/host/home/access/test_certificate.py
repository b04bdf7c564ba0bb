"""The certificate on disk: fingerprint and dates, as openssl reads them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest

from host.home.access.certificate import (
    certificate_file,
    parse_certificate,
    read_certificate,
)
from host.home.access.secret_file import SecretFileError
from host.home.home import Home
from host.home.storage.atomic_file import write_atomic

# openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes
#   -subj /CN=test -days 10000
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUUdUweXeQ3uj3l3ohcS9+5IniZz0wCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMzAyMDAwMDZaGA8yMDU0MDQxNzIwMDAw
NlowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNQ5
y77yaPqDlYSqlioqARfBT1eJQ1iuV22eR5dDmjwGjkkzbr2AA1O7wYQ7Jz7PfgMT
eJraB19V6Yq2mUBxQT6jUzBRMB0GA1UdDgQWBBR7RV6dofXa9NtBdJmysJjcvQwS
eDAfBgNVHSMEGDAWgBR7RV6dofXa9NtBdJmysJjcvQwSeDAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIAXNHdSbd0H943X715+/oT54ivKgcEDyJt5W
+9zMyf7QAiEAhXKxhNR/BzvSxMBJb09x7nYWvTCXW8ka69L+l5YRzoA=
-----END CERTIFICATE-----
"""
FINGERPRINT = (
    "46:70:F4:62:A4:4E:ED:F7:86:28:40:30:A6:8D:6A:E4:"
    "2F:2F:D1:7D:39:01:52:05:D4:DD:83:31:B7:14:0C:FD"
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_fingerprint_and_dates_are_those_of_openssl(home: Home) -> None:
    write_atomic(certificate_file(home), b"some words before it\n" + CERTIFICATE.encode())
    certificate = read_certificate(home)
    assert certificate is not None
    assert certificate.colon_fingerprint == FINGERPRINT
    assert certificate.not_before == datetime(2026, 11, 30, 20, 0, 6, tzinfo=UTC)
    assert certificate.not_after == datetime(2054, 4, 17, 20, 0, 6, tzinfo=UTC)


def test_the_short_form_is_the_beginning_of_the_long_one(home: Home) -> None:
    write_atomic(certificate_file(home), CERTIFICATE.encode())
    certificate = read_certificate(home)
    assert certificate is not None
    assert [len(group) for group in certificate.short_fingerprint] == [3] * 6
    assert certificate.fingerprint.startswith("".join(certificate.short_fingerprint))


def test_before_the_first_start_there_is_none(home: Home) -> None:
    assert read_certificate(home) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n" + b"A" * 70_000,
    ],
)
def test_a_file_without_a_certificate_is_refused(home: Home, content: bytes) -> None:
    write_atomic(certificate_file(home), content)
    with pytest.raises(SecretFileError):
        read_certificate(home)


def test_a_key_that_others_can_read_is_refused(home: Home) -> None:
    write_atomic(certificate_file(home), CERTIFICATE.encode())
    certificate_file(home).chmod(0o644)
    with pytest.raises(SecretFileError, match="chmod 600"):
        read_certificate(home)


def test_no_cut_or_flipped_certificate_raises_anything_but_a_refusal() -> None:
    der = base64.b64decode("".join(CERTIFICATE.splitlines()[1:-1]))
    for at in range(len(der)):
        for data in (der[:at], der[:at] + bytes([der[at] ^ 0xFF]) + der[at + 1 :]):
            try:
                parse_certificate(data)
            except (ValueError, IndexError):
                continue
