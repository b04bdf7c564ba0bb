"""Check the file of a plugin: everything that its author can know before anybody uses it.

    the rules for files -> loading -> the contract suite -> again, in a process with other hashes

All code of the plugin runs in processes that may be killed. What crashes or hangs is one problem of
the report, with the line that ran.
"""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from host.errors import NotFoundError, UsageError
from host.limits import PLAN_MEMORY_MB
from host.plugins.assembly import PluginModules, assemble
from host.plugins.description import stand_in
from host.plugins.inspection import InspectionLimits, inspect_plugins
from host.plugins.line_process import LineProcess
from host.plugins.sources import FILE_NAME, TEST_PREFIX, folder_problem, read_plugin_file
from host.sandbox import adopt_orphans
from host.text import printable

if TYPE_CHECKING:
    from host.home.home import Home
    from host.plugins.description import PluginDescription
    from host.plugins.sources import PluginSource

MAIN: Final = "host.operations.plugin_check_main"
STEP_S: Final = 20.0
"""For one call of a module in one state, and for the start. A board takes ten times a PC's time."""
START_S: Final = 60.0
"""For a process to begin: numpy, the demo's prices and its states."""
TOTAL_S: Final = 600.0
"""For all calls of one process."""
HASH_SEEDS: Final = ("1", "2")
"""Of the two processes: a set of strings has another order in each."""
SLOW_S: Final = 1.0
"""A plan calls every module, and its owner waits beside the board."""
MEMORY_SHARE: Final = 0.5
"""Part of the memory of a plan that one module may take: the others need some too."""
CLOCK_CALLS: Final = frozenset({"today", "now", "utcnow", "time", "time_ns", "monotonic"})
CLOCK_OWNERS: Final = frozenset({"date", "datetime", "time", "dt"})
LINE_IN_DUMP: Final = re.compile(r'File "(.+?)", line (\d+)')
"""As faulthandler prints the innermost calls first."""


@dataclass(frozen=True, slots=True)
class CheckLimits:
    """Seconds and megabytes."""

    step_s: float = STEP_S
    total_s: float = TOTAL_S
    memory_mb: int = PLAN_MEMORY_MB


@dataclass(frozen=True, slots=True)
class CheckProblem:
    """Something to fix.

    Parameters
    ----------
    check : str
        A check of `planner_core/testing/contract_suite.py`, or `file`, `load`, `hash`, `effects`,
        `time`, `memory_size`, `crash`.
    message : str
    cure : str
    module : str
        Key; empty: it is about the file.
    line : int, optional
    states : tuple of str
    """

    check: str
    message: str
    cure: str
    module: str = ""
    line: int | None = None
    states: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModuleFigures:
    """Measurements of a module.

    Parameters
    ----------
    key, version : str
    n_calls : int
    n_results : int
        In all states; 0: it never had anything to say.
    slowest_s : float
    slowest_state : str
    memory_mb : float, optional
        Of the calls in the largest state; None where they failed.
    """

    key: str
    version: str
    n_calls: int = 0
    n_results: int = 0
    slowest_s: float = 0.0
    slowest_state: str = ""
    memory_mb: float | None = None


@dataclass(slots=True)
class PluginReport:
    """The result of a check."""

    path: Path
    problems: list[CheckProblem] = field(default_factory=list)
    modules: list[ModuleFigures] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Nothing is to fix."""
        return not self.problems


def find_plugin_file(home: Home, name: str) -> Path:
    """Return the file that a command names: a path, or a file of the home's folder of plugins.

    Raises
    ------
    NotFoundError
        There is no such file.
    UsageError
        Its name cannot be that of a plugin.
    """
    in_home = home.plugins_dir / (name if name.endswith(".py") else f"{name}.py")
    path = next((path for path in (Path(name), in_home) if path.is_file()), None)
    if path is None:
        raise NotFoundError(f"{name}: no such file, nor {in_home} (see `trader plugin list`)")
    if not FILE_NAME.fullmatch(path.name) or path.name.startswith(TEST_PREFIX):
        raise UsageError(
            f"{path}: is not a plugin's name (NAME.py of letters, digits, _ and -, not beginning"
            f" with {TEST_PREFIX})"
        )
    return path.absolute()


def check_plugin(path: Path, limits: CheckLimits | None = None) -> PluginReport:
    """Check a file; see above."""
    limits = limits or CheckLimits()
    report = PluginReport(path)
    source = read_plugin_file(path, folder_problem(path.parent))
    if source.problem:
        cure = "do what the message says; only then is it loaded"
        report.problems.append(CheckProblem("file", source.problem, cure))
        return report
    inspection = InspectionLimits(memory_mb=limits.memory_mb)
    (description,) = inspect_plugins(path.parent, [source], inspection)
    if description.error:
        report.problems.append(_load_problem(description.error))
        return report
    report.problems += _assembly_problems(source, description)
    report.problems += _clock_problems(source)
    versions = {module.key: module.version for module in description.modules}
    _run_suite(report, versions, limits)
    return report


def _load_problem(error: str) -> CheckProblem:
    match = re.match(r"line (\d+): ", error)
    line = int(match[1]) if match else None
    text = error[match.end() :] if match else error
    return CheckProblem("load", text, "fix it: nothing of the file is used before", line=line)


def _assembly_problems(
    source: PluginSource, description: PluginDescription
) -> Iterator[CheckProblem]:
    """Yield names that are taken, and needs that the planner's own modules do not meet."""
    modules = tuple(stand_in(module) for module in description.modules)
    problem = assemble([PluginModules(source.label, modules)]).problems.get(source.label)
    if problem:
        cure = "change `metadata`; modules of other plugins are not looked at here"
        yield CheckProblem("load", problem, cure)


def _clock_problems(source: PluginSource) -> Iterator[CheckProblem]:
    """Yield the lines that read a clock: two runs on one day would not show it."""
    for node in ast.walk(ast.parse(source.data)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner = ast.unparse(node.func.value).rpartition(".")[2]
        if node.func.attr in CLOCK_CALLS and owner in CLOCK_OWNERS:
            yield CheckProblem(
                "repeats",
                f"reads a clock: {ast.unparse(node.func)}()",
                "use state.context.as_of, the day of the plan",
                line=node.lineno,
            )


class _SuiteProcess(LineProcess):
    """One process that runs the suite."""

    def __init__(self, path: Path, limits: CheckLimits, seed: str, *, is_first: bool) -> None:
        request = {
            "path": str(path),
            "memory_mb": limits.memory_mb,
            "step_s": limits.step_s,
            "is_first": is_first,
        }
        super().__init__(
            MAIN,
            request,
            step_s=limits.step_s,
            start_s=START_S,
            end_s=time.monotonic() + limits.total_s,
            environment={"PYTHONHASHSEED": seed},
        )
        self.reports: dict[str, dict[str, Any]] = {}
        self.module, self.operation, self.state = "", "", ""

    def on_message(self, message: dict[str, Any]) -> None:
        """Note the step, or the report of a module."""
        if "step" in message:
            self.module, self.operation, self.state, number = map(str, message["step"])
            self.current = f"{self.module} {self.operation} {self.state} {number}"
        elif "report" in message:
            self.reports[str(message["report"]["key"])] = dict(message["report"])
            self.current = ""
        else:
            self.is_done = bool(message["done"])


def _run_suite(report: PluginReport, versions: Mapping[str, str], limits: CheckLimits) -> None:
    """Run both processes, and add what they say."""
    adopt_orphans()
    first, second = (
        _SuiteProcess(report.path, limits, seed, is_first=number == 0)
        for number, seed in enumerate(HASH_SEEDS)
    )
    first.complete()
    for key, record in first.reports.items():
        report.modules.append(_figures(record, versions.get(key, "?")))
        report.problems += _problems_of(record, limits)
    if first.problem:
        report.problems.append(_crash_problem(first, report.path))
        return
    second.complete()
    if second.problem:
        report.problems.append(_crash_problem(second, report.path))
    for key, record in first.reports.items():
        report.problems += _hash_problems(key, record, second.reports.get(key, {}))


def _figures(record: Mapping[str, Any], version: str) -> ModuleFigures:
    return ModuleFigures(
        key=record["key"],
        version=version,
        n_calls=record["n_calls"],
        n_results=sum(record["n_results"].values()),
        slowest_s=record["slowest_s"],
        slowest_state=record["slowest_state"],
        memory_mb=record["memory_mb"],
    )


def _problems_of(record: Mapping[str, Any], limits: CheckLimits) -> Iterator[CheckProblem]:
    """Yield the problems of one module's report."""
    key = record["key"]
    for problem in record["problems"]:
        yield CheckProblem(
            problem["check"],
            problem["message"],
            problem["cure"],
            key,
            problem["line"],
            tuple(problem["states"]),
        )
    for effect in record["effects"]:
        cure = "only compute: everything that a module may use is in its arguments"
        yield CheckProblem("effects", effect["message"], cure, key, effect["line"])
    if record["slowest_s"] > SLOW_S:
        yield CheckProblem(
            "time",
            f"takes {record['slowest_s']:.1f} s",
            f"stay below {SLOW_S:g} s; a board is ten times slower than a PC",
            key,
            states=(record["slowest_state"],),
        )
    memory_max_mb = MEMORY_SHARE * limits.memory_mb
    if (record["memory_mb"] or 0) > memory_max_mb:
        yield CheckProblem(
            "memory_size",
            f"takes {record['memory_mb']:.0f} MB",
            f"stay below {memory_max_mb:.0f} MB: a plan has {limits.memory_mb} MB for everything",
            key,
        )


def _crash_problem(process: _SuiteProcess, path: Path) -> CheckProblem:
    """Return why a process ended too early, with the line that ran as far as it is known."""
    lines = [
        int(number) for file, number in LINE_IN_DUMP.findall(process.output) if file == str(path)
    ]
    doing = f" in {process.operation}" if process.operation else ""
    return CheckProblem(
        "crash",
        f"{printable(process.problem)}{doing}",
        "a plan would lose its process here: end every loop, and start nothing that ends it",
        process.module,
        lines[0] if lines else None,
        (process.state,) if process.state else (),
    )


def _hash_problems(
    key: str, first: Mapping[str, Any], second: Mapping[str, Any]
) -> Iterator[CheckProblem]:
    """Yield what differs between the two processes."""
    others = second.get("digests", {})
    differing = [
        name
        for name, digest in first["digests"].items()
        if name in others and others[name] != digest
    ]
    is_reported = any(problem["check"] == "repeats" for problem in first["problems"])
    if differing and not is_reported:
        yield CheckProblem(
            "hash",
            "returns something else in another process",
            "sort what comes from a set, use no hash(), and fix the seed of random numbers",
            key,
            states=tuple(name.partition(", ")[2] for name in differing),
        )
