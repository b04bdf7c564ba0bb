"""Connect to a board for a short time, without taking it from a daemon; explain failures."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from firmware_bridge.events import BoardConnected, FirmwareIncompatible, LinkEvent, PortMissing
from firmware_bridge.messages import PROTOCOL_MAX, PROTOCOL_MIN
from firmware_bridge.transport import SOCKET_SUFFIX, RouterPort, port_at
from host.errors import HostError
from host.home.config.device_settings import CarrierKind, load_device_config
from host.home.storage.instance_lock import LOCK_NAME

if TYPE_CHECKING:
    from firmware_bridge.link import Link
    from firmware_bridge.messages import HelloReply
    from firmware_bridge.transport import Port
    from host.home.config.device_settings import LinkTable
    from host.home.home import Home

ANSWER_S: Final = 5.0
"""A connected board answers sooner, even while its MCU boots."""
LOCKS: Final = Path("/proc/locks")
LOCK_FIELDS: Final = 6
PORTS_NAMED_MAX: Final = 6


class BoardError(HostError):
    """No board is connected, or it does not answer."""

    code = "board"


def board_port(option: str | None, link: LinkTable) -> Port:
    """Return the port of `--port`, or else that of `device.toml`."""
    if option is None and link.carrier is CarrierKind.ROUTER:
        return RouterPort(link.socket)
    return port_at(option or link.port, baud=link.baud)


def free_port(option: str | None, home: Home) -> Port:
    """Return the port, unless a daemon would lose its board to us.

    A serial port can be locked. A router gives the board to the newest host, so the lock of the
    daemon is checked there.

    Raises
    ------
    BoardError
        When a daemon of this home runs and the board is behind a router.
    ConfigFileError
        When `device.toml` is wrong.
    """
    port = board_port(option, load_device_config(home).link)
    pid = lock_holder(home.state_dir / LOCK_NAME) if isinstance(port, RouterPort) else None
    if pid is not None:
        raise BoardError(
            f"{port.name}: the board is in use by process {pid}, {process_name(pid)} (a"
            f" router would take the board from it: stop it with `kill {pid}` first)"
        )
    return port


def is_compatible(board: HelloReply) -> bool:
    """Return whether firmware and host have a common version of the protocol."""
    return board.protocol_min <= PROTOCOL_MAX and board.protocol_max >= PROTOCOL_MIN


def incompatible_line(board: HelloReply) -> str:
    """Return the message for an incompatible firmware, with the remedy."""
    return (
        f"trader board: the firmware has protocol {board.protocol_min} to"
        f" {board.protocol_max}, this host {PROTOCOL_MIN} to {PROTOCOL_MAX} (install the firmware"
        " that came with this version: `trader board flash`)"
    )


async def greet(link: Link) -> HelloReply:
    """Return the answer of a board to our greeting.

    Raises
    ------
    BoardError
        When the port cannot be opened, or no board answers.
    """
    try:
        async with asyncio.timeout(ANSWER_S):
            while True:
                board = _answer(await link.next_event(), link.port.name)
                if board is not None:
                    return board
    except TimeoutError:
        raise BoardError(
            f"{link.port.name}: no answer within {ANSWER_S:g} s (is the board's firmware"
            " installed, `trader board flash`, and is this its port?)"
        ) from None


def _answer(event: LinkEvent | None, port: str) -> HelloReply | None:
    match event:
        case BoardConnected() | FirmwareIncompatible():
            return event.board
        case PortMissing():
            raise port_error(port, event.why)
        case _:
            return None


def port_error(port: str, why: str) -> BoardError:
    """Return an error with the reason why a port cannot be used, and the remedy."""
    holder = lock_holder(Path(port))
    if holder is not None:
        return BoardError(
            f"{port} is in use by process {holder}, {process_name(holder)} (only one program can"
            f" use a port: stop it with `kill {holder}` first; `trader run --json` shows the link"
            " of a daemon)"
        )
    if "lock" in why:
        return BoardError(f"{port} is in use by another program (stop it first)")
    if "Permission denied" in why:
        return BoardError(
            f"{why} (join the port's group, on Debian `sudo usermod -a -G dialout $USER`, and log"
            " in again)"
        )
    return BoardError(f"{why} ({_where_to_look(port)})")


def _where_to_look(port: str) -> str:
    """Return what to check when there is no board at a port."""
    if port.endswith(SOCKET_SUFFIX):
        return "is arduino-router running, and is this its socket?"
    from serial.tools import list_ports  # only for this message; the daemon starts without it

    others = sorted(usb.device for usb in list_ports.comports() if usb.device != port)
    if not others:
        return "is it plugged in? This computer has no serial port; `trader demo` needs none"
    return (
        "is it plugged in, and is this its port? Other ports:"
        f" {', '.join(others[:PORTS_NAMED_MAX])}; choose one with --port, or under [link] in"
        " device.toml"
    )


def lock_holder(path: Path) -> int | None:
    """Return the process that holds a lock on a file, from the kernel's list.

    The lock is not tried: a daemon that starts at that moment would be refused.
    """
    try:
        status = path.stat()
        lines = LOCKS.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in lines:
        fields = line.split()
        if len(fields) >= LOCK_FIELDS and fields[1] == "FLOCK" and fields[5] == device:
            pid = int(fields[4])
            return pid if pid > 0 else None
    return None


def process_name(pid: int) -> str:
    """Return the beginning of a process's command line."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "which has ended"
    text = " ".join(word.decode("utf-8", "replace") for word in words if word)
    return f"`{text[:80]}`" if text else "whose name is hidden"
