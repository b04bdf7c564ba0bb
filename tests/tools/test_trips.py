"""The count of trips: a file counts when one of its functions is entered, not when it is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools import house, trips, trips_tracer
from tools.trips_appliance import Checkout, Report, TripError
from tools.trips_measurement import Trip, measure

MADE_UP = {
    "host/__init__.py": "",  # else an installed `host` would come first
    "host/start.py": (
        "import asyncio, threading\n"
        "import host.idle, host.lazily, host.later\n"
        "from host import box, thread, waiter\n"
        "def main():\n"
        "    box.Box().total\n"
        "    worker = threading.Thread(target=thread.work)\n"
        "    worker.start()\n"
        "    worker.join()\n"
        "    asyncio.run(waiter.wait())\n"
        "    host.lazily.DOUBLE(2)\n"
        "    list(host.later.numbers())\n"
        "    return 7\n"
    ),
    # Nothing of this is entered: it runs at import, or not at all.
    "host/idle.py": (
        "class Idle:\n    size = sum(x for x in range(3))\n    def never(self): pass\n"
        "SQUARES = [x * x for x in range(3)]\nPAIRS = {x: x for x in SQUARES}\n"
    ),
    "host/box.py": (
        "class Box:\n    @property\n    def total(self):\n        return sum(x for x in (1, 2))\n"
    ),
    "host/lazily.py": "DOUBLE = lambda x: 2 * x\n",
    "host/later.py": "def numbers():\n    yield 1\n    yield 2\n",
    "host/thread.py": "def work(): pass\n",
    "host/waiter.py": (
        "import asyncio\nimport elsewhere.ours\n"
        "async def wait():\n    await asyncio.sleep(0.02)\n    elsewhere.ours.outside()\n"
    ),
    "elsewhere/ours.py": "def outside(): pass\n",  # below none of our folders
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for file, text in MADE_UP.items():
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.fixture
def report_path(root: Path) -> Path:
    path = root / "report.json"
    tracer = trips_tracer.__file__
    completed = subprocess.run(
        [sys.executable, "-P", tracer, str(path), str(root), "host.start:main"],
        env={"PYTHONPATH": str(root)},
        check=False,
    )
    assert completed.returncode == 7
    return path


def test_files_count_whose_functions_are_entered_on_any_thread(report_path: Path) -> None:
    functions = Report(report_path).between()
    assert set(functions) == {
        *("host/start.py", "host/box.py", "host/lazily.py", "host/later.py"),
        *("host/thread.py", "host/waiter.py"),
    }
    assert functions["host/lazily.py"] == ["<lambda>"]
    assert functions["host/box.py"] == ["Box.total", "Box.total.<locals>.<genexpr>"]


def test_a_coroutine_that_goes_on_after_a_wait_is_entered_again(report_path: Path) -> None:
    times_ms = next(
        times for file, _, times in json.loads(report_path.read_text()) if file == "host/waiter.py"
    )
    begin_ms, end_ms = times_ms[0], times_ms[-1]
    assert begin_ms < end_ms
    report = Report(report_path)
    assert set(report.between((end_ms - 1) / 1000, (end_ms + 1) / 1000)) >= {"host/waiter.py"}
    assert "host/waiter.py" not in report.between(0.0, (begin_ms - 1) / 1000)


def test_a_report_without_a_function_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("[]")
    with pytest.raises(TripError, match="another tree"):
        Report(tmp_path / "report.json")


def test_importers_are_counted_by_file_however_they_import(root: Path) -> None:
    (root / "host" / "box.py").write_text("def f():\n    from . import lazily\n")
    importers = trips.importers_below(root)
    assert importers["host/lazily.py"] == {"host/start.py", "host/box.py"}
    assert importers["host/waiter.py"] == {"host/start.py"}
    assert importers["host/start.py"] == frozenset()


def test_a_list_groups_files_by_folder_and_says_what_is_special_about_each(root: Path) -> None:
    functions = {"host/a.py": ["f"], "host/b/c.py": ["g"], "host/waiter.py": ["wait"]}
    trip = Trip(
        *("press", functions, "it is done"),
        *(frozenset({"host/a.py", "host/b/c.py"}), frozenset({"host/a.py", "host/night.py"})),
    )
    assert list(trips.lines_of(trip, trips.importers_below(root))) == [
        "press: 3 files (2 until it is done, 0 of the planner, 1 idle too)",
        "  host/ (2)",
        "    a.py                       idle too",
        "    waiter.py                  afterwards; only for host/start.py",
        "  host/b/ (1)",
        "    c.py",
    ]


def test_the_house_refuses_a_command_that_it_does_not_have(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        house.main(["trip"])
    assert exit_info.value.code == 2
    assert "trips" in capsys.readouterr().err


@pytest.mark.soak
def test_every_trip_through_this_tree_reaches_its_goal(tmp_path: Path) -> None:
    press, edit, check, plan = measure(Checkout(trips.ROOT, tmp_path))
    assert press.goal_files
    assert press.goal_files <= set(press.functions)
    assert edit.goal_files
    assert not [file for file in plan.functions if file.startswith("firmware_bridge/")]
    assert [file for file in check.functions if file.startswith(trips.PLANNER)]
