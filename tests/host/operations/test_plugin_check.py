"""`trader plugin check`: each mistake is found, with its line and what to do about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from host.home.home import Home
from host.operations.plugin_check import (
    CheckLimits,
    CheckProblem,
    PluginReport,
    check_plugin,
    find_plugin_file,
)
from tests.host.conftest import Trader

HEAD = '''
import ctypes, os, socket, subprocess, sys, tempfile, threading
from datetime import date
from planner_core.api import (
    ModuleMetadata, ModuleParameters, Opportunity, OpportunityCalculator, Side, cacheable,
    opportunity_registry,
)


def buy(notional=1_000.0):
    return [Opportunity(security=0, side=Side.BUY, notional=notional, reason="it is the first one")]


class Base(OpportunityCalculator[ModuleParameters]):
    """Buys the first security."""

    parameters_model = ModuleParameters
'''
MODULE = '''

class Module{number}(Base):
    """Makes a mistake."""

    metadata = ModuleMetadata(name="m{number}", version="1.0.0", description="A mistake")

    {define} calculate(self, state, parameters):
        {body}
        return buy()


opportunity_registry.register(Module{number}())
'''
LIMITS = CheckLimits(step_s=15.0)
"""A process that shares two processors with others takes seconds to start."""


def write(folder: Path, *bodies: str, define: str = "def", head: str = HEAD) -> Path:
    """A plugin with one module per body."""
    path = folder / "mistakes.py"
    modules = (
        MODULE.format(number=number, body=body, define=define) for number, body in enumerate(bodies)
    )
    path.write_text(head + "".join(modules))
    path.chmod(0o600)
    folder.chmod(0o700)
    return path


def line_of(path: Path, text: str) -> int:
    lines = path.read_text().splitlines()
    return 1 + next(number for number, line in enumerate(lines) if text in line)


def of_module(report: PluginReport, number: int) -> list[CheckProblem]:
    return [p for p in report.problems if p.module == f"opportunity_calculators.m{number}"]


EFFECTS = {
    'print("hello")': "prints: 'hello'",
    'print("hello", file=sys.stderr)': "prints: 'hello'",
    'os.write(1, b"hello")': "prints: 'hello'",
    "tempfile.TemporaryFile().close()": "writes a file",
    'open("/etc/hostname").close()': "reads a file (/etc/hostname)",
    "worker = threading.Thread(target=len, args=((),)); worker.start(); worker.join()": (
        "starts a thread"
    ),
    'subprocess.run(["true"])': "starts a process",
    'socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("127.0.0.1", 9))': (
        "uses the network"
    ),
}


def test_every_effect_besides_computing_is_named_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, *EFFECTS)
    report = check_plugin(path, LIMITS)
    for number, (body, message) in enumerate(EFFECTS.items()):
        problems = [p for p in of_module(report, number) if p.check == "effects"]
        assert any(message in p.message for p in problems), (body, report.problems)
        assert all(p.cure for p in problems)
        if not message.startswith("prints"):  # printing is noticed after the call
            assert {p.line for p in problems} == {line_of(path, body)}


def test_what_a_file_does_while_it_is_loaded_is_named_too(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    head = f"print('hello')\nopen({str(mark)!r}, 'w').close()\n{HEAD}"
    report = check_plugin(write(tmp_path, "pass", head=head), LIMITS)
    assert {(p.message, p.line) for p in report.problems if "file" in p.message} == {
        (f"writes a file ({str(mark)[:80]})", 2)
    }
    assert any("prints: 'hello'" in p.message for p in report.problems)


def test_other_results_in_a_process_with_other_hashes_are_found(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        'return buy(float(1 + list({"a", "b", "c", "d", "e", "f", "g"}).index("a")))',
        "first = len(date.today().isoformat())",
        "pass",
    )
    report = check_plugin(path, LIMITS)
    (problem,) = of_module(report, 0)
    assert problem.check == "hash"
    assert "rich" in problem.states
    assert "demo core" in problem.states
    (clock,) = [p for p in report.problems if "clock" in p.message]
    assert clock.line == line_of(path, "date.today")
    assert "state.context.as_of" in clock.cure
    assert of_module(report, 2) == []


def test_an_exception_has_the_line_and_the_states(tmp_path: Path) -> None:
    path = write(tmp_path, "value = 1 / (state.context.n_days - 1)", "return None")
    report = check_plugin(path, LIMITS)
    (problem,) = of_module(report, 0)
    assert (problem.check, problem.states) == ("results", ("one day",))
    assert problem.line == line_of(path, "value = 1 /")
    # A wrong result has no line of its own: it is that of the method.
    wrong = of_module(report, 1)[0]
    assert "returned NoneType" in wrong.message
    assert wrong.line == line_of(path, 'name="m1"') + 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("while True: pass", "took longer than 6 s in calculate"),
        ("os._exit(7)", "ended the process with code 7 in calculate"),
        ("ctypes.string_at(0)", "crashed (SIGSEGV) in calculate"),
    ],
)
def test_a_module_that_hangs_or_ends_the_process_costs_only_that_process(
    tmp_path: Path, body: str, message: str
) -> None:
    path = write(tmp_path, body)
    report = check_plugin(path, CheckLimits(step_s=6.0))
    (problem,) = report.problems
    assert (problem.check, problem.message) == ("crash", message)
    assert problem.states == ("rich",)
    if "exit" not in body:
        assert problem.line == line_of(path, body)


def test_a_fork_leaves_no_second_answer_and_is_reported(tmp_path: Path) -> None:
    report = check_plugin(write(tmp_path, "os.fork()"), LIMITS)
    messages = [problem.message for problem in report.problems]
    assert "starts a process" in messages


def test_a_file_that_cannot_be_loaded_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("import math\nmath.no_such_name\n")
    path.chmod(0o600)
    report = check_plugin(path, LIMITS)
    (problem,) = report.problems
    assert (problem.check, problem.line) == ("load", 2)
    assert "no_such_name" in problem.message


def test_a_name_of_the_planner_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "pass")
    path.write_text(path.read_text().replace('"m0"', '"weight_based"'))
    report = check_plugin(path, LIMITS)
    assert any("name of a module" in problem.message for problem in report.problems)


def test_a_file_that_others_can_change_is_not_run(tmp_path: Path) -> None:
    path = write(tmp_path, "pass")
    mark = tmp_path / "was_run"
    path.write_text(f"open({str(mark)!r}, 'w')")
    path.chmod(0o666)
    (problem,) = check_plugin(path, LIMITS).problems
    assert problem.check == "file"
    assert "chmod go-w" in problem.message
    assert not mark.exists()


def test_an_asynchronous_calculate_is_checked_like_any_other(tmp_path: Path) -> None:
    head = HEAD + "\nimport asyncio\n"
    path = write(tmp_path, "await asyncio.sleep(0)", define="async def", head=head)
    report = check_plugin(path, LIMITS)
    assert report.problems == []
    assert report.modules[0].n_results > 20


def test_a_new_plugin_passes_and_a_broken_one_says_what_to_do(
    trader: Trader, own_home: Home
) -> None:
    trader("plugin", "new", "my_rise", "--kind", "opportunity", "--home", own_home.root)
    good = trader("plugin", "check", "my_rise", "--json", "--home", own_home.root)
    assert (good.code, good.json["good"], good.json["problems"]) == (0, True, [])
    (module,) = good.json["modules"]
    assert module["key"] == "opportunity_calculators.my_rise"
    assert module["results"] > 0
    assert 0 < module["memory_mb"] < 50
    path = own_home.plugins_dir / "my_rise.py"
    path.write_text(path.read_text().replace("np.isnan(rise)", "np.isnan(rise / 0)"))
    bad = trader("plugin", "check", str(path), "--home", own_home.root)
    assert bad.code == 1
    line = line_of(path, "rise / 0")
    assert f"my_rise.py:{line}: results: opportunity_calculators.my_rise raises Zero" in bad.out
    assert "in the state: rich, rich with cash, plain and " in bad.out
    assert "To do: handle this state" in bad.out


def test_a_file_that_is_not_there_and_a_test_are_refused(trader: Trader, own_home: Home) -> None:
    missing = trader("plugin", "check", "nothing", "--home", own_home.root)
    assert (missing.code, "no such file" in missing.err) == (2, True)
    own_home.plugins_dir.mkdir()
    (own_home.plugins_dir / "test_a.py").write_text("")
    test = trader("plugin", "check", "test_a", "--home", own_home.root)
    assert (test.code, "is not a plugin's name" in test.err) == (2, True)
    (own_home.plugins_dir / "a.py").write_text("")
    assert find_plugin_file(own_home, "a") == own_home.plugins_dir / "a.py"


def test_new_says_the_exact_next_lines(trader: Trader, own_home: Home) -> None:
    home = own_home.root
    result = trader("plugin", "new", "my_rise", "--kind", "filter", "--home", home)
    assert result.code == 0
    for line in (
        f"trader plugin check my_rise --home {home}",
        f"in {own_home.device_file}, below [plugins], write",
        "    enabled = true",
        "below [filters], write",
        "    my_rise = true",
        f"--explain --home {home}",
    ):
        assert line in result.out
    copied = trader("plugin", "new", "--example", "faber_trend", "--json", "--home", home)
    assert copied.json["key"] == "filters.faber_trend"
    assert copied.json["test"] is None
    for arguments in ([], ["x"], ["x", "--example", "faber_trend"], ["x", "--kind", "odd"]):
        assert trader("plugin", "new", *arguments, "--home", home).code == 2
    listed = trader("plugin", "examples", "--json").out
    names = [example["example"] for example in json.loads(listed)["examples"]]
    assert names == ["faber_trend", "minimum_volatility"]
