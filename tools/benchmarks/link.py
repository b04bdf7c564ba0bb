"""The link to the Yun: its firmware in simavr at 250000 baud, on the simulated clock.

Nothing here depends on how fast or busy this machine is; nothing was measured on a physical board.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import closing
from random import Random

from firmware_bridge.matrix import Frame
from firmware_bridge.messages import (
    PACKED_SIZE,
    ButtonEdge,
    Direction,
    EdgeAck,
    FrameAck,
    Heartbeat,
    HeartbeatReply,
    Hello,
    HelloReply,
    Message,
    ShowFrame,
)
from firmware_bridge.noise import Noise
from firmware_bridge.router import RouterCarrier
from firmware_bridge.session import Timing
from firmware_bridge.wire import PACKET_IDS, Carrier, CobsCarrier, Packet
from tests.firmware_bridge.board_peers import AvrPeer
from tests.firmware_bridge.noisy_presses import NoisyLine, Outcome
from tools.build_firmware import BuildError, Built, build
from tools.measure import BenchmarkError

SESSION = 77
BOOT = 0  # the first one that an empty EEPROM counts
STEP_S = 0.0001
PATIENCE_S = 1.0
FRAMES = 100
PRESSES = 100
NOISE = (0.0, 0.001, 0.005, 0.02)
CALLS = 400
NOISY_PRESSES = 200
PAUSE_S = {0.0: 0.08, 0.001: 0.08, 0.005: 0.08, 0.02: 0.4}  # between two edges, at most


def run() -> dict[str, object]:
    """Frames, presses and calls, each packet on a line of 250000 baud to the executed firmware.

    wire_overhead_bytes, router_overhead_bytes
        What a packet takes beyond its body, on a raw line and as a call through the router.
    frame_update_ms
        Median from a frame's first byte until the MAX7219 chain has latched its last row. simavr
        takes 100 us for a byte of SPI, which are 6 ms of it; by the data sheet they take 0.3 ms.
    frames_per_s
        Frames that are acknowledged in a second when each follows the acknowledgement of the last.
    press_to_event_ms
        Median from the pin to the last byte of the edge's packet; 8 ms of it are debouncing.
    noise_P
        The same line damaged in P of its bytes, both ways: of 400 calls those that were answered in
        nine tries, the answers that were not what was asked, and the presses of 200 that were
        neither reported nor counted as lost, reported twice, or lost to a full queue and counted.
    lost_presses, duplicated_presses
        Over all levels of noise.
    """
    try:
        built = build()
    except BuildError as error:
        raise BenchmarkError(str(error)) from error
    levels = {f"noise_{rate:g}": noisy(built, rate) for rate in NOISE}
    return {
        "wire_overhead_bytes": overhead_bytes(CobsCarrier()),
        "router_overhead_bytes": overhead_bytes(RouterCarrier()),
        **quiet(built),
        **levels,
        **{
            key: sum(int(level[key]) for level in levels.values())
            for key in ("lost_presses", "duplicated_presses")
        },
    }


class Board:
    """The executed firmware, and a host that asks one thing at a time."""

    def __init__(self, built: Built, rate: float = 0.0, seed: int = 1) -> None:
        self.peer = AvrPeer(built.simulator, built.yun_elf)
        self._to_board, self._to_host = Noise(rate, seed), Noise(rate, seed + 1)
        self._line = CobsCarrier()
        self._packet_id = 0

    def close(self) -> None:
        """Switch it off."""
        self.peer.close()

    def call(self, message: Message) -> Message | None:
        """Ask until there is an answer, as the link does; None after the last try."""
        timing = Timing()
        self._packet_id = (self._packet_id + 1) % PACKET_IDS
        packet = Packet.carrying(message, self._packet_id)
        for attempt in range(timing.retransmits + 1):
            data = self._line.encode(packet, flush=attempt > 0)
            self.peer.send(self._to_board.damage(data))
            answer = self._wait(timing.retransmit_s)
            if answer is not None:
                return answer
        return None

    def _wait(self, seconds: float) -> Message | None:
        end_s = self.peer.now_s + seconds
        while self.peer.now_s < end_s:
            self.peer.run(STEP_S * 5)
            for packet in self._line.feed(self._to_host.damage(self.peer.fetch())):
                if packet.packet_id == self._packet_id and not is_edge(packet):
                    return answer_in(packet)
        return None

    def wait_until(self, condition: Callable[[], bool]) -> float:
        """Let time pass in small steps until something holds; return how much."""
        start_s = self.peer.now_s
        while not condition():
            if self.peer.now_s - start_s > PATIENCE_S:
                raise BenchmarkError("the board does not do what it is asked")
            self.peer.run(STEP_S)
        return self.peer.now_s - start_s


def is_edge(packet: Packet) -> bool:
    """Return whether this is a button event, which has its own packet ids."""
    return isinstance(answer_in(packet), ButtonEdge)


def answer_in(packet: Packet) -> Message:
    """Return the message of a packet from the board."""
    return packet.message(Direction.TO_HOST)


def overhead_bytes(carrier: Carrier) -> int:
    """Bytes of a frame's packet beyond its body, in the middle of a session."""
    packet = Packet.carrying(ShowFrame(SESSION, 1, 15, bytes(PACKED_SIZE)), 1)
    carrier.encode(packet)  # a router's carrier asks for its route with the first one
    return len(carrier.encode(packet)) - len(packet.body)


def level_frame(level: int) -> Frame:
    """A frame of one level."""
    return Frame(bytes([level]) * (2 * PACKED_SIZE))


def quiet(built: Built) -> dict[str, object]:
    """Times on a line without damage."""
    with closing(Board(built)) as board:
        board.call(Hello(SESSION, 1, 1))
        updates = [frame_update_s(board, version) for version in range(1, FRAMES + 1)]
        start_s = board.peer.now_s
        for version in range(FRAMES + 1, 2 * FRAMES + 1):
            board.call(ShowFrame(SESSION, version, 15, level_frame(version % 2 * 7).packed()))
        frames_per_s = FRAMES / (board.peer.now_s - start_s)
        presses = press_times_s(board)
    return {
        "frame_update_ms": statistics.median(updates) * 1e3,
        "frame_update_ms_max": max(updates) * 1e3,
        "frames_per_s": frames_per_s,
        "press_to_event_ms": statistics.median(presses) * 1e3,
        "press_to_event_ms_max": max(presses) * 1e3,
    }


def frame_update_s(board: Board, version: int) -> float:
    """From the first byte of a frame to the last latched row; every pixel changes."""
    frame = level_frame(version % 2 * 7)
    shown = board.peer.as_shown(frame)
    show = ShowFrame(SESSION, version, 15, frame.packed())
    board.peer.send(CobsCarrier().encode(Packet.carrying(show, version % PACKET_IDS)))
    took_s = board.wait_until(lambda: board.peer.shown().frame == shown)
    board.peer.run(0.01)
    board.peer.fetch()
    return took_s


def press_times_s(board: Board, presses: int = PRESSES) -> list[float]:
    """From the pin to the event, at moments that have nothing to do with the board's loop."""
    random = Random(1)  # noqa: S311 - repeatable, not secret
    times = []
    for number in range(presses):
        board.call(Heartbeat(SESSION))
        board.peer.run(0.02 + random.random() * 0.01)
        board.peer.fetch()
        start_s = board.peer.now_s
        board.peer.pin(0, is_down=number % 2 == 0)
        board.peer.run(0.04)
        at_s, _, edge = board.peer.drain_packets()[0]
        if not isinstance(edge, ButtonEdge):
            raise BenchmarkError(f"{edge} came in the place of a press")
        times.append(at_s - start_s)
        ack = EdgeAck(SESSION, edge.boot_id, edge.event_id)
        board.peer.send(CobsCarrier().encode(Packet.carrying(ack, 0)))
    return times


def noisy(built: Built, rate: float) -> dict[str, int]:
    """Calls and presses on a line with damage."""
    calls_ok, wrong_answers = noisy_calls(built, rate)
    outcome = noisy_presses(built, rate)
    ids = [event.edge_id for event in outcome.delivered]
    doubled = len(ids) - len(set(ids))
    return {
        "calls": CALLS,
        "calls_ok": calls_ok,
        "wrong_answers": wrong_answers + len(outcome.wrong_pictures),
        "presses": NOISY_PRESSES,
        "lost_presses": len(outcome.pressed) - (len(ids) - doubled) - outcome.lost,
        "duplicated_presses": doubled,
        "counted_losses": outcome.lost,
    }


def noisy_calls(built: Built, rate: float) -> tuple[int, int]:
    """Heartbeats and frames in turn: how many were answered, and how many answers were wrong."""
    answered = wrong = 0
    with closing(Board(built, rate, seed=round(rate * 1e4) + 1)) as board:
        while not isinstance(board.call(Hello(SESSION, 1, 1)), HelloReply):
            pass
        for number in range(1, CALLS + 1):
            is_frame = number % 2 == 0
            frame = level_frame(number % 8)
            show = ShowFrame(SESSION, number, 15, frame.packed())
            answer = board.call(show if is_frame else Heartbeat(SESSION))
            match answer:
                case None:
                    continue
                case FrameAck(version=version) if is_frame:
                    shown = board.peer.shown().frame
                    wrong += version != number or shown != board.peer.as_shown(frame)
                case HeartbeatReply(boot_id=boot_id) if not is_frame:
                    wrong += boot_id != BOOT
                case _:
                    wrong += 1
            answered += 1
    return answered - wrong, wrong


def noisy_presses(built: Built, rate: float) -> Outcome:
    """Press fast, until each press is reported or counted as lost."""
    with closing(AvrPeer(built.simulator, built.yun_elf)) as peer:
        line = NoisyLine(peer, rate, seed=round(rate * 1e4) + 9, pause_s=PAUSE_S[rate])
        line.run(2.0)
        line.press_often(NOISY_PRESSES)
        return line.outcome
