"""Make the certificate of the API at the first start, and a new one before it ends.

It is signed by its own key: a device trusts it by its fingerprint, which the matrix and `trader web
show` show. The key never leaves `secrets/tls.pem`.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from host.clock import EARLIEST, utc_now
from host.errors import HostError
from host.home.access.certificate import certificate_file, read_certificate
from host.home.storage.atomic_file import write_atomic
from host.operations.access import journal_events
from host.telemetry.events import CertificateMade

if TYPE_CHECKING:
    from cryptography.x509 import GeneralName

    from host.home.access.certificate import Certificate
    from host.home.home import Home

NAME: Final = "arduino-trader"
NAME_SUFFIXES: Final = 2**32
VALID: Final = timedelta(days=800)
"""Apple's devices refuse more than 825 days."""
RENEW: Final = timedelta(days=30)
"""Before its end."""
BACKDATED: Final = timedelta(days=1)
"""A device whose clock is behind accepts it too."""
NAME_LENGTH_MAX: Final = 253
"""Of a DNS name, RFC 1035."""
NAMES_MAX: Final = 100


class CertificateError(HostError):
    """No certificate can be made or used."""

    code = "certificate"


def ensure_certificate(
    home: Home, names: Iterable[str], now: datetime | None = None
) -> Certificate:
    """Return the certificate of a home; make one if there is none, or if it ends soon.

    Raises
    ------
    SecretFileError
        When others could read the key.
    CertificateError
        When the package that makes it is missing.
    StorageError
        When it cannot be written.
    """
    now = utc_now() if now is None else now
    certificate = read_certificate(home)
    if certificate is None:
        return renew_certificate(home, names, "the first start", now)
    if certificate.not_after - now < RENEW:
        return renew_certificate(home, names, "the one before ends soon", now)
    return certificate


def renew_certificate(
    home: Home, names: Iterable[str], why: str, now: datetime | None = None
) -> Certificate:
    """Make another key and certificate in place of those of a home.

    Raises
    ------
    CertificateError, StorageError
        When it cannot be made or written; the one before stays.
    """
    now = max(utc_now() if now is None else now, EARLIEST)  # a clock without a battery
    write_atomic(certificate_file(home), make_certificate(names, now))
    certificate = read_certificate(home)
    assert certificate is not None, "it was just written"
    event = CertificateMade(
        fingerprint=certificate.colon_fingerprint,
        not_after=certificate.not_after.isoformat(),
        why=why,
    )
    journal_events(home, [event])
    return certificate


def make_certificate(names: Iterable[str], now: datetime) -> bytes:
    """Return a new key on P-256 and its certificate, as PEM."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    except ImportError:
        raise CertificateError(
            "a certificate is needed, and this Python has no cryptography to make one (run: pip"
            " install 'arduino-trader[web]')"
        ) from None
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    # Clients look an issuer up by its name: each certificate has its own.
    name = f"{NAME} {serial % NAME_SUFFIXES:08x}"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    sign = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.SubjectAlternativeName([_general_name(name) for name in names]), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (sign, True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + VALID)
    )
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, critical=is_critical)
    certificate = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def tls_context(home: Home) -> ssl.SSLContext:
    """Return what encrypts connections, with the certificate of the home.

    Raises
    ------
    CertificateError
        When the file has no usable key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_certificate(context, home)
    return context


def load_certificate(context: ssl.SSLContext, home: Home) -> None:
    """Use the certificate that is on disk now, for new connections.

    Raises
    ------
    CertificateError
        When the file has no usable key.
    """
    path = certificate_file(home)
    try:
        context.load_cert_chain(path)
    except (OSError, ValueError) as error:
        raise CertificateError(
            f"{path}: not a key with its certificate: {error} (remove it: the next start makes"
            " another one)"
        ) from None


def names_of_computer(host: str, more: Iterable[str]) -> tuple[str, ...]:
    """Return the names and addresses by which this computer may be called.

    Parameters
    ----------
    host : str
        The address that the API listens on.
    more : iterable of str
        Of `web.names`.
    """
    own = socket.gethostname().lower()
    names = ["localhost", "127.0.0.1", "::1", own, f"{own.partition('.')[0]}.local", *more]
    if not _is_any(host):
        names.append(host)
    try:
        entries = socket.getaddrinfo(own, None, type=socket.SOCK_STREAM)
    except OSError:
        entries = []
    names += [str(info[4][0]).partition("%")[0] for info in entries]
    names += _route_addresses()
    unique = dict.fromkeys(name for name in names if _is_name(name))
    return tuple(unique)[:NAMES_MAX]


def _route_addresses() -> list[str]:
    """Return the addresses from which this computer would reach others; nothing is sent."""
    addresses = []
    # Addresses for documentation (RFC 5737, RFC 3849): no one has them.
    for family, target in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((target, 9))
                addresses.append(str(probe.getsockname()[0]))
        except OSError:
            continue
    return addresses


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _is_name(name: str) -> bool:
    return 0 < len(name) <= NAME_LENGTH_MAX and name.isascii() and " " not in name


def _general_name(name: str) -> GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
