"""The modules that this process can run: with plugins, once it has loaded them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from host.plugins.assembly import Assembly, PluginModules, assemble

if TYPE_CHECKING:
    from collections.abc import Callable

    from host.plugins.loading import LoadedPlugin, PluginLoader
    from host.plugins.sources import PluginSource
    from planner_core.modules.registry import Registries


@dataclass(slots=True)
class _Process:
    """The plugins of this process. There is one in a process, as there is one `sys.modules`."""

    assembly: Assembly | None = None


_PROCESS = _Process()


def process_registries() -> Registries | None:
    """Return the registries with the plugins that this process has loaded; None: it has not."""
    return None if _PROCESS.assembly is None else _PROCESS.assembly.registries


def process_problems() -> Mapping[str, str] | None:
    """Return label -> reason of the plugins that it could not load; None: it has loaded none."""
    return None if _PROCESS.assembly is None else _PROCESS.assembly.problems


class ProcessModules:
    """The plugins of this process. They can be loaded again between two plans.

    Parameters
    ----------
    make_loader : callable returning a PluginLoader
        Called when the first plugin is loaded.
    """

    def __init__(self, make_loader: Callable[[], PluginLoader]) -> None:
        self._make_loader = make_loader
        self._loader: PluginLoader | None = None
        self._loaded: dict[str, LoadedPlugin] = {}
        """By label; a file that has not changed is not run again."""

    def load(
        self,
        sources: Sequence[PluginSource],
        left_out: Sequence[PluginModules],
        on_start: Callable[[str], None],
    ) -> Assembly:
        """Load what is not loaded yet, and return all modules.

        Parameters
        ----------
        sources : sequence of PluginSource
            Those to load.
        left_out : sequence of PluginModules
            Those that are not loaded, each with its error.
        on_start : callable taking a label
            Called before a plugin runs.
        """
        plugins = list(left_out)
        for source in sources:
            loaded = self._load(source, on_start)
            names = source.names_in_text()
            plugins.append(PluginModules(source.label, loaded.modules, loaded.error, names))
        assembly = assemble(plugins)
        _PROCESS.assembly = assembly
        return assembly

    def _load(self, source: PluginSource, on_start: Callable[[str], None]) -> LoadedPlugin:
        loaded = self._loaded.get(source.label)
        if loaded is None or loaded.source.sha256 != source.sha256:
            if self._loader is None:
                self._loader = self._make_loader()
            on_start(source.label)
            loaded = self._loaded[source.label] = self._loader.load(source)
        return loaded
