"""A port without a device, for tests of the link."""

from __future__ import annotations

import socket

from firmware_bridge.errors import LinkError
from firmware_bridge.transport import SocketTransport, Transport
from firmware_bridge.wire import Carrier, CobsCarrier


class MemoryPort:
    """A port without a device: each opening makes a new far end in ``peer``."""

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
        """Close the far end, like a board that is unplugged; harmless when repeated."""
        if self.peer is not None:
            self.peer.close()
            self.peer = None


def memory_pair(name: str = "memory") -> tuple[Transport, Transport]:
    """Return the two ends of a line inside this process."""
    ours, theirs = socket.socketpair()
    return SocketTransport(name, ours), SocketTransport(f"{name} (far end)", theirs)
