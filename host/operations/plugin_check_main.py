"""The process of `trader plugin check`: loads a file, and checks its modules. It may be killed.

`host.operations.plugin_check` starts it twice, with different hashes of strings::

    {"step": [KEY, OPERATION, STATE]}    before each call of a module
    {"report": <report of a module>}
    {"done": true}

Standard input has one line: {"path": ..., "memory_mb": ..., "step_s": ..., "is_first": ...}. The
second process returns only the digests of the results.
"""

from __future__ import annotations

import faulthandler
import inspect
import os
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from host.plugins.line_process import AnswerPipe, read_request
from host.plugins.sources import read_plugin_file
from host.sandbox import (
    SPAWN_EVENTS,
    ChildProcesses,
    die_with_parent,
    limit_memory,
    limit_processes,
    prefer_for_oom_kill,
)
from host.text import printable

if TYPE_CHECKING:
    from types import FrameType

    from planner_core.modules.module import AnyModule
    from planner_core.testing.contract_suite import ContractProblem, ContractReport
    from planner_core.testing.operations import Result
    from planner_core.testing.sample_states import ModuleInputs

WRITE_EVENTS: Final = frozenset(
    {
        "os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink",
        "os.truncate", "shutil.copyfile", "shutil.move", "shutil.rmtree",
    }
)  # fmt: skip
NETWORK_EVENTS: Final = frozenset(
    {"socket.bind", "socket.connect", "socket.getaddrinfo", "socket.sendto"}
)
WRITE_FLAGS: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
IMPORTED: Final = (".py", ".pyc", ".so", ".pyd")
"""Files that an import reads."""
LARGEST_STATE: Final = "many securities"
"""The state in which memory is measured."""
SHOWN_LENGTH: Final = 80
EFFECTS_MAX: Final = 20
"""Different effects that are reported; a module that does more gets the message all the same."""
HANG_SHARE: Final = 0.8
"""Part of a step's time after which the line that runs is printed, before the process is killed."""


@dataclass(slots=True)
class Effects:
    """Everything that a module does besides computing, while one of its calls runs.

    Parameters
    ----------
    path : Path
        Of the plugin: each effect has the line of this file that caused it.
    """

    path: Path
    is_active: bool = False
    is_loading: bool = False
    """An import reads files, and a library may start a process: only changes count then."""
    lines: dict[str, int | None] = field(default_factory=dict)
    """Effect -> line that caused it."""
    output: int = -1
    """The descriptor that standard output goes to."""

    def install(self) -> None:
        """Begin to watch: Python's audit events, new threads, and the output."""
        sys.addaudithook(self._on_audit_event)
        start = threading.Thread.start

        def watched_start(thread: threading.Thread) -> None:
            if self.is_active and not self.is_loading:
                self.note("starts a thread")
            start(thread)

        threading.Thread.start = watched_start  # type: ignore[method-assign, assignment]
        self.output = os.memfd_create("output")
        os.dup2(self.output, 1)
        # What is printed to standard error from Python; a crash report goes past it.
        sys.stdout = os.fdopen(os.dup(self.output), "w", errors="replace")
        sys.stderr = sys.stdout

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Watch one call."""
        self.is_active = True
        try:
            yield
        finally:
            self.is_active = False
            self.take_output("prints")

    def take_output(self, what: str) -> None:
        """Note what was printed since the last time."""
        sys.stdout.flush()
        size = os.fstat(self.output).st_size
        if size:
            text = os.pread(self.output, SHOWN_LENGTH, 0).decode("utf-8", "replace")
            self.note(f"{what}: {printable(' '.join(text.split()))!r}")
            os.ftruncate(self.output, 0)
            os.lseek(self.output, 0, os.SEEK_SET)

    def note(self, what: str) -> None:
        """Note an effect with the line of the plugin that runs now."""
        if len(self.lines) < EFFECTS_MAX:
            self.lines.setdefault(what, self._line())

    def _line(self) -> int | None:
        frame: FrameType | None = sys._getframe()  # noqa: SLF001 - it is how to get the line
        while frame is not None:
            if frame.f_code.co_filename == str(self.path):
                return frame.f_lineno
            frame = frame.f_back
        return None

    def _on_audit_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_active:
            return
        if event == "open":
            self._on_open(*arguments)
        elif event in WRITE_EVENTS:
            self.note(f"changes files ({event} {arguments[0]!r:.{SHOWN_LENGTH}})")
        elif event in SPAWN_EVENTS and not self.is_loading:
            self.note("starts a process")
        elif event in NETWORK_EVENTS:
            self.note(f"uses the network ({event})")

    def _on_open(self, path: object, mode: str | None, flags: int) -> None:
        is_written = bool(flags & WRITE_FLAGS) or bool(mode and set(mode) & set("wax+"))
        text = os.fsdecode(path) if isinstance(path, str | bytes) else ""
        if is_written and "__pycache__" not in text:
            self.note(f"writes a file ({text[:SHOWN_LENGTH]})")
        elif text and not self.is_loading and not text.endswith(IMPORTED):
            self.note(f"reads a file ({text[:SHOWN_LENGTH]})")


@dataclass(slots=True)
class Measurements:
    """Calls one module, one step at a time, and measures the calls."""

    answers: AnswerPipe
    effects: Effects
    children: ChildProcesses
    step_s: float
    key: str = ""
    n_calls: int = 0
    shortest_s: dict[tuple[str, str], float] = field(default_factory=dict)
    """Operation and state -> seconds of its shortest call: another program may delay one."""

    @property
    def slowest(self) -> tuple[float, str]:
        """Seconds in the slowest state, and its name."""
        calls = [(seconds, state) for (_, state), seconds in self.shortest_s.items()]
        return max(calls, default=(0.0, ""))

    def call(self, operation: str, state: str, call: Callable[[], Result]) -> Result:
        """Run one step."""
        self.n_calls += 1
        # The number: a step that runs again is another step, with its own time.
        self.answers.send(step=[self.key, operation, state, self.n_calls])
        faulthandler.dump_traceback_later(self.step_s * HANG_SHARE, file=2)
        started = time.perf_counter()
        try:
            with self.effects.watch():
                return call()
        finally:
            elapsed = time.perf_counter() - started
            faulthandler.cancel_dump_traceback_later()
            n_killed, _ = self.children.kill_all()
            if n_killed:
                self.effects.note("leaves a process behind")
            if operation != "plan":
                before = self.shortest_s.get((operation, state), elapsed)
                self.shortest_s[operation, state] = min(before, elapsed)


def demo_inputs() -> list[ModuleInputs]:
    """Return the states of the demo's buckets: real prices, two currencies."""
    from host.home.config.load import load_uncommitted
    from host.home.home import create_home
    from host.home.portfolio.snapshot import take_snapshot
    from planner_core.testing.sample_states import ModuleInputs, state_of

    with tempfile.TemporaryDirectory(prefix="trader-check-") as folder:
        home = create_home(Path(folder) / "demo", demo=True).home
        inputs = []
        for bucket_id in home.bucket_ids():
            config = load_uncommitted(home, bucket_id).config
            context = take_snapshot(home, bucket_id, history_days=config.estimation.history_days)
            inputs.append(ModuleInputs(f"demo {bucket_id}", state_of(context, config)))
    return inputs


def peak_memory_mb(module: AnyModule, measurements: Measurements) -> float:
    """Return the memory that the module's calls need at most in the largest state."""
    from planner_core.testing.operations import operations_of
    from planner_core.testing.sample_states import sample_inputs

    inputs, parameters = sample_inputs(LARGEST_STATE), module.parameters_model()
    peak = 0
    for name, operation in operations_of(module).items():
        tracemalloc.start()
        try:
            measurements.call(
                name,
                LARGEST_STATE,
                lambda run=operation: run(module, inputs, parameters),  # type: ignore[misc]
            )
            peak = max(peak, tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    return peak / 1e6


def line_of_method(module: AnyModule, operation: str, path: Path) -> int | None:
    """Return the line at which a method of the plugin begins; None if it is not in the file."""
    method = inspect.unwrap(getattr(module, operation, None) or type(module))
    try:
        if inspect.getsourcefile(method) != str(path):
            return None
        return inspect.getsourcelines(method)[1]
    except (OSError, TypeError):
        return None


def problem_to_json(problem: ContractProblem, module: AnyModule, path: Path) -> dict[str, object]:
    """Return a problem with its line in the file."""
    from host.plugins.loading import line_of

    line = line_of(problem.error, path) if problem.error is not None else None
    return {
        "check": problem.check.value,
        "message": printable(problem.message),
        "cure": problem.cure,
        "line": line or line_of_method(module, problem.operation, path),
        "states": list(problem.states),
    }


def report_to_json(
    module: AnyModule, report: ContractReport, measurements: Measurements, path: Path
) -> dict[str, object]:
    """Return everything about one module."""
    has_problems = any(problem.check.value in ("results", "repeats") for problem in report.problems)
    slowest_s, slowest_state = measurements.slowest
    memory_mb = None if has_problems else round(peak_memory_mb(module, measurements), 3)
    return {
        "key": module.key,
        "problems": [problem_to_json(problem, module, path) for problem in report.problems],
        "effects": [
            {"message": what, "line": line} for what, line in measurements.effects.lines.items()
        ],
        "digests": dict(report.digests),
        "n_results": dict(report.n_results),
        "n_calls": measurements.n_calls,
        "slowest_s": slowest_s,
        "slowest_state": slowest_state,
        "memory_mb": memory_mb,
    }


def main() -> None:
    """Check the modules of the file that the request names."""
    die_with_parent()
    prefer_for_oom_kill()
    answers = AnswerPipe()
    request = read_request()
    import planner_core.planner  # noqa: F401 - everything that the planner's process has loaded
    from host.plugins.guard import SharedCodeGuard
    from host.plugins.loading import PluginLoader
    from planner_core.testing.contract_suite import check_module, result_digests

    states = demo_inputs()
    source = read_plugin_file(Path(request["path"]))
    children = ChildProcesses(in_child=answers.close)
    effects = Effects(source.path or Path(request["path"]))
    faulthandler.enable(file=2)
    effects.install()
    loader = PluginLoader(SharedCodeGuard())
    limit_processes()
    limit_memory(int(request["memory_mb"]))
    answers.send(step=["", "load", "", 0])
    effects.is_loading = True
    with effects.watch():
        plugin = loader.load(source)
    effects.is_loading = False
    for module in plugin.modules:
        measurements = Measurements(
            answers, effects, children, float(request["step_s"]), module.key
        )
        if request["is_first"]:
            others = [other for other in plugin.modules if other is not module]
            report = check_module(module, others=others, more_states=states, call=measurements.call)
            message = report_to_json(module, report, measurements, effects.path)
        else:
            digests = result_digests(module, more_states=states, call=measurements.call)
            message = {"key": module.key, "digests": dict(digests)}
        answers.send(report=message)
        effects.lines.clear()
    answers.send(done=True)
    os._exit(0)  # at once: a plugin may have left threads, or functions to call at the exit


if __name__ == "__main__":
    main()
