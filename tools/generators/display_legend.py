"""Every picture of the matrix with its meaning: the source of docs/display.md and its PNGs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_bridge.board_frames import incompatible_frame
from host.display.compositor import (
    DisplayState,
    Fault,
    Intent,
    PairingView,
    Planning,
    ReleasePreview,
    frame_at,
)
from tools.generators.display_frames import LegendEntry, LegendSection, frames_at, text_frames
from tools.generators.display_legend_results import degraded_section, result_section

if TYPE_CHECKING:
    from firmware_bridge.matrix import Frame


def sections() -> tuple[LegendSection, ...]:
    """Return the whole legend, highest priority first."""
    return (
        _board_section(),
        _preview_section(),
        _pairing_section(),
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
                "The board has not heard the host for 3 s: the picture before is out of date.",
                "Check that the daemon runs (`trader run`) and the cable is plugged in. The sign"
                " disappears by itself.",
                frames_at(DisplayState(is_linked=False), 0.0),
            ),
            LegendEntry(
                "incompatible",
                "Another firmware",
                "Host and firmware have no common version of the link's protocol.",
                "Install the firmware that came with this version: `trader board flash`.",
                (incompatible_frame(),),
            ),
        ),
    )


def _preview_section() -> LegendSection:
    def at(intent: Intent, bucket: str, *times_s: float) -> tuple[Frame, ...]:
        return frames_at(DisplayState(preview=ReleasePreview(intent, 0.0, 3.5, bucket)), *times_s)

    return LegendSection(
        "While the button is down",
        "What releasing the button will do. After 5 s the action runs, and the picture shows it."
        " The lowest row fills until the action changes.",
        (
            LegendEntry(
                "preview_bucket",
                "Next bucket",
                "Releasing the button selects the named bucket.",
                "Let go, or keep holding for the next action.",
                at(Intent.NEXT_BUCKET, "satellite_a", 0.0, 1.05, 1.7, 2.33, 2.97, 3.45),
            ),
            LegendEntry(
                "preview_cancel",
                "Cancel",
                "The plan under way was cancelled.",
                "Let go; press for another plan.",
                frames_at(DisplayState(preview=ReleasePreview(Intent.CANCEL, 0.0)), 0.0),
            ),
            LegendEntry(
                "preview_acknowledge",
                "Acknowledge",
                "The fault or the rejected configuration was acknowledged and is hidden.",
                "Let go.",
                frames_at(DisplayState(preview=ReleasePreview(Intent.ACKNOWLEDGE, 0.0)), 0.0),
            ),
            LegendEntry(
                "preview_pair",
                "Pair",
                "Releasing the button lets a device pair with the HTTP API, if a gesture is set to"
                " `pair`.",
                "Let go; the code follows.",
                frames_at(DisplayState(preview=ReleasePreview(Intent.PAIR, 0.0)), 0.0),
            ),
            LegendEntry(
                "preview_nothing",
                "Nothing",
                "There was nothing to cancel or to acknowledge, or there is no other bucket.",
                "Let go.",
                frames_at(DisplayState(preview=ReleasePreview(Intent.NOTHING, 0.0)), 0.0),
            ),
        ),
    )


def _pairing_section() -> LegendSection:
    groups = ("46A", "70F", "462", "A44", "EED", "F78")
    alone = DisplayState(pairing=PairingView("204917", (), 0.0, 120.0))
    with_lock = DisplayState(pairing=PairingView("204917", groups, 0.0, 120.0))
    return LegendSection(
        "Pairing",
        "For two minutes after the button was held, or after `trader pair`"
        " ([api.md](api.md#pairing)). It hides everything below, and a night does not darken it.",
        (
            LegendEntry(
                "pairing_code",
                "Code for pairing",
                "A key, then the six digits in two groups.",
                "Type the code on the device. To end the pairing, hold the button for 5 s again.",
                frames_at(alone, 0.0, 1.2, 3.7),
            ),
            LegendEntry(
                "pairing_fingerprint",
                "Fingerprint of the certificate",
                "A lock, then the first 18 hexadecimal digits of the SHA-256 fingerprint, in six"
                " groups of three; a bright dot tells which one. It follows the code while the"
                " API is encrypted.",
                "Compare it with what the device shows before you type the code. Where they differ,"
                " somebody else answers: do not type it.",
                frames_at(
                    with_lock, *(12.4 + at_s for at_s in (0.0, 1.2, 3.7, 6.2, 8.7, 11.2, 13.7))
                ),
            ),
        ),
    )


def _trouble_section() -> LegendSection:
    many = DisplayState(faults=(Fault.CANNOT_WRITE,))
    firmware = DisplayState(faults=(Fault.FIRMWARE_INCOMPATIBLE,))
    rejected = DisplayState(config_rejected="core.toml:12")
    return LegendSection(
        "Trouble",
        "A fault is shown until it is over or acknowledged.",
        (
            LegendEntry(
                "fault",
                "A fault",
                "A cross and the number of the fault; then its name, three times.",
                "Look the number up below; hold the button for 5 s to acknowledge it.",
                (*frames_at(many, 0.0), *text_frames(many, 2.5)),
            ),
            LegendEntry(
                "fault_two_digits",
                "A fault of two digits",
                "The same, with smaller digits.",
                "See above.",
                frames_at(firmware, 0.0),
            ),
            LegendEntry(
                "config_rejected",
                "Configuration rejected",
                "A page and a cross, then the place: an edited file has an error. The"
                " version before it stays in force.",
                "Run `trader config check`: it shows file, line and the allowed values.",
                (*frames_at(rejected, 0.0), *text_frames(rejected, 2.5)),
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
                "An hourglass; the lowest row fills with the progress of the plan.",
                "Wait a moment; hold the button for 5 s to cancel.",
                tuple(
                    frame_at(DisplayState(planning=Planning(0.0, fraction)), at_s)
                    for fraction, at_s in ((0.0, 0.0), (0.35, 0.8), (0.7, 1.2), (1.0, 1.6))
                ),
            ),
            LegendEntry(
                "planning_unknown",
                "Planning, progress unknown",
                "The same, with a moving point: the progress is not known yet.",
                "Wait a moment.",
                frames_at(DisplayState(planning=Planning(0.0)), 0.0, 1.2, 2.4),
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
                "The bucket that was just selected.",
                "Press for its plan.",
                text_frames(name),
            ),
            LegendEntry(
                "idle",
                "Idle",
                "A heart that breathes: all is well, and there is no plan yet.",
                "Press for a plan.",
                frames_at(DisplayState(), 0.0, 2.0, 5.0),
            ),
        ),
    )
