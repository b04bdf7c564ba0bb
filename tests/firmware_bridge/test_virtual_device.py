"""The board made of software: commands in, reports out, on a fake clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from firmware_bridge.board_frames import stale_frame
from firmware_bridge.host_session import HostSession
from firmware_bridge.messages import Edge
from firmware_bridge.noise import Noise
from firmware_bridge.session import HostState
from firmware_bridge.virtual_device import Debouncer, VirtualDevice


class DeviceBench:
    """A virtual device with a host session beside it."""

    def __init__(self) -> None:
        self.now_s = 10.0
        self.device = VirtualDevice(5, self.now_s)
        self.host = HostSession(7)
        self.host.on_port_opened(self.now_s)
        self.reports: list[dict[str, Any]] = []

    def do(self, **command: object) -> None:
        self.device.command(command, self.now_s)

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while True:
            to_board, to_host = self.host.tick(self.now_s), self.device.tick(self.now_s)
            self.device.receive(to_board, self.now_s)
            self.host.receive(to_host, self.now_s)
            self.reports += self.device.reports()
            if to_board or to_host:
                continue
            due = [d for d in (self.host.next_deadline(), self.device.next_deadline()) if d]
            if not due or min(due) > end_s:
                self.now_s = end_s
                return
            self.now_s = max(self.now_s, min(due))

    def state(self) -> HostState:
        return self.host.state

    def reports_of(self, event: str) -> list[dict[str, Any]]:
        return [report for report in self.reports if report["event"] == event]


def test_a_frame_is_reported_row_by_row() -> None:
    bench = DeviceBench()
    bench.host.show(bytes([0x70] * 52), brightness=3)
    bench.run(0.1)
    (frame,) = bench.reports_of("frame")
    assert (frame["version"], frame["brightness"]) == (1, 3)
    assert [len(row) for row in frame["levels"]] == [13] * 8
    assert frame["levels"][0][:4] == [7, 0, 7, 0]


@pytest.mark.parametrize("bounce_ms", [0, 5, 20])
def test_a_press_becomes_two_edges_however_much_it_bounces(bounce_ms: int) -> None:
    bench = DeviceBench()
    bench.do(do="press", button=1, ms=100, bounce_ms=bounce_ms)
    bench.run(1.0)
    edges = [(report["button"], report["edge"]) for report in bench.reports_of("edge")]
    assert edges == [(1, "down"), (1, "up")]


def test_down_and_up_are_edges_of_their_own() -> None:
    bench = DeviceBench()
    bench.do(do="down")
    bench.run(1.0)
    assert [report["edge"] for report in bench.reports_of("edge")] == ["down"]
    bench.do(do="up")
    bench.run(1.0)
    assert [report["edge"] for report in bench.reports_of("edge")] == ["down", "up"]


def test_a_reset_forgets_all_but_the_number_of_lost_edges() -> None:
    bench = DeviceBench()
    bench.host.on_port_lost(bench.now_s)
    bench.do(do="press")
    bench.run(1.0)
    bench.do(do="reset")
    bench.run(0.1)
    assert bench.reports_of("reset") == [{"event": "reset", "boot_id": 6, "lost_reset": 2}]
    bench.do(do="status")
    bench.run(0.1)
    assert bench.reports_of("status")[0]["queued"] == 0


def test_silence_makes_the_host_lose_the_board_and_ends_by_itself() -> None:
    bench = DeviceBench()
    bench.run(0.1)
    bench.do(do="silence", ms=4000)
    bench.run(3.5)
    assert bench.state() is HostState.GREETING
    assert bench.reports_of("stale")[0]["levels"] == stale_frame().rows()
    bench.run(2.0)
    assert bench.state() is HostState.READY


def test_noise_is_survived() -> None:
    bench = DeviceBench()
    bench.do(do="noise", rate=0.02, seed=3)
    for level in range(1, 8):
        bench.host.show(bytes([level] * 52))
        bench.run(1.0)
    assert bench.reports_of("frame")[-1]["version"] == 7
    assert bench.host.counters.retransmits > 0


def test_garbage_is_survived() -> None:
    bench = DeviceBench()
    bench.do(do="garbage", bytes=4000, seed=3)
    bench.run(1.5)
    assert bench.host.state is HostState.READY
    assert bench.host.carrier.counters.bad_packets > 0


def test_a_cable_comes_back_when_it_was_pulled_for_a_time() -> None:
    bench = DeviceBench()
    bench.do(do="unplug", ms=300)
    assert not bench.device.is_plugged
    bench.run(0.4)
    assert bench.device.is_plugged


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ([], "a command is a JSON object"),
        ({}, '"do" must be one of'),
        ({"do": "jump"}, '"do" must be one of press, down'),
        ({"do": ["press"]}, '"do" must be one of'),
        ({"do": "press", "ms": -1}, '"ms" is a whole number, 0 to'),
        ({"do": "press", "button": 8}, '"button" is a whole number, 0 to 7'),
        ({"do": "press", "button": True}, '"button" is a whole number'),
        ({"do": "noise", "rate": 2}, '"rate" is a probability'),
        ({"do": "noise", "rate": "x"}, '"rate" is a probability'),
        ({"do": "garbage", "bytes": 10**9}, '"bytes" is a whole number'),
    ],
)
def test_a_command_that_makes_no_sense_is_answered_with_what_is_allowed(
    command: object, says: str
) -> None:
    device = VirtualDevice(5, 0.0)
    device.command(command, 0.0)
    (report,) = device.reports()
    assert report["event"] == "error"
    assert says in report["message"]


def edges_of(debouncer: Debouncer, levels: list[tuple[float, Edge]]) -> list[tuple[float, Edge]]:
    edges = []
    for at_s, level in levels:
        edges += ticked(debouncer, at_s)
        debouncer.set_pin(level, at_s)
    return edges + ticked(debouncer, 99.0)


def ticked(debouncer: Debouncer, until_s: float) -> list[tuple[float, Edge]]:
    due_s = debouncer.next_deadline
    if due_s is None or due_s > until_s:
        return []
    edge = debouncer.tick(due_s)
    return [] if edge is None else [(round(due_s, 4), edge)]


@pytest.mark.parametrize(
    ("levels", "edges"),
    [
        ([(0, Edge.DOWN)], [(0.008, Edge.DOWN)]),
        ([(0, Edge.DOWN), (0.007, Edge.UP)], []),  # a spike
        ([(0, Edge.DOWN), (0.002, Edge.UP), (0.004, Edge.DOWN)], [(0.012, Edge.DOWN)]),
        ([(0, Edge.DOWN), (1.0, Edge.UP)], [(0.008, Edge.DOWN), (1.008, Edge.UP)]),
        ([(0, Edge.DOWN), (1.0, Edge.UP), (1.004, Edge.DOWN)], [(0.008, Edge.DOWN)]),
    ],
)
def test_a_pin_counts_once_it_has_kept_its_level_for_8_ms(
    levels: list[tuple[float, Edge]], edges: list[tuple[float, Edge]]
) -> None:
    assert edges_of(Debouncer(), levels) == edges


def test_the_same_seed_makes_the_same_noise_and_no_rate_makes_none() -> None:
    data = bytes(range(256)) * 20
    make: Callable[[], bytes] = lambda: Noise(0.02, seed=4).damage(data)  # noqa: E731
    assert make() == make() != data
    assert Noise(0.0).damage(data) == data
