"""What the matrix shows: a state of the appliance in, a picture out; no IO and no clock.

The daemon keeps one `DisplayState`, replaces it by one of its `with_...` methods when something
happens, sends `picture_at(state, now_s)` to the board and sleeps until
`next_change_s(state, now_s)`, or until the state changes. All times are of one monotonic clock.
`docs/display.md` shows every pattern.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from firmware_bridge.matrix import Frame
from firmware_bridge.messages import COLUMNS
from firmware_bridge.patterns import stale_frame, with_degraded_mark
from host.display import pages, status_screens
from host.display.animation import Film, still
from host.display.faults import Fault
from host.display.labels import PlanRecord
from host.display.state import PAGE_RETURN_S, DisplayState, Light, Lighting, Planning, Preview
from host.display.status_screens import Intent

__all__ = [
    "LAYERS",
    "DisplayState",
    "Fault",
    "Intent",
    "Layer",
    "Light",
    "Lighting",
    "Picture",
    "PlanRecord",
    "Planning",
    "Preview",
    "frame_at",
    "next_change_s",
    "picture_at",
]

MARK_COLUMNS: Final = 2
"""Columns on the right that are left for the mark of a degraded planner."""


class Layer(Enum):
    """What can be shown, see `LAYERS`."""

    STALE = "stale"
    PREVIEW = "preview"
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
    """What to send to the board, and which layer it comes from."""

    frame: Frame
    brightness: int
    layer: Layer


@dataclass(frozen=True, slots=True)
class Moment:
    """A state at a time."""

    state: DisplayState
    now_s: float


@dataclass(frozen=True, slots=True)
class Scene:
    """A film, when it begins, and when something else takes its place by itself."""

    film: Film
    since_s: float
    until_s: float = math.inf
    has_mark: bool = False


def frame_at(state: DisplayState, now_s: float) -> Frame:
    """Return the frame to show now."""
    return picture_at(state, now_s).frame


def picture_at(state: DisplayState, now_s: float) -> Picture:
    """Return the frame to show now, how bright, and which layer it is."""
    layer, scene = _shown(state, now_s)
    frame = scene.film.frame(_elapsed_s(scene, now_s))
    if scene.has_mark:
        frame = with_degraded_mark(frame)
    lighting = state.lighting
    if _is_dark(state, layer, now_s):
        return Picture(Frame.blank(), 0, layer)
    is_dimmed = lighting.light is not Light.FULL
    brightness = lighting.dim_brightness if is_dimmed else lighting.brightness
    return Picture(frame, brightness, layer)


def next_change_s(state: DisplayState, now_s: float) -> float | None:
    """Return when the picture changes by itself, always after `now_s`; None: it stands.

    It may be earlier than the change, never later.
    """
    layer, scene = _shown(state, now_s)
    is_dark = _is_dark(state, layer, now_s)
    coming = [scene.until_s, state.awake_until_s, state.answer_until_s]
    coming += [other.since_s for _, other in _scenes(state, now_s)]
    if not is_dark:
        change_s = scene.film.next_change_s(_elapsed_s(scene, now_s))
        coming.append(math.inf if change_s is None else scene.since_s + change_s)
    soonest = min((at_s for at_s in coming if at_s > now_s), default=math.inf)
    return soonest if math.isfinite(soonest) else None


def _shown(state: DisplayState, now_s: float) -> tuple[Layer, Scene]:
    """Return the highest layer that has something to show now."""
    for layer, scene in _scenes(state, now_s):
        if scene.since_s <= now_s < scene.until_s:
            return layer, scene
    raise AssertionError("the lowest layer always has something to show")


def _scenes(state: DisplayState, now_s: float) -> Iterator[tuple[Layer, Scene]]:
    """Yield what each layer shows now, or will show, highest first."""
    at = Moment(state, now_s)
    for layer, scene_of in LAYERS.items():
        scene = scene_of(at)
        if scene is not None:
            yield layer, scene


def _elapsed_s(scene: Scene, now_s: float) -> float:
    return now_s - scene.since_s


def _is_dark(state: DisplayState, layer: Layer, now_s: float) -> bool:
    """Whether the night hides this layer now."""
    if layer is Layer.PREVIEW or now_s < state.awake_until_s:
        return False
    if state.lighting.light is Light.OFF_BUT_FAULTS:
        return layer not in THROUGH_THE_NIGHT
    return state.lighting.light is Light.OFF


def _right(state: DisplayState) -> int:
    """Return the column from which on a mark may stand."""
    return COLUMNS - MARK_COLUMNS if state.has_mark else COLUMNS


def _stale(at: Moment) -> Scene | None:
    return None if at.state.is_linked else Scene(STALE_FILM, 0.0)


def _preview(at: Moment) -> Scene | None:
    preview = at.state.preview
    if preview is None:
        return None
    hold_s = None if preview.until_s is None else preview.until_s - preview.since_s
    return Scene(
        status_screens.preview_film(preview.intent, preview.bucket, hold_s), preview.since_s
    )


def _fault(at: Moment) -> Scene | None:
    if not at.state.faults:
        return None
    return Scene(status_screens.fault_film(at.state.faults), at.state.faults_since_s)


def _config_rejected(at: Moment) -> Scene | None:
    if at.state.config_rejected is None:
        return None
    film = status_screens.config_rejected_film(at.state.config_rejected)
    return Scene(film, at.state.config_rejected_since_s)


def _planning(at: Moment) -> Scene | None:
    if at.state.planning is None or Fault.STORAGE in at.state.faults:
        return None  # a plan that cannot be kept is no answer: it is no use to wait
    return Scene(
        status_screens.planning_film(at.state.planning.fraction), at.state.planning.since_s
    )


def _result(at: Moment) -> Scene | None:
    if at.state.result is None:
        return None
    returns_s = at.state.page_since_s + PAGE_RETURN_S
    page = at.state.shown_page(at.now_s)
    film = pages.result_film(at.state.result, page, _right(at.state))
    if page:
        return Scene(film, at.state.page_since_s, returns_s, at.state.has_mark)
    since_s = returns_s if at.state.page else at.state.result_from_s
    return Scene(film, since_s, math.inf, at.state.has_mark)


def _answer(at: Moment) -> Scene | None:
    """Return the result that somebody asked for while there is trouble, which would hide it."""
    state = at.state
    is_due = state.is_answering and at.now_s < state.answer_until_s
    if not (state.has_trouble and is_due):
        return None
    scene = _result(at)
    return None if scene is None else replace(scene, until_s=state.answer_until_s)


def _degraded(at: Moment) -> Scene | None:
    """Return the mark over the bucket's name, and a larger one over nothing."""
    if not at.state.is_degraded:
        return None
    name = _bucket(at)
    if name is not None and name.since_s <= at.now_s < name.until_s:
        return replace(name, has_mark=True)
    return Scene(DEGRADED_FILM, 0.0)


def _bucket(at: Moment) -> Scene | None:
    if not at.state.bucket:
        return None
    film = status_screens.bucket_film(at.state.bucket, _right(at.state))
    return Scene(film, at.state.bucket_since_s, at.state.bucket_since_s + film.length_s)


def _idle(_at: Moment) -> Scene | None:
    return Scene(IDLE_FILM, 0.0)


STALE_FILM: Final = Film((still(stale_frame()),))
DEGRADED_FILM: Final = status_screens.degraded_film()
IDLE_FILM: Final = status_screens.idle_film()

LAYERS: Final[Mapping[Layer, Callable[[Moment], Scene | None]]] = {
    Layer.STALE: _stale,  # the board draws it by itself; here for mirrors on a screen
    Layer.PREVIEW: _preview,  # only while a finger is on the button, and it asks for an answer
    Layer.PLANNING: _planning,
    Layer.ANSWER: _answer,  # who pressed gets it for a while, with a mark, whatever is wrong
    Layer.FAULT: _fault,
    Layer.CONFIG_REJECTED: _config_rejected,
    Layer.RESULT: _result,
    Layer.DEGRADED: _degraded,
    Layer.BUCKET: _bucket,
    Layer.IDLE: _idle,
}
"""Who is shown: the first that has something to show hides those below."""

THROUGH_THE_NIGHT: Final = frozenset(
    {Layer.STALE, Layer.ANSWER, Layer.FAULT, Layer.CONFIG_REJECTED}
)
