"""Speed of a second plan of the same inputs, by the cache of modules' results."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from host.home.config.load import load_active
from host.home.home import Home
from host.planning.plan_run import PROOF_S, RunOptions, make_plan
from planner_core.events import ModuleCompleted
from planner_core.modules.cache import CalculationCache
from planner_core.modules.module import ModuleKind
from planner_core.planner import plan
from planner_core.runtime import Runtime, discard_event
from tools.benchmarks._portfolios import config_with, demo_context, simulated_context
from tools.benchmarks._timing import in_turns
from tools.measure import BIN, BenchmarkError, child

if TYPE_CHECKING:
    from planner_core.events import Event

REPEATS = 15
SIZES = {20: 15, 88: 7, 500: 3}
"""Securities, with the repeats: a plan of 500 takes a second."""
DEPTH = 5


def run() -> dict[str, object]:
    """Plan twice in one process: with an empty cache, and with that of the plan before.

    Nothing else differs: everything is imported, and both have planned before. Seconds are those of
    the processor.

    second_plan_speedup
        The whole plan of the demo's bucket `core` as the daemon's process makes it, from its files
        to the record, with the proof of 0.3 s: time of the first by time of the second.
    without_proof_speedup
        The same without the proof, which takes its time whatever it is given.
    first_plan_ms, second_plan_ms
        Of the whole plan.
    sizes
        By number of securities, the planner alone, without files and proof: `speedup`;
        `calculators_share`, part of the first plan that all calculators take;
        `calculators_speedup`, of these alone; `first_ms`, `second_ms`; `hits`, calls that were
        answered from the cache. The 20 securities are the demo's; the larger portfolios are
        SYNTHETIC.
    repeats
        Pairs that the medians are taken over; fewer for the larger sizes.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "home"
        child([str(BIN / "trader"), "init", "--demo", "--home", str(root)])
        home = Home(root)
        proven = in_turns(pair(lambda cache: planned(home, cache, PROOF_S)), REPEATS)
        plain = in_turns(pair(lambda cache: planned(home, cache, None)), REPEATS)
    return {
        "second_plan_speedup": proven["first"] / proven["second"],
        "without_proof_speedup": plain["first"] / plain["second"],
        "first_plan_ms": proven["first"] * 1e3,
        "second_plan_ms": proven["second"] * 1e3,
        "sizes": {str(n): of_size(n, repeats) for n, repeats in SIZES.items()},
        "repeats": REPEATS,
    }


def pair(planner: Callable[[CalculationCache], object]) -> dict[str, Callable[[], object]]:
    """Return a plan with an empty cache, and one with a cache that has its results."""
    filled = CalculationCache(time.monotonic)
    planner(filled)
    return {
        "first": lambda: planner(CalculationCache(time.monotonic)),
        "second": lambda: planner(filled),
    }


def planned(home: Home, cache: CalculationCache, proof_s: float | None) -> None:
    """Plan as the daemon's process does."""
    make_plan(home, "core", RunOptions(cache=cache, proof_s=proof_s, load_config=load_active))


def of_size(n_securities: int, repeats: int) -> dict[str, float]:
    """Measure the planner alone, and the calculators in it."""
    context = demo_context() if n_securities == min(SIZES) else simulated_context(n_securities)
    config = config_with(DEPTH)

    def plan_with(cache: CalculationCache, emit: Callable[[Event], None] = discard_event) -> object:
        return plan(context, config, Runtime(monotonic=time.process_time, cache=cache, emit=emit))

    seconds = in_turns(pair(plan_with), repeats)
    cache, calculators = CalculationCache(time.monotonic), []
    for _ in ("first", "second"):
        spent: dict[str, float] = defaultdict(float)

        def note(event: Event, spent: dict[str, float] = spent) -> None:
            if isinstance(event, ModuleCompleted):
                spent[event.key.partition(".")[0]] += event.elapsed_s

        plan_with(cache, note)
        calculators.append(spent[ModuleKind.OPPORTUNITY])
    if not cache.hits:
        raise BenchmarkError("the second plan took nothing from the cache")
    return {
        "speedup": seconds["first"] / seconds["second"],
        "calculators_share": calculators[0] / seconds["first"],
        "calculators_speedup": calculators[0] / calculators[1],
        "first_ms": seconds["first"] * 1e3,
        "second_ms": seconds["second"] * 1e3,
        "hits": cache.hits,
    }
