"""Gestures: what a hand did, by the board's clock."""

from __future__ import annotations

import pytest

from firmware_bridge.buttons import (
    RECONNECT_GRACE_S,
    Gesture,
    GestureKind,
    GestureRecognizer,
    GestureTiming,
    GestureTracker,
    GestureUpdate,
    PendingGesture,
)
from firmware_bridge.errors import MessageError
from firmware_bridge.events import ButtonEdge, EdgeId
from firmware_bridge.messages import Edge

SHORT, DOUBLE = GestureKind.SHORT, GestureKind.DOUBLE
HOLD, LONG_HOLD = GestureKind.HOLD, GestureKind.LONG_HOLD
CLOCK = 2**32


class Hand:
    """Presses buttons at given milliseconds; edges arrive at once unless told otherwise."""

    def __init__(self, timing: GestureTiming | None = None, start_ms: int = 0) -> None:
        self.recognizer = GestureRecognizer(timing)
        self.gestures: list[tuple[int, GestureKind]] = []
        self.previews: list[tuple[int, GestureKind]] = []
        self.full: list[Gesture] = []
        self._start_ms = start_ms
        self._event_id = 0
        self.boot_id = 1

    def edge(self, edge: Edge, t_ms: int, late_ms: int = 0, button: int = 0) -> None:
        self.wait_until(t_ms + late_ms)
        self._event_id += 1
        changed = ButtonEdge(
            EdgeId(self.boot_id, self._event_id),
            button,
            edge,
            (self._start_ms + t_ms) % CLOCK,
            late_ms,
        )
        self._note(t_ms + late_ms, self.recognizer.feed(changed, (t_ms + late_ms) / 1000))

    def wait_until(self, until_ms: int) -> None:
        while (due_s := self.recognizer.next_deadline()) is not None:
            due_ms = round(due_s * 1000)
            if due_ms > until_ms:
                return
            self._note(due_ms, self.recognizer.tick(due_s))

    def _note(self, at_ms: int, updates: list[Gesture | PendingGesture]) -> None:
        for update in updates:
            log = self.gestures if isinstance(update, Gesture) else self.previews
            log.append((at_ms, update.kind))
            if isinstance(update, Gesture):
                self.full.append(update)


# Times at which the button changes, down first, and then when which gesture acts.
TABLE = {
    "a tap acts after the double window": ([0, 80], [(380, SHORT)]),
    "a press just below a hold": ([0, 1499], [(1799, SHORT)]),
    "a hold acts on release": ([0, 1500], [(1500, HOLD)]),
    "a hold just below the long one": ([0, 4999], [(4999, HOLD)]),
    "a long hold acts while down and cancels the hold": ([0, 9000], [(5060, LONG_HOLD)]),
    "a release right at the long hold": ([0, 5000], [(5000, LONG_HOLD)]),
    "two taps": ([0, 80, 200, 280], [(280, DOUBLE)]),
    "two taps as far apart as allowed": ([0, 80, 379, 400], [(400, DOUBLE)]),
    "two taps too far apart": ([0, 80, 380, 400], [(380, SHORT), (700, SHORT)]),
    "three taps": ([0, 80, 160, 240, 320, 400], [(240, DOUBLE), (700, SHORT)]),
    "four taps": ([0, 50, 100, 150, 200, 250, 300, 350], [(150, DOUBLE), (350, DOUBLE)]),
    "a tap and a hold is a hold": ([0, 80, 160, 1700], [(1700, HOLD)]),
    "a tap and a long hold": ([0, 80, 160, 9000], [(5220, LONG_HOLD)]),
}


@pytest.mark.parametrize("start_ms", [0, CLOCK - 90, CLOCK - 1500])
@pytest.mark.parametrize(("times", "expected"), TABLE.values(), ids=TABLE)
def test_gestures_follow_the_table_also_when_the_clock_wraps(
    times: list[int], expected: list[tuple[int, GestureKind]], start_ms: int
) -> None:
    hand = Hand(start_ms=start_ms)
    for number, t_ms in enumerate(times):
        hand.edge(Edge.UP if number % 2 else Edge.DOWN, t_ms)
    hand.wait_until(20_000)
    assert hand.gestures == expected


def test_previews_tell_each_threshold_while_the_button_is_down() -> None:
    hand = Hand()
    hand.edge(Edge.DOWN, 0)
    hand.wait_until(9000)
    assert hand.previews == [(0, SHORT), (1500, HOLD), (5060, LONG_HOLD)]


def test_a_late_tick_tells_all_thresholds_at_once() -> None:
    hand = Hand()
    hand.edge(Edge.DOWN, 0)
    updates = hand.recognizer.tick(9.0)
    assert [update.kind for update in updates] == [HOLD, LONG_HOLD, LONG_HOLD]


def test_a_second_press_previews_a_double() -> None:
    hand = Hand()
    for number, t_ms in enumerate([0, 80, 160]):
        hand.edge(Edge.UP if number % 2 else Edge.DOWN, t_ms)
    assert hand.previews == [(0, SHORT), (160, DOUBLE)]


def test_edges_that_arrive_late_and_together_are_judged_by_their_own_times() -> None:
    hand = Hand()
    for number, (t_ms, late_ms) in enumerate([(0, 2000), (1600, 450), (1700, 400), (1780, 390)]):
        hand.edge(Edge.UP if number % 2 else Edge.DOWN, t_ms, late_ms)
    hand.wait_until(20_000)
    # The hold was over before its first edge came; the tap behind it stands for itself.
    assert [kind for _, kind in hand.gestures] == [HOLD, SHORT]


@pytest.mark.parametrize(
    ("again_ms", "kinds"), [(379, [DOUBLE]), (380, [SHORT, SHORT]), (381, [SHORT, SHORT])]
)
def test_the_window_is_measured_by_the_board_when_both_taps_come_late(
    again_ms: int, kinds: list[GestureKind]
) -> None:
    hand = Hand()
    for number, t_ms in enumerate([0, 80, again_ms, again_ms + 20]):
        hand.edge(Edge.UP if number % 2 else Edge.DOWN, t_ms, late_ms=1000 - t_ms)
    hand.wait_until(5000)
    assert [kind for _, kind in hand.gestures] == kinds


def test_the_second_tap_may_be_as_late_as_the_window_is_long() -> None:
    hand = Hand()
    hand.edge(Edge.DOWN, 0)
    hand.edge(Edge.UP, 80, late_ms=100)
    hand.edge(Edge.DOWN, 200, late_ms=270)
    hand.edge(Edge.UP, 280, late_ms=270)
    assert [kind for _, kind in hand.gestures] == [DOUBLE]


def test_a_release_on_its_way_keeps_a_hold_from_becoming_long() -> None:
    hand = Hand()
    hand.edge(Edge.DOWN, 0)
    hand.edge(Edge.UP, 4990, late_ms=55)
    assert hand.gestures == [(5045, HOLD)]


def test_a_gesture_names_its_edges_and_the_age_of_the_last() -> None:
    hand = Hand()
    hand.edge(Edge.DOWN, 0)
    hand.edge(Edge.UP, 80, late_ms=20)
    hand.wait_until(1000)
    (gesture,) = hand.full
    assert gesture == Gesture(SHORT, 0, (EdgeId(1, 1), EdgeId(1, 2)), 20)


def test_buttons_do_not_disturb_each_other() -> None:
    hand = Hand()
    hand.edge(Edge.DOWN, 0, button=0)
    hand.edge(Edge.DOWN, 50, button=1)
    hand.edge(Edge.UP, 100, button=1)
    hand.edge(Edge.UP, 1600, button=0)
    hand.wait_until(5000)
    assert [(g.kind, g.button) for g in hand.full] == [(SHORT, 1), (HOLD, 0)]


def test_a_release_without_a_press_means_nothing() -> None:
    hand = Hand()
    hand.edge(Edge.UP, 0)
    hand.wait_until(5000)
    assert hand.gestures == []


def test_a_press_whose_release_was_lost_gives_way_to_the_next() -> None:
    hand = Hand()
    hand.edge(Edge.DOWN, 0)
    hand.edge(Edge.DOWN, 1000)
    hand.edge(Edge.UP, 1080)
    hand.wait_until(9000)
    assert hand.gestures == [(1380, SHORT)]


def test_a_reset_of_the_board_ends_a_press_under_way() -> None:
    hand = Hand()
    hand.edge(Edge.DOWN, 0)
    hand.boot_id = 2
    hand.edge(Edge.UP, 2000)
    hand.wait_until(9000)
    assert hand.gestures == []


def test_after_forgetting_nothing_acts() -> None:
    hand = Hand()
    hand.edge(Edge.DOWN, 0)
    hand.recognizer.forget()
    hand.wait_until(9000)
    hand.edge(Edge.UP, 9100)
    assert hand.gestures == []
    assert hand.recognizer.next_deadline() is None


def test_without_a_double_window_a_tap_acts_at_once() -> None:
    hand = Hand(GestureTiming(double_window_ms=0))
    for number, t_ms in enumerate([0, 80, 160, 240]):
        hand.edge(Edge.UP if number % 2 else Edge.DOWN, t_ms)
    assert hand.gestures == [(80, SHORT), (240, SHORT)]


@pytest.mark.parametrize(
    "times", [(-1, 1500, 5000, 60), (300, 200, 5000, 60), (300, 5000, 5000, 60), (0, 9, 10, 10)]
)
def test_times_that_make_a_gesture_impossible_are_refused(
    times: tuple[int, int, int, int],
) -> None:
    with pytest.raises(MessageError):
        GestureTiming(*times)


# --- across outages of the link -------------------------------------------------------------

BOOT = 7


def edge(number: int, what: Edge, t_ms: int, age_ms: int = 0, boot_id: int = BOOT) -> ButtonEdge:
    return ButtonEdge(EdgeId(boot_id, number), 0, what, t_ms, age_ms)


def gesture_kinds(updates: list[GestureUpdate]) -> list[GestureKind]:
    return [update.kind for update in updates if isinstance(update, Gesture)]


@pytest.fixture
def tracker() -> GestureTracker:
    tracker = GestureTracker(GestureTiming())
    tracker.link_connected(-10.0)
    return tracker


def test_a_short_press_acts_when_no_second_one_came(tracker: GestureTracker) -> None:
    tracker.feed(edge(1, Edge.DOWN, 0), 0.0)
    assert gesture_kinds(tracker.feed(edge(2, Edge.UP, 100), 0.1)) == []
    assert tracker.next_deadline() == pytest.approx(0.4)
    assert gesture_kinds(tracker.tick(0.41)) == [GestureKind.SHORT]
    assert tracker.is_idle


def test_a_button_that_is_down_becomes_no_hold_while_the_link_is_away(
    tracker: GestureTracker,
) -> None:
    tracker.feed(edge(1, Edge.DOWN, 0), 0.0)
    tracker.link_lost()
    assert tracker.next_deadline() is None
    assert tracker.tick(60.0) == []
    tracker.link_connected(60.0)
    assert tracker.tick(60.0 + RECONNECT_GRACE_S / 2) == []
    assert tracker.next_deadline() == pytest.approx(60.0 + RECONNECT_GRACE_S)
    assert gesture_kinds(tracker.feed(edge(2, Edge.UP, 100, age_ms=59_900), 60.1)) == []
    updates = tracker.tick(60.5)
    assert gesture_kinds(updates) == [GestureKind.SHORT]


def test_a_button_that_is_still_down_after_an_outage_acts(tracker: GestureTracker) -> None:
    tracker.feed(edge(1, Edge.DOWN, 0), 0.0)
    tracker.link_lost()
    tracker.link_connected(6.0)
    assert gesture_kinds(tracker.tick(6.0 + RECONNECT_GRACE_S)) == [GestureKind.LONG_HOLD]


def test_the_age_of_a_gesture_is_that_of_its_last_edge(tracker: GestureTracker) -> None:
    tracker.feed(edge(1, Edge.DOWN, 0, age_ms=12_000), 20.0)
    tracker.feed(edge(2, Edge.UP, 100, age_ms=11_900), 20.0)
    (gesture,) = tracker.tick(20.4)
    assert isinstance(gesture, Gesture)
    assert tracker.age_s(gesture, 20.4) == pytest.approx(12.3)


def test_giving_up_lets_a_complete_press_act_and_forgets_an_incomplete_one(
    tracker: GestureTracker,
) -> None:
    tracker.feed(edge(1, Edge.DOWN, 0), 0.0)
    tracker.feed(edge(2, Edge.UP, 100), 0.1)
    assert gesture_kinds(tracker.end_presses(0.1)) == [GestureKind.SHORT]
    tracker.feed(edge(3, Edge.DOWN, 5000), 5.0)
    assert tracker.end_presses(5.1) == []
    assert tracker.is_idle
    assert tracker.next_deadline() is None
