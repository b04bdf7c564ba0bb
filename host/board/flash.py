"""Write a Yun's firmware over USB: check the image, wake the bootloader, run avrdude.

An image is an Intel HEX file, checked to the last digit before anything is written. A line is
`:LLAAAATT...CC`: length, address, type, data, and a checksum that makes the sum of all bytes of the
line 0. Beside our own image is its SHA-256, in the format of `sha256sum`.

The ATmega32u4 has its own USB. Opening its port at 1200 baud and closing it restarts it into the
bootloader. The bootloader appears as another port, perhaps under the same name, and ends after 8 s.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import termios
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import serial
from serial.tools import list_ports

from host.board.connection import BoardError, port_error
from host.errors import HostError
from host.limits import FIRMWARE_IMAGE_BYTES_MAX

# --- the image ------------------------------------------------------------------------------------

FLASH_BYTES: Final = 28_672
"""Of an ATmega32u4, without its bootloader."""
SUMS_NAME: Final = "SHA256SUMS"
DATA, END, START_SEGMENT, START_LINEAR = 0, 1, 3, 5
LEAST_BYTES: Final = 5


class ImageError(HostError):
    """A file is not a firmware, or not the one that was shipped."""

    code = "image"


@dataclass(frozen=True, slots=True)
class Image:
    """A firmware whose file was checked."""

    path: Path
    sha256: str
    flash_bytes: int
    has_matching_sum: bool
    """Whether a SHA-256 beside it was compared; one that differs is an error."""


def read_image(path: Path) -> Image:
    """Read and check a firmware.

    Raises
    ------
    ImageError
        With the damaged line, or another reason.
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
    expected = _expected_digest(path)
    if expected not in (None, digest):
        raise ImageError(
            f"{path}: its SHA-256 differs from {SUMS_NAME} (the file was changed or damaged:"
            " install this version again)"
        )
    return Image(path, digest, size, expected is not None)


def _check_lines(path: Path, data: bytes) -> int:
    """Return how many bytes of flash the image fills."""
    top, has_end = 0, False
    for number, line in enumerate(data.splitlines(), start=1):
        record = _record(line)
        if record is None or has_end:
            raise ImageError(f"{path}:{number}: not a line of an Intel HEX file, or damaged")
        length, address, kind = record[0], int.from_bytes(record[1:3], "big"), record[3]
        if kind == DATA:
            top = max(top, address + length)
        elif kind == END:
            has_end = True
        elif kind not in (START_SEGMENT, START_LINEAR):
            raise ImageError(f"{path}:{number}: an address beyond the 64 KiB of this chip")
    if not has_end:
        raise ImageError(f"{path}: incomplete, the last line is missing")
    if not 0 < top <= FLASH_BYTES:
        raise ImageError(f"{path}: fills {top} bytes, and the chip has {FLASH_BYTES}")
    return top


def _record(line: bytes) -> bytes | None:
    """Return the bytes of a line; None if it is damaged."""
    try:
        record = bytes.fromhex(line[1:].decode("ascii"))
    except ValueError:
        return None
    is_whole = len(record) >= LEAST_BYTES and len(record) == record[0] + LEAST_BYTES
    return record if line[:1] == b":" and is_whole and sum(record) % 256 == 0 else None


def _expected_digest(path: Path) -> str | None:
    """Return the SHA-256 from the file beside an image; None if there is none."""
    try:
        lines = path.with_name(SUMS_NAME).read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    sums = {
        name.lstrip("*"): digest for digest, _, name in (line.partition("  ") for line in lines)
    }
    return sums.get(path.name)


# --- the board ------------------------------------------------------------------------------------

TOUCH_BAUD: Final = 1200
POLL_S: Final = 0.1
APPEAR_S: Final = 10.0
SAME_NAME_S: Final = 5.0
"""A port that was never seen to disappear is taken for the bootloader after this time."""
AVRDUDE_S: Final = 120.0

ARDUINO_VENDORS: Final = frozenset({0x2341, 0x2A03})
BOOTLOADER_PRODUCTS: Final = frozenset({0x0041})
YUN_PRODUCTS: Final = BOOTLOADER_PRODUCTS | {0x8041}
"""A sketch has another product id."""


@dataclass(frozen=True, slots=True)
class Programmer:
    """The avrdude that writes through the bootloader."""

    path: str

    def command(self, port: str, image: Path) -> list[str]:
        """Return the command line; avrdude reads back what it wrote and compares."""
        return [
            *(self.path, "-p", "atmega32u4", "-c", "avr109", "-P", port, "-b", "57600"),
            *("-D", "-U", f"flash:w:{image}:i"),
        ]


def find_programmer() -> Programmer:
    """Return avrdude; raise BoardError with the package to install."""
    path = shutil.which("avrdude")
    if path is None:
        raise BoardError("avrdude is not installed (on Debian: `sudo apt-get install avrdude`)")
    return Programmer(path)


def find_yun() -> str:
    """Return the port of the only Yun on USB; raise BoardError for none or several."""
    ports = sorted(
        port.device
        for port in list_ports.comports()
        if port.vid in ARDUINO_VENDORS and port.pid in YUN_PRODUCTS
    )
    if len(ports) == 1:
        return ports[0]
    if ports:
        raise BoardError(f"more than one Yun on USB: {', '.join(ports)} (choose one with --port)")
    raise BoardError(
        "no Yun on USB (connect its micro-USB socket to this computer, or give its port with"
        " --port)"
    )


def is_bootloader(port: str) -> bool:
    """Return whether the bootloader runs already, because RESET was pressed."""
    return any(
        usb.device == port and usb.vid in ARDUINO_VENDORS and usb.pid in BOOTLOADER_PRODUCTS
        for usb in list_ports.comports()
    )


def serial_ports() -> frozenset[str]:
    """Return the present serial ports."""
    return frozenset(port.device for port in list_ports.comports())


def check_port(port: str) -> None:
    """Raise BoardError unless a port exists."""
    if not Path(port).exists():
        raise BoardError(f"there is no {port} (is the board on USB? `ls /dev/ttyACM*`)")


def wake_bootloader(port: str) -> str:
    """Restart the MCU into its bootloader; return the port that it appears under.

    Raises
    ------
    BoardError
        When the port cannot be opened, or no bootloader appears.
    """
    if is_bootloader(port):
        return port
    before = serial_ports()
    touch(port)
    began_s = time.monotonic()
    while time.monotonic() < began_s + APPEAR_S:
        time.sleep(POLL_S)
        now = serial_ports()
        if now - before:
            return min(now - before)
        before = now  # a port that disappears and returns under its name is new, too
        if time.monotonic() > began_s + SAME_NAME_S and Path(port).exists():
            return port
    raise BoardError(
        f"no bootloader appeared within {APPEAR_S:g} s of restarting {port} (press the board's"
        " 32U4 RST button, and try again within 8 s)"
    )


def touch(port: str) -> None:
    """Open a port at 1200 baud and close it."""
    try:
        opened = serial.Serial(port, TOUCH_BAUD, exclusive=True)
        # Some ports have no DTR line, and a port may be gone before it is closed: both are fine.
        with suppress(OSError), opened:
            opened.dtr = False
    except (serial.SerialException, OSError, termios.error, ValueError) as error:
        raise port_error(port, f"cannot open {port}: {error}") from error


def run_avrdude(command: list[str]) -> None:
    """Run avrdude, which reports its progress on standard error.

    Raises
    ------
    BoardError
        When it fails, or does not end.
    """
    try:
        process = subprocess.run(  # noqa: S603 - shown to the user first; no shell
            command,
            check=False,
            timeout=AVRDUDE_S,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise BoardError(
            f"avrdude did not end within {AVRDUDE_S:g} s (unplug the board, plug it in, try again)"
        ) from None
    except OSError as error:
        raise BoardError(f"{command[0]} cannot be run: {error.strerror}") from error
    if process.returncode != 0:
        raise BoardError(
            f"avrdude failed with exit code {process.returncode}; see its messages above (the"
            " bootloader is never overwritten: press 32U4 RST, and try again within 8 s)"
        )
