"""Plan one stored context and write how long that took: the process whose memory is measured.

python -m tools.benchmarks._plan_once CONTEXT DEPTH REPEATS RESULT
"""

from __future__ import annotations

import json
import pickle
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from planner_core.config_api.config_loading import load_config
from planner_core.modules.builtin import builtin_registries
from planner_core.planner import plan
from planner_core.runtime import Runtime

if TYPE_CHECKING:
    from planner_core.model.plan import Plan


def main(context_file: str, depth: str, repeats: str, result_file: str) -> None:
    """Plan once to warm up, then so many times."""
    context = pickle.loads(Path(context_file).read_bytes())  # noqa: S301 - the parent's own file
    config = load_config({"max_plan_depth": int(depth)}, builtin_registries())

    def plan_once() -> Plan:
        return plan(context, config, Runtime(monotonic=time.perf_counter))

    result = plan_once()
    wall_s, cpu_s = [], []
    for _ in range(int(repeats)):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        plan_once()
        wall_s.append(time.perf_counter() - begin)
        cpu_s.append(time.process_time() - begin_cpu)
    figures = {
        "wall_s": statistics.median(wall_s),
        "cpu_s": statistics.median(cpu_s),
        "candidates": result.n_candidates,
        "sequences": result.n_sequences,
        "steps": len(result.steps),
        "gain": result.score.gain if result.score else 0.0,
    }
    Path(result_file).write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
