"""Both ends of the link on one fake clock, with a line between them that does all a line can do."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from random import Random

from firmware_bridge import messages
from firmware_bridge.board_session import BoardIdentity, BoardSession
from firmware_bridge.events import (
    BoardEvent,
    ButtonEdge,
    EdgeAcknowledged,
    EdgeId,
    FrameDisplayed,
    HelloReceived,
    LinkEvent,
)
from firmware_bridge.host_session import HostSession
from firmware_bridge.messages import Direction, Edge, EdgeAck, Hello
from firmware_bridge.noise import Noise
from firmware_bridge.session import BoardState, HostState
from firmware_bridge.wire import CobsCarrier, Packet

QUIET_DELAY_S = 0.001
STEPS_MAX = 100_000


@dataclass
class Weather:
    """How bad the line is: probabilities per write, per byte, and the longest delay."""

    loss: float = 0.0
    copies: float = 0.0
    damage: float = 0.0
    delay_s: float = 0.0


class Pipe:
    """One direction: loses, doubles, damages and delays what is written; a delay reorders."""

    def __init__(self, seed: int) -> None:
        self.weather = Weather()
        self.tap = CobsCarrier()  # what the receiver will understand
        self._random = Random(seed)  # noqa: S311 - repeatable, not secret
        self._flying: list[tuple[float, int, bytes]] = []
        self._order = 0

    def write(self, data: bytes, now_s: float) -> None:
        if not data or self._random.random() < self.weather.loss:
            return
        copies = 2 if self._random.random() < self.weather.copies else 1
        for _ in range(copies):
            noise = Noise(self.weather.damage, self._random.randrange(2**32))
            delay_s = QUIET_DELAY_S + self._random.random() * self.weather.delay_s
            self._order += 1
            damaged = noise.damage(data)
            # One damaged packet in some 65,000 passes a CRC of 16 bits. That is a matter of the
            # wire; here it would only make a long search end with what no session can prevent.
            if set(CobsCarrier().feed(damaged)) <= set(CobsCarrier().feed(data)):
                heapq.heappush(self._flying, (now_s + delay_s, self._order, damaged))

    def next_arrival(self) -> float | None:
        return self._flying[0][0] if self._flying else None

    def read(self, now_s: float) -> bytes:
        data = b""
        while self._flying and self._flying[0][0] <= now_s:
            data += heapq.heappop(self._flying)[2]
        return data

    def drop_all(self) -> None:
        self._flying.clear()


class WindowWatch:
    """Sees the packets of one sender and notes whenever two are on their way at once."""

    def __init__(self, resend_s: float) -> None:
        self.breaches: list[str] = []
        self._resend_s = resend_s
        self._open: tuple[object, float] | None = None

    def sent(self, key: object, now_s: float) -> None:
        if self._open is not None:
            open_key, sent_s = self._open
            # A request that waited for its whole time may give way to a newer one.
            if open_key != key and now_s - sent_s < self._resend_s - 1e-9:
                self.breaches.append(f"{key} while {open_key} was {now_s - sent_s:.3f} s old")
        self._open = (key, now_s)

    def answered(self, key: object) -> None:
        if self._open is not None and self._open[0] == key:
            self._open = None

    def restart(self) -> None:
        self._open = None


@dataclass
class Journal:
    """The host's application: writes an edge down at once and confirms it a little later."""

    delay_s: float = 0.0
    edges: list[ButtonEdge] = field(default_factory=list)
    unconfirmed: list[tuple[float, EdgeId]] = field(default_factory=list)

    @property
    def last(self) -> EdgeId | None:
        return self.edges[-1].edge_id if self.edges else None


class Simulation:
    """A host, a board, two pipes and a clock."""

    def __init__(self, seed: int = 0) -> None:
        self.now_s = 100.0
        self.to_board, self.to_host = Pipe(seed), Pipe(seed + 1)
        self.journal = Journal()
        self.boot_id, self.session_id = 1, 1
        self.board = BoardSession(BoardIdentity(self.boot_id))
        self.host = HostSession(self.session_id)
        self.pressed: dict[EdgeId, tuple[int, Edge]] = {}
        self.acknowledged: list[EdgeId] = []
        self.shown: list[tuple[int, int, int]] = []  # boot, session, version in order of display
        self.pictures: dict[tuple[int, int], bytes] = {}  # what version of what session showed
        self.wrong_pictures: list[FrameDisplayed] = []
        self.unasked: list[float] = []
        self.host_window, self.board_window = WindowWatch(0.1), WindowWatch(0.05)
        self.host_events: list[LinkEvent] = []
        self.board_events: list[BoardEvent] = []
        self.packets = 0
        self._owner = 0  # the session whose pictures are shown
        self.host.on_port_opened(self.now_s)

    # --- what a test does ------------------------------------------------------------------

    def show(self, levels: bytes) -> int:
        version = self.host.show(levels)
        self.pictures[self.session_id, version] = levels
        return version

    def press(self, edge: Edge, button: int = 0) -> EdgeId | None:
        event_id = self.board.change_button(button, edge, self.now_s)
        if event_id is None:
            return None
        edge_id = EdgeId(self.boot_id, event_id)
        self.pressed[edge_id] = (button, edge)
        return edge_id

    def reset_board(self) -> None:
        self._note_board_events()
        self.boot_id += 1
        self.board = BoardSession(BoardIdentity(self.boot_id))
        self.to_board.tap.reset()  # half a packet is forgotten, as by the board itself
        self.board_window.restart()

    def kill_host(self) -> None:
        """Kill -9 and start again: only the journal remains, and what it sent is flushed."""
        self._note_host_events()
        self.session_id += 1
        self.to_board.drop_all()
        self.journal.unconfirmed.clear()
        self.host = HostSession(self.session_id, last_edge=self.journal.last)
        self.host_window.restart()
        self.plug()

    def unplug(self) -> None:
        self.to_board.drop_all()
        self.to_host.drop_all()
        self.host.on_port_lost(self.now_s)
        self.host_window.restart()

    def plug(self) -> None:
        self.to_host.tap.reset()
        self.host.on_port_opened(self.now_s)

    def weather(self, weather: Weather) -> None:
        self.to_board.weather = self.to_host.weather = weather

    def run(self, seconds: float) -> None:
        """Let time pass, from one moment at which something happens to the next."""
        end_s = self.now_s + seconds
        for _ in range(STEPS_MAX):
            self._step()
            next_s = self._next_moment()
            if next_s is None or next_s > end_s:
                self.now_s = end_s
                return
            assert next_s >= self.now_s - 1e-9, "a deadline in the past: a busy loop"
            self.now_s = max(next_s, self.now_s)
        raise AssertionError("a storm: the peers never rest")

    # --- inside ----------------------------------------------------------------------------

    def _next_moment(self) -> float | None:
        moments = [
            self.host.next_deadline(),
            self.board.next_deadline(),
            self.to_board.next_arrival(),
            self.to_host.next_arrival(),
            *(at_s for at_s, _ in self.journal.unconfirmed),
        ]
        return min((moment for moment in moments if moment is not None), default=None)

    def _step(self) -> None:
        """Do everything that is due at this moment."""
        arriving = self.to_board.read(self.now_s)
        for packet in self.to_board.tap.feed(arriving):
            self._see_arriving_at_board(packet)
        if arriving:
            self.board.receive(arriving, self.now_s)
        arriving = self.to_host.read(self.now_s)
        for packet in self.to_host.tap.feed(arriving):
            self.host_window.answered(packet.packet_id)
        if arriving and self.host.state is not HostState.CLOSED:
            self.host.receive(arriving, self.now_s)
        self._note_host_events()
        self._confirm()
        self._note_board_events()
        self._send()

    def _send(self) -> None:
        silent = self.board.state is BoardState.SILENT
        from_board = self.board.tick(self.now_s)
        for packet in CobsCarrier().feed(from_board):
            self.packets += 1
            message = packet.message(Direction.TO_HOST)
            if isinstance(message, messages.ButtonEdge):
                self.board_window.sent(message.event_id, self.now_s)
                if silent:
                    self.unasked.append(self.now_s)
        self.to_host.write(from_board, self.now_s)
        from_host = self.host.tick(self.now_s)
        for packet in CobsCarrier().feed(from_host):
            self.packets += 1
            if not isinstance(packet.message(Direction.TO_BOARD), EdgeAck):
                self._see_request(packet)
        self.to_board.write(from_host, self.now_s)
        self._note_host_events()
        self._note_board_events()

    def _see_request(self, packet: Packet) -> None:
        if isinstance(packet.message(Direction.TO_BOARD), Hello):
            self.host_window.restart()  # greeting gives up whatever was on its way
        self.host_window.sent(packet.packet_id, self.now_s)

    def _see_arriving_at_board(self, packet: Packet) -> None:
        message = packet.message(Direction.TO_BOARD)
        if isinstance(message, EdgeAck):
            self.board_window.answered(message.event_id)

    def _confirm(self) -> None:
        for at_s, edge_id in list(self.journal.unconfirmed):
            if at_s <= self.now_s:
                self.journal.unconfirmed.remove((at_s, edge_id))
                self.host.confirm(edge_id)

    def _note_host_events(self) -> None:
        for event in self.host.take_events():
            self.host_events.append(event)
            if isinstance(event, ButtonEdge):
                self.journal.edges.append(event)
                due_s = self.now_s + self.journal.delay_s
                self.journal.unconfirmed.append((due_s, event.edge_id))

    def _note_board_events(self) -> None:
        for event in self.board.take_events():
            self.board_events.append(event)
            match event:
                case EdgeAcknowledged():
                    self.acknowledged.append(EdgeId(self.boot_id, event.event_id))
                case HelloReceived():
                    # Not the board's owner of now: one read may end a picture of the old host
                    # and bring the HELLO of the new one.
                    self._owner = event.session_id
                case FrameDisplayed():
                    session_id = self._owner
                    self.shown.append((self.boot_id, session_id, event.version))
                    if self.pictures.get((session_id, event.version)) != event.levels:
                        self.wrong_pictures.append(event)
                case _:
                    pass
