"""Our host, a router and the Uno Q's sketch on one virtual clock; noise is on the serial line."""

from __future__ import annotations

from firmware_bridge.host_session import HostSession
from firmware_bridge.noise import Noise
from firmware_bridge.router import RouterCarrier
from firmware_bridge.session import HostState
from tests.firmware_bridge.fake_router import Connection
from tests.firmware_bridge.noisy_presses import STEP_S, NoisyLine
from tests.firmware_bridge.router_peers import RoutedBoard
from tools.build_firmware import Built

RECOVERY_S = 6.0
NOISE_PER_STEP = 23  # bytes: 115200 baud for 2 ms


class RoutedLine(NoisyLine):
    """A host and a board with a router in between."""

    def __init__(
        self, built: Built, seed: int = 1, *, rate: float = 0.0, pause_s: float = 0.08
    ) -> None:
        self.board = RoutedBoard(built.uno_q_library, seed)
        self.carrier = RouterCarrier()
        super().__init__(self.board, 0.0, seed, pause_s=pause_s, carrier=self.carrier)
        self.board.noise_to_board = Noise(rate, seed + 2)
        self.board.noise_to_router = Noise(rate, seed + 3)

    @property
    def is_ready(self) -> bool:
        """True if the board shows the newest picture, and the host has its acknowledgement."""
        shown = self.board.shown().frame
        is_settled = self._host.state is HostState.READY and not self._host._display.is_due
        return is_settled and shown == self.picture

    def seconds_until_ready(self) -> float:
        """Let time pass until the newest picture is there; how much that took."""
        start_s = self.board.now_s
        while not self.is_ready:
            assert self.board.now_s - start_s < 60, "never"
            self.run(STEP_S)
        return self.board.now_s - start_s

    def stop_router(self) -> None:
        """Let the router go down: the host's socket is closed."""
        self.board.router.stop()
        self.board.socket = None
        self._host.on_port_lost(self.board.now_s)

    def start_router(self) -> None:
        """Let it come back: our link connects again within 0.8 s, here at once."""
        self.board.router.start()
        self.board.socket = self.board.router.connect()
        self._host.on_port_opened(self.board.now_s)

    def replace_host(self) -> tuple[HostSession, Connection]:
        """Start another host beside this one, which is returned with its socket."""
        older, older_socket = self._host, self.board.socket
        assert older_socket is not None
        self.carrier = RouterCarrier()
        self._host = HostSession(older.session_id + 1, carrier=self.carrier)
        self.board.socket = self.board.router.connect()
        self._host.on_port_opened(self.board.now_s)
        return older, older_socket

    def garble(self, seconds: float) -> None:
        """Nothing but noise on the serial line, both ways; the socket is whole."""
        noise = Noise(0, 1)
        self.board.noise_to_board = self.board.noise_to_router = Noise(1, 5)
        end_s = self.board.now_s + seconds
        while self.board.now_s < end_s:
            self.board.say_to_board(noise.garbage(NOISE_PER_STEP))
            self.board.say_to_router(noise.garbage(NOISE_PER_STEP))
            self.run(STEP_S)
        self.board.noise_to_board = self.board.noise_to_router = Noise(0)
