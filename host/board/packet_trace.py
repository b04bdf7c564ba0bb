"""Every packet of a link as a line, in both directions, as it is sent and received.

The trace is between a session and its carrier. So it sees every packet that was sent, and every
packet that arrived whole; damaged ones can only be counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from firmware_bridge.errors import PacketError
from firmware_bridge.messages import BY_TYPE, Direction, Message

if TYPE_CHECKING:
    from firmware_bridge.wire import Carrier, Packet, WireCounters

ARROWS: Final = {Direction.TO_BOARD: ">", Direction.TO_HOST: "<"}
NAMES: Final = {Direction.TO_BOARD: "to_board", Direction.TO_HOST: "to_host"}
DAMAGES: Final = ("bad_crc", "bad_coding", "too_long", "too_short")
HEX_IDS: Final = frozenset({"session_id"})
SHOWN_MAX: Final = 24
"""Characters of a value, for people; a picture has 104."""


@dataclass(frozen=True, slots=True)
class TracedPacket:
    """A packet that was sent or received, or a count of damaged ones."""

    direction: Direction
    kind: str
    packet_id: int | None
    values: Mapping[str, Any]

    def line(self, elapsed_s: float) -> str:
        """Return the packet as a line of text."""
        number = "   -" if self.packet_id is None else f"#{self.packet_id:<3}"
        values = "  ".join(f"{key} {_shown(key, value)}" for key, value in self.values.items())
        return (
            f"{elapsed_s:9.3f} {ARROWS[self.direction]} {number} {self.kind:<16} {values}".rstrip()
        )

    def record(self, elapsed_s: float) -> dict[str, object]:
        """Return the packet as a JSON object."""
        return {
            "t_s": round(elapsed_s, 6),
            "direction": NAMES[self.direction],
            "kind": self.kind,
            "packet_id": self.packet_id,
            **{key: _plain(value) for key, value in self.values.items()},
        }


class TracingCarrier:
    """A carrier that reports every packet to a callback."""

    def __init__(self, inner: Carrier, on_packet: Callable[[TracedPacket], None]) -> None:
        self.counters = inner.counters
        self._inner = inner
        self._on_packet = on_packet

    def encode(self, packet: Packet, *, flush: bool = False) -> bytes:
        """Return the bytes of a packet."""
        self._on_packet(trace_packet(packet, Direction.TO_BOARD))
        return self._inner.encode(packet, flush=flush)

    def feed(self, data: bytes) -> list[Packet]:
        """Feed received bytes; return the packets that they complete."""
        before = _damages(self.counters)
        packets = self._inner.feed(data)
        for packet in packets:
            self._on_packet(trace_packet(packet, Direction.TO_HOST))
        after = _damages(self.counters)
        counts = {name: after[name] - before[name] for name in DAMAGES}
        damages = {name: count for name, count in counts.items() if count}
        if damages:
            self._on_packet(TracedPacket(Direction.TO_HOST, "(damaged)", None, damages))
        return packets

    def reset(self) -> None:
        """Forget a half-received packet."""
        self._inner.reset()

    def drain_control(self) -> bytes:
        """Return the bytes that the carrier itself has to send."""
        return self._inner.drain_control()


def trace_packet(packet: Packet, direction: Direction) -> TracedPacket:
    """Return a packet with its decoded values, or its bytes if they cannot be decoded."""
    try:
        message = packet.message(direction)
    except PacketError as error:
        spec = BY_TYPE.get(packet.type_byte)
        name = f"0x{packet.type_byte:02x}" if spec is None else spec.name
        values = {"problem": str(error), "body": packet.body}
        return TracedPacket(direction, f"({name})", packet.packet_id, values)
    return TracedPacket(
        direction, BY_TYPE[packet.type_byte].name, packet.packet_id, _values(message)
    )


def _values(message: Message) -> dict[str, Any]:
    return {field.name: getattr(message, field.name) for field in fields(message)}


def _damages(counters: WireCounters) -> dict[str, int]:
    return {name: getattr(counters, name) for name in DAMAGES}


def _shown(key: str, value: object) -> str:
    if key in HEX_IDS and isinstance(value, int):
        return f"{value:08x}"
    text = str(_plain(value))
    is_long = isinstance(value, bytes) and len(text) > SHOWN_MAX
    return f"{text[:SHOWN_MAX]}..." if is_long else text


def _plain(value: object) -> object:
    """Return a value for JSON: an enum by its name, bytes as hex."""
    if isinstance(value, bytes):
        return value.hex()
    return value.name.lower() if isinstance(value, Enum) else value
