"""Loads the plugins of a home into this process, as far as their circuit breakers allow.

The planner's process does this before every plan: a file that has changed is loaded again, and one
that is gone is left out. Only plugins that were inspected are loaded. A plugin that ended the
process while it was loaded has a breaker under its label, as a module has under its key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from host.home.config.plugin_catalogue import load_catalogue
from host.plugins.assembly import PluginModules
from planner_core.model.circuit_breaker import Signal

if TYPE_CHECKING:
    from host.home.config.plugin_catalogue import PluginCatalogue
    from host.home.home import Home
    from host.planning.breaker_store import BreakerStore
    from host.plugins.loading import PluginLoader
    from host.plugins.plain_methods import CodeHooks
    from host.plugins.process_modules import ProcessModules
    from host.plugins.sources import PluginSource
    from planner_core.modules.registry import Registries


def _ignore_label(_label: str) -> None:
    """Ignore which plugin is about to be loaded."""


class ProcessPlugins:
    """The plugins of this process; one of these in a process.

    Parameters
    ----------
    home : Home
    breakers : BreakerStore
    hooks : CodeHooks, optional
        Called around every call of a plugin's module.
    on_load : callable taking a label, optional
        Called before a plugin is loaded.
    inspect : bool
        Inspect plugins that nobody has inspected yet; False: leave them out.
    save : bool
        Keep what an inspection says.
    """

    def __init__(
        self,
        home: Home,
        breakers: BreakerStore,
        *,
        hooks: CodeHooks | None = None,
        on_load: Callable[[str], None] = _ignore_label,
        inspect: bool = False,
        save: bool = True,
    ) -> None:
        self._home = home
        self._breakers = breakers
        self._hooks = hooks
        self._on_load = on_load
        self._inspect = inspect
        self._save = save
        self._modules: ProcessModules | None = None

    def load(self, excluded: Mapping[str, str]) -> Registries:
        """Return all modules of the planner and of the plugins that can be loaded now.

        Parameters
        ----------
        excluded : mapping of str to str
            Labels of plugins to leave out, each with the reason.
        """
        catalogue = load_catalogue(self._home, inspect=self._inspect, save=self._save)
        if not catalogue.sources and self._modules is None:
            return catalogue.registries
        self._breakers.refresh()
        sources = []
        left_out = _left_out(catalogue)
        for source in catalogue.to_load:
            why = excluded.get(source.label) or self._reason_to_skip(source.label)
            if why:
                left_out.append(_without_modules(source, why))
            else:
                sources.append(source)
        self._breakers.save()  # before a trial: it may end this process
        modules = self._modules = self._modules or self._new_modules()
        assembly = modules.load(sources, left_out, self._on_load)
        for source in sources:
            if not self._breakers.breakers.of(source.label).is_pristine:
                self._breakers.signal(source.label, Signal.SUCCESS)
        registries = assembly.registries
        for name, why in catalogue.registries.absent.items():
            registries.absent.setdefault(name, why)
        return registries

    def _reason_to_skip(self, label: str) -> str:
        breaker = self._breakers.breakers.of(label)
        admitted, _ = self._breakers.breakers.admit(label)
        if admitted:
            return ""
        why = f": {breaker.reason}" if breaker.reason else ""
        return f"is left out for a while{why} (`trader breakers` shows until when)"

    def _new_modules(self) -> ProcessModules:
        from host.plugins.process_modules import ProcessModules

        return ProcessModules(self._new_loader)

    def _new_loader(self) -> PluginLoader:
        from host.plugins.guard import SharedCodeGuard
        from host.plugins.loading import PluginLoader

        return PluginLoader(SharedCodeGuard(), self._hooks)


def _left_out(catalogue: PluginCatalogue) -> list[PluginModules]:
    """Return the plugins that are not loaded, each with the reason."""
    by_label = {source.label: source for source in catalogue.sources}
    return [_without_modules(by_label[label], why) for label, why in catalogue.problems.items()]


def _without_modules(source: PluginSource, why: str) -> PluginModules:
    return PluginModules(source.label, (), why, source.names_in_text())
