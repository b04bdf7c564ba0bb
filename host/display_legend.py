"""Every picture of the matrix with its meaning: the source of docs/display.md and its PNGs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from firmware_bridge.matrix import LEVEL_MAX, Frame
from firmware_bridge.messages import COLUMNS
from firmware_bridge.patterns import incompatible_frame
from host.display import (
    DisplayState,
    Fault,
    Intent,
    Planning,
    Preview,
    frame_at,
    next_change_s,
)

if TYPE_CHECKING:
    from host.display_words import PlanRecord

ON_LEVEL: Final = 4
"""A Yun's LEDs are only on or off: on from this level."""


LONGEST_STEP_S: Final = 0.5
"""What stands longer than this does not move."""


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A pattern: what it is called, looks like, means, and asks for.

    Parameters
    ----------
    name : str
        Of its PNG.
    title, meaning, action : str
    frames : tuple of Frame
        From left to right; several for what moves.
    """

    name: str
    title: str
    meaning: str
    action: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class LegendSection:
    """Patterns of one kind; sections stand in the order of their priority."""

    title: str
    text: str
    entries: tuple[LegendEntry, ...]


def on_off(frame: Frame) -> Frame:
    """Return a frame as it looks where LEDs are only on or off."""
    return Frame(bytes(LEVEL_MAX if level >= ON_LEVEL else 0 for level in frame.levels))


def sections() -> tuple[LegendSection, ...]:
    """Return the whole legend, highest priority first."""
    return (
        _board_section(),
        _preview_section(),
        _trouble_section(),
        _planning_section(),
        _result_section(),
        _degraded_section(),
        _quiet_section(),
    )


def sample_plan(*steps: tuple[str, float, str, float], gain: float = 0.0163) -> PlanRecord:
    """Return a plan of steps (side, quantity, security, value) to draw."""
    return {
        "outcome": "PLANNED",
        "currency": "USD",
        "score": {"gain": gain},
        "steps": [
            {"side": side, "quantity": quantity, "security": security, "value": value}
            for side, quantity, security, value in steps
        ],
    }


FIVE_STEPS: Final = sample_plan(
    ("sell", 33, "XOM", 3518.69),
    ("sell", 94, "GE", 6005.0),
    ("sell", 38, "CVX", 6601.66),
    ("buy", 60, "WMT", 8410.86),
    ("buy", 12, "PG", 1700.0),
)
TEN_STEPS: Final = sample_plan(
    *[("sell", 10.0, "GE", 640.0)] * 3, *[("buy", 20.0, "PG", 1400.0)] * 7, gain=0.0007
)
NOTHING: Final[PlanRecord] = {"outcome": "NOTHING_TO_DO"}
HELD: Final[PlanRecord] = {"outcome": "HELD", "reason": "prices are 9 days old"}


def _shots(state: DisplayState, *times_s: float) -> tuple[Frame, ...]:
    return tuple(frame_at(state, at_s) for at_s in times_s)


def _strip(state: DisplayState, from_s: float = 0.0) -> tuple[Frame, ...]:
    """Return a moving text from its first picture to its last, a window's width apart."""
    at_s, frames = from_s, [frame_at(state, from_s)]
    while True:
        next_s = next_change_s(state, at_s)
        assert next_s is not None, "the text comes round again, or gives way"
        frame = frame_at(state, next_s)
        if next_s - at_s > LONGEST_STEP_S and at_s > from_s:
            break  # the last picture rests
        frames.append(frame)
        at_s = next_s
    return (*frames[:-1:COLUMNS], frames[-1])


def _board_section() -> LegendSection:
    return LegendSection(
        "Drawn by the board alone",
        "These come from the firmware, when the host cannot be asked.",
        (
            LegendEntry(
                "stale",
                "No host",
                "The board has not heard the host for 3 s: whatever it showed before is void.",
                "See whether the daemon runs (`trader run`) and the cable is in; the picture"
                " leaves by itself.",
                _shots(DisplayState(is_linked=False), 0.0),
            ),
            LegendEntry(
                "incompatible",
                "Another firmware",
                "Host and firmware speak no common version of the link's protocol.",
                "Install the firmware that came with this version of the host.",
                (incompatible_frame(),),
            ),
        ),
    )


def _preview_section() -> LegendSection:
    def at(intent: Intent, bucket: str, *times_s: float) -> tuple[Frame, ...]:
        return _shots(DisplayState(preview=Preview(intent, 0.0, 3.5, bucket)), *times_s)

    return LegendSection(
        "While the button is down",
        "What letting go would do now. The lowest row fills until holding on does something else.",
        (
            LegendEntry(
                "preview_bucket",
                "Next bucket",
                "Letting go selects the bucket that is named.",
                "Let go, or hold on for the next offer.",
                at(Intent.NEXT_BUCKET, "satellite_a", 0.0, 1.05, 1.7, 2.33, 2.97, 3.45),
            ),
            LegendEntry(
                "preview_cancel",
                "Cancel",
                "The plan under way is cancelled.",
                "Let go.",
                _shots(DisplayState(preview=Preview(Intent.CANCEL, 0.0)), 0.0),
            ),
            LegendEntry(
                "preview_acknowledge",
                "Acknowledge",
                "The fault or the refused configuration is taken note of and leaves the matrix.",
                "Let go.",
                _shots(DisplayState(preview=Preview(Intent.ACKNOWLEDGE, 0.0)), 0.0),
            ),
            LegendEntry(
                "preview_nothing",
                "Nothing",
                "There is nothing to cancel or to acknowledge, or no other bucket.",
                "Let go.",
                _shots(DisplayState(preview=Preview(Intent.NOTHING, 0.0)), 0.0),
            ),
        ),
    )


def _trouble_section() -> LegendSection:
    many = DisplayState(faults=(Fault.STORAGE,))
    firmware = DisplayState(faults=(Fault.FIRMWARE,))
    rejected = DisplayState(config_rejected="core.toml:12")
    return LegendSection(
        "Trouble",
        "A fault stands until it is over or acknowledged.",
        (
            LegendEntry(
                "fault",
                "A fault",
                "A cross and the number of the fault; then its name, three times.",
                "Look the number up below; hold the button for 5 s to acknowledge it.",
                (*_shots(many, 0.0), *_strip(many, 2.5)),
            ),
            LegendEntry(
                "fault_two_digits",
                "A fault of two digits",
                "The same, with smaller digits.",
                "As above.",
                _shots(firmware, 0.0),
            ),
            LegendEntry(
                "config_rejected",
                "Configuration refused",
                "A page and a cross, then the place: a file that was changed has an error, and the"
                " one before it stays in force.",
                "Run `trader config check`: it names file, line and what is allowed there.",
                (*_shots(rejected, 0.0), *_strip(rejected, 2.5)),
            ),
        ),
    )


def _planning_section() -> LegendSection:
    return LegendSection(
        "Planning",
        "",
        (
            LegendEntry(
                "planning",
                "Planning",
                "A sand clock; the lowest row fills as the plan gets on.",
                "Wait a moment; hold the button for 5 s to cancel.",
                tuple(
                    frame_at(DisplayState(planning=Planning(0.0, fraction)), at_s)
                    for fraction, at_s in ((0.0, 0.0), (0.35, 0.8), (0.7, 1.2), (1.0, 1.6))
                ),
            ),
            LegendEntry(
                "planning_unknown",
                "Planning, no telling how long",
                "The same, with a point that wanders: nothing is known of the progress yet.",
                "Wait a moment.",
                _shots(DisplayState(planning=Planning(0.0)), 0.0, 1.2, 2.4),
            ),
        ),
    )


def _result_section() -> LegendSection:
    five = DisplayState(result=FIVE_STEPS)
    return LegendSection(
        "The result",
        "It stays until the next plan. A double press shows the next page: the summary, then each"
        " step, then the summary again; a step's page gives way to the summary after 90 s.",
        (
            LegendEntry(
                "summary",
                "Summary",
                "How many steps; arrows as long as what is bought (rising) and sold (hanging); in"
                " turn, the gain of the score in percent of NAV a year, on a step up.",
                "Double press for the steps, or read them with `trader plan`.",
                _shots(five, 0.0, 4.5),
            ),
            LegendEntry(
                "summary_ten",
                "Summary of ten steps, with more bought than sold",
                "Two digits leave no room for the arrows: they follow. A gain below one percent has"
                " two decimals and no leading zero.",
                "As above.",
                _shots(DisplayState(result=TEN_STEPS), 0.0, 2.5, 4.5),
            ),
            LegendEntry(
                "summary_loss",
                "Summary of a plan that costs score",
                "Only sales, and a step down: a plan that repairs a broken limit may lower the"
                " score.",
                "As above.",
                _shots(
                    DisplayState(
                        result=sample_plan(("sell", 5.0, "GE", 900.0), gain=-0.0041),
                    ),
                    0.0,
                    4.5,
                ),
            ),
            LegendEntry(
                "step_sell",
                "A step: sell",
                "An arrow down and the number of the step; then side, quantity, security and value,"
                " over a small arrow and one dot per step.",
                "Sell this, then plan again.",
                (*_shots(replace(five, page=1), 0.0), *_strip(replace(five, page=1), 1.6)),
            ),
            LegendEntry(
                "step_buy",
                "A step: buy",
                "The same with an arrow up.",
                "Buy this, then plan again.",
                (*_shots(replace(five, page=4), 0.0), *_strip(replace(five, page=4), 1.6)),
            ),
            LegendEntry(
                "nothing_to_do",
                "Nothing to do",
                "A check mark: doing nothing scored best.",
                "Nothing.",
                _shots(DisplayState(result=NOTHING), 0.0),
            ),
            LegendEntry(
                "held",
                "No plan",
                "A no-entry sign: no plan could be made; then the reason, three times.",
                "Read the reason here or with `trader plan`; double press to see it again.",
                (
                    *_shots(DisplayState(result=HELD), 0.0),
                    *_strip(DisplayState(result=HELD), 1.6),
                ),
            ),
        ),
    )


def _degraded_section() -> LegendSection:
    degraded = DisplayState(is_degraded=True)
    action = "Run `trader plan BUCKET`: it names what it had to do without."
    return LegendSection(
        "Degraded",
        "Something works without one of its parts: a module is left out, or data is old.",
        (
            LegendEntry(
                "degraded_result",
                "Degraded, over a result",
                "An exclamation mark in the corner: the result stands, made without a part.",
                action,
                _shots(replace(degraded, result=FIVE_STEPS), 0.0, 4.0, 7.0),
            ),
            LegendEntry(
                "degraded_bucket",
                "Degraded, over the name of the bucket",
                "The same mark; the name passes beside it.",
                action,
                _strip(replace(degraded, bucket="core")),
            ),
            LegendEntry(
                "degraded",
                "Degraded, nothing else to show",
                "A warning sign takes the place of the heart.",
                action,
                _shots(degraded, 0.0),
            ),
        ),
    )


def _quiet_section() -> LegendSection:
    name = DisplayState(bucket="satellite_a")
    return LegendSection(
        "Quiet",
        "",
        (
            LegendEntry(
                "bucket",
                "Name of the bucket",
                "The bucket that is selected, shown when it was selected.",
                "Press for its plan.",
                _strip(name),
            ),
            LegendEntry(
                "idle",
                "Idle",
                "A heart that breathes: all is well, and nothing was planned yet.",
                "Press for a plan.",
                _shots(DisplayState(), 0.0, 2.0, 5.0),
            ),
        ),
    )
