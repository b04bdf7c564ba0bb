"""The Uno Q's own sketch behind a router, all of it on a virtual clock."""

from __future__ import annotations

import ctypes
from pathlib import Path

import msgpack  # type: ignore[import-untyped]

from firmware_bridge.errors import PacketError
from firmware_bridge.matrix import Frame
from firmware_bridge.messages import BRIGHTNESS_MAX
from firmware_bridge.noise import Noise
from firmware_bridge.wire import CobsCarrier, cobs_decode, unseal
from tests.firmware_bridge.board_peers import PIXELS, SENT_MAX, STARTING_S, BoardPeer, Shown
from tests.firmware_bridge.fake_router import Connection, FakeRouter

STEP_S = 0.001


class UnoQ:
    """The sketch, compiled for this machine; one process has one."""

    def __init__(self, library: Path) -> None:
        self._c = ctypes.CDLL(str(library))
        self._c.uno_q_fetch.restype = ctypes.c_size_t
        self._buffer = ctypes.create_string_buffer(SENT_MAX)
        self._boots = 0
        for button in (0, 1):
            self.pin(button, is_down=False)  # the board of the test before was this one too

    def reset(self, now_s: float) -> None:
        """Switch it on, or press its reset button."""
        self._boots += 1
        self._c.uno_q_reset(_microseconds(now_s), self._boots)

    def loop(self, now_s: float, data: bytes) -> bytes:
        """Let it have these bytes and go round once; return what it sent."""
        self._c.uno_q_receive(data, ctypes.c_size_t(len(data)))
        self._c.uno_q_loop(_microseconds(now_s))
        size = self._c.uno_q_fetch(self._buffer)
        return self._buffer.raw[:size]

    def pin(self, button: int, *, is_down: bool) -> None:
        self._c.uno_q_pin(button, is_down)

    def shown(self) -> Shown:
        """Return what the core shows, having checked that the matrix was told just that."""
        self._c.uno_q_picture(self._buffer)
        levels, brightness = self._buffer.raw[:PIXELS], self._buffer.raw[PIXELS]
        self._c.uno_q_matrix(self._buffer)
        dimmed = [-(-level * brightness // BRIGHTNESS_MAX) for level in levels]
        assert list(self._buffer.raw[:PIXELS]) == dimmed
        return Shown(Frame(levels), brightness)


def _microseconds(now_s: float) -> ctypes.c_uint64:
    return ctypes.c_uint64(round(now_s * 1_000_000))


class RoutedBoard(BoardPeer):
    """Sketch, serial line and router; `send` and `fetch` are the host's end of its socket."""

    # This board has no memory that outlives a reset.
    counts_presses_lost_to_a_reset = False

    def __init__(self, library: Path, seed: int = 0, *, starting_s: float = STARTING_S) -> None:
        super().__init__()
        self.router = FakeRouter(seed)
        self.noise_to_board = self.noise_to_router = Noise(0)
        self.is_powered = True
        self._board = UnoQ(library)
        self.socket: Connection | None = self.router.connect()
        self._from_router = b""
        self._board.reset(self.now_s)
        self.run(starting_s)

    def send(self, data: bytes) -> None:
        if self.socket is not None:
            self.router.receive(self.socket, data)

    def fetch(self) -> bytes:
        return self.from_router()

    def from_router(self) -> bytes:
        """Return what the router sent to the host's socket."""
        return b"" if self.socket is None else self.router.fetch(self.socket)

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while True:
            self._step()
            if self.now_s >= end_s - 1e-9:
                return
            self.now_s = min(self.now_s + STEP_S, end_s)

    def pin(self, button: int, *, is_down: bool) -> None:
        self._board.pin(button, is_down=is_down)

    def reset(self) -> None:
        self._from_router = b""
        self._board.reset(self.now_s)
        self.run(STARTING_S)

    def shown(self) -> Shown:
        return self._board.shown()

    def say_to_board(self, data: bytes) -> None:
        """Put bytes on the serial line that the router never sent."""
        self._from_router += data

    def say_to_router(self, data: bytes) -> None:
        """Put bytes on the serial line that the board never sent."""
        self.router.receive(self.router.board, data)

    def _step(self) -> None:
        self.router.run(self.now_s)
        self._from_router += self.noise_to_board.damage(self.router.fetch(self.router.board))
        if not self.is_powered:
            self._from_router = b""
            return
        sent = self._board.loop(self.now_s, self._from_router)
        self._from_router = b""
        self.router.receive(self.router.board, self.noise_to_router.damage(sent))


class RouterPeer(RoutedBoard):
    """The same for the conformance suite: what it says in COBS becomes calls, and the other way.

    A packet that only COBS could spoil has no like here: its bytes go to the board as they are.
    """

    def __init__(self, library: Path) -> None:
        super().__init__(library)
        self._typed = b""
        self._calls = 0
        self._ask("$/register", "pde")

    def send(self, data: bytes) -> None:
        self._typed += data
        *ended, self._typed = self._typed.split(b"\x00")
        for piece in ended:
            if piece:
                self._carry(piece)

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while True:
            super().run(0)
            self._listen()
            if self.now_s >= end_s - 1e-9:
                return
            self.now_s = min(self.now_s + STEP_S, end_s)

    def fetch(self) -> bytes:
        return BoardPeer.fetch(self)

    def _carry(self, piece: bytes) -> None:
        try:
            unseal(cobs_decode(piece))
        except PacketError as error:
            if error.code in {"bad_coding", "too_long"}:
                self.say_to_board(piece)
                return
        self._ask("pd", cobs_decode(piece))

    def _ask(self, method: str, parameter: bytes | str) -> None:
        assert self.socket is not None
        self._calls += 1
        call = msgpack.packb([0, self._calls, method, [parameter]])
        self.router.receive(self.socket, call)

    def _listen(self) -> None:
        unpacker = msgpack.Unpacker(raw=True)
        unpacker.feed(self.from_router())
        for message in unpacker:
            content = message[3] if message[0] == 1 else message[2][0]
            if isinstance(content, bytes):
                line = CobsCarrier().encode(unseal(content))
                self._raw.append((self.now_s, line))
