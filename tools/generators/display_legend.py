"""Every picture of the matrix with its meaning: the source of docs/display.md and its PNGs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_bridge.patterns import incompatible_frame
from host.display.compositor import DisplayState, Fault, Intent, Planning, Preview, frame_at
from tools.generators.display_legend_results import degraded_section, result_section
from tools.generators.display_strips import LegendEntry, LegendSection, shots, strip

if TYPE_CHECKING:
    from firmware_bridge.matrix import Frame


def sections() -> tuple[LegendSection, ...]:
    """Return the whole legend, highest priority first."""
    return (
        _board_section(),
        _preview_section(),
        _trouble_section(),
        _planning_section(),
        result_section(),
        degraded_section(),
        _quiet_section(),
    )


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
                shots(DisplayState(is_linked=False), 0.0),
            ),
            LegendEntry(
                "incompatible",
                "Another firmware",
                "Host and firmware speak no common version of the link's protocol.",
                "Install the firmware that came with this version: `trader board flash`.",
                (incompatible_frame(),),
            ),
        ),
    )


def _preview_section() -> LegendSection:
    def at(intent: Intent, bucket: str, *times_s: float) -> tuple[Frame, ...]:
        return shots(DisplayState(preview=Preview(intent, 0.0, 3.5, bucket)), *times_s)

    return LegendSection(
        "While the button is down",
        "What letting go would do now; the lowest row fills until holding on does something else."
        " At 5 s that is done at once, and the picture says what it was.",
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
                "The plan under way was cancelled.",
                "Let go; press for another plan.",
                shots(DisplayState(preview=Preview(Intent.CANCEL, 0.0)), 0.0),
            ),
            LegendEntry(
                "preview_acknowledge",
                "Acknowledge",
                "The fault or the refused configuration was taken note of and leaves the matrix.",
                "Let go.",
                shots(DisplayState(preview=Preview(Intent.ACKNOWLEDGE, 0.0)), 0.0),
            ),
            LegendEntry(
                "preview_nothing",
                "Nothing",
                "There was nothing to cancel or to acknowledge, or there is no other bucket.",
                "Let go.",
                shots(DisplayState(preview=Preview(Intent.NOTHING, 0.0)), 0.0),
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
                (*shots(many, 0.0), *strip(many, 2.5)),
            ),
            LegendEntry(
                "fault_two_digits",
                "A fault of two digits",
                "The same, with smaller digits.",
                "As above.",
                shots(firmware, 0.0),
            ),
            LegendEntry(
                "config_rejected",
                "Configuration refused",
                "A page and a cross, then the place: a file that was changed has an error, and the"
                " one before it stays in force.",
                "Run `trader config check`: it names file, line and what is allowed there.",
                (*shots(rejected, 0.0), *strip(rejected, 2.5)),
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
                shots(DisplayState(planning=Planning(0.0)), 0.0, 1.2, 2.4),
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
                strip(name),
            ),
            LegendEntry(
                "idle",
                "Idle",
                "A heart that breathes: all is well, and nothing was planned yet.",
                "Press for a plan.",
                shots(DisplayState(), 0.0, 2.0, 5.0),
            ),
        ),
    )
