"""The fake router fails as the real one was seen to: else what survives it proves nothing."""

from __future__ import annotations

import contextlib
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.firmware_bridge.fake_router import SERIAL, Connection, FakeRouter
from tests.firmware_bridge.router_stream import Stream, StreamBrokenError, pack


class RouterBench:
    """A router with a board that has the route "pd", and a host that has "pde"."""

    def __init__(self, seed: int = 0) -> None:
        self.router = FakeRouter(seed)
        host = self.router.connect()
        assert host is not None
        self.host = host
        self.board = self.router.board
        self.register(self.board, "pd")
        self.register(self.host, "pde")

    def say(self, connection: Connection, *messages: object) -> None:
        for message in messages:
            self.router.receive(connection, msgpack.packb(message))

    def received(self, connection: Connection, wait_s: float = 0.01) -> list[Any]:
        self.router.run(self.router.now_s + wait_s)
        unpacker = msgpack.Unpacker()
        unpacker.feed(self.router.fetch(connection))
        return list(unpacker)

    def register(self, connection: Connection, method: str) -> None:
        self.say(connection, [0, 1, "$/register", [method]])
        assert self.received(connection) == [[1, 1, None, True]]

    def raw(self, data: bytes) -> None:
        self.router.receive(self.board, data)


@pytest.fixture
def line() -> RouterBench:
    return RouterBench()


def test_a_registration_looks_as_it_did_on_the_wire(line: RouterBench) -> None:
    line.router.receive(line.host, bytes.fromhex("940032aa242f726567697374657291a470696e67"))
    line.router.run(1.0)
    assert line.router.fetch(line.host).hex() == "940132c0c3"


def test_a_call_is_passed_on_under_another_id_and_its_answer_under_the_first(
    line: RouterBench,
) -> None:
    line.say(line.host, [0, 900, "pd", [b"x"]])
    ((kind, call_id, method, parameters),) = line.received(line.board)
    assert (kind, method, parameters) == (0, "pd", [b"x"])
    assert call_id != 900
    line.say(line.board, [1, call_id, None, b"y"])
    assert line.received(line.host) == [[1, 900, None, b"y"]]


def test_a_notice_goes_to_whoever_registered(line: RouterBench) -> None:
    line.say(line.board, [2, "pde", [b"e"]], [2, "nobody", [b"e"]])
    assert line.received(line.host) == [[2, "pde", [b"e"]]]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ([0, 5, "nobody", []], 2),
        ([0, 5, "$/register", ["pd"]], 5),
        ([0, 5, "$/register", []], 1),
        ([0, 5, "$/serial/close", ["/dev/null"]], 1),
    ],
)
def test_errors_have_the_codes_of_the_real_one(
    line: RouterBench, call: list[Any], code: int
) -> None:
    line.say(line.host, call)
    ((kind, call_id, error, result),) = line.received(line.host)
    assert (kind, call_id, error[0], result) == (1, 5, code, None)


def test_a_negative_id_gets_no_answer(line: RouterBench) -> None:
    line.say(line.host, [0, -5, "nobody", []])
    assert line.received(line.host) == []


def test_what_is_passed_on_arrives_in_another_order(line: RouterBench) -> None:
    line.say(line.board, *([2, "pde", [number]] for number in range(100)))
    numbers = [message[2][0] for message in line.received(line.host)]
    assert sorted(numbers) == list(range(100))
    assert numbers != sorted(numbers)


def test_a_call_is_never_answered_when_its_provider_died(line: RouterBench) -> None:
    line.say(line.host, [0, 1, "pd", []])
    assert line.received(line.board)
    line.raw(b"\xc1")
    assert line.received(line.host, 1000.0) == []


@pytest.mark.parametrize(
    "data",
    [b"\xc1", b"\xd4\x05\x00", b"\xc7\x03\x11abc", b"\xc7\x05\xff12345", b"\x81\x01\x02"],
    ids=["c1", "ext", "ext8", "time", "map"],
)
def test_a_code_that_it_does_not_know_ends_the_connection_and_its_routes(
    line: RouterBench, data: bytes
) -> None:
    line.raw(data)
    assert line.router.routes() == {"pde": "socket 0"}
    line.register(line.board, "pd")  # the serial line is opened again at once


def test_a_code_that_it_does_not_know_closes_a_socket_for_good(line: RouterBench) -> None:
    line.router.receive(line.host, b"\xc1")
    assert not line.host.is_open
    assert line.router.routes() == {"pd": "serial"}


def test_a_damaged_length_leaves_it_deaf_one_way(line: RouterBench) -> None:
    line.raw(bytes.fromhex("db60000000"))
    line.say(line.board, *([2, "pde", [number]] for number in range(100)))
    assert line.received(line.host) == []
    line.say(line.host, [0, 1, "pd", []])
    assert len(line.received(line.board)) == 1


def test_closing_and_opening_the_serial_line_cures_that_and_forgets_its_routes(
    line: RouterBench,
) -> None:
    line.raw(bytes.fromhex("db60000000"))
    line.say(line.host, [0, 1, "$/serial/close", [SERIAL]])
    assert line.received(line.host) == [[1, 1, None, True]]
    line.say(line.board, [2, "pde", [1]])
    assert line.received(line.host) == []
    line.say(line.host, [0, 2, "$/serial/open", [SERIAL]])
    assert line.received(line.host) == [[1, 2, None, True]]
    assert line.router.routes() == {"pde": "socket 0"}
    line.register(line.board, "pd")


def test_ascii_is_passed_over(line: RouterBench) -> None:
    line.raw(b"MCU starting up\r\n")
    line.say(line.board, [2, "pde", [1]])
    assert line.received(line.host) == [[2, "pde", [1]]]


def test_a_message_cut_short_swallows_the_next_one(line: RouterBench) -> None:
    line.raw(msgpack.packb([2, "pde", [bytes(40)]])[:-20])
    line.say(line.board, [2, "pde", [1]], [2, "pde", [2]])
    numbers = [message[2][0] for message in line.received(line.host) if message[2][0] in {1, 2}]
    assert 1 not in numbers


def test_a_restart_forgets_every_route(line: RouterBench) -> None:
    line.router.stop()
    assert line.router.connect() is None
    line.router.start()
    assert line.router.routes() == {}
    assert not line.host.is_open
    assert line.received(line.board) == []  # and tells nobody


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**32) | st.binary() | st.text(),
    lambda inner: st.lists(inner, max_size=20),
)


@given(values=st.lists(VALUES, max_size=4), cut=st.integers(1, 9))
def test_it_reads_what_msgpack_writes_in_any_pieces(values: list[object], cut: int) -> None:
    data = b"".join(msgpack.packb(value) for value in values)
    stream, read = Stream(), []
    for at in range(0, len(data), cut):
        read += stream.feed(data[at : at + cut])
    assert b"".join(map(pack, read)) == data


@given(data=st.binary(max_size=400))
def test_any_bytes_are_read_or_end_the_connection(data: bytes) -> None:
    read: list[object] = []
    with contextlib.suppress(StreamBrokenError):
        read = Stream().feed(data)
    assert len(read) <= len(data)
