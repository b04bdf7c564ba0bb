"""The planner's process, which plans in silence too: `_twofold_worker.py --home DIR`.

A request whose trace id begins with SILENT is planned with nothing watching: no events, no names of
modules that are about to run, no breakers. One process does both, so that what differs between two
processes does not count. Every plan is a first one: nothing is taken from the cache.
"""

from __future__ import annotations

import time

from host.home.config.load import load_active
from host.planning.plan_run import RunOptions, make_plan
from host.planning.worker import main as worker_main
from host.telemetry.metrics.metrics import memory_bytes
from planner_core.modules.cache import CalculationCache

SILENT = "silent"


class Twofold(worker_main.RequestHandler):
    """Plans watched or not, as the trace id says."""

    def plan(self, trace_id: str, request: worker_main.Request) -> dict[str, object]:
        self.cache = CalculationCache(time.monotonic)
        if not trace_id.startswith(SILENT):
            return super().plan(trace_id, request)
        options = RunOptions(
            trace_id=trace_id,
            budget_s=float(request["budget_s"]),
            cache=self.cache,
            is_cancelled=lambda: self.requests.is_cancelled(trace_id),
            load_config=load_active,
        )
        run = make_plan(self.home, str(request["bucket_id"]), options)
        return {
            "created_at": run.created_at.isoformat(),
            "elapsed_s": run.elapsed_s,
            "memory": memory_bytes(),
            "plan": run.record,
        }


if __name__ == "__main__":
    worker_main.RequestHandler = Twofold  # type: ignore[misc]
    worker_main.main()
