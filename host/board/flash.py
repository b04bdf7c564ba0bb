"""Write a Yun's firmware over USB: wake its bootloader, find it, hand the rest to avrdude.

The ATmega32u4 speaks USB itself. Opening its port at 1200 baud and closing it is the agreed sign
for it to restart into the bootloader, which appears as another port, perhaps under the same name,
and goes away again after 8 s.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import termios
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import serial
from serial.tools import list_ports

from host.board.connection import BoardError, port_error

TOUCH_BAUD: Final = 1200
LOOK_EVERY_S: Final = 0.1
APPEAR_S: Final = 10.0
SAME_NAME_S: Final = 5.0
"""A port that never went, as far as we saw, is taken for the bootloader after so long."""
AVRDUDE_S: Final = 120.0

ARDUINO_VENDORS: Final = frozenset({0x2341, 0x2A03})
BOOTLOADER_PRODUCTS: Final = frozenset({0x0041})
YUN_PRODUCTS: Final = BOOTLOADER_PRODUCTS | {0x8041}
"""With a sketch it has another number."""


@dataclass(frozen=True, slots=True)
class Programmer:
    """How avrdude reaches the bootloader."""

    path: str

    def command(self, port: str, image: Path) -> list[str]:
        """Return the command line; avrdude reads back what it wrote and compares."""
        return [
            *(self.path, "-p", "atmega32u4", "-c", "avr109", "-P", port, "-b", "57600"),
            *("-D", "-U", f"flash:w:{image}:i"),
        ]


def find_programmer() -> Programmer:
    """Return avrdude, or raise with what to install."""
    path = shutil.which("avrdude")
    if path is None:
        raise BoardError("there is no avrdude here (on Debian: `sudo apt-get install avrdude`)")
    return Programmer(path)


def find_yun() -> str:
    """Return the port of the one Yun on USB, or raise."""
    found = sorted(
        port.device
        for port in list_ports.comports()
        if port.vid in ARDUINO_VENDORS and port.pid in YUN_PRODUCTS
    )
    if len(found) == 1:
        return found[0]
    if found:
        raise BoardError(f"more than one Yun on USB: {', '.join(found)} (name it with --port)")
    raise BoardError(
        "no Yun on USB (connect its micro-USB socket to this computer, or name its port with"
        " --port)"
    )


def is_bootloader(port: str) -> bool:
    """Tell whether the bootloader runs already: somebody has pressed RESET."""
    return any(
        found.device == port and found.vid in ARDUINO_VENDORS and found.pid in BOOTLOADER_PRODUCTS
        for found in list_ports.comports()
    )


def serial_ports() -> frozenset[str]:
    """Return the serial ports that there are now."""
    return frozenset(port.device for port in list_ports.comports())


def check_port(port: str) -> None:
    """Raise unless a port is there."""
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
        time.sleep(LOOK_EVERY_S)
        now = serial_ports()
        if now - before:
            return min(now - before)
        before = now  # one that went and comes back under its name is new, too
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
        # Some ports have no such line; and one may be gone before we close it: that is the aim.
        with contextlib.suppress(OSError), opened:
            opened.dtr = False
    except (serial.SerialException, OSError, termios.error, ValueError) as error:
        raise port_error(port, f"cannot open {port}: {error}") from error


def write(command: list[str]) -> None:
    """Run avrdude; it says on standard error what it does.

    Raises
    ------
    BoardError
        When it fails, or takes for ever.
    """
    try:
        done = subprocess.run(  # noqa: S603 - shown to the user first; no shell
            command,
            check=False,
            timeout=AVRDUDE_S,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise BoardError(
            f"avrdude did not end within {AVRDUDE_S:g} s (unplug, plug, again)"
        ) from None
    except OSError as error:
        raise BoardError(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode != 0:
        raise BoardError(
            f"avrdude failed with exit code {done.returncode}; what it said stands above (the"
            " bootloader is never overwritten: press 32U4 RST, and try again within 8 s)"
        )
