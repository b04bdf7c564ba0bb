"""Presses through a bad line: our host, any board, damage both ways, on the board's clock.

A line drops, flips and inserts bytes, and now and then holds back what it was given.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from firmware_bridge.board_frames import stale_frame
from firmware_bridge.events import (
    BoardConnected,
    ButtonEdge,
    EdgeId,
    FrameAcknowledged,
    PressesLost,
)
from firmware_bridge.host_session import HostSession
from firmware_bridge.link import RETRY_MAX_S
from firmware_bridge.matrix import Frame
from firmware_bridge.messages import PACKED_SIZE, Edge
from firmware_bridge.noise import Noise
from firmware_bridge.wire import Carrier
from tests.firmware_bridge.board_peers import BoardPeer

STEP_S = 0.002
SETTLED_S = 0.012  # a pin's 8 ms, and what a board needs to look
PATIENCE_S = 60.0
HELD_BACK_S = 0.15  # at most: longer than the wait for an answer, so that late ones do arrive


@dataclass
class Outcome:
    """The result of the presses."""

    pressed: list[tuple[float, Edge]] = field(default_factory=list)
    delivered: list[ButtonEdge] = field(default_factory=list)
    lost: int = 0
    connections: int = 0
    wrong_pictures: list[Frame] = field(default_factory=list)


class BadLine:
    """One direction: each byte is damaged, or begins a delay, with the same probability."""

    def __init__(self, rate: float, seed: int) -> None:
        self._noise = Noise(rate, seed)
        self._random = Random(seed)  # noqa: S311 - repeatable, not secret
        self._rate = rate
        self._held = b""
        self._until_s = 0.0

    def carry(self, data: bytes, now_s: float) -> bytes:
        """Take bytes and return those that arrive now; they keep their order."""
        self._held += self._noise.damage(data)
        if self._random.random() < 1 - (1 - self._rate) ** len(data):
            self._until_s = now_s + self._random.random() * HELD_BACK_S
        if now_s < self._until_s:
            return b""
        arriving, self._held = self._held, b""
        return arriving


class NoisyLine:
    """A host and a board with damage and delays in between."""

    def __init__(
        self,
        peer: BoardPeer,
        rate: float,
        seed: int,
        *,
        pause_s: float = 0.08,
        carrier: Carrier | None = None,
    ) -> None:
        self.outcome = Outcome()
        self._peer = peer
        self._to_board, self._to_host = BadLine(rate, seed), BadLine(rate, seed + 1)
        self._random = Random(seed)  # noqa: S311 - repeatable, not secret
        self._host = HostSession(seed + 1, carrier=carrier)
        self._host.on_port_opened(peer.now_s)
        self._pause_s = pause_s  # at most, between two edges
        self.picture = Frame.blank()
        self._pictures = {peer.as_shown(stale_frame())}

    def run(self, seconds: float) -> None:
        """Let time pass for both ends; the application confirms what it is told at once."""
        end_s = self._peer.now_s + seconds
        while self._peer.now_s < end_s:
            sent = self._host.tick(self._peer.now_s)
            self._peer.send(self._to_board.carry(sent, self._peer.now_s))
            self._peer.run(STEP_S)
            received = self._to_host.carry(self._peer.fetch(), self._peer.now_s)
            self._host.receive(received, self._peer.now_s)
            self._note()

    def press_often(self, n_presses: int) -> None:
        """Press and release a button, changing the picture on the way, and wait for all."""
        for number in range(n_presses):
            for edge in (Edge.DOWN, Edge.UP):
                self.outcome.pressed.append((self._peer.now_s, edge))
                self._peer.pin(0, is_down=edge is Edge.DOWN)
                self.run(SETTLED_S + self._random.random() * self._pause_s)
            if number % 10 == 0:
                self.show(self._random.randrange(8))
        waited_s = 0.0
        while len(self.outcome.delivered) + self.outcome.lost < len(self.outcome.pressed):
            assert waited_s < PATIENCE_S, "presses are still missing"
            self.run(0.5)
            waited_s += 0.5
        self.run(1.5)

    def garble(self, seconds: float) -> None:
        """Let nothing through but noise, both ways."""
        noise = Noise(0, 1)
        end_s = self._peer.now_s + seconds
        while self._peer.now_s < end_s:
            self._host.tick(self._peer.now_s)
            self._peer.send(noise.garbage(40))
            self._peer.run(STEP_S)
            self._peer.fetch()
            self._host.receive(noise.garbage(40), self._peer.now_s)
            self._note()

    def reset_board(self) -> None:
        """Reset the MCU."""
        self._peer.reset()

    def unplug(self, seconds: float, *, n_presses: int = 0) -> None:
        """Let the port vanish and come back; what either end says meanwhile reaches nobody."""
        self._host.on_port_lost(self._peer.now_s)
        for number in range(2 * n_presses):
            edge = Edge.UP if number % 2 else Edge.DOWN
            self.outcome.pressed.append((self._peer.now_s, edge))
            self._peer.pin(0, is_down=edge is Edge.DOWN)
            self._peer.run(seconds / (2 * n_presses + 1))
        self._peer.run(seconds / (2 * n_presses + 1))
        self._peer.fetch()
        # Our link tries the port every 0.8 s: this is when it finds it latest.
        self._peer.run(RETRY_MAX_S)
        self._peer.fetch()
        self._host.on_port_opened(self._peer.now_s)

    @property
    def is_shown(self) -> bool:
        """Return whether the board shows exactly the newest picture."""
        return self._peer.shown().frame == self._peer.as_shown(self.picture)

    def show(self, level: int) -> None:
        """Make a picture of one level the newest."""
        self._host.show(bytes([level * 0x11]) * PACKED_SIZE)
        self.picture = Frame(bytes([level]) * (2 * PACKED_SIZE))
        self._pictures.add(self._peer.as_shown(self.picture))

    def settle(self) -> bool:
        """Wait for the newest picture; return whether the board shows exactly that."""
        for _ in range(60):
            self.run(0.5)
            if self.is_shown:
                return True
        return False

    def _note(self) -> None:
        for event in self._host.take_events():
            match event:
                case ButtonEdge():
                    self.outcome.delivered.append(event)
                    self._host.confirm(event.edge_id)
                case BoardConnected():
                    self.outcome.connections += 1
                case FrameAcknowledged():
                    shown = self._peer.shown().frame
                    if shown not in self._pictures:
                        self.outcome.wrong_pictures.append(shown)
                case PressesLost():
                    self.outcome.lost += event.overflow + event.reset
                case _:
                    pass


def check(outcome: Outcome) -> None:
    """No press lost without being counted, none doubled, none wrong, all in order."""
    ids = [event.edge_id for event in outcome.delivered]
    assert len(set(ids)) == len(ids), "doubled"
    assert ids == [EdgeId(ids[0].boot_id, number) for number in range(1, len(ids) + 1)], "order"
    assert len(ids) + outcome.lost == len(outcome.pressed), "lost"
    assert {event.button for event in outcome.delivered} == {0}
    assert outcome.wrong_pictures == []
    pressed = iter(outcome.pressed)
    for event in outcome.delivered:
        # Some were lost, and counted, while the line was down: those are passed over.
        assert any(is_it(event, at_s, edge) for at_s, edge in pressed), f"{event} is wrong"


def is_it(event: ButtonEdge, at_s: float, edge: Edge) -> bool:
    """Return whether an event reports this edge of the pin, by the clock of the board."""
    return event.edge is edge and -0.01 <= event.t_ms / 1000 - at_s <= 0.02
