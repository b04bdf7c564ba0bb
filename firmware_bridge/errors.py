"""The errors of this package: each is a BridgeError with a stable code."""

from __future__ import annotations


class BridgeError(Exception):
    """Root of all errors of this package; ``code`` is stable, the text is for people."""

    code = "bridge_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class PacketError(BridgeError):
    """Bytes from the peer are not a packet of this protocol (counted, never fatal)."""

    code = "bad_packet"


class MessageError(BridgeError):
    """Our own side tried to build a message, frame or edge that the protocol forbids."""

    code = "bad_message"


class LinkError(BridgeError):
    """The port cannot be opened, was lost, or is used by someone else."""

    code = "link_error"

    def __init__(self, message: str, *, port: str, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.port = port
