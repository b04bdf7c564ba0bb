"""Take the trips that `trips` counts, and find out which files each of them enters."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from tools.trips_appliance import Appliance, Checkout, Functions, TripError, TripTimes

BUCKET: Final = "core"
EDITED_KEY: Final = re.compile(r"^#?(max_plan_depth = )\d+", re.MULTILINE)
DEPTHS: Final = (4, 3)
LAST_DEPTH: Final = 2
IDLE_S: Final = 16.0
"""Longer than the 15 s between two heartbeats. The daemon's first check, after 60 s, is not met."""
N_PRESSES: Final = 4


class Trip(NamedTuple):
    """The files that one process entered on a trip.

    Parameters
    ----------
    name : str
    functions : dict of str to list of str
        Every function that was entered, by file.
    goal : str
        What the trip is for; empty where that is the end of the process.
    goal_files : frozenset of str
        The files that were entered until the goal was reached.
    idle_files : frozenset of str
        The files that the process enters without a trip, too.
    """

    name: str
    functions: Functions
    goal: str
    goal_files: frozenset[str]
    idle_files: frozenset[str]

    @classmethod
    def of_command(cls, name: str, functions: Functions) -> Trip:
        """Return the trip of a process that ends by itself."""
        return cls(name, functions, "", frozenset(functions), frozenset())


def measure(checkout: Checkout) -> list[Trip]:
    """Take all trips; `tools/trips.py` says what they are."""
    home = checkout.demo_home("served")
    with Appliance(checkout, home) as appliance:
        appliance.wait_for_rest()
        idle_span = (time.monotonic(), time.monotonic() + IDLE_S)
        time.sleep(IDLE_S)
        edits = [
            appliance.timed(
                partial(edit, home, depth),
                lambda: appliance.wait_for("daemon", {"ConfigurationChanged"}),
            )
            for depth in DEPTHS
        ]
        presses = [
            appliance.timed(appliance.press, appliance.wait_for_plan) for _ in range(N_PRESSES)
        ]
    report = appliance.report()
    idle = frozenset(report.between(*idle_span))

    def trip(name: str, spans: Sequence[TripTimes], goal: str) -> Trip:
        """Return the shortest of several trips: what the clock starts can fall into the others."""
        return min(
            (
                Trip(
                    name,
                    report.between(span.begin_s, span.rest_s),
                    goal,
                    frozenset(report.between(span.begin_s, span.goal_s)),
                    idle,
                )
                for span in spans
            ),
            key=lambda trip: (len(trip.goal_files), len(trip.functions)),
        )

    edit(home, LAST_DEPTH)
    commit = ("--home", str(home), "config", "commit", BUCKET, "--json")
    plan = ("--home", str(checkout.demo_home("planned")), "plan", BUCKET)
    return [
        trip("press", presses[1:], "the plan is on the board"),
        trip("config edit", edits, "the change is in the journal"),
        Trip.of_command("config edit, the process that checks it", checkout.run("commit", *commit)),
        Trip.of_command("plan", checkout.run("plan", *plan)),
    ]


def edit(home: Path, plan_depth: int) -> None:
    """Save a bucket's file with another value in it."""
    file = home / "buckets" / f"{BUCKET}.toml"
    text, n_edits = EDITED_KEY.subn(rf"\g<1>{plan_depth}", file.read_text("utf-8"), count=1)
    if not n_edits:
        raise TripError(f"{file} has no line of the key that is edited")
    file.write_text(text, "utf-8")
