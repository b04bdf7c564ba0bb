"""The planner's process, which plans in silence too: `_twofold_worker.py --home DIR`.

A request whose trace id begins with SILENT is planned with nothing watching: no events, no names of
modules that are about to run, no breakers. One process does both, so that what differs between two
processes does not count. Every plan is a first one: nothing is taken from the cache.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from host.home.config.active import load_active
from host.planning.plan_run import make_plan
from host.planning.worker import main as worker_main
from host.telemetry.metrics.process_memory import memory_bytes
from planner_core.modules.cache import CalculationCache
from planner_core.planner import plan

if TYPE_CHECKING:
    from planner_core.model.config import PlannerConfig
    from planner_core.model.context import PlanningContext
    from planner_core.model.plan import Plan
    from planner_core.runtime import Runtime

SILENT = "silent"


class Twofold(worker_main.Desk):
    """Plans watched or not, as the trace id says."""

    def _planned(self, trace_id: str, request: worker_main.Request) -> dict[str, object]:
        self.cache = CalculationCache(time.monotonic)
        if not trace_id.startswith(SILENT):
            return super()._planned(trace_id, request)
        budget_s = float(request["budget_s"])

        def in_time(context: PlanningContext, config: PlannerConfig, runtime: Runtime) -> Plan:
            runtime.is_cancelled = lambda: self.inbox.is_cancelled(trace_id)
            runtime.deadline_s = runtime.monotonic() + budget_s
            runtime.cache = self.cache
            return plan(context, config, runtime)

        bucket_id = str(request["bucket_id"])
        run = make_plan(self.home, bucket_id, trace_id=trace_id, planner=in_time, load=load_active)
        return {
            "created_at": run.created_at.isoformat(),
            "elapsed_s": run.elapsed_s,
            "memory": memory_bytes(),
            "plan": run.record,
        }


if __name__ == "__main__":
    worker_main.Desk = Twofold  # type: ignore[misc]
    worker_main.main()
