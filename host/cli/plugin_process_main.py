"""The process that runs a command with plugins; `host/cli/plugin_process.py` starts it."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from host.cli.main import main as run_command
from host.cli.main import report_crashes
from host.cli.plugin_process import REQUEST_VARIABLE, RESULT_VARIABLE, THIS_PROCESS
from host.planning.breaker_store import BreakerStore
from host.planning.process_plugins import ProcessPlugins
from host.planning.worker.current_module import CurrentModuleWriter, inherit_writer
from host.plugins.plain_methods import CodeHooks
from host.sandbox import ChildProcesses, die_with_parent, limit_memory, prefer_for_oom_kill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from host.home.home import Home

MEMORY_MB: Final = 1024
"""Beyond what the process has: a leak must not take the whole computer."""


class HeldOutput(io.TextIOWrapper):
    """Standard output of a command, held until its end; it looks like the real one."""

    def __init__(self, descriptor: int) -> None:
        self._held = io.BytesIO()
        super().__init__(self._held, encoding="utf-8", errors="surrogatepass")
        self._descriptor = descriptor

    def isatty(self) -> bool:
        """Return whether the real one is a terminal: colours and widths depend on it."""
        return os.isatty(self._descriptor)

    def fileno(self) -> int:
        """Return the real one, for the size of the terminal."""
        return self._descriptor

    def text(self) -> str:
        """Return what was printed."""
        self.flush()
        return self._held.getvalue().decode("utf-8", "replace")


class PluginCommand:
    """Loads the plugins, and keeps track of the one that runs.

    Parameters
    ----------
    current_module : CurrentModuleWriter
        The process that waits reads there which plugin to suspect.
    result : int
        Descriptor of the pipe to it.
    request : mapping
        `excluded`: plugins and modules to leave out, each with the reason. `writes`: whether the
        command may write into the home.
    """

    def __init__(
        self, current_module: CurrentModuleWriter, result: int, request: Mapping[str, Any]
    ) -> None:
        self._current_module = current_module
        self._result = result
        self._excluded = dict(request["excluded"])
        self._writes = bool(request["writes"])
        self.children = ChildProcesses(in_child=self._close)

    def load(self, home: Home) -> None:
        """Load the plugins of a home for the command that follows."""
        breakers = BreakerStore(home, read_only=not self._writes)
        plugins = ProcessPlugins(
            home,
            breakers,
            hooks=CodeHooks(self._enter, self._current_module.clear),
            on_load=self._enter,
            inspect=True,
            save=self._writes,
        )
        registries = plugins.load(self._excluded)
        by_label = {
            registries.origins[key]: why
            for key, why in self._excluded.items()
            if key in registries.origins
        }
        if by_label:
            plugins.load({**self._excluded, **by_label})
        self._current_module.clear()
        limit_memory(MEMORY_MB)

    def send(self, code: int, text: str) -> None:
        """Send the result, whole, in one line."""
        data = memoryview(json.dumps({"code": code, "text": text}).encode() + b"\n")
        while data:
            data = data[os.write(self._result, data) :]

    def _enter(self, key: str) -> None:
        self.children.current_module = key
        self._current_module.write(key)

    def _close(self) -> None:
        """Run in a forked child, which must not send a result of its own."""
        self._current_module.close()
        os.close(self._result)


def main() -> None:
    """Run the command of the command line with plugins, and send what it prints."""
    die_with_parent()
    prefer_for_oom_kill()
    command = PluginCommand(
        inherit_writer(os.environ),
        int(os.environ.pop(RESULT_VARIABLE)),
        json.loads(os.environ.pop(REQUEST_VARIABLE)),
    )
    held = HeldOutput(os.dup(1))
    os.dup2(2, 1)  # what a plugin prints is no result
    sys.stdout = sys.stderr
    THIS_PROCESS.load = command.load
    report_crashes()
    code = run_command(sys.argv[1:], held)
    command.children.kill_all()
    command.send(code, held.text())
    os._exit(code)  # at once: a plugin may have left threads, or functions to call at the exit


if __name__ == "__main__":
    main()
