"""A press, with plugins in the home: in the plan, or at their own cost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from host.home.home import Home, create_home
from host.planning.breaker_store import BreakerStore
from host.simulation.appliance import Simulation
from planner_core.model.circuit_breaker import BreakerState
from tests.end_to_end.promises import assert_promises, of_type
from tests.host.plugins.plugin_files import add_plugins, filter_text, misdeed_text, momentum

DAEMON = (sys.executable, "-m", "host.cli")


def fates(plan: dict[str, Any]) -> dict[str, str]:
    return {module["key"]: module["status"] for module in plan["modules"]}


def home_with(root: Path, files: dict[str, str]) -> Home:
    home = create_home(root / "home", demo=True).home
    return add_plugins(home, files)


def test_a_press_plans_with_the_plugins_and_with_what_they_are_at_the_next_press(
    tmp_path: Path,
) -> None:
    home = home_with(tmp_path, {"a.py": momentum("async def"), "b.py": "raise ValueError('no')"})
    with Simulation(home.root, daemon=DAEMON) as appliance:
        appliance.press()
        first = appliance.wait_for_answer().plan
        add_plugins(home, {"b.py": filter_text("mine")})
        (home.plugins_dir / "a.py").unlink()
        appliance.press()
        second = appliance.wait_for_answer().plan
        appliance.stop_daemon()
    assert_promises(home.root)
    assert fates(first)["opportunity_calculators.momentum"] == "ok"
    (finding,) = [f for f in first["findings"] if f["id"] == "plugin_failed"]
    assert finding["message"] == "plugins/b.py: line 1: ValueError: no"
    failures = [record.data["key"] for record in of_type(home.root, "ModuleLoadFailed")]
    assert failures == ["plugins/b.py"], "one event, and none once it is mended"
    assert fates(second)["filters.mine"] == "ok"
    assert "opportunity_calculators.momentum" not in fates(second)
    assert of_type(home.root, "WorkerEnded") == [], "no process was started again"


def test_a_press_holds_the_plan_when_device_toml_breaks_and_the_bucket_has_a_plugin(
    tmp_path: Path,
) -> None:
    home = home_with(tmp_path, {"a.py": filter_text("mine")})
    home.bucket_file("core").write_text("max_plan_depth = 3\n[filters]\nmine = true\n", "utf-8")
    with Simulation(home.root, daemon=DAEMON) as appliance:
        appliance.press()
        first = appliance.wait_for_answer().plan
        home.device_file.write_text(home.device_file.read_text("utf-8") + "[[[\n", "utf-8")
        appliance.press()
        second = appliance.wait_for_answer().plan
        appliance.stop_daemon()
    assert fates(first)["filters.mine"] == "ok"
    assert second["outcome"] == "HELD"
    assert "device.toml:3:3: " in second["reason"]
    assert "filters.mine" in second["reason"]


def test_a_plugin_that_crashes_costs_only_itself_and_only_once(tmp_path: Path) -> None:
    files = {"a.py": misdeed_text("ctypes.string_at(0)"), "b.py": momentum()}
    home = home_with(tmp_path, files)
    key = "opportunity_calculators.bad"
    with Simulation(home.root, daemon=DAEMON) as appliance:
        appliance.press()
        repeated = appliance.wait_for("daemon", "PlanRepeated")
        first = appliance.wait_for_answer().plan
        appliance.press()
        second = appliance.wait_for_answer().plan
        appliance.stop_daemon()
    assert_promises(home.root)
    assert repeated.record["data"]["without"] == key
    for plan in (first, second):
        assert fates(plan)[key] == "skipped_open"
        assert fates(plan)["opportunity_calculators.momentum"] == "ok"
    assert len(of_type(home.root, "WorkerEnded")) == 1


def test_a_plugin_that_crashes_only_when_the_worker_loads_it_is_left_out_by_its_file(
    tmp_path: Path,
) -> None:
    only_in_worker = (
        "import sys, ctypes\nif 'host.planning.worker.main' in sys.orig_argv: ctypes.string_at(0)\n"
    )
    home = home_with(tmp_path, {"a.py": only_in_worker + momentum(), "b.py": filter_text("mine")})
    with Simulation(home.root, daemon=DAEMON) as appliance:
        appliance.press()
        repeated = appliance.wait_for("daemon", "PlanRepeated")
        plan = appliance.wait_for_answer().plan
        appliance.stop_daemon()
    assert_promises(home.root)
    assert repeated.record["data"]["without"] == "plugins/a.py"
    assert fates(plan)["filters.mine"] == "ok"
    (finding,) = [f for f in plan["findings"] if f["id"] == "plugin_failed"]
    assert "plugins/a.py: the planner's process ended by SIGSEGV" in finding["message"]
    store = BreakerStore(home)
    store.refresh()
    assert store.breakers.of("plugins/a.py").state is BreakerState.OPEN


def test_a_plugin_that_hangs_or_leaves_a_thread_costs_only_itself(tmp_path: Path) -> None:
    thread = "threading.Thread(target=time.sleep, args=(600,)).start()"
    files = {
        "a.py": misdeed_text("time.sleep(600)", "hanging"),
        "b.py": misdeed_text(thread, "threaded"),
        "c.py": momentum(),
    }
    home = home_with(tmp_path, files)
    limits = "[limits]\nplan_deadline_s = 8\n"
    home.device_file.write_text(home.device_file.read_text("utf-8") + limits, "utf-8")
    with Simulation(home.root, daemon=DAEMON) as appliance:
        appliance.press()
        repeated = appliance.wait_for("daemon", "PlanRepeated")
        plan = appliance.wait_for_answer().plan
        appliance.press()
        second = appliance.wait_for_answer().plan
        appliance.stop_daemon()
    assert_promises(home.root)
    assert repeated.record["data"]["without"] == "opportunity_calculators.hanging"
    for answer in (plan, second):
        assert fates(answer)["opportunity_calculators.hanging"] == "skipped_open"
        assert fates(answer)["opportunity_calculators.threaded"] == "failed"
        assert fates(answer)["opportunity_calculators.momentum"] == "ok"
