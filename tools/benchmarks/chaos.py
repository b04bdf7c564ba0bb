"""Several random faults at a time: violated promises, and the time of recovery."""

from __future__ import annotations

import statistics
from collections import Counter
from itertools import chain

from tools.chaos.runner import play_all

SEEDS = 20
WORST_SHOWN = 20


def run() -> dict[str, object]:
    """Play twenty stories on real processes; `python -m tools.chaos SEED` tells one of them.

    Each has two scenes of one to three troubles at a time: a noisy, cut or silent link, a board
    that restarts, a daemon or planner that is killed, a full disk, a clock that is set, edits good
    and bad, a module that fails in one of ten ways; with presses and edits meanwhile.

    scenarios, violations
        Stories, and broken promises: a press, plan or configuration that had been acknowledged and
        is lost or doubled, a journal that does not verify, a trouble that did not show in events,
        health and on the matrix, a press that gave no plan 90 s after all was over, a process left.
    broken
        What was broken, by seed.
    troubles
        How often each occurred.
    presses, plans, daemons
        Presses that were acknowledged, plans stored, daemons started.
    recovery_s_median, recovery_s_max
        From the end of a scene's troubles to a new plan on the matrix, the press included.
    """
    outcomes = list(play_all(range(SEEDS)))
    recoveries = list(chain.from_iterable(outcome.recovery_s for outcome in outcomes))
    broken = [f"seed {outcome.seed}: {what}" for outcome in outcomes for what in outcome.violations]
    troubles = Counter(chain.from_iterable(outcome.troubles for outcome in outcomes))
    return {
        "scenarios": len(outcomes),
        "violations": len(broken),
        "broken": broken[:WORST_SHOWN],
        "troubles": dict(sorted(troubles.items())),
        "presses": sum(outcome.presses for outcome in outcomes),
        "plans": sum(outcome.plans for outcome in outcomes),
        "daemons": sum(outcome.daemons for outcome in outcomes),
        "recovery_s_median": statistics.median(recoveries),
        "recovery_s_max": max(recoveries),
    }
