"""Presses on a line that damages bytes both ways: none wrong, lost or doubled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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


def test_no_press_on_the_avr_is_lost_doubled_or_wrong(avr: BoardPeer) -> None:
    press(avr, 0.005, AVR_PRESSES, seed=7)


@pytest.mark.parametrize("cut_s", [10.0])
def test_after_10_s_of_pure_noise_the_avr_is_back_within_2_s(avr: BoardPeer, cut_s: float) -> None:
    line = NoisyLine(avr, 0.0, 3)
    line.show(5)
    assert line.settle()
    line.garble(cut_s)
    before = line.outcome.connections
    line.show(7)
    line.run(2.0)
    assert line.outcome.connections == before + 1
    assert avr.shown().frame == avr.as_shown(line.picture)


@pytest.mark.soak
@pytest.mark.parametrize("rate", RATES)
def test_no_press_on_the_c_core_is_lost_doubled_or_wrong_for_long(
    built: Built, rate: float
) -> None:
    press(CorePeer(built.core_library), rate, CORE_PRESSES * SOAK // len(RATES) + 1, seed=77)


@pytest.mark.soak
def test_no_press_on_the_avr_is_lost_doubled_or_wrong_for_long(avr: BoardPeer) -> None:
    press(avr, 0.005, AVR_PRESSES * SOAK, seed=78)
