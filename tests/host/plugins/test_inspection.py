"""The process that runs plugins once: a bad one costs only itself."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from host.plugins.description import PluginDescription
from host.plugins.inspection import InspectionLimits, inspect_plugins
from host.plugins.sources import read_plugin_files
from host.sandbox import child_pids
from tests.host.plugins.plugin_files import filter_text, folder_with, momentum

SHORT = InspectionLimits(load_s=5.0)

BAD_PLUGINS = {
    "raises": ("raise ValueError('no')", "line 1: ValueError: no"),
    "is_not_python": ("x = [", "line 1: SyntaxError: '[' was never closed"),
    "is_binary": ("\0\0\1", "SyntaxError: source code string cannot contain null bytes"),
    "nests_deeply": ("(" * 5_000 + ")" * 5_000, "too many nested parentheses"),
    "exits_politely": ("import sys\nsys.exit(0)", "line 2: SystemExit: 0"),
    "exits": ("import os\nos._exit(0)", "ended the process with code 0"),
    "segfaults": ("import ctypes\nctypes.string_at(0)", "crashed (SIGSEGV)"),
    "is_killed": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "crashed (SIGKILL)"),
    "eats_memory": ("x = [bytearray(10_000_000) for _ in range(10_000)]", "line 1: MemoryError"),
    "misses_a_package": ("import no_such_package", "No module named 'no_such_package'"),
    "registers_nothing": ("x = 1", "registers no module"),
    "patches_numpy": ("import numpy\nnumpy.argsort = None", "changed numpy.argsort"),
    "patches_deep_in_numpy": (
        "import numpy._core.fromnumeric as f\nf._wrapreduction = None",
        "changed numpy._core.fromnumeric._wrapreduction",
    ),
    "patches_a_class": (
        "from planner_core.market.state import PlanningState\n"
        "PlanningState.__init__ = lambda self: None",
        "changed PlanningState.__init__",
    ),
    "hides_a_builtin": (
        "import planner_core.market.objective as o\no.max = min",
        "changed planner_core.market.objective.max",
    ),
    "replaces_a_module": (
        "import sys, types\nsys.modules['numpy'] = types.ModuleType('numpy')",
        "changed sys.modules['numpy']",
    ),
    "removes_a_module": (
        "from planner_core.modules.builtin import builtin_registries\n"
        "builtin_registries().filters.remove('diversity')",
        "changed the registry of filters",
    ),
    "starts_a_thread": (
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,), name='t').start()\n"
        + momentum().replace("momentum", "threaded"),
        "started a thread while it was loaded (t)",
    ),
    "leaves_a_process": (
        "import subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        + momentum().replace("momentum", "spawning"),
        "left a running process behind",
    ),
    "starts_many_processes": (
        "import subprocess\nwhile True: subprocess.Popen(['sleep', '600'])",
        "starts more than 16 processes",
    ),
    "forks_without_end": (
        "import os\nwhile True: os.fork()",
        "starts more than 16 processes",
    ),
    "writes_to_every_file": (
        "import os\n"
        "for n in range(3, 1024):\n"
        "    try: os.write(n, b'{\"done\": true, \"loaded\": 7}\\n')\n"
        "    except OSError: pass\n"
        + momentum().replace("momentum", "writing"),
        "sent invalid output",
    ),
    "prints_a_protocol": (
        "print('{\"done\": true}', flush=True)\nraise ValueError('after it')",
        "line 2: ValueError: after it",
    ),
    "is_a_class": (
        momentum().replace("register(Momentum())", "register(Momentum)"),
        "register an instance, not the class",
    ),
    "has_no_version": (momentum().replace("1.2.0", "one"), "is not MAJOR.MINOR.PATCH"),
    "needs_another_python": (
        momentum().replace('author="me"', 'requires_python=">=4"'), "needs Python >=4, this is 3.",
    ),
    "has_an_odd_parameter": (
        momentum().replace("tuple[str, ...]", "dict").replace('("close",)', "{}"),
        "parameter fields: a parameter is a bool",
    ),
}  # fmt: skip
"""name -> its text, and a part of the reason."""


def inspected(folder: Path, limits: InspectionLimits = SHORT) -> dict[str, PluginDescription]:
    before = child_pids()
    descriptions = inspect_plugins(folder, read_plugin_files(folder), limits)
    assert child_pids() <= before, "nothing is left running"
    return {description.label: description for description in descriptions}


def test_a_good_plugin_is_described(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"a.py": momentum(), "b.py": momentum("async def")})
    (folder / "b.py").write_text(momentum("async def").replace('"momentum"', '"other"'), "utf-8")
    descriptions = inspected(folder)
    first, second = descriptions["plugins/a.py"], descriptions["plugins/b.py"]
    assert (first.error, second.error) == ("", "")
    (module,) = first.modules
    assert (module.key, module.version) == ("opportunity_calculators.momentum", "1.2.0")
    assert module.details == "Buy the first security."
    assert module.parameters["share"]["exclusiveMinimum"] == 0


def test_every_bad_plugin_costs_only_itself(tmp_path: Path) -> None:
    files = {f"{name}.py": text for name, (text, _) in BAD_PLUGINS.items()}
    good = {"a_good.py": momentum(), "z_good.py": filter_text("good")}
    descriptions = inspected(folder_with(tmp_path, files | good))
    for name, (_, reason) in BAD_PLUGINS.items():
        description = descriptions[f"plugins/{name}.py"]
        assert reason in description.error, f"{name}: {description.error}"
        assert "\n" not in description.error
        assert description.modules == ()
    assert [descriptions[f"plugins/{name}"].error for name in good] == ["", ""]


def test_a_plugin_that_hangs_is_ended_and_the_others_are_loaded(tmp_path: Path) -> None:
    files = {
        "a.py": filter_text("first"),
        "b.py": "import time\ntime.sleep(600)",
        "c.py": "import ctypes\nctypes.PyDLL(None).sleep(600)",  # it holds Python's lock
        "d.py": filter_text("last"),
    }
    descriptions = inspected(folder_with(tmp_path, files), InspectionLimits(load_s=3.0))
    assert [d.error.partition(" while")[0] for d in descriptions.values()] == [
        "", "took longer than 3 s", "took longer than 3 s", "",
    ]  # fmt: skip


def test_a_timer_that_one_plugin_leaves_is_not_blamed_on_the_next(tmp_path: Path) -> None:
    timer = "import threading, os\nthreading.Timer(0.3, os._exit, (1,)).start()\n"
    slow = "import time\ntime.sleep(1.0)\n"
    files = {"a.py": timer + momentum(), "b.py": slow + filter_text("slow")}
    first, second = inspected(folder_with(tmp_path, files)).values()
    assert "started a thread" in first.error
    assert second.error == ""


def test_when_the_time_is_over_the_rest_is_left_out_and_says_so(tmp_path: Path) -> None:
    files = {f"{letter}.py": "import time\ntime.sleep(600)" for letter in "abc"}
    limits = InspectionLimits(load_s=2.0, total_s=3.0)
    start_s = time.monotonic()
    descriptions = inspected(folder_with(tmp_path, files), limits)
    assert time.monotonic() - start_s < 60
    assert all(description.error for description in descriptions.values())
    assert "all plugins together took longer than 3 s" in descriptions["plugins/c.py"].error


def test_the_working_directory_hides_no_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_with(tmp_path, {"a.py": momentum()})
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "__init__.py").write_text("raise SystemExit(7)", "ascii")
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", str(Path.cwd())))
    monkeypatch.chdir(tmp_path)
    (description,) = inspected(folder).values()
    assert description.error == ""
