"""Keep the board's display up to date: draw the newest state when it changes, and then sleep.

`host.display.compositor` decides what to draw, and the link when it is sent and acknowledged. This
is the timer between them, and the record of which frame answers which press.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from firmware_bridge.matrix import Frame
from host.display.compositor import DisplayState, Fault, Layer, Picture, next_change_s, picture_at

ANSWERS_MAX: Final = 64
"""Frames of results that may wait for their acknowledgement."""

Show = Callable[[Frame, int], int]
"""Sends a frame with a brightness; returns the version that will be acknowledged."""


class Screen:
    """The display as the daemon sees it; `state` is replaced through `update`.

    Parameters
    ----------
    show : callable taking a Frame and a brightness, returning a version
    """

    def __init__(self, show: Show) -> None:
        self.state = DisplayState(is_linked=False)
        self._show = show
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._sent: tuple[Frame, int] | None = None
        self._trace_ids: dict[int, str] = {}
        """The plans that were sent and not acknowledged, by version."""
        self._expected: set[str] = set()
        """The trace ids of plans that no acknowledged frame has shown yet."""

    def update(self, state: DisplayState) -> None:
        """Show another state from now on."""
        self.state = state
        self._refresh()

    def picture(self) -> Picture:
        """Return the picture of this moment, on a board or not."""
        return picture_at(self.state, self.now_s())

    def now_s(self) -> float:
        """Return the time of the clock that states are made with."""
        return self._loop.time()

    def add_fault(self, fault: Fault) -> None:
        """Show a fault until it is fixed or acknowledged."""
        self.update(self.state.with_faults((*self.state.faults, fault), self.now_s()))

    def clear_faults(self, *faults: Fault) -> None:
        """Show these faults no longer."""
        others = tuple(fault for fault in self.state.faults if fault not in faults)
        self.update(self.state.with_faults(others, self.now_s()))

    def set_fault(self, fault: Fault, is_present: bool) -> None:
        """Add or clear a fault."""
        if is_present:
            self.add_fault(fault)
        else:
            self.clear_faults(fault)

    def expect_answer(self, trace_id: str) -> None:
        """Let `acknowledge` return this plan when the board has shown a frame of it."""
        self._expected.add(trace_id)
        self._sent = None  # a frame equal to the last one is an answer, too

    def acknowledge(self, version: int) -> str | None:
        """Record that the board shows a version; return the trace id of a plan shown first."""
        trace_id = self._trace_ids.get(version)
        self._trace_ids = {v: t for v, t in self._trace_ids.items() if v > version}
        if trace_id is None or trace_id not in self._expected:
            return None
        self._expected.discard(trace_id)
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
        content = (picture.frame, picture.brightness)
        if content == self._sent:
            return
        version = self._show(picture.frame, picture.brightness)
        self._sent = content
        if picture.layer in {Layer.RESULT, Layer.ANSWER} and self.state.result is not None:
            self._trace_ids[version] = str(self.state.result.get("trace_id"))
            while len(self._trace_ids) > ANSWERS_MAX:
                del self._trace_ids[min(self._trace_ids)]
