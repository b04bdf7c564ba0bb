"""A firmware as an Intel HEX file: checked to the last digit before anything is written to a board.

A line is `:LLAAAATT...CC`: length, address, type, data, and a checksum that makes the sum of all
bytes of the line 0. Beside our own image stands its SHA-256, as `sha256sum` writes it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from host.errors import HostError
from host.limits import FIRMWARE_IMAGE_BYTES_MAX

FLASH_BYTES: Final = 28_672
"""Of an ATmega32u4, without its bootloader."""
SUMS_NAME: Final = "SHA256SUMS"
DATA, END, START_SEGMENT, START_LINEAR = 0, 1, 3, 5
LEAST_BYTES: Final = 5


class ImageError(HostError):
    """A firmware's file is no firmware, or not the one that was shipped."""

    code = "image"


@dataclass(frozen=True, slots=True)
class Image:
    """A firmware that was checked."""

    path: Path
    sha256: str
    flash_bytes: int
    is_known: bool
    """Whether a SHA-256 stood beside it, which it has."""


def read_image(path: Path) -> Image:
    """Read and check a firmware.

    Raises
    ------
    ImageError
        With the line that is damaged, or what else is wrong.
    """
    try:
        with path.open("rb") as file:
            data = file.read(FIRMWARE_IMAGE_BYTES_MAX + 1)
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}") from error
    if len(data) > FIRMWARE_IMAGE_BYTES_MAX:
        raise ImageError(f"{path}: larger than any firmware ({FIRMWARE_IMAGE_BYTES_MAX} bytes)")
    size = _check_lines(path, data)
    digest = hashlib.sha256(data).hexdigest()
    wanted = _wanted(path)
    if wanted not in (None, digest):
        raise ImageError(
            f"{path}: its SHA-256 is not that of {SUMS_NAME} (it was changed or damaged: install"
            " this version again)"
        )
    return Image(path, digest, size, wanted is not None)


def _check_lines(path: Path, data: bytes) -> int:
    """Return how much flash the image fills."""
    top, has_end = 0, False
    for number, line in enumerate(data.splitlines(), start=1):
        record = _record(line)
        if record is None or has_end:
            raise ImageError(f"{path}:{number}: no line of an Intel HEX file, or a damaged one")
        length, address, kind = record[0], int.from_bytes(record[1:3], "big"), record[3]
        if kind == DATA:
            top = max(top, address + length)
        elif kind == END:
            has_end = True
        elif kind not in (START_SEGMENT, START_LINEAR):
            raise ImageError(f"{path}:{number}: beyond the 64 KiB that this chip can address")
    if not has_end:
        raise ImageError(f"{path}: cut short, its last line is missing")
    if not 0 < top <= FLASH_BYTES:
        raise ImageError(f"{path}: fills {top} bytes, and the chip has {FLASH_BYTES}")
    return top


def _record(line: bytes) -> bytes | None:
    """Return the bytes of a line; None for one that is damaged."""
    try:
        record = bytes.fromhex(line[1:].decode("ascii"))
    except ValueError:
        return None
    is_whole = len(record) >= LEAST_BYTES and len(record) == record[0] + LEAST_BYTES
    return record if line[:1] == b":" and is_whole and sum(record) % 256 == 0 else None


def _wanted(path: Path) -> str | None:
    """Return the SHA-256 that stands beside an image; None where there is none."""
    try:
        lines = path.with_name(SUMS_NAME).read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    sums = {
        name.lstrip("*"): digest for digest, _, name in (line.partition("  ") for line in lines)
    }
    return sums.get(path.name)
