"""The host's router carrier: calls out, answers in, and nothing that the peer can break."""

from __future__ import annotations

from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.messages import Heartbeat, Hello
from firmware_bridge.router import (
    REOPENINGS_MAX,
    STUCK_HELLOS,
    STUCK_HELLOS_NO_ROUTE,
    RouterCarrier,
)
from firmware_bridge.wire import CobsCarrier, Packet, seal

HELLO = Packet.carrying(Hello(7, 1, 1), 1)
BEAT = Packet.carrying(Heartbeat(7), 2)
NO_ROUTE = [2, "method pd not available"]
ROUTE_EXISTS = [5, "route already exists: pde"]


def calls(data: bytes) -> list[Any]:
    unpacker = msgpack.Unpacker(raw=False)
    unpacker.feed(data)
    return list(unpacker)


def answer(call: list[Any], *, error: object = None, result: object = None) -> bytes:
    return bytes(msgpack.packb([1, call[1], error, result]))


@pytest.fixture
def carrier() -> RouterCarrier:
    """Connected, and given the route for events."""
    ready = RouterCarrier()
    register, _ = calls(ready.encode(BEAT))
    ready.feed(answer(register, result=True))
    return ready


def test_the_first_call_asks_for_the_route_of_the_events_too() -> None:
    register, call = calls(RouterCarrier().encode(HELLO))
    assert register[0::2] == [0, "$/register"]
    assert register[3] == ["pde"]
    assert call == [0, 1, "pd", [seal(HELLO)]]


def test_a_route_is_not_asked_for_again_while_the_answer_is_awaited_or_once_it_is_ours() -> None:
    carrier = RouterCarrier()
    register, _ = calls(carrier.encode(HELLO))
    assert len(calls(carrier.encode(BEAT))) == 1
    carrier.feed(answer(register, result=True))
    assert len(calls(carrier.encode(BEAT))) == 1


def test_a_route_that_another_host_holds_is_asked_for_until_it_is_ours() -> None:
    carrier = RouterCarrier()
    for _ in range(3):
        register, _ = calls(carrier.encode(BEAT))
        assert register[2] == "$/register"
        carrier.feed(answer(register, error=ROUTE_EXISTS))
    carrier.feed(answer(calls(carrier.encode(BEAT))[0], result=True))
    assert len(calls(carrier.encode(BEAT))) == 1


def test_a_new_connection_asks_for_the_route_anew(carrier: RouterCarrier) -> None:
    carrier.reset()
    assert calls(carrier.encode(BEAT))[0][2] == "$/register"


def test_an_answer_brings_its_packet_and_nil_brings_none(carrier: RouterCarrier) -> None:
    (call,) = calls(carrier.encode(BEAT))
    assert carrier.feed(answer(call, result=seal(BEAT))) == [BEAT]
    assert carrier.feed(answer(call)) == []
    assert carrier.counters.packets == 1


def test_an_event_is_a_notice_and_one_of_another_name_is_none(carrier: RouterCarrier) -> None:
    assert carrier.feed(msgpack.packb([2, "pde", [seal(BEAT)]])) == [BEAT]
    assert carrier.feed(msgpack.packb([2, "mon/read", [seal(BEAT)]])) == []
    assert carrier.router.strays == 1


def test_a_packet_that_was_damaged_on_the_serial_line_is_counted(carrier: RouterCarrier) -> None:
    sealed = bytearray(seal(BEAT))
    sealed[3] ^= 1
    assert carrier.feed(msgpack.packb([2, "pde", [bytes(sealed)]])) == []
    assert carrier.counters.bad_crc == 1


def test_a_message_in_pieces_is_understood(carrier: RouterCarrier) -> None:
    data = msgpack.packb([2, "pde", [seal(BEAT)]])
    packets = [packet for byte in data for packet in carrier.feed(bytes((byte,)))]
    assert packets == [BEAT]


@given(junk=st.lists(st.binary(max_size=40), max_size=6))
def test_whatever_comes_is_counted_and_never_raised(junk: list[bytes]) -> None:
    carrier = RouterCarrier()
    for data in junk:
        carrier.feed(data)
    assert carrier.counters.bytes_in == sum(map(len, junk))


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.binary(max_size=4) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=5),
)


@given(message=NESTED)
def test_whatever_another_client_sends_is_passed_over(message: object) -> None:
    carrier = RouterCarrier()
    assert carrier.feed(msgpack.packb(message)) == []
    assert carrier.feed(msgpack.packb([2, "pde", [seal(BEAT)]])) == [BEAT]


def test_an_endless_message_is_given_up(carrier: RouterCarrier) -> None:
    carrier.feed(b"\xc6\x7f\xff\xff\xff")
    for _ in range(20):
        carrier.feed(bytes(8192))
    assert carrier.counters.bad_coding >= 1


# --- a router that went deaf -----------------------------------------------------------------


def greet(carrier: RouterCarrier, hellos: int, *, error: object = None) -> list[str]:
    """Send HELLOs, answered by this error if any; return the router's own methods called."""
    methods = []
    for _ in range(hellos):
        for call in calls(carrier.encode(HELLO)):
            if call[2] == "pd" and error is not None:
                carrier.feed(answer(call, error=error))
            elif call[2] != "pd":
                methods.append(call[2])
                carrier.feed(answer(call, result=True))
        methods += [call[2] for call in calls(carrier.drain_control())]
    return methods


REOPENED = ["$/serial/close", "$/serial/open"]


def test_silence_makes_the_router_open_the_line_anew(carrier: RouterCarrier) -> None:
    assert greet(carrier, STUCK_HELLOS - 1) == []
    assert greet(carrier, 1) == REOPENED
    assert carrier.router.serial_reopened == 1


def test_opening_follows_the_answer_to_closing_since_the_router_keeps_no_order(
    carrier: RouterCarrier,
) -> None:
    greet(carrier, STUCK_HELLOS - 1)
    close, _ = calls(carrier.encode(HELLO))
    assert close[2:] == ["$/serial/close", ["/dev/ttyHS1"]]
    assert carrier.drain_control() == b""
    carrier.feed(answer(close, error=[1, "no"]))  # it may be closed all the same
    assert calls(carrier.drain_control())[0][2:] == ["$/serial/open", ["/dev/ttyHS1"]]


def test_a_route_that_stays_away_makes_it_too_but_only_if_the_board_was_ours(
    carrier: RouterCarrier,
) -> None:
    assert greet(carrier, 5 * STUCK_HELLOS_NO_ROUTE, error=NO_ROUTE) == []
    assert carrier.router.no_route == 5 * STUCK_HELLOS_NO_ROUTE
    carrier.feed(msgpack.packb([2, "pde", [seal(BEAT)]]))
    assert greet(carrier, STUCK_HELLOS_NO_ROUTE, error=NO_ROUTE) == REOPENED


def test_the_line_is_not_opened_anew_for_ever(carrier: RouterCarrier) -> None:
    carrier.feed(msgpack.packb([2, "pde", [seal(BEAT)]]))
    assert greet(carrier, 100 * STUCK_HELLOS_NO_ROUTE, error=NO_ROUTE) == REOPENED * REOPENINGS_MAX
    carrier.feed(msgpack.packb([2, "pde", [seal(BEAT)]]))
    assert greet(carrier, STUCK_HELLOS_NO_ROUTE, error=NO_ROUTE) == REOPENED


def test_an_answer_of_the_board_ends_the_count(carrier: RouterCarrier) -> None:
    for _ in range(10):
        assert greet(carrier, STUCK_HELLOS - 1) == []
        carrier.feed(msgpack.packb([2, "pde", [seal(BEAT)]]))


def test_a_raw_line_has_nothing_to_say_of_its_own() -> None:
    assert CobsCarrier().drain_control() == b""
