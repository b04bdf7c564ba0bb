"""A board of any kind on a bench, and a host that says exactly what a test tells it to."""

from __future__ import annotations

from firmware_bridge.matrix import Frame
from firmware_bridge.messages import (
    PACKED_SIZE,
    ButtonEdge,
    Edge,
    EdgeAck,
    Heartbeat,
    HeartbeatReply,
    Hello,
    HelloReply,
    Message,
)
from firmware_bridge.wire import CobsCarrier, Packet
from tests.firmware_bridge.board_peers import BoardPeer
from tests.firmware_bridge.sample_frames import numbered_frame

A, B = 100, 70_000
DARK, BRIGHT = bytes(PACKED_SIZE), b"\x77" * PACKED_SIZE
PICTURE = numbered_frame(7)
ANSWER_S = 0.03  # longest packet there, drawing, longest packet back at 250000 baud


class Bench:
    """A board, and a host that says exactly what a test tells it to."""

    def __init__(self, peer: BoardPeer) -> None:
        self.peer = peer

    def ask(self, message: Message, packet_id: int = 1) -> list[Message]:
        return self.send(CobsCarrier().encode(Packet.carrying(message, packet_id)))

    def send(self, data: bytes) -> list[Message]:
        return [message for _, message in self.packets(data)]

    def packets(self, data: bytes) -> list[tuple[int, Message]]:
        self.peer.drain_packets()
        self.peer.send(data)
        self.peer.run(ANSWER_S)
        return [(packet.packet_id, message) for _, packet, message in self.peer.drain_packets()]

    def hello(self, session_id: int = A) -> HelloReply:
        (reply,) = [m for m in self.ask(Hello(session_id, 1, 1)) if isinstance(m, HelloReply)]
        return reply

    def heartbeat(self, session_id: int = A) -> HeartbeatReply:
        replies = [m for m in self.ask(Heartbeat(session_id)) if isinstance(m, HeartbeatReply)]
        return replies[0]

    def shows(self, frame: Frame) -> bool:
        return self.peer.shown().frame == self.peer.as_shown(frame)

    def move(self, button: int, edge: Edge, *, settle_s: float = 0.02) -> list[ButtonEdge]:
        """Move a pin, wait until it has settled, return the edges that were sent."""
        self.peer.drain_packets()
        self.peer.pin(button, is_down=edge is Edge.DOWN)
        self.peer.run(settle_s)
        return [m for _, _, m in self.peer.drain_packets() if isinstance(m, ButtonEdge)]

    def edges_within(self, seconds: float) -> list[ButtonEdge]:
        self.peer.drain_packets()
        self.peer.run(seconds)
        return [m for _, _, m in self.peer.drain_packets() if isinstance(m, ButtonEdge)]

    def acknowledge(self, edge: ButtonEdge, session_id: int = A) -> list[Message]:
        return self.ask(EdgeAck(session_id, edge.boot_id, edge.event_id))
