"""A line that damages and delays: no press is wrong, lost or doubled, and outages end in 2 s."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from firmware_bridge.link import RETRY_MAX_S
from tests.firmware_bridge.all_peers import make_peer
from tests.firmware_bridge.board_peers import AvrPeer, BoardPeer, CorePeer
from tests.firmware_bridge.noisy_presses import NoisyLine, check
from tools.build_firmware import Built

RATES = (0.001, 0.005, 0.02)
# On a line that often fails for a second a queue of 16 needs presses of a human pace.
PAUSE_S = {0.001: 0.08, 0.005: 0.08, 0.02: 0.4}
CORE_PRESSES = 2000
AVR_PRESSES = 200
SOAK = 10
LOST_SHARE_MAX = 0.05
RECOVERY_S = 2.0


@pytest.fixture
def avr(built: Built) -> Iterator[BoardPeer]:
    peer = AvrPeer(built.simulator, built.yun_elf)
    yield peer
    peer.close()


def press(peer: BoardPeer, rate: float, n_presses: int, seed: int) -> None:
    line = NoisyLine(peer, rate, seed, pause_s=PAUSE_S[rate])
    line.run(2.0)
    line.press_often(n_presses)
    check(line.outcome)
    assert line.settle()
    # Nearly all of them arrived: else this would only show that losses are counted.
    assert line.outcome.lost <= n_presses * 2 * LOST_SHARE_MAX


@pytest.mark.parametrize("rate", RATES)
def test_no_press_on_the_c_core_is_lost_doubled_or_wrong(built: Built, rate: float) -> None:
    # Three rates make 2,000 presses in all.
    press(
        CorePeer(built.core_library), rate, CORE_PRESSES // len(RATES) + 1, seed=round(rate * 1e4)
    )


@pytest.mark.parametrize("rate", RATES)
def test_no_press_on_the_avr_is_lost_doubled_or_wrong(avr: BoardPeer, rate: float) -> None:
    press(avr, rate, AVR_PRESSES // len(RATES) + 1, seed=7)


@pytest.fixture(params=["core", "avr"])
def line(request: pytest.FixtureRequest, built: Built) -> Iterator[NoisyLine]:
    """A good line on which the first picture is shown."""
    peer = make_peer(request.param, built)
    ready = NoisyLine(peer, 0.0, 3)
    ready.show(5)
    assert ready.settle()
    yield ready
    peer.close()


def is_back_within_2_s(line: NoisyLine, *, connections: int) -> bool:
    """Show something new; return whether it is there in time, after so many new sessions."""
    before = line.outcome.connections
    line.show(7)
    line.run(RECOVERY_S - RETRY_MAX_S)  # a port that came back is found after 0.8 s at the latest
    return line.is_shown and line.outcome.connections == before + connections


def test_after_10_s_of_pure_noise_all_is_back_within_2_s(line: NoisyLine) -> None:
    line.garble(10.0)
    assert is_back_within_2_s(line, connections=1)


def test_after_a_reset_of_the_mcu_all_is_back_within_2_s(line: NoisyLine) -> None:
    line.reset_board()
    assert is_back_within_2_s(line, connections=1)


@pytest.mark.parametrize("seconds", [0.5, 4.0, 30.0])
def test_after_a_port_that_vanished_all_is_back_within_2_s(line: NoisyLine, seconds: float) -> None:
    line.unplug(seconds)
    assert is_back_within_2_s(line, connections=1)


def test_presses_during_an_outage_are_told_when_it_ends(line: NoisyLine) -> None:
    line.unplug(8.0, n_presses=4)
    assert is_back_within_2_s(line, connections=1)
    check(line.outcome)
    assert line.outcome.lost == 0
    assert len(line.outcome.delivered) == 8


@pytest.mark.soak
@pytest.mark.parametrize("rate", RATES)
def test_no_press_on_the_c_core_is_lost_doubled_or_wrong_for_long(
    built: Built, rate: float
) -> None:
    press(CorePeer(built.core_library), rate, CORE_PRESSES * SOAK // len(RATES) + 1, seed=77)


@pytest.mark.soak
@pytest.mark.parametrize("rate", RATES)
def test_no_press_on_the_avr_is_lost_doubled_or_wrong_for_long(avr: BoardPeer, rate: float) -> None:
    press(avr, rate, AVR_PRESSES * SOAK // len(RATES) + 1, seed=78)
