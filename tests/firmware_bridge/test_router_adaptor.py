"""The firmware's end of MessagePack-RPC: the Uno Q's sketch, spoken to as arduino-router does."""

from __future__ import annotations

import ctypes
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.messages import Direction, Heartbeat, HeartbeatReply, Hello, HelloReply
from firmware_bridge.wire import Packet, seal, unseal
from tests.firmware_bridge.router_peers import UnoQ
from tests.firmware_bridge.router_stream import Stream
from tools.build_firmware import Built

HELLO = Packet.carrying(Hello(7, 1, 1), 1)
BEAT = Packet.carrying(Heartbeat(7), 2)
BAD = 255


class Line:
    """The sketch and its serial line."""

    def __init__(self, built: Built) -> None:
        self.board = UnoQ(built.uno_q_library)
        self.now_s = 0.0
        self.board.reset(0.0)
        flush, register = Stream().feed(self.board.loop(0.0, b""))
        self.flush, self.register = plain(flush), plain(register)

    def sent(self, data: bytes) -> list[Any]:
        """Give it bytes, and return what it says at once."""
        self.now_s += 0.001
        return [plain(message) for message in Stream().feed(self.board.loop(self.now_s, data))]

    def wait(self, seconds: float) -> list[Any]:
        end_s, sent = self.now_s + seconds, []
        while self.now_s < end_s:
            sent += self.sent(b"")
        return sent

    def call(self, packet: Packet, call_id: int = 5) -> list[Any]:
        return self.sent(msgpack.packb([0, call_id, "pd", [seal(packet)]]))


def plain(message: object) -> Any:  # noqa: ANN401 - whatever was decoded
    """A value with texts as bytes."""
    if isinstance(message, list):
        return [plain(item) for item in message]
    return getattr(message, "raw", message)


@pytest.fixture
def line(built: Built) -> Line:
    return Line(built)


def is_register(message: list[object]) -> bool:
    return [message[0], *message[2:]] == [0, b"$/register", [b"pd"]]


def test_it_asks_for_its_route_at_once_after_what_ends_a_message_that_a_reset_cut_short(
    line: Line,
) -> None:
    assert is_register(line.register)
    assert len(line.flush) > 130


def test_a_call_is_answered_with_the_same_id_and_a_packet(line: Line) -> None:
    ((kind, call_id, error, sealed),) = line.call(HELLO, 0xDEADBEEF)
    assert (kind, call_id, error) == (1, 0xDEADBEEF, None)
    assert isinstance(unseal(sealed).message(Direction.TO_HOST), HelloReply)


@pytest.mark.parametrize("call_id", [0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1])
def test_every_form_of_an_id_is_read(line: Line, call_id: int) -> None:
    assert line.call(HELLO, call_id)[0][1] == call_id


def test_a_packet_that_is_damaged_is_answered_with_nil_so_that_nobody_waits(line: Line) -> None:
    sealed = bytearray(seal(HELLO))
    sealed[4] ^= 0x40
    assert line.sent(msgpack.packb([0, 9, "pd", [bytes(sealed)]])) == [[1, 9, None, None]]


def test_an_event_is_a_notice(line: Line) -> None:
    line.call(HELLO)
    line.board.pin(0, is_down=True)
    notices = line.wait(0.03)
    line.board.pin(0, is_down=False)
    assert [notice[:2] for notice in notices] == [[2, b"pde"]]
    assert len(notices[0][2]) == 1


# --- what wedged other firmware --------------------------------------------------------------

STRANGE = {
    "a call of a method that nobody bound": msgpack.packb([0, 3, "led/set", [True]]),
    "a notice": msgpack.packb([2, "led/set", [1]]),
    "a cancellation": msgpack.packb([2, "$/cancelRequest", [3]]),
    "an answer to nothing": msgpack.packb([1, 77, None, True]),
    "parameters that are none": msgpack.packb([0, 3, "pd", [5]]),
    "two parameters": msgpack.packb([0, 3, "pd", [b"1", b"2"]]),
    "no parameters": msgpack.packb([0, 3, "pd", []]),
    "a long call": msgpack.packb([0, 3, "pd", [bytes(300)]]),
    "an array that says it is huge": b"\x94\x00\x03\xdc\xff\xff",
    "a text that says it is huge": b"\x94\x00\x03\xdb\x60\x00\x00\x00",
    "text": b"Hello from the boot loader\r\n",
    "numbers": bytes(range(128)),
    "c1": b"\xc1",
    "every byte": bytes(range(256)),
    "an id that is none": msgpack.packb([0, "id", "pd", [b""]]),
    "a float": msgpack.packb([0, 1.5, "pd", [b""]]),
}


@pytest.mark.parametrize("data", STRANGE.values(), ids=STRANGE.keys())
def test_after_anything_strange_the_next_call_is_answered(line: Line, data: bytes) -> None:
    line.sent(data)
    line.wait(0.031)
    ((_, _, _, sealed),) = line.call(HELLO)
    assert isinstance(unseal(sealed).message(Direction.TO_HOST), HelloReply)


@pytest.mark.parametrize("name", ["a call of a method that nobody bound", "two parameters"])
def test_a_call_that_cannot_be_served_is_answered_with_an_error(line: Line, name: str) -> None:
    ((kind, call_id, error, result),) = line.sent(STRANGE[name])
    assert (kind, call_id, result) == (1, 3, None)
    assert error[0] == (2 if "nobody" in name else 1)


@pytest.mark.parametrize("cut", range(1, 16))
def test_half_a_message_is_forgotten_after_30_ms(line: Line, cut: int) -> None:
    line.sent(msgpack.packb([0, 5, "pd", [seal(BEAT)]])[:cut])
    assert line.wait(0.031) == []
    assert len(line.call(HELLO)) == 1


def test_half_a_message_is_not_forgotten_sooner(line: Line) -> None:
    data = msgpack.packb([0, 5, "pd", [seal(HELLO)]])
    line.sent(data[:9])
    line.wait(0.027)
    assert len(line.sent(data[9:])) == 1


def test_what_is_wrong_is_counted_once_for_each_stretch(line: Line) -> None:
    line.call(HELLO)
    line.sent(bytes(range(1, 128)))
    ((_, _, _, sealed),) = line.call(BEAT)
    reply = unseal(sealed).message(Direction.TO_HOST)
    assert isinstance(reply, HeartbeatReply)
    assert reply.bad_packets == 1


# --- the route -------------------------------------------------------------------------------


def registered_at(line: Line, seconds: float) -> list[float]:
    start_s, times = line.now_s, []
    while line.now_s < start_s + seconds:
        if any(isinstance(m, list) and is_register(m) for m in line.sent(b"")):
            times.append(round(line.now_s - start_s, 2))
    return times


def test_a_route_is_asked_for_every_second_until_the_router_answers(line: Line) -> None:
    assert registered_at(line, 3.5) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("error", "result"), [(None, True), ([5, "route already exists: pd"], None)]
)
def test_an_answer_of_either_kind_will_do_for_3_s_of_silence(
    line: Line, error: object, result: object
) -> None:
    line.sent(msgpack.packb([1, line.register[1], error, result]))
    assert registered_at(line, 4.5) == [3.0, 4.0]


def test_packets_of_a_session_prove_the_route_and_hellos_do_not(line: Line) -> None:
    times: list[float] = []
    for _ in range(10):
        line.call(HELLO)
        times += registered_at(line, 0.5)
    assert len(times) >= 4
    line.call(BEAT)
    for _ in range(10):
        assert registered_at(line, 1.0) == []
        line.call(BEAT)


# --- its numbers -----------------------------------------------------------------------------


def test_each_boot_draws_another_number_from_pins_that_tremble(line: Line) -> None:
    numbers = set()
    for _ in range(300):
        line.board.reset(0.0)
        line.now_s = 0.0
        line.sent(b"")
        ((_, _, _, sealed),) = line.call(HELLO)
        reply = unseal(sealed).message(Direction.TO_HOST)
        assert isinstance(reply, HelloReply)
        numbers.add(reply.boot_id)
    assert len(numbers) == 300


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-32, 2**32 - 1)
    | st.binary(max_size=60)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=8,
)


@given(value=VALUES, tail=st.binary(max_size=4))
def test_the_span_of_a_value_is_what_msgpack_makes_it(
    built: Built, value: object, tail: bytes
) -> None:
    span = ctypes.CDLL(str(built.core_library)).pd_rpc_span
    span.restype = ctypes.c_uint8
    data = msgpack.packb(value)
    fits = len(data) <= 160 and b"\xc5" not in data[:1]
    whole = span(data + tail, min(len(data + tail), 250))
    if fits and whole != BAD:
        assert whole == len(data)
        assert all(span(data[:size], size) == 0 for size in range(1, len(data)))
    else:
        assert whole == BAD
        assert len(data) > 160 or has_foreign_form(data)


def has_foreign_form(data: bytes) -> bool:
    """Return whether this has a msgpack type that RPC does not use, such as int8 or str16."""
    return any(head in data for head in (0xD0, 0xDA, 0xC5, 0xDC))
