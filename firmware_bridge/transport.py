"""Ports: something with a file descriptor that bytes go into and come out of, never blocking.

Opening is the only slow step and takes well under a millisecond on a tty. Everything that a port
can do wrong becomes a LinkError here, so that nothing above knows of errno or pyserial.
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
        """What to call it in messages."""

    def fileno(self) -> int:
        """Return the descriptor to watch."""

    def read(self) -> bytes:
        """Return what has arrived, possibly nothing; raise LinkError once the port is gone."""

    def write(self, data: bytes) -> int:
        """Send what the port takes now and return how many bytes; raise LinkError as above."""

    def close(self) -> None:
        """Give the port back; harmless when repeated."""


class Port(Protocol):
    """Something that can be opened again and again."""

    @property
    def name(self) -> str:
        """What to call it in messages."""

    def open(self) -> Transport:
        """Open it or raise LinkError."""

    def carrier(self) -> Carrier:
        """Return how packets travel there; a new one for each link."""


class _DescriptorTransport:
    """Reads and writes a non-blocking descriptor; knows how a vanished tty looks."""

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
            # The descriptor was readable and has nothing: that is how a tty says "unplugged".
            raise LinkError(f"{self.name} was closed by the other side", port=self.name)
        return data

    def write(self, data: bytes) -> int:
        """Send what the port takes now and return how many bytes."""
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise LinkError(f"{self.name}: {error.strerror}", port=self.name) from error


class SerialTransport(_DescriptorTransport):
    """A tty, opened by pyserial: raw, locked for us alone, then read through its descriptor."""

    def __init__(self, path: str, baud: int) -> None:
        try:
            self._serial = serial.Serial(path, baud, timeout=0, write_timeout=0, exclusive=True)
        # pyserial lets termios.error through for a device that is no tty, and ValueError for a
        # speed that this one cannot have.
        except (serial.SerialException, OSError, termios.error, ValueError) as error:
            why = _why_not_opened(error)
            raise LinkError(f"cannot open {path}: {why}", port=path, code="port") from error
        super().__init__(path, self._serial.fileno())
        os.set_blocking(self._descriptor, False)

    def close(self) -> None:
        """Give the port back."""
        self._serial.close()


def _why_not_opened(error: Exception) -> str:
    """Return the reason in a few words; pyserial says the path and the number twice."""
    number = error.errno if isinstance(error, OSError) else error.args[:1] and error.args[0]
    if number == errno.EAGAIN:
        return "another program has locked it"
    if number == errno.ENOTTY or "configure port" in str(error):
        return "it is no serial port"
    return os.strerror(number) if isinstance(number, int) else str(error)


class SocketTransport(_DescriptorTransport):
    """One end of a connected stream socket."""

    def __init__(self, name: str, connected: socket.socket) -> None:
        self._socket = connected
        connected.setblocking(False)
        super().__init__(name, connected.fileno())

    def close(self) -> None:
        """Give the socket back."""
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
        """Return COBS: the line is raw."""
        return CobsCarrier()


class RouterPort:
    """The socket of arduino-router, which has the board's serial line to itself.

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
        """Connect or raise LinkError; a socket of this machine answers at once or not at all."""
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connected.setblocking(False)  # a router with a full queue of clients must not hold us
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
    """Return the port that a path names: the router's socket, or else a serial device."""
    return RouterPort(path) if path.endswith(SOCKET_SUFFIX) else SerialPort(path, baud=baud)


class MemoryPort:
    """A port without a device: each time it is opened, the other end waits in ``peer``."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.peer: Transport | None = None
        self.is_present = True

    def open(self) -> Transport:
        """Open it, or raise LinkError while it is not present."""
        if not self.is_present:
            raise LinkError(f"cannot open {self.name}", port=self.name, code="port")
        self.hang_up()
        ours, self.peer = memory_pair(self.name)
        return ours

    def carrier(self) -> Carrier:
        """Return COBS, as on a serial line."""
        return CobsCarrier()

    def hang_up(self) -> None:
        """Close the far end, as a board that vanishes does; harmless when repeated."""
        if self.peer is not None:
            self.peer.close()
            self.peer = None


def memory_pair(name: str = "memory") -> tuple[Transport, Transport]:
    """Return the two ends of a line inside this process."""
    ours, theirs = socket.socketpair()
    return SocketTransport(name, ours), SocketTransport(f"{name} (far end)", theirs)
