"""A press, while a module ends the planner's process: there is a plan all the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from host.home.home import create_home
from host.planning.breaker_store import BreakerStore
from host.simulation.appliance import Simulation
from planner_core.model.circuit_breaker import BreakerState
from tests.end_to_end.promises import TAMPERED, assert_promises, of_type


@pytest.mark.parametrize(
    ("misdeed", "failure", "deadline_s"), [("segfault", "worker_died", 60), ("hang", "overrun", 8)]
)
def test_a_press_is_answered_under_its_trace_id_without_the_module_that_failed(
    tmp_path: Path, misdeed: str, failure: str, deadline_s: int
) -> None:
    home = create_home(tmp_path / "home", demo=True).home
    home.device_file.write_text(f"[limits]\nplan_deadline_s = {deadline_s}\n", "utf-8")
    key = f"opportunity_calculators.{misdeed}"
    command = (sys.executable, TAMPERED, json.dumps({"planted": misdeed}))
    with Simulation(home.root, daemon=command) as appliance:
        appliance.press()
        repeated = appliance.wait_for("daemon", "PlanRepeated")
        answer = appliance.wait_for_answer()
        appliance.press()
        second = appliance.wait_for_answer()
        appliance.stop_daemon()
    assert_promises(home.root)
    assert answer.plan["outcome"] == second.plan["outcome"] == "PLANNED"
    assert repeated.record["data"]["without"] == key
    assert repeated.record["data"]["failure"] == failure
    requests = of_type(home.root, "PlanRequested")
    assert repeated.record["trace_id"] == answer.plan["trace_id"] == requests[0].trace_id
    for plan in (answer.plan, second.plan):
        fates = {module["key"]: module["status"] for module in plan["modules"]}
        assert fates[key] == "skipped_open"
    restarts = [e for e in appliance.events if (e.source, e.kind) == ("daemon", "WorkerEnded")]
    assert len(restarts) == 1, "the second press costs no process"
    store = BreakerStore(home)
    store.refresh()
    assert store.breakers.of(key).state is BreakerState.OPEN
