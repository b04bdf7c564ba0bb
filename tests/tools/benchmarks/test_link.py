"""The link's benchmark measures what its keys say."""

from __future__ import annotations

from contextlib import closing

from firmware_bridge.messages import Heartbeat, HeartbeatReply, Hello, HelloReply
from firmware_bridge.router import RouterCarrier
from firmware_bridge.wire import CobsCarrier
from tools.benchmarks.link import SESSION, Board, frame_update_s, overhead_bytes, press_times_s
from tools.build_firmware import build


def test_a_packet_takes_six_bytes_more_than_its_body() -> None:
    assert overhead_bytes(CobsCarrier()) == 6
    assert overhead_bytes(RouterCarrier()) == 13


def test_times_are_those_of_the_simulated_clock() -> None:
    with closing(Board(build())) as board:
        assert isinstance(board.call(Hello(SESSION, 1, 1)), HelloReply)
        assert 0.003 < frame_update_s(board, 1) < 0.02
        assert all(0.0079 <= seconds < 0.015 for seconds in press_times_s(board, 4))
        assert isinstance(board.call(Heartbeat(SESSION)), HeartbeatReply)


def test_a_call_that_nobody_answers_ends_after_nine_tries() -> None:
    with closing(Board(build(), rate=1.0)) as board:
        start_s = board.peer.now_s
        assert board.call(Hello(SESSION, 1, 1)) is None
        assert 0.9 <= board.peer.now_s - start_s < 1.0
