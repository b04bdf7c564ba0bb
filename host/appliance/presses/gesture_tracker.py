"""Journaled edges become gestures, across outages of the link too.

The gesture recogniser trusts the host's clock for one thing: that a button is still down, because
no release came. While the link is away that is a guess, so the clock is not asked then, and not for
a moment after it is back: a release that waits on the board comes first. When the board restarted,
the release will never come, and the press is given up.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from firmware_bridge.buttons import Gesture, GestureRecognizer, GestureTiming, Sign
from firmware_bridge.messages import Edge
from firmware_bridge.session import MILLISECONDS

if TYPE_CHECKING:
    from firmware_bridge.edges import EdgeId
    from firmware_bridge.events import ButtonEdge

SETTLE_S: Final = 0.5
"""After the link came back, a release that waited on the board has arrived by then."""


class PressReader:
    """Reads gestures; times are seconds of the loop's clock."""

    def __init__(self, timing: GestureTiming) -> None:
        self._recognizer = GestureRecognizer(timing)
        self._down: dict[int, EdgeId] = {}
        self._made_s: dict[EdgeId, float] = {}
        self._trusted_s = math.inf
        """From when on no news of a button that is down means that it is down."""

    @property
    def is_idle(self) -> bool:
        """Whether no press is under way."""
        return not self._down and self._recognizer.next_deadline() is None

    @property
    def awaits_second(self) -> bool:
        """Whether a press is complete but for a second one that may follow."""
        return not self._down and self._recognizer.next_deadline() is not None

    def feed(self, changed: ButtonEdge, now_s: float) -> list[Sign]:
        """Take an edge that arrived at `now_s`."""
        self._made_s[changed.edge_id] = now_s - changed.age_ms / MILLISECONDS
        if changed.edge is Edge.DOWN:
            self._down[changed.button] = changed.edge_id
        else:
            self._down.pop(changed.button, None)
        return self._recognizer.feed(changed, now_s)

    def tick(self, now_s: float) -> list[Sign]:
        """Return what the time alone has decided."""
        if self._down and now_s < self._trusted_s:
            return []
        return self._recognizer.tick(now_s)

    def next_deadline(self) -> float | None:
        """Return when `tick` has something to say; None while only news can change that."""
        deadline_s = self._recognizer.next_deadline()
        if deadline_s is None or not self._down:
            return deadline_s
        return None if math.isinf(self._trusted_s) else max(deadline_s, self._trusted_s)

    def linked(self, now_s: float) -> None:
        """The link is there: what is not told has not happened, soon."""
        self._trusted_s = now_s + SETTLE_S

    def unlinked(self) -> None:
        """The link is gone: nothing can be concluded from silence."""
        self._trusted_s = math.inf

    def give_up(self, now_s: float) -> list[Sign]:
        """End presses whose edges will not all come; those that are complete act now."""
        signs: list[Sign] = []
        if not self._down:
            signs = self._recognizer.tick(
                now_s + self._recognizer.timing.double_window_ms / MILLISECONDS
            )
        self._recognizer.forget()
        self._down.clear()
        return signs

    def age_s(self, gesture: Gesture, now_s: float) -> float:
        """Return how long ago the last edge of a gesture was made."""
        return now_s - self._made_s[gesture.edges[-1]]

    def settle(self) -> None:
        """Forget the times of edges that have their verdict, once no press is under way."""
        if self.is_idle:
            self._made_s.clear()
