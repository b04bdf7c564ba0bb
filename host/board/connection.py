"""Reach a board for a moment, without taking it from a daemon; say what is in the way."""

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
"""A board that is there answers sooner, the boot of an MCU included."""
LOCKS: Final = Path("/proc/locks")
LOCK_FIELDS: Final = 6
PORTS_NAMED_MAX: Final = 6


class BoardError(HostError):
    """There is no board, or it does not answer."""

    code = "board"


def board_port(named: str | None, link: LinkTable) -> Port:
    """Return the port of `--port`, or else that of `device.toml`."""
    if named is None and link.carrier is CarrierKind.ROUTER:
        return RouterPort(link.socket)
    return port_at(named or link.port, baud=link.baud)


def free_port(named: str | None, home: Home) -> Port:
    """Return the port, unless a daemon is served there that would lose its board to us.

    A serial port can be locked; through a router the newest host gets the board, so there the
    daemon's own lock is looked at.

    Raises
    ------
    BoardError
        When a daemon of this home runs and the board is behind a router.
    ConfigFileError
        When `device.toml` is wrong.
    """
    port = board_port(named, load_device_config(home).link)
    pid = lock_holder(home.state_dir / LOCK_NAME) if isinstance(port, RouterPort) else None
    if pid is not None:
        raise BoardError(
            f"{port.name}: the board is served by process {pid}, {process_name(pid)} (through a"
            f" router we would take it away: stop that with `kill {pid}` first)"
        )
    return port


def is_compatible(board: HelloReply) -> bool:
    """Tell whether a firmware speaks a version of the protocol that we speak."""
    return board.protocol_min <= PROTOCOL_MAX and board.protocol_max >= PROTOCOL_MIN


def incompatible_line(board: HelloReply) -> str:
    """Return what to say of a firmware that does not fit, with what mends it."""
    return (
        f"trader board: the firmware speaks protocol {board.protocol_min} to"
        f" {board.protocol_max}, this host {PROTOCOL_MIN} to {PROTOCOL_MAX} (install the firmware"
        " that came with this version: `trader board flash`)"
    )


async def greet(link: Link) -> HelloReply:
    """Return what the board says of itself.

    Raises
    ------
    BoardError
        When the port cannot be opened, or nobody answers there.
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
    """Return an error that says what is in the way at a port, and what to do about it."""
    holder = lock_holder(Path(port))
    if holder is not None:
        return BoardError(
            f"{port} is in use by process {holder}, {process_name(holder)} (a port serves one"
            f" program: stop it with `kill {holder}` first; a daemon tells what its link does with"
            " `trader run --json`)"
        )
    if "lock" in why:
        return BoardError(f"{port} is in use by another program (stop it first)")
    if "Permission denied" in why:
        return BoardError(
            f"{why} (join the port's group, on Debian `sudo usermod -a -G dialout $USER`, and log"
            " in again)"
        )
    return BoardError(f"{why} ({_where_else(port)})")


def _where_else(port: str) -> str:
    """Return what to look at when there is no board at a port."""
    if port.endswith(SOCKET_SUFFIX):
        return "does arduino-router run, and is this its socket?"
    from serial.tools import list_ports

    others = sorted(found.device for found in list_ports.comports() if found.device != port)
    if not others:
        return "is it plugged in? No serial port is here; `trader demo` needs none"
    return (
        f"is it plugged in, and is this its port? There are: {', '.join(others[:PORTS_NAMED_MAX])};"
        " name one with --port, or under [link] in device.toml"
    )


def lock_holder(path: Path) -> int | None:
    """Return the process that holds a lock on a file, as far as the kernel tells.

    The lock is not tried: in that moment a daemon that starts would be refused.
    """
    try:
        found = path.stat()
        lines = LOCKS.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    for line in lines:
        fields = line.split()
        if len(fields) >= LOCK_FIELDS and fields[1] == "FLOCK" and fields[5] == device:
            pid = int(fields[4])
            return pid if pid > 0 else None
    return None


def process_name(pid: int) -> str:
    """Return what a process was started as, shortly."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "which has ended"
    text = " ".join(word.decode("utf-8", "replace") for word in words if word)
    return f"`{text[:80]}`" if text else "whose name is hidden"
