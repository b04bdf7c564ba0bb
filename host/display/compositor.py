"""The picture on the matrix: the display's state in, a frame out; no IO and no clock.

The daemon holds one `DisplayState` and replaces it by one of its `with_...` methods when something
happens. It sends `picture_at(state, now_s)` to the board and sleeps until
`next_change_s(state, now_s)`, or until the state changes. All times are of one monotonic clock.
`docs/display.md` shows every pattern.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from firmware_bridge.board_frames import stale_frame
from firmware_bridge.matrix import Frame
from firmware_bridge.messages import COLUMNS
from host.display import screens
from host.display.animation import Animation, still
from host.display.faults import Fault
from host.display.labels import PlanRecord
from host.display.lighting import Light, Lighting
from host.display.screens import Intent, with_degraded_mark

__all__ = [
    "LAYERS",
    "DisplayState",
    "Fault",
    "Intent",
    "Layer",
    "Light",
    "Lighting",
    "PairingView",
    "Picture",
    "PlanRecord",
    "Planning",
    "ReleasePreview",
    "frame_at",
    "next_change_s",
    "picture_at",
]

AWAKE_S: Final = 60.0
"""How long a press lights a matrix that is dark for the night."""
ANSWER_S: Final = 20.0
"""How long the answer to a press hides a fault or a rejected configuration."""
PAGE_RETURN_S: Final = 90.0
"""How long a step's page is shown before the summary returns."""
MARK_COLUMNS: Final = 2
"""Columns on the right that are left for the mark of a degraded planner."""

# --- the state -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Planning:
    """A plan under way."""

    since_s: float
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class ReleasePreview:
    """The action of a release of the button, while it is down."""

    intent: Intent
    since_s: float
    until_s: float | None = None
    """When holding on changes the action; a row fills until then."""
    bucket: str = ""
    """The bucket that NEXT_BUCKET selects."""


@dataclass(frozen=True, slots=True)
class PairingView:
    """An open pairing window of the HTTP API.

    Parameters
    ----------
    code : str
        Six digits.
    fingerprint : tuple of str
        Groups of the certificate's fingerprint; empty without one.
    since_s, until_s : float
    """

    code: str
    fingerprint: tuple[str, ...]
    since_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class DisplayState:
    """Everything that the picture depends on; each method returns a new state."""

    is_linked: bool = True
    bucket: str = ""
    bucket_since_s: float = 0.0
    planning: Planning | None = None
    result: PlanRecord | None = None
    """The latest plan of the bucket, as in docs/plan-json.md."""
    result_from_s: float = 0.0
    page: int = 0
    page_since_s: float = 0.0
    faults: tuple[Fault, ...] = ()
    faults_since_s: float = 0.0
    """Since when the faults are just these."""
    fault_added_s: float = 0.0
    """When one was added last. A fault that ended is no reason to hide an answer."""
    config_rejected: str | None = None
    """The place of a rejected configuration, such as "core.toml:12"; it scrolls."""
    config_rejected_since_s: float = 0.0
    is_degraded: bool = False
    preview: ReleasePreview | None = None
    pairing: PairingView | None = None
    awake_until_s: float = 0.0
    answer_until_s: float = 0.0
    """The answer to a press is shown until then, even over a fault."""
    lighting: Lighting = field(default_factory=Lighting)

    @property
    def has_trouble(self) -> bool:
        """True while there is a fault or a rejected configuration."""
        return bool(self.faults) or self.config_rejected is not None

    @property
    def is_answering(self) -> bool:
        """True if the last answer is newer than any trouble; the newest comes first."""
        since_s = self.fault_added_s if self.faults else -math.inf
        if self.config_rejected is not None:
            since_s = max(since_s, self.config_rejected_since_s)
        return since_s <= self.answer_until_s - ANSWER_S

    @property
    def has_mark(self) -> bool:
        """True while a small exclamation mark is shown at the right edge."""
        return self.is_degraded or self.has_trouble

    def with_link(self, *, is_linked: bool) -> DisplayState:
        """Connect or disconnect the board."""
        return replace(self, is_linked=is_linked)

    def with_touch(self, now_s: float) -> DisplayState:
        """Light a dark matrix for a while, because the button was touched."""
        return replace(self, awake_until_s=now_s + AWAKE_S)

    def with_bucket(
        self, name: str, now_s: float, result: PlanRecord | None = None
    ) -> DisplayState:
        """Select a bucket: show its name, then its latest result if it has one."""
        return replace(
            self,
            bucket=name,
            bucket_since_s=now_s,
            result=result,
            result_from_s=now_s + screens.bucket_screen(name).length_s,
            page=0,
            page_since_s=now_s,
        )

    def with_planning(self, now_s: float, fraction: float | None = None) -> DisplayState:
        """Begin a plan, or set its progress (0 to 1)."""
        since_s = self.planning.since_s if self.planning else now_s
        return replace(self, planning=Planning(since_s, fraction))

    def without_planning(self) -> DisplayState:
        """End the planning without a result: it was cancelled, or failed with a fault."""
        return replace(self, planning=None)

    def with_result(self, result: PlanRecord | None, now_s: float) -> DisplayState:
        """Show the result of a plan; None: remove the one that is shown."""
        return replace(
            self,
            planning=None,
            result=result,
            result_from_s=now_s,
            page=0,
            page_since_s=now_s,
            answer_until_s=now_s + ANSWER_S,
        )

    def with_next_page(self, now_s: float) -> DisplayState:
        """Turn to the next page of the result: the summary, each step, the summary again."""
        if self.result is None:
            return self
        count = screens.page_count(self.result)
        page = (self.shown_page(now_s) + 1) % count
        return replace(
            self,
            page=page,
            page_since_s=now_s,
            result_from_s=now_s,
            answer_until_s=now_s + ANSWER_S,
        )

    def with_faults(self, faults: tuple[Fault, ...], now_s: float) -> DisplayState:
        """Replace the faults; their order does not matter."""
        ordered = tuple(sorted(set(faults)))
        if ordered == self.faults:
            return self
        added_s = self.fault_added_s if set(ordered) <= set(self.faults) else now_s
        return replace(self, faults=ordered, faults_since_s=now_s, fault_added_s=added_s)

    def with_config_rejected(self, place: str | None, now_s: float) -> DisplayState:
        """Show the place of a rejected configuration; None: no configuration is rejected."""
        if place == self.config_rejected:
            return self
        return replace(self, config_rejected=place, config_rejected_since_s=now_s)

    def with_degraded(self, *, is_degraded: bool) -> DisplayState:
        """Set whether modules are left out."""
        return replace(self, is_degraded=is_degraded)

    def with_preview(self, preview: ReleasePreview | None) -> DisplayState:
        """Show the action of a release while the button is down; None: it was released."""
        return replace(self, preview=preview)

    def with_pairing(self, pairing: PairingView | None) -> DisplayState:
        """Show a code for pairing; None: the window is closed."""
        return replace(self, pairing=pairing)

    def is_pairing(self, now_s: float) -> bool:
        """Return whether a code for pairing is shown now."""
        return self.pairing is not None and now_s < self.pairing.until_s

    def with_lighting(self, lighting: Lighting) -> DisplayState:
        """Set the brightness for the time of day."""
        return replace(self, lighting=lighting)

    def shown_page(self, now_s: float) -> int:
        """Return the page that is shown now: a step's page gives way after a while."""
        return self.page if now_s < self.page_since_s + PAGE_RETURN_S else 0


# --- the layers ---------------------------------------------------------------------------------


class Layer(Enum):
    """The layers of the picture, see `LAYERS`."""

    STALE = "stale"
    PREVIEW = "preview"
    PAIRING = "pairing"
    PLANNING = "planning"
    ANSWER = "answer"
    FAULT = "fault"
    CONFIG_REJECTED = "config_rejected"
    RESULT = "result"
    DEGRADED = "degraded"
    BUCKET = "bucket"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame for the board, its brightness, and the layer that it comes from."""

    frame: Frame
    brightness: int
    layer: Layer


@dataclass(frozen=True, slots=True)
class TimedAnimation:
    """An animation, when it begins, and when it ends by itself."""

    animation: Animation
    since_s: float
    until_s: float = math.inf
    has_mark: bool = False


def frame_at(state: DisplayState, now_s: float) -> Frame:
    """Return the frame to show now."""
    return picture_at(state, now_s).frame


def picture_at(state: DisplayState, now_s: float) -> Picture:
    """Return the frame to show now, its brightness and its layer."""
    layer, timed = _top_layer(state, now_s)
    frame = timed.animation.frame(_elapsed_s(timed, now_s))
    if timed.has_mark:
        frame = with_degraded_mark(frame)
    lighting = state.lighting
    if _is_dark(state, layer, now_s):
        return Picture(Frame.blank(), 0, layer)
    is_dimmed = lighting.light is not Light.FULL
    brightness = lighting.dim_brightness if is_dimmed else lighting.brightness
    return Picture(frame, brightness, layer)


def next_change_s(state: DisplayState, now_s: float) -> float | None:
    """Return when the picture changes by itself, always after `now_s`; None: never.

    It may be earlier than the change, never later.
    """
    layer, timed = _top_layer(state, now_s)
    is_dark = _is_dark(state, layer, now_s)
    changes_s = [timed.until_s, state.awake_until_s, state.answer_until_s]
    changes_s += [other.since_s for _, other in _timed_animations(state, now_s)]
    if not is_dark:
        change_s = timed.animation.next_change_s(_elapsed_s(timed, now_s))
        changes_s.append(math.inf if change_s is None else timed.since_s + change_s)
    next_s = min((at_s for at_s in changes_s if at_s > now_s), default=math.inf)
    return next_s if math.isfinite(next_s) else None


def _top_layer(state: DisplayState, now_s: float) -> tuple[Layer, TimedAnimation]:
    """Return the highest layer that is not empty now."""
    for layer, timed in _timed_animations(state, now_s):
        if timed.since_s <= now_s < timed.until_s:
            return layer, timed
    raise AssertionError("the lowest layer is never empty")


def _timed_animations(state: DisplayState, now_s: float) -> Iterator[tuple[Layer, TimedAnimation]]:
    """Yield the animation of each layer, now or later, highest layer first."""
    for layer, draw in LAYERS.items():
        timed = draw(state, now_s)
        if timed is not None:
            yield layer, timed


def _elapsed_s(timed: TimedAnimation, now_s: float) -> float:
    return now_s - timed.since_s


def _is_dark(state: DisplayState, layer: Layer, now_s: float) -> bool:
    """Return whether the night hides this layer now."""
    if layer in {Layer.PREVIEW, Layer.PAIRING} or now_s < state.awake_until_s:
        return False
    if state.lighting.light is Light.OFF_BUT_FAULTS:
        return layer not in THROUGH_THE_NIGHT
    return state.lighting.light is Light.OFF


def _right(state: DisplayState) -> int:
    """Return the right edge of the picture: a mark takes the columns beyond it."""
    return COLUMNS - MARK_COLUMNS if state.has_mark else COLUMNS


def _stale(state: DisplayState, _now_s: float) -> TimedAnimation | None:
    return None if state.is_linked else TimedAnimation(STALE_SCREEN, 0.0)


def _preview(state: DisplayState, _now_s: float) -> TimedAnimation | None:
    preview = state.preview
    if preview is None:
        return None
    hold_s = None if preview.until_s is None else preview.until_s - preview.since_s
    return TimedAnimation(
        screens.preview_screen(preview.intent, preview.bucket, hold_s), preview.since_s
    )


def _pairing(state: DisplayState, _now_s: float) -> TimedAnimation | None:
    pairing = state.pairing
    if pairing is None:
        return None
    animation = screens.pairing_screen(pairing.code, pairing.fingerprint)
    return TimedAnimation(animation, pairing.since_s, pairing.until_s)


def _fault(state: DisplayState, _now_s: float) -> TimedAnimation | None:
    if not state.faults:
        return None
    return TimedAnimation(screens.fault_screen(state.faults), state.faults_since_s)


def _config_rejected(state: DisplayState, _now_s: float) -> TimedAnimation | None:
    if state.config_rejected is None:
        return None
    animation = screens.config_rejected_screen(state.config_rejected)
    return TimedAnimation(animation, state.config_rejected_since_s)


def _planning(state: DisplayState, _now_s: float) -> TimedAnimation | None:
    if state.planning is None or Fault.CANNOT_WRITE in state.faults:
        return None  # a plan that cannot be saved is no answer, so waiting for it is useless
    return TimedAnimation(screens.planning_screen(state.planning.fraction), state.planning.since_s)


def _result(state: DisplayState, now_s: float) -> TimedAnimation | None:
    if state.result is None:
        return None
    returns_s = state.page_since_s + PAGE_RETURN_S
    page = state.shown_page(now_s)
    animation = screens.result_screen(state.result, page, _right(state))
    if page:
        return TimedAnimation(animation, state.page_since_s, returns_s, state.has_mark)
    since_s = returns_s if state.page else state.result_from_s
    return TimedAnimation(animation, since_s, math.inf, state.has_mark)


def _answer(state: DisplayState, now_s: float) -> TimedAnimation | None:
    """Return the result of a press while there is trouble, which would otherwise hide it."""
    is_due = state.is_answering and now_s < state.answer_until_s
    if not (state.has_trouble and is_due):
        return None
    timed = _result(state, now_s)
    return None if timed is None else replace(timed, until_s=state.answer_until_s)


def _degraded(state: DisplayState, now_s: float) -> TimedAnimation | None:
    """Return the bucket's name with the mark, or the large mark alone."""
    if not state.is_degraded:
        return None
    name = _bucket(state, now_s)
    if name is not None and name.since_s <= now_s < name.until_s:
        return replace(name, has_mark=True)
    return TimedAnimation(DEGRADED_SCREEN, 0.0)


def _bucket(state: DisplayState, _now_s: float) -> TimedAnimation | None:
    if not state.bucket:
        return None
    animation = screens.bucket_screen(state.bucket, _right(state))
    return TimedAnimation(
        animation, state.bucket_since_s, state.bucket_since_s + animation.length_s
    )


def _idle(_state: DisplayState, _now_s: float) -> TimedAnimation | None:
    return TimedAnimation(IDLE_SCREEN, 0.0)


STALE_SCREEN: Final = Animation((still(stale_frame()),))
DEGRADED_SCREEN: Final = screens.degraded_screen()
IDLE_SCREEN: Final = screens.idle_screen()

LAYERS: Final[Mapping[Layer, Callable[[DisplayState, float], TimedAnimation | None]]] = {
    Layer.STALE: _stale,  # the board draws it by itself; this copy is for simulated boards
    Layer.PREVIEW: _preview,  # only while the button is down
    Layer.PAIRING: _pairing,  # a person asked for it, and it ends after two minutes
    Layer.PLANNING: _planning,
    Layer.ANSWER: _answer,  # a press is answered even during a fault, with a mark
    Layer.FAULT: _fault,
    Layer.CONFIG_REJECTED: _config_rejected,
    Layer.RESULT: _result,
    Layer.DEGRADED: _degraded,
    Layer.BUCKET: _bucket,
    Layer.IDLE: _idle,
}
"""Layers by priority; the first non-empty one wins."""

THROUGH_THE_NIGHT: Final = frozenset(
    {Layer.STALE, Layer.ANSWER, Layer.FAULT, Layer.CONFIG_REJECTED}
)
