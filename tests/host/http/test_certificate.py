"""The certificate: issued once, renewed in time, its key for nobody else."""

from __future__ import annotations

import builtins
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from host.clock import EARLIEST
from host.home.access.certificate import certificate_file, read_certificate
from host.home.access.secret_file import SecretFileError
from host.home.home import Home
from host.http.certificate import (
    RENEW,
    VALID,
    CertificateError,
    ensure_certificate,
    make_certificate,
    names_of_computer,
    renew_certificate,
    tls_context,
)

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
NAMES = ("trader.local", "192.0.2.7", "::1")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def parsed(home: Home) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate_file(home).read_bytes())


def test_it_is_an_elliptic_key_with_all_names_for_800_days(home: Home) -> None:
    issued = ensure_certificate(home, NAMES, NOW)
    certificate = parsed(home)
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["trader.local"]
    addresses = [ipaddress.ip_address("192.0.2.7"), ipaddress.ip_address("::1")]
    assert names.get_values_for_type(x509.IPAddress) == addresses
    assert issued.not_after == NOW + VALID
    assert issued.not_before < NOW
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert not constraints.ca, "nobody can sign another certificate with the key"


def test_only_its_owner_can_read_the_key(home: Home) -> None:
    ensure_certificate(home, NAMES, NOW)
    assert certificate_file(home).stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE KEY" in certificate_file(home).read_bytes()
    certificate_file(home).chmod(0o640)
    with pytest.raises(SecretFileError, match="chmod 600"):
        ensure_certificate(home, NAMES, NOW)


def test_it_is_kept_until_a_month_before_its_end_and_then_renewed(home: Home) -> None:
    first = ensure_certificate(home, NAMES, NOW)
    last_day = first.not_after - RENEW
    assert ensure_certificate(home, ("other",), last_day) == first
    second = ensure_certificate(home, NAMES, last_day + timedelta(seconds=1))
    assert second.fingerprint != first.fingerprint
    assert second.not_after > first.not_after
    assert read_certificate(home) == second


def test_each_new_certificate_is_in_the_journal_without_its_key(home: Home) -> None:
    first = ensure_certificate(home, NAMES, NOW)
    second = renew_certificate(home, NAMES, "by hand", NOW)
    text = "".join(path.read_text() for path in home.journal_dir.iterdir() if path.is_file())
    assert first.colon_fingerprint in text
    assert second.colon_fingerprint in text
    assert "PRIVATE" not in text


def test_a_clock_without_a_battery_makes_no_certificate_of_1970(home: Home) -> None:
    issued = ensure_certificate(home, NAMES, datetime(1970, 1, 1, tzinfo=UTC))
    assert issued.not_after == EARLIEST + VALID


def test_without_the_package_the_error_says_how_to_install_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any, **also: Any) -> Any:  # noqa: ANN401 - as the builtin
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real(name, *more, **also)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CertificateError, match=r"pip install 'arduino-trader\[web\]'"):
        ensure_certificate(home, NAMES, NOW)
    assert not certificate_file(home).exists()


def test_a_file_without_its_key_is_refused(home: Home) -> None:
    ensure_certificate(home, NAMES, NOW)
    data = certificate_file(home).read_bytes()
    certificate_file(home).write_bytes(data[data.index(b"-----BEGIN CERTIFICATE") :])
    with pytest.raises(CertificateError, match="remove it"):
        tls_context(home)


def test_old_versions_of_tls_are_refused(home: Home) -> None:
    ensure_certificate(home, NAMES, NOW)
    assert tls_context(home).minimum_version == ssl.TLSVersion.TLSv1_2


def test_the_names_are_those_of_this_computer_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "Board.lan")
    names = names_of_computer("0.0.0.0", ["trader.example", "localhost"])  # noqa: S104 - listed
    assert names[:5] == ("localhost", "127.0.0.1", "::1", "board.lan", "board.local")
    assert "trader.example" in names
    assert "0.0.0.0" not in names  # noqa: S104 - not an address to call
    assert len(set(names)) == len(names)
    assert "192.0.2.9" in names_of_computer("192.0.2.9", [])
    make_certificate(names, NOW)
