"""What may stand in one field of a message: its msgpack form, range and unit.

A kind checks (our own values), decodes (the peer's values) and describes itself (for PROTOCOL.md
and the C header). Only unsigned integers and byte strings exist, so that the firmware's reader
needs neither text nor floats nor maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol, TypeAlias

from firmware_bridge.errors import PacketError

Wire: TypeAlias = int | bytes
"""The only two types of value that a body may hold."""


class FieldKind(Protocol):
    """The behaviour and the description of one field."""

    @property
    def msgpack_type(self) -> str:
        """Name of the msgpack family in PROTOCOL.md."""

    @property
    def c_type(self) -> str:
        """C type of the decoded value in protocol.h."""

    @property
    def allowed(self) -> str:
        """Range in words."""

    @property
    def about(self) -> str:
        """Meaning and unit."""

    def decode(self, value: object) -> Wire:
        """Return the checked value or raise PacketError."""


@dataclass(frozen=True, slots=True)
class Unsigned:
    """An unsigned integer of ``bits`` bits, optionally within a smaller range."""

    bits: int
    about: str
    unit: str = ""
    minimum: int = 0
    maximum: int | None = None

    @property
    def largest(self) -> int:
        """The largest value allowed."""
        return (1 << self.bits) - 1 if self.maximum is None else self.maximum

    @property
    def msgpack_type(self) -> str:
        """Name of the msgpack family."""
        return "uint"

    @property
    def c_type(self) -> str:
        """C type of the decoded value."""
        return f"uint{self.bits}_t"

    @property
    def allowed(self) -> str:
        """Range in words, with the unit last."""
        return f"{self.minimum} to {self.largest} {self.unit}".rstrip()

    def decode(self, value: object) -> int:
        """Accept an int in range; bool is an int in Python but not on the wire."""
        if type(value) is not int and not isinstance(value, IntEnum):
            raise PacketError(f"{value!r} is not an unsigned integer", code="field_type")
        if not self.minimum <= value <= self.largest:
            raise PacketError(f"{value} is outside {self.allowed}", code="field_range")
        return int(value)


@dataclass(frozen=True, slots=True)
class Choice:
    """One member of an IntEnum, sent as its number."""

    enum: type[IntEnum]
    about: str

    @property
    def msgpack_type(self) -> str:
        """Name of the msgpack family."""
        return "uint"

    @property
    def c_type(self) -> str:
        """C type of the decoded value."""
        return "uint8_t"

    @property
    def allowed(self) -> str:
        """Every member with its number."""
        return ", ".join(f"{member.value} {member.name}" for member in self.enum)

    def decode(self, value: object) -> IntEnum:
        """Accept the number of a member."""
        if type(value) is not int and not isinstance(value, self.enum):
            raise PacketError(f"{value!r} is not an unsigned integer", code="field_type")
        try:
            return self.enum(value)
        except ValueError:
            raise PacketError(f"{value} is none of {self.allowed}", code="field_range") from None


@dataclass(frozen=True, slots=True)
class PackedLevels:
    """A fixed number of bytes that hold two display levels 0 to 7 each, the first one high."""

    size: int
    about: str

    @property
    def msgpack_type(self) -> str:
        """Name of the msgpack family."""
        return "bin"

    @property
    def c_type(self) -> str:
        """C type of the decoded value: a pointer into the packet, nothing is copied."""
        return "const uint8_t *"

    @property
    def allowed(self) -> str:
        """Length and the bits that must be zero."""
        return f"exactly {self.size} bytes, bits 0x88 of each zero"

    def decode(self, value: object) -> bytes:
        """Accept bytes of the exact size whose nibbles are all levels."""
        if not isinstance(value, bytes):
            raise PacketError(f"{value!r} is not a byte string", code="field_type")
        if len(value) != self.size:
            raise PacketError(f"{len(value)} bytes, not {self.size}", code="field_range")
        if any(byte & 0x88 for byte in value):
            raise PacketError("a display level is above 7", code="field_range")
        return value
