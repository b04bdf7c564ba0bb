"""The certificate of the HTTP API, as it is on disk: fingerprint and dates, read without an extra.

`secrets/tls.pem` has the private key and the certificate. `host.http.certificate` makes it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from host.home.access.secret_file import SecretFileError, read_secret
from host.limits import SECRET_FILE_BYTES_MAX

if TYPE_CHECKING:
    from pathlib import Path

    from host.home.home import Home

BLOCK: Final = re.compile(
    rb"-----BEGIN CERTIFICATE-----\s(.{1,16384}?)-----END CERTIFICATE-----", re.DOTALL
)
GROUP_DIGITS: Final = 3
"""As many as the matrix shows side by side."""
GROUPS: Final = 6
"""72 bits. At 2^34 hashes a second, as a graphics card has, a certificate with the same ones takes
thousands of years."""

SEQUENCE: Final = 0x30
VERSION: Final = 0xA0
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18
LONG_LENGTH: Final = 0x80
LENGTH_BYTES_MAX: Final = 3
"""Of a length: more than 16 MB is no certificate."""
CENTURY_TURN: Final = 50
"""RFC 5280: UTCTime has two digits of the year, of which those from 50 on are of the 1900s."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate on disk.

    Parameters
    ----------
    fingerprint : str
        SHA-256 of the certificate, 64 hexadecimal digits in upper case.
    not_before, not_after : datetime
    """

    fingerprint: str
    not_before: datetime
    not_after: datetime

    @property
    def colon_fingerprint(self) -> str:
        """The fingerprint as browsers and openssl show it: AB:CD:..."""
        digits = self.fingerprint
        return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))

    @property
    def short_fingerprint(self) -> tuple[str, ...]:
        """The beginning of the fingerprint in groups, as the matrix shows it."""
        ends = range(0, GROUPS * GROUP_DIGITS, GROUP_DIGITS)
        return tuple(self.fingerprint[at : at + GROUP_DIGITS] for at in ends)


def certificate_file(home: Home) -> Path:
    """Return the file with the private key and the certificate."""
    return home.secrets_dir / "tls.pem"


def read_certificate(home: Home) -> Certificate | None:
    """Return the certificate of a home; None before the first start with TLS.

    Raises
    ------
    SecretFileError
        When others could read the file, or it is damaged.
    """
    path = certificate_file(home)
    data = read_secret(path, SECRET_FILE_BYTES_MAX)
    if data is None:
        return None
    block = BLOCK.search(data)
    body = b"" if block is None else b"".join(block[1].split())
    try:
        return parse_certificate(base64.b64decode(body, validate=True))
    except (ValueError, IndexError, binascii.Error):
        raise SecretFileError(
            f"{path}: not a certificate (remove it: the next start makes another one)"
        ) from None


def parse_certificate(der: bytes) -> Certificate:
    """Return fingerprint and dates of a certificate in DER.

    Notes
    -----
    RFC 5280, 4.1: Certificate, TBSCertificate, then [version], serial, algorithm, issuer, and
    validity with its two times. Python's `ssl` reads dates of the peer's certificate only.
    """
    fields = _children(_expect(_children(_expect(_read(der, 0), SEQUENCE))[0], SEQUENCE))
    at = 1 if fields[0][0] == VERSION else 0
    begin, end = (_time(each) for each in _children(_expect(fields[at + 3], SEQUENCE))[:2])
    return Certificate(hashlib.sha256(der).hexdigest().upper(), begin, end)


Value = tuple[int, bytes]


def _read(data: bytes, at: int) -> tuple[int, bytes, int]:
    """Return tag and content of the value at a place, and where the next one begins."""
    tag, length, begin = data[at], data[at + 1], at + 2
    if length >= LONG_LENGTH:
        n_bytes = length - LONG_LENGTH
        if not 1 <= n_bytes <= LENGTH_BYTES_MAX:
            raise ValueError("a length of DER")
        length = int.from_bytes(data[begin : begin + n_bytes])
        begin += n_bytes
    if begin + length > len(data):
        raise ValueError("cut off")
    return tag, data[begin : begin + length], begin + length


def _expect(value: tuple[int, bytes, int] | Value, tag: int) -> bytes:
    if value[0] != tag:
        raise ValueError(f"tag {value[0]:#x} in place of {tag:#x}")
    return value[1]


def _children(data: bytes) -> list[Value]:
    values, at = [], 0
    while at < len(data):
        tag, content, at = _read(data, at)
        values.append((tag, content))
    return values


def _time(value: Value) -> datetime:
    tag, content = value
    text = content.decode("ascii")
    if tag == UTC_TIME:
        text = f"{19 if int(text[:2]) >= CENTURY_TURN else 20}{text}"
    elif tag != GENERALIZED_TIME:
        raise ValueError(f"tag {tag:#x} is not a time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
