"""Keeps the board's display up to date: the newest state, drawn when it changes, and then asleep.

What to draw is decided by `host.display.compositor`; when it is sent and acknowledged, by the link.
Here is only the timer between them, and which frame answers which press.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from firmware_bridge.matrix import Frame
from host.display.compositor import DisplayState, Fault, Layer, Picture, next_change_s, picture_at

VERSIONS_KEPT: Final = 64
"""Frames of results that may wait for their acknowledgement."""

Show = Callable[[Frame, int], int]
"""Sends a frame with a brightness; returns the version that will be acknowledged."""


class Screen:
    """The display as the daemon sees it; `state` is replaced through `update`."""

    def __init__(self, show: Show) -> None:
        self.state = DisplayState(is_linked=False)
        self._show = show
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._sent: tuple[Frame, int] | None = None
        self._answers: dict[int, str] = {}
        self._answered: set[str] = set()

    def update(self, state: DisplayState) -> None:
        """Show another state from now on."""
        self.state = state
        self._refresh()

    def now_s(self) -> float:
        """Return the time that states are made with."""
        return self._loop.time()

    def add_fault(self, fault: Fault) -> None:
        """Show a fault until it is mended or acknowledged."""
        self.update(self.state.with_faults((*self.state.faults, fault), self.now_s()))

    def clear_faults(self, *faults: Fault) -> None:
        """Show these faults no longer."""
        left = tuple(fault for fault in self.state.faults if fault not in faults)
        self.update(self.state.with_faults(left, self.now_s()))

    def expect_answer(self, trace_id: str) -> None:
        """Tell, by `shown`, when the board has acknowledged a frame of this plan."""
        self._answered.add(trace_id)
        self._sent = None  # the same picture as before is an answer too

    def shown(self, version: int) -> str | None:
        """Take the board's word that it shows a version; the trace id of a plan shown first."""
        trace_id = self._answers.get(version)
        self._answers = {v: t for v, t in self._answers.items() if v > version}
        if trace_id is None or trace_id not in self._answered:
            return None
        self._answered.discard(trace_id)
        return trace_id

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refresh(self) -> None:
        self.close()
        now_s = self.now_s()
        if self.state.is_linked:
            self._send(picture_at(self.state, now_s))
            change_s = next_change_s(self.state, now_s)
            if change_s is not None:
                self._timer = self._loop.call_at(change_s, self._refresh)

    def _send(self, picture: Picture) -> None:
        sent = (picture.frame, picture.brightness)
        if sent == self._sent:
            return
        version = self._show(picture.frame, picture.brightness)
        self._sent = sent
        if picture.layer in {Layer.RESULT, Layer.ANSWER} and self.state.result is not None:
            self._answers[version] = str(self.state.result.get("trace_id"))
            while len(self._answers) > VERSIONS_KEPT:
                del self._answers[min(self._answers)]
