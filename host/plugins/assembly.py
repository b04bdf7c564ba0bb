"""Puts the modules of plugins beside those of the planner, as far as they fit together.

Registering checks each module alone. Here they are checked against each other: names, needs with
their versions, and cycles. A plugin whose modules do not fit is left out as a whole, and every
plugin that needs one of its modules too. The reason names the whole chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from host.limits import PLUGIN_ERROR_LENGTH_MAX
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.registry import Registries, version_satisfies

if TYPE_CHECKING:
    from planner_core.modules.module import AnyModule, Dependency


@dataclass(frozen=True, slots=True)
class PluginModules:
    """A plugin with its modules, real ones or stand-ins.

    Parameters
    ----------
    label : str
    modules : tuple of Module
    error : str
        Why it has no modules; empty: it has.
    names : tuple of str
        Keys or short names of the modules that it would have without the error.
    """

    label: str
    modules: tuple[AnyModule, ...] = ()
    error: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assembly:
    """All modules that can be used, and why some plugins cannot: label -> reason."""

    registries: Registries
    problems: dict[str, str] = field(default_factory=dict)


def assemble(plugins: Sequence[PluginModules]) -> Assembly:
    """Add the modules of plugins to those of the planner, in order of their labels; see above."""
    plugins = sorted(plugins, key=lambda plugin: plugin.label)
    registries = builtin_registries().copy()
    assembly = Assembly(registries, {p.label: p.error for p in plugins if p.error})
    for plugin in plugins:
        if not plugin.error:
            _add(plugin, assembly)
    by_label = {plugin.label: plugin for plugin in plugins}
    for label in sorted(_labels_in_cycles(assembly)):
        _remove(by_label[label], assembly)
    is_settled = False
    while not is_settled:  # each round removes a plugin, or is the last
        unmet = _first_unmet(plugins, assembly)
        is_settled = unmet is None
        if unmet is not None:
            plugin, reason = unmet
            assembly.problems[plugin.label] = reason
            _remove(plugin, assembly)
    for plugin in plugins:
        problem = assembly.problems.get(plugin.label)
        if problem is not None:
            _note_absent(plugin, problem, registries)
    return assembly


def _add(plugin: PluginModules, assembly: Assembly) -> None:
    """Register a plugin's modules, if none of their names is taken."""
    registries = assembly.registries
    for module in plugin.modules:
        if module.metadata.name in registries.of_kind(module.kind):
            owner = registries.origins.get(module.key)
            of = f"of {owner}" if owner else "that is shipped with the planner"
            assembly.problems[plugin.label] = (
                f"{module.key} is the name of a module {of} (choose another name)"
            )
            return
    for module in plugin.modules:
        registries.of_kind(module.kind).register(module)
        registries.origins[module.key] = plugin.label


def _remove(plugin: PluginModules, assembly: Assembly) -> None:
    for module in plugin.modules:
        assembly.registries.of_kind(module.kind).remove(module.metadata.name)
        del assembly.registries.origins[module.key]


def _labels_in_cycles(assembly: Assembly) -> set[str]:
    """Find the plugins whose modules need each other in a circle, and note the reason."""
    registries = assembly.registries
    labels = set()
    for key, label in registries.origins.items():
        kind, _, name = key.partition(".")
        module = next(m for m in registries.all_modules() if m.key == f"{kind}.{name}")
        cycle = registries.find_cycle(module)
        if cycle:
            assembly.problems[label] = f"{key} needs itself: {' -> '.join(cycle)}"
            labels.add(label)
    return labels


def _first_unmet(
    plugins: Iterable[PluginModules], assembly: Assembly
) -> tuple[PluginModules, str] | None:
    """Return a plugin with a module whose need is not met, and the chain of reasons."""
    for plugin in plugins:
        if plugin.label in assembly.problems:
            continue
        for module in plugin.modules:
            for need in module.metadata.dependencies:
                reason = _unmet(need, plugins, assembly)
                if reason:
                    line = f"{module.key} needs {need.label}: {reason}"
                    return plugin, line[:PLUGIN_ERROR_LENGTH_MAX]
    return None


def _unmet(need: Dependency, plugins: Iterable[PluginModules], assembly: Assembly) -> str:
    """Return why a need is not met; empty if it is."""
    registry = assembly.registries.of_kind(need.kind)
    if need.name is None:
        return ""  # the configuration decides which modules of a kind are on
    if need.name in registry:
        version = registry[need.name].metadata.version
        return "" if version_satisfies(version, need.version) else f"there is {version}"
    key = f"{need.kind}.{need.name}"
    for plugin in plugins:
        problem = assembly.problems.get(plugin.label)
        if problem and (key in _keys(plugin) or need.name in plugin.names):
            return f"{plugin.label} is left out: {problem}"
    close = registry.closest(need.name)
    hint = f" (did you mean `{close}`?)" if close else ""
    return f"there is no such module{hint}"


def _keys(plugin: PluginModules) -> tuple[str, ...]:
    return (*(module.key for module in plugin.modules), *plugin.names)


def _note_absent(plugin: PluginModules, problem: str, registries: Registries) -> None:
    """Note which names a configuration may still use, and why there is no module."""
    for name in _keys(plugin):
        registries.absent.setdefault(name, f"{plugin.label}: {problem}")
