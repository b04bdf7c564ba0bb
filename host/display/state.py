"""What the matrix shows depends on this, and on the time; the daemon replaces it piece by piece."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from firmware_bridge.messages import BRIGHTNESS_MAX
from host.display.pages import page_count
from host.display.status_screens import bucket_film

if TYPE_CHECKING:
    from host.display.faults import Fault
    from host.display.labels import PlanRecord
    from host.display.status_screens import Intent

AWAKE_S: Final = 60.0
"""How long a press lights a matrix that is dark for the night."""
ANSWER_S: Final = 20.0
"""How long the answer to a press hides a fault or a refused configuration."""
PAGE_RETURN_S: Final = 90.0
"""How long a step's page is shown before the summary returns."""


class Light(StrEnum):
    """How bright it is now, by the time of day; faults may be let through a dark night."""

    FULL = "full"
    DIM = "dim"
    OFF = "off"
    OFF_BUT_FAULTS = "off_but_faults"


@dataclass(frozen=True, slots=True)
class Lighting:
    """How bright the matrix is.

    Parameters
    ----------
    brightness : int, 0 to 15
        By day.
    dim_brightness : int, 0 to 15
        When it is dimmed.
    light : Light
        Which of them holds now; the daemon knows the hours.
    """

    brightness: int = BRIGHTNESS_MAX
    dim_brightness: int = 2
    light: Light = Light.FULL


@dataclass(frozen=True, slots=True)
class Planning:
    """A plan under way."""

    since_s: float
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What releasing the button now would do, while it is down."""

    intent: Intent
    since_s: float
    until_s: float | None = None
    """When holding on becomes something else; a row fills until then."""
    bucket: str = ""
    """The name that NEXT_BUCKET leads to."""


@dataclass(frozen=True, slots=True)
class DisplayState:
    """All that the display depends on. Make new ones with the methods."""

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
    """Since when it is these."""
    fault_came_s: float = 0.0
    """When one was added last: one that ended is no news to hide an answer for."""
    config_rejected: str | None = None
    """What was refused, in a few words that scroll, such as "core.toml:12"."""
    config_rejected_since_s: float = 0.0
    is_degraded: bool = False
    preview: Preview | None = None
    awake_until_s: float = 0.0
    answer_until_s: float = 0.0
    """Who pressed sees the answer until then, whatever else there is to show."""
    lighting: Lighting = Lighting()

    @property
    def has_trouble(self) -> bool:
        """Whether a fault or a refused configuration waits to be seen."""
        return bool(self.faults) or self.config_rejected is not None

    @property
    def is_answering(self) -> bool:
        """Whether the last answer is younger than any trouble: what is new comes first."""
        since_s = self.fault_came_s if self.faults else -math.inf
        if self.config_rejected is not None:
            since_s = max(since_s, self.config_rejected_since_s)
        return since_s <= self.answer_until_s - ANSWER_S

    @property
    def has_mark(self) -> bool:
        """Whether a small exclamation mark stands beside what else is shown."""
        return self.is_degraded or self.has_trouble

    def with_link(self, *, is_linked: bool) -> DisplayState:
        """The link came or went."""
        return replace(self, is_linked=is_linked)

    def with_touch(self, now_s: float) -> DisplayState:
        """The button was touched: a dark matrix lights up for a while."""
        return replace(self, awake_until_s=now_s + AWAKE_S)

    def with_bucket(
        self, name: str, now_s: float, result: PlanRecord | None = None
    ) -> DisplayState:
        """Another bucket was selected: its name, and after that its latest result if it has one."""
        return replace(
            self,
            bucket=name,
            bucket_since_s=now_s,
            result=result,
            result_from_s=now_s + bucket_film(name).length_s,
            page=0,
            page_since_s=now_s,
        )

    def with_planning(self, now_s: float, fraction: float | None = None) -> DisplayState:
        """A plan began, or got this far (0 to 1)."""
        since_s = self.planning.since_s if self.planning else now_s
        return replace(self, planning=Planning(since_s, fraction))

    def without_planning(self) -> DisplayState:
        """The plan was cancelled, or failed (then a fault says so)."""
        return replace(self, planning=None)

    def with_result(self, result: PlanRecord | None, now_s: float) -> DisplayState:
        """A plan is done; None: there is nothing to show any more."""
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
        """The next page of the result: the summary, each step, and the summary again."""
        if self.result is None:
            return self
        count = page_count(self.result)
        page = (self.shown_page(now_s) + 1) % count
        return replace(
            self,
            page=page,
            page_since_s=now_s,
            result_from_s=now_s,
            answer_until_s=now_s + ANSWER_S,
        )

    def with_faults(self, faults: tuple[Fault, ...], now_s: float) -> DisplayState:
        """These are the faults now, in any order."""
        ordered = tuple(sorted(set(faults)))
        if ordered == self.faults:
            return self
        came_s = self.fault_came_s if set(ordered) <= set(self.faults) else now_s
        return replace(self, faults=ordered, faults_since_s=now_s, fault_came_s=came_s)

    def with_config_rejected(self, what: str | None, now_s: float) -> DisplayState:
        """A configuration was refused (what, in a few words), or none is any more."""
        if what == self.config_rejected:
            return self
        return replace(self, config_rejected=what, config_rejected_since_s=now_s)

    def with_degraded(self, *, is_degraded: bool) -> DisplayState:
        """Modules are left out, or all work again."""
        return replace(self, is_degraded=is_degraded)

    def with_preview(self, preview: Preview | None) -> DisplayState:
        """The button is down and a release would do this; None: it was released."""
        return replace(self, preview=preview)

    def with_lighting(self, lighting: Lighting) -> DisplayState:
        """Night fell, or day broke."""
        return replace(self, lighting=lighting)

    def shown_page(self, now_s: float) -> int:
        """The page of the result that is shown now: a step's page gives way after a while."""
        return self.page if now_s < self.page_since_s + PAGE_RETURN_S else 0
