"""The legend of results, of plans to draw it with, and of the mark over them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from host.display.compositor import DisplayState
from tools.generators.display_frames import LegendEntry, LegendSection, frames_at, text_frames

if TYPE_CHECKING:
    from host.display.labels import PlanRecord


def sample_plan(
    *steps: tuple[str, float, str, float],
    gain: float = 0.0163,
    distances: tuple[float, float] | None = None,
) -> PlanRecord:
    """Return a plan of steps (side, quantity, security, value) to draw."""
    before, after = distances or (None, None)
    return {
        "outcome": "PLANNED",
        "currency": "USD",
        "score": {"gain": gain},
        "metrics": {"distance": {"before": before, "after": after}},
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
TARGETED: Final = sample_plan(
    ("sell", 33, "XOM", 3518.69), ("buy", 60, "WMT", 8410.86), distances=(0.061, 0.0124)
)
NOTHING: Final[PlanRecord] = {"outcome": "NOTHING_TO_DO"}
HELD: Final[PlanRecord] = {"outcome": "HELD", "reason": "prices are 9 days old"}


def result_section() -> LegendSection:
    """Return the legend of results."""
    five = DisplayState(result=FIVE_STEPS)
    return LegendSection(
        "The result",
        "It stays until the next plan. A double press shows the next page: the summary, then each"
        " step, then the summary again. A step's page returns to the summary after 90 s.",
        (
            LegendEntry(
                "summary",
                "Summary",
                "The number of steps; arrows as long as the value bought (rising) and sold"
                " (hanging); then the distance to the targets in percent of the portfolio: before,"
                " and after the `>`. The two bars are as long as these distances."
                " A dot between the arrows: the plan is proven the best for its objective.",
                "Double press for the steps, or read them with `trader plan`.",
                frames_at(DisplayState(result=TARGETED), 0.0, 4.5, 6.5),
            ),
            LegendEntry(
                "summary_untargeted",
                "Summary of a bucket without targets",
                "Instead of distances, the gain of the score in percent of NAV a year, on a step"
                " up.",
                "See above.",
                frames_at(five, 0.0, 4.5),
            ),
            LegendEntry(
                "summary_ten",
                "Summary of ten steps, with more bought than sold",
                "Two digits leave no room for the arrows, so they follow. A gain below one percent"
                " has two decimals and no leading zero.",
                "See above.",
                frames_at(DisplayState(result=TEN_STEPS), 0.0, 2.5, 4.5),
            ),
            LegendEntry(
                "summary_loss",
                "Summary of a plan that costs score",
                "Only sales, and a step down: a plan that repairs a broken limit may lower the"
                " score.",
                "See above.",
                frames_at(
                    DisplayState(
                        result=sample_plan(("sell", 5.0, "GE", 900.0), gain=-0.0041),
                    ),
                    0.0,
                    4.5,
                ),
            ),
            *_step_entries(five),
            LegendEntry(
                "nothing_to_do",
                "Nothing to do",
                "A check mark: doing nothing scored best. A dot in the corner: that is proven.",
                "Nothing.",
                frames_at(DisplayState(result=NOTHING), 0.0),
            ),
            LegendEntry(
                "held",
                "No plan",
                "A no-entry sign: no plan could be made; then the reason, three times.",
                "Read the reason here or with `trader plan`; double press to see it again.",
                (
                    *frames_at(DisplayState(result=HELD), 0.0),
                    *text_frames(DisplayState(result=HELD), 1.6),
                ),
            ),
        ),
    )


def _step_entries(five: DisplayState) -> tuple[LegendEntry, ...]:
    return (
        LegendEntry(
            "step_sell",
            "A step: sell",
            "An arrow down and the number of the step; then side, quantity, security and value,"
            " over a small arrow and one dot per step.",
            "Sell this, write the fill into the trade ledger, then plan again.",
            (*frames_at(replace(five, page=1), 0.0), *text_frames(replace(five, page=1), 1.6)),
        ),
        LegendEntry(
            "step_buy",
            "A step: buy",
            "The same with an arrow up.",
            "Buy this, write the fill into the trade ledger, then plan again.",
            (*frames_at(replace(five, page=4), 0.0), *text_frames(replace(five, page=4), 1.6)),
        ),
    )


def degraded_section() -> LegendSection:
    """Return the legend of the mark."""
    degraded = DisplayState(is_degraded=True)
    action = "Run `trader plan BUCKET`: it lists what was missing."
    return LegendSection(
        "Degraded",
        "The appliance works, but a module is left out, or data is old.",
        (
            LegendEntry(
                "degraded_result",
                "Degraded, over a result",
                "An exclamation mark in the corner: the result is valid, made without a module or"
                " from old data.",
                action,
                frames_at(replace(degraded, result=FIVE_STEPS), 0.0, 4.0, 7.0),
            ),
            LegendEntry(
                "degraded_bucket",
                "Degraded, over the name of the bucket",
                "The same mark; the name scrolls beside it.",
                action,
                text_frames(replace(degraded, bucket="core")),
            ),
            LegendEntry(
                "degraded",
                "Degraded, nothing else to show",
                "A warning sign instead of the heart.",
                action,
                frames_at(degraded, 0.0),
            ),
        ),
    )
