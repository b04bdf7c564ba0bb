"""Gestures from button edges, sans-IO.

Theory of operation. Each button runs through these states::

    up --down--> pressed --up before hold_ms----> released --window over--> SHORT
                    |                                 '-----down-----> second press --up--> DOUBLE
                    |--up after hold_ms---------> HOLD
                    '--still down at long_hold_ms + grace_ms--> LONG_HOLD

Durations come from the board's clock, whose time is sent with each edge. So an edge that the line
delays does not change the gesture. The host's clock decides only while an edge is missing: that no
second press followed (counted from the arrival of the release), and that a button is still down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias

from firmware_bridge.errors import MessageError
from firmware_bridge.messages import BUTTONS_MAX, MILLISECONDS, Edge, elapsed_ms

if TYPE_CHECKING:
    from firmware_bridge.events import ButtonEdge, EdgeId


RECONNECT_GRACE_S: Final = 0.5
"""Time for a release that waited on the board to arrive after the link came back."""


class GestureKind(Enum):
    """The kinds of gesture."""

    SHORT = "short"
    DOUBLE = "double"
    HOLD = "hold"
    LONG_HOLD = "long_hold"


@dataclass(frozen=True, slots=True)
class GestureTiming:
    """The limits between gestures, in milliseconds of the board's clock.

    Parameters
    ----------
    double_window_ms
        A press sooner than this after a release makes it a double press. With 0 a short press acts
        at once and there are no double presses.
    hold_ms, long_hold_ms
        How long the button must be down.
    grace_ms
        How long after `long_hold_ms` a button that is still down acts. A release that is on its
        way, and may have to be sent twice, can still make it a hold until then.
    """

    double_window_ms: int = 300
    hold_ms: int = 1500
    long_hold_ms: int = 5000
    grace_ms: int = 60

    def __post_init__(self) -> None:
        """Refuse limits that would make a gesture impossible."""
        if not 0 <= self.double_window_ms <= self.hold_ms < self.long_hold_ms:
            raise MessageError("gesture times must grow: double window, hold, long hold")
        if not 0 <= self.grace_ms <= self.hold_ms:
            raise MessageError("the grace time is longer than a hold")


@dataclass(frozen=True, slots=True)
class Gesture:
    """A complete gesture; ``age_ms`` is how late its last edge arrived."""

    kind: GestureKind
    button: int
    edges: tuple[EdgeId, ...]
    age_ms: int


@dataclass(frozen=True, slots=True)
class PendingGesture:
    """The gesture that a release would make now, while the button is down."""

    kind: GestureKind
    button: int


GestureUpdate: TypeAlias = Gesture | PendingGesture


@dataclass(slots=True)
class _Press:
    """A press that is not complete yet: its edges, and the host's timers for it."""

    edges: tuple[EdgeId, ...]
    boot_id: int
    age_ms: int
    down_ms: int
    down_s: float
    """When the button went down, on the host's clock."""
    is_second: bool = False
    pending: GestureKind = GestureKind.SHORT
    acted: bool = False
    up_ms: int | None = None
    expires_s: float = 0.0
    """When a released press becomes a short one."""


class GestureRecognizer:
    """Turns edges into gestures, separately for each button."""

    def __init__(self, timing: GestureTiming | None = None) -> None:
        self.timing: Final = timing or GestureTiming()
        self._presses: dict[int, _Press] = {}

    def feed(self, edge: ButtonEdge, now_s: float) -> list[GestureUpdate]:
        """Process an edge that arrived at ``now_s`` and return the gestures that follow from it."""
        assert 0 <= edge.button < BUTTONS_MAX
        press = self._presses.get(edge.button)
        if press is not None and press.boot_id != edge.edge_id.boot_id:
            press = None  # the board restarted: the release of that press will never come
        if edge.edge is Edge.DOWN:
            return self._on_down(press, edge, now_s)
        return self._on_up(press, edge, now_s)

    def tick(self, now_s: float) -> list[GestureUpdate]:
        """Return the gestures that follow from the time alone."""
        updates: list[GestureUpdate] = []
        for button in list(self._presses):
            updates += self._on_time(button, self._presses[button], now_s)
        return updates

    def next_deadline(self) -> float | None:
        """Return when `tick` must be called, or None if only an edge can change anything."""
        deadlines = (self._deadline_of(press) for press in self._presses.values())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def forget(self) -> None:
        """Drop incomplete presses: with edges missing, the gesture would be a guess."""
        self._presses.clear()

    # --- edges -----------------------------------------------------------------------------

    def _on_down(self, press: _Press | None, edge: ButtonEdge, now_s: float) -> list[GestureUpdate]:
        updates: list[GestureUpdate] = []
        second = False
        edges: tuple[EdgeId, ...] = (edge.edge_id,)
        # If that press is still down, its release was lost and its gesture is unknown: drop it.
        if press is not None and press.up_ms is not None:
            second = elapsed_ms(press.up_ms, edge.t_ms) < self.timing.double_window_ms
            if second:
                edges = press.edges + edges
            else:
                updates.append(self._end(edge.button, press, GestureKind.SHORT))
        self._presses[edge.button] = _Press(
            edges,
            edge.edge_id.boot_id,
            edge.age_ms,
            edge.t_ms,
            now_s - edge.age_ms / MILLISECONDS,
            is_second=second,
        )
        return [*updates, PendingGesture(self._released(0, is_second=second), edge.button)]

    def _on_up(self, press: _Press | None, edge: ButtonEdge, now_s: float) -> list[GestureUpdate]:
        if press is None or press.up_ms is not None:
            self._presses.pop(edge.button, None)
            return []  # the press of this release was lost
        press.edges += (edge.edge_id,)
        press.age_ms = edge.age_ms
        if press.acted:
            del self._presses[edge.button]
            return []
        kind = self._released(elapsed_ms(press.down_ms, edge.t_ms), is_second=press.is_second)
        if kind is GestureKind.SHORT and self.timing.double_window_ms:
            press.up_ms = edge.t_ms
            press.expires_s = now_s + self.timing.double_window_ms / MILLISECONDS
            return []
        return [self._end(edge.button, press, kind)]

    def _released(self, held_ms: int, *, is_second: bool) -> GestureKind:
        """Return the gesture that a release after this time makes."""
        if held_ms >= self.timing.long_hold_ms:
            return GestureKind.LONG_HOLD
        if held_ms >= self.timing.hold_ms:
            return GestureKind.HOLD
        return GestureKind.DOUBLE if is_second else GestureKind.SHORT

    def _end(self, button: int, press: _Press, kind: GestureKind) -> Gesture:
        self._presses.pop(button, None)
        return Gesture(kind, button, press.edges, press.age_ms)

    # --- time ------------------------------------------------------------------------------

    def _on_time(self, button: int, press: _Press, now_s: float) -> list[GestureUpdate]:
        deadline_s = self._deadline_of(press)
        if deadline_s is None or now_s < deadline_s:
            return []
        if press.up_ms is not None:
            return [self._end(button, press, GestureKind.SHORT)]
        if press.pending in {GestureKind.SHORT, GestureKind.DOUBLE}:
            press.pending = GestureKind.HOLD
            return [PendingGesture(GestureKind.HOLD, button), *self._on_time(button, press, now_s)]
        press.acted = True
        return [
            PendingGesture(GestureKind.LONG_HOLD, button),
            Gesture(GestureKind.LONG_HOLD, button, press.edges, press.age_ms),
        ]

    def _deadline_of(self, press: _Press) -> float | None:
        """Return when the host's clock decides something about this press."""
        if press.up_ms is not None:
            return press.expires_s
        if press.acted:
            return None
        if press.pending is GestureKind.HOLD:
            return press.down_s + (self.timing.long_hold_ms + self.timing.grace_ms) / MILLISECONDS
        return press.down_s + self.timing.hold_ms / MILLISECONDS


class GestureTracker:
    """Recognizes gestures, also across outages of the link; times are seconds of the host's clock.

    While the link is away, a missing release does not mean that the button is still down. So the
    clock decides nothing then, nor for a moment after the link came back: a release that waited on
    the board arrives first. After a restart of the board the release never comes, and the press is
    dropped.
    """

    def __init__(self, timing: GestureTiming) -> None:
        self._recognizer = GestureRecognizer(timing)
        self._down: dict[int, EdgeId] = {}
        self._edge_times_s: dict[EdgeId, float] = {}
        self._clock_decides_from_s = math.inf
        """From then on, a missing release means that the button is still down."""

    @property
    def is_idle(self) -> bool:
        """True if no press is incomplete."""
        return not self._down and self._recognizer.next_deadline() is None

    @property
    def awaits_second_press(self) -> bool:
        """True if a press is complete, but a second one may still follow."""
        return not self._down and self._recognizer.next_deadline() is not None

    def feed(self, edge: ButtonEdge, now_s: float) -> list[GestureUpdate]:
        """Process an edge that arrived at `now_s`."""
        self._edge_times_s[edge.edge_id] = now_s - edge.age_ms / MILLISECONDS
        if edge.edge is Edge.DOWN:
            self._down[edge.button] = edge.edge_id
        else:
            self._down.pop(edge.button, None)
        return self._recognizer.feed(edge, now_s)

    def tick(self, now_s: float) -> list[GestureUpdate]:
        """Return the gestures that follow from the time alone."""
        if self._down and now_s < self._clock_decides_from_s:
            return []
        return self._recognizer.tick(now_s)

    def next_deadline(self) -> float | None:
        """Return when `tick` must be called, or None if only an edge can change anything."""
        deadline_s = self._recognizer.next_deadline()
        if deadline_s is None or not self._down:
            return deadline_s
        from_s = self._clock_decides_from_s
        return None if math.isinf(from_s) else max(deadline_s, from_s)

    def link_connected(self, now_s: float) -> None:
        """Let the clock decide again, after a moment for edges that waited on the board."""
        self._clock_decides_from_s = now_s + RECONNECT_GRACE_S

    def link_lost(self) -> None:
        """Let the clock decide nothing until the link is back."""
        self._clock_decides_from_s = math.inf

    def end_presses(self, now_s: float) -> list[GestureUpdate]:
        """End all presses, since the missing edges will not come; complete ones act now."""
        updates: list[GestureUpdate] = []
        if not self._down:
            window_s = self._recognizer.timing.double_window_ms / MILLISECONDS
            updates = self._recognizer.tick(now_s + window_s)
        self._recognizer.forget()
        self._down.clear()
        return updates

    def age_s(self, gesture: Gesture, now_s: float) -> float:
        """Return how long ago the last edge of a gesture was made."""
        return now_s - self._edge_times_s[gesture.edges[-1]]

    def forget_times(self) -> None:
        """Forget the times of all edges; call it when no press is under way."""
        self._edge_times_s.clear()
