"""After any fault of the router the link recovers, and no press is lost without being counted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from firmware_bridge.session import HostState
from tests.firmware_bridge.noisy_presses import check
from tests.firmware_bridge.routed_line import RECOVERY_S, RoutedLine
from tools.build_firmware import Built

RATES = (0.001, 0.005, 0.02)
# The router's connection breaks with the noise, and comes back after seconds: presses of a human
# pace, or the queue of 16 runs over.
PAUSE_S = {0.001: 0.5, 0.005: 1.0, 0.02: 4.0}
PRESSES = 60
SOAK = 10
# What overflows is counted. With every fiftieth byte damaged the router's connection breaks faster
# than it comes back, and that is all that remains to be promised.
LOST_SHARE_MAX = {0.001: 0.05, 0.005: 0.05, 0.02: 0.9}


@pytest.fixture
def line(built: Built) -> RoutedLine:
    ready = RoutedLine(built)
    ready.show(5)
    assert ready.seconds_until_ready() < 1.0
    return ready


def comes_back(line: RoutedLine) -> bool:
    """Show something new and see whether it is there in time."""
    line.show(3)
    return line.seconds_until_ready() <= RECOVERY_S


def test_a_press_and_a_picture_pass_through_the_router(line: RoutedLine) -> None:
    line.press_often(3)
    check(line.outcome)
    assert line.outcome.lost == 0
    assert line.board.router.routes() == {"pd": "serial", "pde": "socket 0"}


@pytest.mark.parametrize("down_s", [0.1, 1.0, 2.9, 3.5, 8.0, 40.0])
def test_after_a_restart_of_the_router_all_is_back_within_6_s(
    line: RoutedLine, down_s: float
) -> None:
    line.stop_router()
    line.run(down_s)
    line.start_router()
    assert line.board.router.routes() == {}
    assert comes_back(line)
    line.press_often(1)
    check(line.outcome)


def test_after_a_reset_of_the_mcu_all_is_back_within_6_s(line: RoutedLine) -> None:
    line.board.reset()
    assert comes_back(line)


def test_a_board_that_was_off_for_a_minute_is_back_within_6_s(line: RoutedLine) -> None:
    line.board.is_powered = False
    line.run(60)
    line.board.is_powered = True
    line.board.reset()
    assert comes_back(line)


@pytest.mark.parametrize("seed", range(8))
def test_after_10_s_of_pure_noise_all_is_back_within_6_s(built: Built, seed: int) -> None:
    line = RoutedLine(built, seed)
    line.show(5)
    line.seconds_until_ready()
    line.garble(10.0)
    assert comes_back(line)


BREAKING = {
    "c1": b"\xc1",
    "an unknown extension": b"\xd4\x05\x00",
    "an unknown extension of any size": b"\xc7\x03\x11abc",
    "a time of an odd size": b"\xc7\x05\xff12345",
    "a map whose key is a number": b"\x81\x01\x02",
}


@pytest.mark.parametrize("data", BREAKING.values(), ids=BREAKING.keys())
def test_after_the_router_broke_the_serial_connection_all_is_back_within_6_s(
    line: RoutedLine, data: bytes
) -> None:
    line.board.say_to_router(data)
    assert len(line.board.router.closings) == 1
    assert line.board.router.routes() == {"pde": "socket 0"}
    assert comes_back(line)


DEAFENING = {
    "a str": b"\xdb\x60\x00\x00\x00",
    "a bin": b"\xc6\x7f\xff\xff\xff",
    "an array": b"\xdd\x60\x00\x00\x00",
}


@pytest.mark.parametrize("data", DEAFENING.values(), ids=DEAFENING.keys())
def test_a_router_that_noise_made_deaf_is_told_to_open_the_line_anew(
    line: RoutedLine, data: bytes
) -> None:
    line.board.say_to_router(data)
    n_calls = len(line.board.router.calls)
    line.run(0.9)
    assert not any(who == "serial" for who, _ in line.board.router.calls[n_calls:])
    assert comes_back(line)
    assert line.carrier.router.serial_reopened == 1
    assert line.board.router.is_serial_open


def test_ascii_between_two_messages_disturbs_nothing(line: RoutedLine) -> None:
    line.board.say_to_router(b"MCU starting\r\n" * 5)
    line.board.say_to_board(b"Hello from the boot loader\r\n" * 5)
    before = line.outcome.connections
    line.press_often(3)
    check(line.outcome)
    assert line.outcome.connections == before
    assert line.board.router.closings == []


def test_a_message_cut_short_swallows_the_next_one_and_no_more(line: RoutedLine) -> None:
    line.board.say_to_router(b"\x93\x02\xa3pde\x91\xc4\x20")
    line.board.say_to_board(b"\x94\x00\xce\x00\x00\x00\x01\xa2pd\x91\xc4\x7c\x03")
    line.press_often(3)
    check(line.outcome)
    assert line.outcome.lost == 0


def test_a_call_that_is_never_answered_holds_nothing_up(line: RoutedLine) -> None:
    line.board.is_powered = False
    line.run(1.2)
    never_answered = set(line.board.router.board.pending)
    assert never_answered
    line.board.is_powered = True
    line.board.reset()
    assert comes_back(line)
    assert never_answered <= set(line.board.router.board.pending)


def host_first(line: RoutedLine) -> None:
    line.board.is_powered = False
    line.stop_router()
    line.run(5.0)
    line.start_router()
    line.run(5.0)
    line.board.is_powered = True
    line.board.reset()


def board_first(line: RoutedLine) -> None:
    line.stop_router()
    line.board.reset()
    line.run(20.0)
    line.start_router()


def router_last_and_board_before_it(line: RoutedLine) -> None:
    line.stop_router()
    line.run(4.0)
    line.board.reset()
    line.run(4.0)
    line.start_router()


@pytest.mark.parametrize("order", [host_first, board_first, router_last_and_board_before_it])
def test_any_order_of_starting_will_do(built: Built, order: Callable[[RoutedLine], None]) -> None:
    line = RoutedLine(built)
    order(line)
    assert comes_back(line)


def test_the_newest_host_gets_the_board_and_then_its_presses(line: RoutedLine) -> None:
    older, older_socket = line.replace_host()
    line.show(6)
    assert line.seconds_until_ready() < 1.0
    router, now_s = line.board.router, line.board.now_s + 1.0
    router.receive(older_socket, older.tick(now_s))
    line.run(0.1)
    older.receive(router.fetch(older_socket), now_s)
    assert older.state is HostState.REPLACED
    assert router.routes()["pde"] == older_socket.name
    router.disconnect(older_socket)  # as a link does that was replaced
    line.press_often(2)
    check(line.outcome)
    assert line.outcome.lost == 0


def test_nothing_ever_cancels_a_call(line: RoutedLine) -> None:
    line.board.is_powered = False
    line.run(10.0)
    assert {method for _, method in line.board.router.calls} <= {
        *("pd", "pde", "$/register", "$/serial/open", "$/serial/close"),
    }


def press(built: Built, rate: float, n_presses: int, seed: int) -> None:
    line = RoutedLine(built, seed, rate=rate, pause_s=PAUSE_S[rate])
    line.run(2.0)
    line.press_often(n_presses)
    check(line.outcome)
    assert line.settle()
    assert line.outcome.lost <= n_presses * 2 * LOST_SHARE_MAX[rate]


@pytest.mark.parametrize("rate", RATES)
def test_no_press_through_the_router_is_lost_doubled_or_wrong(built: Built, rate: float) -> None:
    press(built, rate, PRESSES, seed=round(rate * 1e4))


@pytest.mark.soak
@pytest.mark.parametrize("rate", RATES)
def test_no_press_through_the_router_is_lost_doubled_or_wrong_for_long(
    built: Built, rate: float
) -> None:
    press(built, rate, PRESSES * SOAK, seed=78)
