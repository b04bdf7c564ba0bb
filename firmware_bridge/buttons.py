"""Gestures from button edges, sans-IO, judged by the board's clock.

How long a button was down, and how soon it was pressed again, is read from the times that the
board wrote; a line that delays an edge does not change a gesture that both edges are known of.
The host's clock only decides what must be decided while an edge is still missing: that no second
press came (from the arrival of the release), and that the button is down for so long already.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias

from firmware_bridge.errors import MessageError
from firmware_bridge.messages import BUTTONS_MAX, Edge
from firmware_bridge.session import MILLISECONDS, elapsed_ms

if TYPE_CHECKING:
    from firmware_bridge.edges import EdgeId
    from firmware_bridge.events import ButtonEdge


class GestureKind(Enum):
    """What a hand did."""

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
class Preview:
    """The button is down; a release now would do this."""

    kind: GestureKind
    button: int


Sign: TypeAlias = Gesture | Preview


@dataclass(slots=True)
class _Press:
    """A press under way: its edges so far, and what the host's clock waits for."""

    edges: tuple[EdgeId, ...]
    boot_id: int
    age_ms: int
    down_ms: int
    down_s: float
    """When the button went down, on the host's clock."""
    is_second: bool = False
    previewed: GestureKind = GestureKind.SHORT
    acted: bool = False
    up_ms: int | None = None
    expires_s: float = 0.0
    """When a released press becomes a short one."""


class GestureRecognizer:
    """Turns edges into gestures, each button for itself."""

    def __init__(self, timing: GestureTiming | None = None) -> None:
        self.timing: Final = timing or GestureTiming()
        self._presses: dict[int, _Press] = {}

    def feed(self, changed: ButtonEdge, now_s: float) -> list[Sign]:
        """Take an edge that arrived at ``now_s`` and return what it leads to."""
        assert 0 <= changed.button < BUTTONS_MAX
        press = self._presses.get(changed.button)
        if press is not None and press.boot_id != changed.edge_id.boot_id:
            press = None  # the board restarted: its release will never come
        if changed.edge is Edge.DOWN:
            return self._on_down(press, changed, now_s)
        return self._on_up(press, changed, now_s)

    def tick(self, now_s: float) -> list[Sign]:
        """Return what the time alone has decided."""
        signs: list[Sign] = []
        for button in list(self._presses):
            signs += self._on_time(button, self._presses[button], now_s)
        return signs

    def next_deadline(self) -> float | None:
        """Return when `tick` has something to say, or None while only an edge can change that."""
        deadlines = (self._deadline_of(press) for press in self._presses.values())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def forget(self) -> None:
        """Drop presses under way: edges may be missing, and nobody should act on a guess."""
        self._presses.clear()

    # --- edges -----------------------------------------------------------------------------

    def _on_down(self, press: _Press | None, changed: ButtonEdge, now_s: float) -> list[Sign]:
        signs: list[Sign] = []
        second = False
        edges: tuple[EdgeId, ...] = (changed.edge_id,)
        # A press that is still down lost its release: what it would have been is unknown.
        if press is not None and press.up_ms is not None:
            second = elapsed_ms(press.up_ms, changed.t_ms) < self.timing.double_window_ms
            if second:
                edges = press.edges + edges
            else:
                signs.append(self._end(changed.button, press, GestureKind.SHORT))
        self._presses[changed.button] = _Press(
            edges,
            changed.edge_id.boot_id,
            changed.age_ms,
            changed.t_ms,
            now_s - changed.age_ms / MILLISECONDS,
            is_second=second,
        )
        return [*signs, Preview(self._released(0, is_second=second), changed.button)]

    def _on_up(self, press: _Press | None, changed: ButtonEdge, now_s: float) -> list[Sign]:
        if press is None or press.up_ms is not None:
            self._presses.pop(changed.button, None)
            return []  # its press was lost
        press.edges += (changed.edge_id,)
        press.age_ms = changed.age_ms
        if press.acted:
            del self._presses[changed.button]
            return []
        kind = self._released(elapsed_ms(press.down_ms, changed.t_ms), is_second=press.is_second)
        if kind is GestureKind.SHORT and self.timing.double_window_ms:
            press.up_ms = changed.t_ms
            press.expires_s = now_s + self.timing.double_window_ms / MILLISECONDS
            return []
        return [self._end(changed.button, press, kind)]

    def _released(self, held_ms: int, *, is_second: bool) -> GestureKind:
        """Return what a release after this time does."""
        if held_ms >= self.timing.long_hold_ms:
            return GestureKind.LONG_HOLD
        if held_ms >= self.timing.hold_ms:
            return GestureKind.HOLD
        return GestureKind.DOUBLE if is_second else GestureKind.SHORT

    def _end(self, button: int, press: _Press, kind: GestureKind) -> Gesture:
        self._presses.pop(button, None)
        return Gesture(kind, button, press.edges, press.age_ms)

    # --- time ------------------------------------------------------------------------------

    def _on_time(self, button: int, press: _Press, now_s: float) -> list[Sign]:
        deadline_s = self._deadline_of(press)
        if deadline_s is None or now_s < deadline_s:
            return []
        if press.up_ms is not None:
            return [self._end(button, press, GestureKind.SHORT)]
        if press.previewed in {GestureKind.SHORT, GestureKind.DOUBLE}:
            press.previewed = GestureKind.HOLD
            return [Preview(GestureKind.HOLD, button), *self._on_time(button, press, now_s)]
        press.acted = True
        return [
            Preview(GestureKind.LONG_HOLD, button),
            Gesture(GestureKind.LONG_HOLD, button, press.edges, press.age_ms),
        ]

    def _deadline_of(self, press: _Press) -> float | None:
        """Return when the host's clock changes something for this press."""
        if press.up_ms is not None:
            return press.expires_s
        if press.acted:
            return None
        if press.previewed is GestureKind.HOLD:
            return press.down_s + (self.timing.long_hold_ms + self.timing.grace_ms) / MILLISECONDS
        return press.down_s + self.timing.hold_ms / MILLISECONDS
