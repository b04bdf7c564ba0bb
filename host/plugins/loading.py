"""Runs the code of plugins: only in the planner's process, and in the one that inspects plugins."""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from host.limits import PLUGIN_ERROR_LENGTH_MAX
from host.plugins.plain_methods import CodeHooks, make_plain
from host.sandbox import EXIT_ORPHANED, SPAWN_EVENTS, left_threads
from host.text import printable
from planner_core.errors import ModuleContractError
from planner_core.modules.registration import collect_modules

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from host.plugins.guard import SharedCodeGuard
    from host.plugins.sources import PluginSource
    from planner_core.modules.module import AnyModule

NAME_PREFIX: Final = "trader_plugin_"
"""A plugin's file is a module of this name, so that it hides none of Python's."""
NO_MODULE: Final = "registers no module (`opportunity_registry.register(MyCalculator())`)"
NO_MODULE_OF_PACKAGE: Final = f"{NO_MODULE}; after an update, restart the daemon"
"""A package is imported once in a process."""
SPAWNS_MAX: Final = 16
"""Processes that a plugin may start while it is loaded. Some libraries ask `ldconfig`."""


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """A plugin that was run, with the modules that it registered.

    Parameters
    ----------
    source : PluginSource
    modules : tuple of Module
        None if there is an error.
    error : str
    is_tainted : bool
        It left something behind in the process, such as a thread.
    """

    source: PluginSource
    modules: tuple[AnyModule, ...] = ()
    error: str = ""
    is_tainted: bool = False


class _FileLoader(importlib.abc.Loader):
    """Runs the bytes that were checked; the file may have changed since."""

    def __init__(self, source: PluginSource) -> None:
        self._source = source

    def exec_module(self, module: ModuleType) -> None:
        """Run the bytes; tracebacks name the file."""
        text = importlib.util.decode_source(self._source.data)
        code = compile(text, str(self._source.path), "exec", dont_inherit=True)
        exec(code, vars(module))  # noqa: S102 - the owner switched plugins on


class PluginLoader:
    """Loads plugins into this process; at most one of these in a process.

    Parameters
    ----------
    guard : SharedCodeGuard
    hooks : CodeHooks, optional
        Called around every call of a module.
    """

    def __init__(self, guard: SharedCodeGuard, hooks: CodeHooks | None = None) -> None:
        self._guard = guard
        self._hooks = hooks
        self._label = ""
        """Of the plugin that is being loaded."""
        self._spawns = 0
        sys.addaudithook(self._on_audit_event)
        os.register_at_fork(after_in_child=self._end_forked_child)

    def load(self, source: PluginSource) -> LoadedPlugin:
        """Run a plugin and return what it registered; every error is one of the plugin."""
        assert not source.problem, "a plugin that is refused is never run"
        threads = set(threading.enumerate())
        error, modules = "", []
        try:
            with (
                self._loading(source.label),
                self._guard.watch(source.label),
                collect_modules() as modules,
            ):
                _run(source)
            if not modules:
                error = NO_MODULE if source.entry is None else NO_MODULE_OF_PACKAGE
        except KeyboardInterrupt:
            raise
        except BaseException as failure:  # noqa: BLE001 - a plugin may raise anything, SystemExit too
            error = _error_line(failure, source)
        changed = self._guard.restore() if error else []
        self._guard.include_new()
        names = left_threads(threads)
        if names and not error:
            error = f"started a thread while it was loaded ({names[0]})"
        if error:
            return LoadedPlugin(source, error=error, is_tainted=bool(names or changed))
        plain = (make_plain(module, self._guard, self._hooks) for module in modules)
        return LoadedPlugin(source, tuple(plain))

    @contextmanager
    def _loading(self, label: str) -> Iterator[None]:
        """Limit the processes of a plugin while it is loaded, and stop its timers."""
        self._spawns, self._label = 0, label
        try:
            yield
        finally:
            self._label = ""
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _on_audit_event(self, event: str, _arguments: object) -> None:
        if self._label and event in SPAWN_EVENTS:
            self._spawns += 1
            if self._spawns > SPAWNS_MAX:
                raise ModuleContractError(
                    self._label, f"starts more than {SPAWNS_MAX} processes while it is loaded"
                )

    def _end_forked_child(self) -> None:
        """End a forked child: it would load plugins, and answer, as this process does."""
        if self._label:
            os._exit(EXIT_ORPHANED)


def _run(source: PluginSource) -> None:
    """Import the plugin; what it registers is collected by the caller."""
    if source.entry is not None:
        loaded = source.entry.load()
        if callable(loaded) and not isinstance(loaded, type):
            loaded()
        return
    name = NAME_PREFIX + source.name.replace("-", "_")
    spec = importlib.util.spec_from_loader(name, _FileLoader(source), origin=str(source.path))
    assert spec is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    module.__file__ = str(source.path)
    # Before it runs: dataclasses and pydantic look for the module of a class by its name.
    sys.modules[name] = module
    assert spec.loader is not None
    spec.loader.exec_module(module)


def _error_line(error: BaseException, source: PluginSource) -> str:
    """Return an error as one line, with the line of the file that it is from."""
    if isinstance(error, ModuleContractError):
        text = str(error).removeprefix(f"{source.label}: ")
    else:
        text = f"{type(error).__name__}: {error}".rstrip(": ")
    line = line_of(error, source.path)
    if line is not None:
        text = f"line {line}: {text}"
    return printable(" ".join(text.split()))[:PLUGIN_ERROR_LENGTH_MAX]


def line_of(error: BaseException, path: Path | None) -> int | None:
    """Return the line of a file that an error is from, the innermost one; None: it is not."""
    if path is None:
        return None
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return lines[-1] if lines else None
