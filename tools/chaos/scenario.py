"""Run one story on one stage: `python -m tools.chaos.scenario SEED FOLDER`; print JSON.

FOLDER is empty; its `disk` becomes a small file system. The process needs its own mount namespace,
which `runner` creates.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.appliance.presses.press_log import ANSWERS
from host.simulation.appliance import SimulationError
from tools.chaos.promises import (
    broken_acknowledgements,
    broken_promises,
    journal,
    presses_without_verdict,
)
from tools.chaos.stage import BUCKET, Stage
from tools.chaos.story import story_of
from tools.chaos.troubles import TROUBLES, is_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tools.chaos.story import Scene
    from tools.chaos.troubles import Trouble

DISK_MB: Final = 24
SEEN_S: Final = 30.0
"""Time within which a fault must show."""
RECOVERED_S: Final = 90.0
"""Time within which everything must work again, without any action."""
PRESS_AGAIN_S: Final = 8.0
"""Time after which a person who sees no reaction presses again."""
CALM_S: Final = 0.6
"""Longer than the window of a double press."""
SETTLED_S: Final = 45.0


@dataclass(slots=True)
class Outcome:
    """The result of a story."""

    seed: int
    violations: list[str] = field(default_factory=list)
    diary: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    recovery_s: list[float] = field(default_factory=list)
    presses: int = 0
    plans: int = 0
    daemons: int = 0
    elapsed_s: float = 0.0


def play(seed: int, folder: Path) -> Outcome:
    """Run a story; its disk must be mounted."""
    began_s = time.monotonic()
    outcome = Outcome(seed)
    stage = Stage(folder / "disk", folder, seed)
    outcome.violations, outcome.diary = stage.violations, stage.diary
    try:
        with stage:
            for scene in story_of(seed).scenes:
                outcome.troubles += scene.troubles
                outcome.recovery_s.append(round(_play_scene(stage, scene), 2))
            _end(stage)
            outcome.daemons = len(stage.witness.events_of("DaemonStarted"))
    except SimulationError as error:
        stage.violated(f"the appliance stopped answering: {error}")
    records = journal(stage.home.root)
    outcome.presses = sum(r.event_type == "ButtonEdge" for r in records) // 2
    outcome.plans = sum(r.event_type == "PlanStored" for r in records)
    outcome.elapsed_s = round(time.monotonic() - began_s, 2)
    return outcome


def _play_scene(stage: Stage, scene: Scene) -> float:
    """Begin the faults, check that they show, end them; return the seconds of recovery."""
    troubles = [TROUBLES[name] for name in scene.troubles]
    since_s = stage.appliance.now_s()
    for number, (trouble, pause_s) in enumerate(zip(troubles, scene.pauses_s, strict=False)):
        if number == scene.hand_after:
            _move_hand(stage, scene)
        stage.wait(pause_s)
        stage.note(f"begins: {trouble.name}")
        trouble.begin(stage)
    if scene.hand_after == len(troubles):
        _move_hand(stage, scene)
    for trouble in troubles:
        _expect_seen(stage, trouble, troubles, since_s)
    for name in scene.ending:
        if not TROUBLES[name].is_mended_by_hand:
            stage.note(f"ends: {name}")
            TROUBLES[name].end(stage)
    took_s = _recover(stage)
    for trouble in troubles:
        if trouble.is_mended_by_hand:
            trouble.end(stage)
    return took_s


def _move_hand(stage: Stage, scene: Scene) -> None:
    """Do the action of the person in this scene."""
    stage.wait(scene.pauses_s[-1])
    what = scene.hand
    stage.note(f"hand: {what}")
    if what == "press":
        stage.appliance.press()
    elif what == "press_twice":
        stage.appliance.press_twice()
    elif what == "hold":
        stage.appliance.hold()
    elif what == "edit":
        stage.edit()


def _expect_seen(stage: Stage, trouble: Trouble, around: Sequence[Trouble], since_s: float) -> None:
    """Wait until a fault shows in events, in health and on the matrix, or note a violation."""
    cut = any(other.cuts_link for other in around)
    held = cut or any(other.holds_presses for other in around)
    if trouble.needs_plan and held:
        return
    witness = stage.witness
    pressed_s = [stage.appliance.now_s()]

    def is_in_events() -> bool:
        return not trouble.events or bool(witness.events_of(*trouble.events, since_s=since_s))

    def is_in_health() -> bool:
        return not trouble.findings or bool(stage.findings().intersection(trouble.findings))

    def is_on_matrix() -> bool:
        is_hidden = cut and not trouble.cuts_link
        return is_hidden or _is_shown(stage, trouble, since_s)

    for place, is_there in (
        ("in the events", is_in_events),
        ("on the matrix", is_on_matrix),
        ("in health", is_in_health),
    ):

        def holds(is_there: Callable[[], bool] = is_there) -> bool:
            if trouble.needs_plan and stage.appliance.now_s() > pressed_s[0] + PRESS_AGAIN_S:
                pressed_s[0] = stage.appliance.now_s()
                stage.note("hand: presses again")
                stage.appliance.press()
            return is_there()

        if not stage.until(holds, SEEN_S, every_s=0.3):
            stage.violated(f"{trouble.name} did not show {place}: {sorted(stage.findings())}")
        else:
            stage.note(f"seen: {trouble.name} {place}")


def _is_shown(stage: Stage, trouble: Trouble, since_s: float) -> bool:
    """Return whether the matrix showed a fault, or another one that hides it."""
    looks_like = trouble.looks_like
    if looks_like is None:
        return True
    if trouble.is_numbered:
        return stage.witness.saw(looks_like, since_s)
    return stage.witness.saw(lambda rows: looks_like(rows) or is_fault(rows), since_s)


def _recover(stage: Stage) -> float:
    """Wait until a press gives a plan on the matrix again; return the seconds."""
    began_s = stage.appliance.now_s()
    is_ready = partial(_is_ready, stage)
    if not stage.until(is_ready, RECOVERED_S, every_s=0.3):
        obstacles = [f"{finding.id}: {finding.what}" for finding in stage.health().not_ready(None)]
        stage.violated(f"not ready again after {RECOVERED_S:g} s: {obstacles}, {_open(stage)}")
    while stage.appliance.now_s() < began_s + RECOVERED_S:
        stage.wait(CALM_S)
        if _press_gives_plan(stage):
            took_s = stage.appliance.now_s() - began_s
            stage.note(f"recovered in {took_s:.1f} s")
            return took_s
    stage.violated(f"no press gave a plan for {RECOVERED_S:g} s")
    return RECOVERED_S


def _is_ready(stage: Stage) -> bool:
    """Return whether nothing is open, and health reports that a press would give a plan."""
    return not _open(stage) and not stage.health().not_ready(None)


def _open(stage: Stage) -> list[str]:
    """Return all that is open: edges on the board, presses and requests without an answer."""
    records = journal(stage.home.root)
    requested = {record.trace_id for record in records if record.event_type == "PlanRequested"}
    answered = {record.trace_id for record in records if record.event_type in ANSWERS}
    waiting = [f"edge {event_id}" for _, event_id in sorted(stage.witness.waiting)]
    unjudged = [f"press {edge.event_id}" for edge in sorted(presses_without_verdict(records))]
    return waiting + unjudged + sorted(requested - answered)


def _press_gives_plan(stage: Stage) -> bool:
    """Press; return whether a successful plan is shown."""
    since_s = stage.appliance.now_s()
    stage.note("hand: press, for a plan")
    stage.appliance.press()

    def is_shown() -> bool:
        events_of = stage.witness.events_of
        stored = [
            event["trace_id"]
            for event in events_of("PlanStored", since_s=since_s)
            if event["data"]["outcome"] == "PLANNED"
        ]
        shown = {event["trace_id"] for event in events_of("FrameShown", since_s=since_s)}
        return any(trace_id in shown for trace_id in stored)

    return stage.until(is_shown, PRESS_AGAIN_S)


def _end(stage: Stage) -> None:
    """Wait until all is settled, stop, and check the invariants."""
    if not stage.until(lambda: not _open(stage), SETTLED_S):
        stage.violated(f"never settled: {_open(stage)}")
    file = stage.home.bucket_file(BUCKET)
    if stage.edits and not stage.until(partial(_is_in_force, stage), SETTLED_S, every_s=0.5):
        stage.violated(f"the last edit of {file.name} never came into force")
    stage.order("")
    stage.note("stops")
    code = stage.appliance.stop_daemon()
    if code:
        stage.violated(f"after a stop, the daemon ended with {code}")
    verified = stage.trader("events", "verify")
    if verified.returncode:
        stage.violated(f"trader events verify: {verified.stdout} {verified.stderr}")
    for broken in (
        *broken_promises(stage.home.root),
        *broken_acknowledgements(stage.home.root, stage.witness),
    ):
        stage.violated(broken)
    for stray in stage.strays():
        stage.violated(f"a process is left: {stray}")


def _is_in_force(stage: Stage) -> bool:
    """Return whether the last edit is the active version."""
    checked = stage.trader("config", "check", BUCKET)
    if checked.returncode or not stage.witness.events_of("ConfigurationChanged"):
        return False
    return "config_not_picked_up" not in stage.findings()


def main() -> None:
    """Mount the disk and run the story."""
    seed, folder = int(sys.argv[1]), Path(sys.argv[2])
    disk = folder / "disk"
    disk.mkdir()
    size = f"size={DISK_MB}m,mode=700"
    # A program of the system's; the folder is ours.
    subprocess.run(("mount", "-t", "tmpfs", "-o", size, "none", disk), check=True)
    outcome = play(seed, folder)
    fields = {name: getattr(outcome, name) for name in Outcome.__slots__}
    sys.stdout.write(json.dumps(fields) + "\n")


if __name__ == "__main__":
    main()
