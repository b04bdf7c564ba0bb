"""Ports: file descriptors that are read and written without blocking.

Opening is the only slow step, and takes well under a millisecond on a tty. Every failure of a port
becomes a LinkError here, so the code above needs no errno and no pyserial.
"""

from __future__ import annotations

import errno
import os
import socket
import termios
from typing import Protocol

import serial

from firmware_bridge.errors import LinkError
from firmware_bridge.router import ROUTER_SERIAL, RouterCarrier
from firmware_bridge.wire import Carrier, CobsCarrier

BAUD = 250_000
READ_MAX = 4096
ROUTER_SOCKET = "/var/run/arduino-router.sock"
SOCKET_SUFFIX = ".sock"


class Transport(Protocol):
    """An open port."""

    @property
    def name(self) -> str:
        """Name in messages."""

    def fileno(self) -> int:
        """Return the descriptor to watch."""

    def read(self) -> bytes:
        """Return what has arrived, possibly nothing; raise LinkError once the port is gone."""

    def write(self, data: bytes) -> int:
        """Send as many bytes as the port takes now; return how many. Raise LinkError as above."""

    def close(self) -> None:
        """Release the port; harmless when repeated."""


class Port(Protocol):
    """A place that can be opened repeatedly."""

    @property
    def name(self) -> str:
        """Name in messages."""

    def open(self) -> Transport:
        """Open it or raise LinkError."""

    def carrier(self) -> Carrier:
        """Return a new carrier of packets for this port; one per link."""


class _DescriptorTransport:
    """Reads and writes a non-blocking descriptor, and recognizes a vanished tty."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self._descriptor = descriptor

    def fileno(self) -> int:
        """Return the descriptor to watch."""
        return self._descriptor

    def read(self) -> bytes:
        """Return what has arrived, possibly nothing."""
        try:
            data = os.read(self._descriptor, READ_MAX)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise LinkError(f"{self.name}: {error.strerror}", port=self.name) from error
        if not data:
            # Readable, but without data: a tty reports in this way that it was unplugged.
            raise LinkError(f"{self.name} was closed by the other side", port=self.name)
        return data

    def write(self, data: bytes) -> int:
        """Send as many bytes as the port takes now and return how many."""
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise LinkError(f"{self.name}: {error.strerror}", port=self.name) from error


class SerialTransport(_DescriptorTransport):
    """A tty, opened by pyserial: raw, with an exclusive lock, then read through its descriptor."""

    def __init__(self, path: str, baud: int) -> None:
        try:
            self._serial = serial.Serial(path, baud, timeout=0, write_timeout=0, exclusive=True)
        # pyserial raises termios.error for a device that is not a tty, and ValueError for a speed
        # that the device does not support.
        except (serial.SerialException, OSError, termios.error, ValueError) as error:
            why = _why_not_opened(error)
            raise LinkError(f"cannot open {path}: {why}", port=path, code="port") from error
        super().__init__(path, self._serial.fileno())
        os.set_blocking(self._descriptor, False)

    def close(self) -> None:
        """Release the port."""
        self._serial.close()


def _why_not_opened(error: Exception) -> str:
    """Return the reason in a few words; pyserial's text repeats the path and the error number."""
    number = error.errno if isinstance(error, OSError) else error.args[:1] and error.args[0]
    if number == errno.EAGAIN:
        return "another program has locked it"
    if number == errno.ENOTTY or "configure port" in str(error):
        return "it is not a serial port"
    return os.strerror(number) if isinstance(number, int) else str(error)


class SocketTransport(_DescriptorTransport):
    """One end of a connected stream socket."""

    def __init__(self, name: str, connected: socket.socket) -> None:
        self._socket = connected
        connected.setblocking(False)
        super().__init__(name, connected.fileno())

    def close(self) -> None:
        """Release the socket."""
        self._socket.close()


class SerialPort:
    """A serial device by its path."""

    def __init__(self, path: str, *, baud: int = BAUD) -> None:
        self.name = path
        self._baud = baud

    def open(self) -> Transport:
        """Open it or raise LinkError."""
        return SerialTransport(self.name, self._baud)

    def carrier(self) -> Carrier:
        """Return COBS, for a raw line."""
        return CobsCarrier()


class RouterPort:
    """The socket of arduino-router, which owns the board's serial line.

    Parameters
    ----------
    path
        Of the socket.
    serial
        The device that the router opens for the board.
    """

    def __init__(self, path: str = ROUTER_SOCKET, *, serial: str = ROUTER_SERIAL) -> None:
        self.name = path
        self._serial = serial

    def open(self) -> Transport:
        """Connect or raise LinkError; a socket of this machine never makes us wait."""
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connected.setblocking(False)  # a router with a full queue of clients must not block us
            connected.connect(self.name)
        except OSError as error:
            connected.close()
            raise LinkError(
                f"cannot connect to {self.name}: {error.strerror or error}",
                port=self.name,
                code="port",
            ) from error
        return SocketTransport(self.name, connected)

    def carrier(self) -> Carrier:
        """Return MessagePack-RPC."""
        return RouterCarrier(self._serial)


def port_at(path: str, *, baud: int = BAUD) -> Port:
    """Return the port at a path: a socket (``.sock``) of the router, or a serial device."""
    return RouterPort(path) if path.endswith(SOCKET_SUFFIX) else SerialPort(path, baud=baud)
