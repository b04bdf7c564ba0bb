"""Gestures from button edges, sans-IO.

How long a button was down, and how soon it was pressed again, follows from the times that the board
sent with the edges. So a line that delays an edge does not change a gesture with both its edges.
The host's clock decides only where an edge is still missing: that no second press came, counted
from the arrival of the release, and that the button has been down for so long already.
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
"""After the link came back, a release that waited on the board has arrived by then."""


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
        How much later than `long_hold_ms` a button that is still down acts, so that a release
        that is on its way (it may have to be sent twice) can still make it a hold.
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
    """A gesture that acts now; ``age_ms`` is how late its last edge arrived."""

    kind: GestureKind
    button: int
    edges: tuple[EdgeId, ...]
    age_ms: int


@dataclass(frozen=True, slots=True)
class PendingGesture:
    """The button is down, and a release now would make this gesture."""

    kind: GestureKind
    button: int


GestureUpdate: TypeAlias = Gesture | PendingGesture


@dataclass(slots=True)
class _Press:
    """A press under way: its edges so far, and the state of the host's timers for it."""

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
    """Turns edges into gestures, each button for itself."""

    def __init__(self, timing: GestureTiming | None = None) -> None:
        self.timing: Final = timing or GestureTiming()
        self._presses: dict[int, _Press] = {}

    def feed(self, edge: ButtonEdge, now_s: float) -> list[GestureUpdate]:
        """Take an edge that arrived at ``now_s`` and return what it leads to."""
        assert 0 <= edge.button < BUTTONS_MAX
        press = self._presses.get(edge.button)
        if press is not None and press.boot_id != edge.edge_id.boot_id:
            press = None  # the board restarted: its release will never come
        if edge.edge is Edge.DOWN:
            return self._on_down(press, edge, now_s)
        return self._on_up(press, edge, now_s)

    def tick(self, now_s: float) -> list[GestureUpdate]:
        """Return what the time alone has decided."""
        updates: list[GestureUpdate] = []
        for button in list(self._presses):
            updates += self._on_time(button, self._presses[button], now_s)
        return updates

    def next_deadline(self) -> float | None:
        """Return when `tick` has something to say, or None while only an edge can change that."""
        deadlines = (self._deadline_of(press) for press in self._presses.values())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def forget(self) -> None:
        """Drop presses under way: edges may be missing, and a guess must not act."""
        self._presses.clear()

    # --- edges -----------------------------------------------------------------------------

    def _on_down(self, press: _Press | None, edge: ButtonEdge, now_s: float) -> list[GestureUpdate]:
        updates: list[GestureUpdate] = []
        second = False
        edges: tuple[EdgeId, ...] = (edge.edge_id,)
        # A press that is still down lost its release: what it would have been is unknown.
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
            return []  # its press was lost
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
        """Return when the host's clock changes something for this press."""
        if press.up_ms is not None:
            return press.expires_s
        if press.acted:
            return None
        if press.pending is GestureKind.HOLD:
            return press.down_s + (self.timing.long_hold_ms + self.timing.grace_ms) / MILLISECONDS
        return press.down_s + self.timing.hold_ms / MILLISECONDS


class GestureTracker:
    """Recognizes gestures, across outages of the link too; times are seconds of the host's clock.

    While the link is away, silence does not mean that a button is still down. So the clock decides
    nothing then, nor for a moment after the link came back: a release that waits on the board comes
    first. When the board restarted, the release will never come, and the press is given up.
    """

    def __init__(self, timing: GestureTiming) -> None:
        self._recognizer = GestureRecognizer(timing)
        self._down: dict[int, EdgeId] = {}
        self._edge_times_s: dict[EdgeId, float] = {}
        self._silence_counts_from_s = math.inf
        """From then on, silence about a button that is down means that it is still down."""

    @property
    def is_idle(self) -> bool:
        """Whether no press is under way."""
        return not self._down and self._recognizer.next_deadline() is None

    @property
    def awaits_second_press(self) -> bool:
        """Whether a press is complete except for a second one that may follow."""
        return not self._down and self._recognizer.next_deadline() is not None

    def feed(self, edge: ButtonEdge, now_s: float) -> list[GestureUpdate]:
        """Take an edge that arrived at `now_s`."""
        self._edge_times_s[edge.edge_id] = now_s - edge.age_ms / MILLISECONDS
        if edge.edge is Edge.DOWN:
            self._down[edge.button] = edge.edge_id
        else:
            self._down.pop(edge.button, None)
        return self._recognizer.feed(edge, now_s)

    def tick(self, now_s: float) -> list[GestureUpdate]:
        """Return what the time alone has decided."""
        if self._down and now_s < self._silence_counts_from_s:
            return []
        return self._recognizer.tick(now_s)

    def next_deadline(self) -> float | None:
        """Return when `tick` has something to say; None while only an edge can change that."""
        deadline_s = self._recognizer.next_deadline()
        if deadline_s is None or not self._down:
            return deadline_s
        from_s = self._silence_counts_from_s
        return None if math.isinf(from_s) else max(deadline_s, from_s)

    def link_connected(self, now_s: float) -> None:
        """Let the clock decide again, after a moment for edges that waited on the board."""
        self._silence_counts_from_s = now_s + RECONNECT_GRACE_S

    def link_lost(self) -> None:
        """Conclude nothing from silence until the link is back."""
        self._silence_counts_from_s = math.inf

    def give_up(self, now_s: float) -> list[GestureUpdate]:
        """End presses whose edges will not all come; those that are complete act now."""
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
