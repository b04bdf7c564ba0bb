"""The process that runs plugins once, to describe them. It may be killed at any time.

`host.plugins.inspection` starts it, and reads what it says from a pipe of its own, a JSON object a
line::

    {"loading": LABEL}            before the code of a plugin runs
    {"loaded": <PluginDescription>}
    {"done": true}                all were loaded, or the last one left something behind

Standard input has one line: {"folder": ..., "labels": [...], "memory_mb": ...}. What a plugin
prints goes to standard error.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from host.errors import HostError
from host.plugins.line_process import AnswerPipe, read_request
from host.plugins.sources import find_packages, read_plugin_files
from host.sandbox import (
    ChildProcesses,
    die_with_parent,
    limit_memory,
    limit_processes,
    prefer_for_oom_kill,
)
from planner_core.errors import ModuleContractError

if TYPE_CHECKING:
    from host.plugins.description import PluginDescription
    from host.plugins.loading import LoadedPlugin, PluginLoader
    from host.plugins.sources import PluginSource


def describe_plugin(plugin: LoadedPlugin) -> PluginDescription:
    """Describe a plugin that was loaded; a module that cannot be described is its error."""
    from host.plugins.description import PluginDescription, describe_module

    source, error = plugin.source, plugin.error
    try:
        modules = tuple(describe_module(module) for module in plugin.modules)
    except (ModuleContractError, HostError, ValueError, TypeError) as failure:
        modules, error = (), " ".join(str(failure).split())
    return PluginDescription(label=source.label, sha256=source.sha256, error=error, modules=modules)


def inspect_in_turn(
    sources: list[PluginSource], loader: PluginLoader, children: ChildProcesses, answers: AnswerPipe
) -> None:
    """Load and describe plugin after plugin, until one leaves something behind."""
    for source in sources:
        answers.send(loading=source.label)
        plugin = loader.load(source)
        description = describe_plugin(plugin)
        n_killed, _ = children.kill_all()
        if n_killed and not description.error:
            error = "left a running process behind when it was loaded"
            description = description.model_copy(update={"error": error, "modules": ()})
        answers.send(loaded=description.model_dump(mode="json"))
        if plugin.is_tainted or n_killed:
            break


def main() -> None:
    """Inspect the plugins that the request names."""
    die_with_parent()
    prefer_for_oom_kill()
    answers = AnswerPipe()
    request = read_request()
    # Everything that the planner's process has loaded when it loads plugins.
    import planner_core.planner  # noqa: F401 - loaded for its effect, see above
    from host.plugins.guard import SharedCodeGuard
    from host.plugins.loading import PluginLoader

    labels = request["labels"]
    sources = {
        source.label: source
        for source in (*read_plugin_files(Path(request["folder"])), *find_packages())
        if not source.problem
    }
    children = ChildProcesses(in_child=lambda: None)
    loader = PluginLoader(SharedCodeGuard())
    limit_processes()
    limit_memory(int(request["memory_mb"]))
    inspect_in_turn(
        [sources[label] for label in labels if label in sources], loader, children, answers
    )
    answers.send(done=True)
    os._exit(0)  # at once: a plugin may have left threads, or functions to call at the exit


if __name__ == "__main__":
    main()
