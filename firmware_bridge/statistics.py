"""What the link did, as numbers: for health, metrics and ``trader board info``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from firmware_bridge.wire import WireCounters


@dataclass(slots=True)
class SessionCounters:
    """What the session did; plain numbers that only grow, and round-trip times in seconds."""

    requests: int = 0
    packets_sent: int = 0
    retransmits: int = 0
    hellos: int = 0
    bad_bodies: int = 0
    strays: int = 0
    duplicate_edges: int = 0
    refused: int = 0
    rtt_last_s: float = 0.0
    rtt_max_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """All counters of a link at one moment; they only grow while the process lives."""

    packets_sent: int
    packets_received: int
    bytes_sent: int
    bytes_received: int
    bytes_dropped: int
    retransmits: int
    hellos: int
    crc_errors: int
    bad_packets: int
    resyncs: int
    bad_bodies: int
    strays: int
    duplicate_edges: int
    refused: int
    port_openings: int
    events_dropped: int
    rtt_last_ms: float
    rtt_max_ms: float

    @classmethod
    def collect(
        cls,
        session: SessionCounters,
        wire: WireCounters,
        *,
        bytes_out: int,
        bytes_dropped: int,
        port_openings: int,
        events_dropped: int,
    ) -> LinkStatistics:
        """Gather the counters of the layers below."""
        return cls(
            packets_sent=session.packets_sent,
            packets_received=wire.packets,
            bytes_sent=bytes_out,
            bytes_received=wire.bytes_in,
            bytes_dropped=bytes_dropped,
            retransmits=session.retransmits,
            hellos=session.hellos,
            crc_errors=wire.bad_crc,
            bad_packets=wire.bad_packets,
            resyncs=wire.resyncs,
            bad_bodies=session.bad_bodies,
            strays=session.strays,
            duplicate_edges=session.duplicate_edges,
            refused=session.refused,
            port_openings=port_openings,
            events_dropped=events_dropped,
            rtt_last_ms=session.rtt_last_s * 1000,
            rtt_max_ms=session.rtt_max_s * 1000,
        )
