"""The plugins of a home: which there are, what they have, and why some are not used.

    files, packages -> allowed by device.toml -> described -> put beside the planner's modules

Plugins are described by a process that may be killed (`host/plugins/inspection.py`). That takes a
second, so `state/plugins.json` keeps the descriptions by the digest of the file. An error is tried
again after RETRY_S: its cause may lie outside of the file, such as a package that is missing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from host.clock import utc_now
from host.errors import HostError, StorageError
from host.home.config.device_settings import DeviceConfig, load_device_config
from host.home.storage.atomic_file import file_signature, read_state, write_atomic
from host.home.storage.problems import ConfigFileError
from host.limits import PLUGINS_REMEMBERED_MAX, STATE_BYTES_MAX
from host.plugins.sources import (
    PluginSource,
    find_plugins,
    list_plugin_files,
    read_plugin_files,
    select_plugins,
)
from host.version import version

if TYPE_CHECKING:
    from host.home.config.device_settings import PluginsTable
    from host.home.home import Home
    from host.plugins.description import PluginDescription
    from host.plugins.inspection import InspectionLimits
    from planner_core.modules.registry import Registries

FILE_NAME: Final = "plugins.json"
SCHEMA_VERSION: Final = 1
RETRY_S: Final = 300.0
"""As long as the first opening of a circuit breaker."""
MODULES_SHOWN: Final = 5
"""Modules that a reason names: it is one line of a terminal."""
SWITCH_ON: Final = "write `enabled = true` below `[plugins]` in device.toml"


UNSAID: Final = (
    "device.toml: does not say whether plugins are on, and they were"
    " (write `enabled = true` or `enabled = false` below `[plugins]`)"
)
NOT_INSPECTED: Final = "was not tried yet (`trader plugin list` tries it)"


class PluginsUnknownError(HostError):
    """A bucket needs a plugin, and device.toml does not say whether plugins are on."""

    code = "device_file_refused"


class PluginStatus(StrEnum):
    """State of a plugin."""

    READY = "ready"
    OFF = "off"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PluginReport:
    """One plugin.

    Parameters
    ----------
    label : str
        `plugins/NAME.py`, or the package with its version.
    status : PluginStatus
        REFUSED: its code was not run. FAILED: it was, or it does not fit to the others.
    why : str
        Empty if it is ready.
    modules : tuple of (str, str)
        Key and version of each module, as far as it is known.
    """

    label: str
    status: PluginStatus
    why: str = ""
    modules: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PluginCatalogue:
    """All plugins of a home.

    Parameters
    ----------
    reports : tuple of PluginReport
    registries : Registries
        The planner's modules, and stand-ins for those of plugins.
    is_enabled : bool
        `[plugins] enabled` of device.toml.
    sources : tuple of PluginSource
        With their bytes; none while plugins are off.
    """

    reports: tuple[PluginReport, ...]
    registries: Registries
    is_enabled: bool = False
    sources: tuple[PluginSource, ...] = ()

    @property
    def to_load(self) -> tuple[PluginSource, ...]:
        """The plugins that a process may load."""
        ready = set(self.ready)
        return tuple(source for source in self.sources if source.label in ready)

    @property
    def ready(self) -> tuple[str, ...]:
        """Labels of the plugins to load."""
        return tuple(r.label for r in self.reports if r.status is PluginStatus.READY)

    @property
    def problems(self) -> dict[str, str]:
        """Label of each plugin that should be loaded but cannot be -> the reason."""
        bad = (PluginStatus.FAILED, PluginStatus.REFUSED)
        return {r.label: r.why for r in self.reports if r.status in bad}

    @property
    def off(self) -> tuple[str, ...]:
        """Labels of files that lie there although plugins are off."""
        return () if self.is_enabled else tuple(report.label for report in self.reports)


def modules_of(home: Home) -> Registries:
    """Return the modules that a configuration of this home may name.

    With the code of plugins in a process that has loaded them, else with stand-ins.
    """
    from host.plugins.process_modules import process_registries

    return process_registries() or load_catalogue(home).registries


def modules_without_plugins(home: Home) -> Registries:
    """Return the modules of the planner alone; a configuration may still name those of plugins."""
    from planner_core.modules.builtin import builtin_registries

    everything = modules_of(home)
    alone = builtin_registries().copy()
    alone.absent.update(everything.absent)
    for key, label in everything.origins.items():
        alone.absent[key] = f"{label}: this plan is made without plugins"
    return alone


def plugins_are_on(home: Home) -> bool:
    """Return whether device.toml lets plans use plugins."""
    return _settings(home)[0].enabled


@dataclass(frozen=True, slots=True)
class PluginNotes:
    """Notes of a plan about plugins.

    Parameters
    ----------
    problems : mapping of str to str
        Label of each plugin that should be loaded but cannot be -> the reason.
    off : tuple of str
        Labels of files that lie there although plugins are off.
    unknown : str
        Why it is not known whether plugins are on, with file and line; empty if it is known.
    on_by_default : tuple of str
        Keys of the modules that every configuration had while plugins were on, unless it named
        them; only where `unknown` says something.
    """

    problems: Mapping[str, str]
    off: tuple[str, ...]
    unknown: str = ""
    on_by_default: tuple[str, ...] = ()


def runs_plugins(home: Home) -> bool:
    """Return whether a plan of this home may run the code of plugins."""
    settings, _ = _settings(home)
    return settings.enabled and bool(find_plugins(home.plugins_dir))


def plugin_notes(home: Home) -> PluginNotes:
    """Return what a plan of this process has to say about plugins."""
    from host.plugins.process_modules import process_problems

    problems = process_problems()
    catalogue = load_catalogue(home, inspect=problems is None)
    unknown = _settings(home)[1]
    return PluginNotes(
        catalogue.problems if problems is None else problems,
        catalogue.off,
        unknown,
        _Descriptions(home).on_by_default if unknown else (),
    )


def require_known_plugins(notes: PluginNotes, absent: Mapping[str, str]) -> None:
    """Raise PluginsUnknownError when a plan without plugins could be another plan by mistake.

    Parameters
    ----------
    notes : PluginNotes
    absent : mapping of str to str
        Keys of the modules that a configuration names in vain.
    """
    missing = sorted({*absent, *notes.on_by_default})
    if notes.unknown and missing:
        shown = ", ".join(missing[:MODULES_SHOWN])
        more = f" and {len(missing) - MODULES_SHOWN} more" if len(missing) > MODULES_SHOWN else ""
        raise PluginsUnknownError(
            f"{notes.unknown}: no plan is made without plugins that may be meant to be on"
            f" ({shown}{more}; fix device.toml)"
        )


def load_catalogue(
    home: Home,
    *,
    inspect: bool = True,
    retry: bool = False,
    save: bool = True,
    limits: InspectionLimits | None = None,
) -> PluginCatalogue:
    """Find and describe the plugins of a home.

    Parameters
    ----------
    home : Home
    inspect : bool
        Run plugins that are not described yet, in a process of their own; False: they are left out.
    retry : bool
        Try plugins with an error again, although their files have not changed.
    save : bool
        Keep the descriptions in `state/plugins.json`.
    limits : InspectionLimits, optional
    """
    from planner_core.modules.builtin import builtin_registries

    settings, problem = _settings(home)
    if not settings.enabled:
        # Where the settings cannot be read, the modules of packages must keep their reasons, too.
        if not problem and not list_plugin_files(home.plugins_dir).paths:
            return PluginCatalogue((), builtin_registries())
        return _catalogue_of_off(home, problem)
    sources = select_plugins(find_plugins(home.plugins_dir), settings.only)
    key = (
        home.root,
        settings,
        tuple((source.label, source.sha256, source.problem) for source in sources),
        file_signature(home.state_dir / FILE_NAME),
    )
    if not retry and _MEMO.entry is not None and _MEMO.entry[0] == key:
        return _MEMO.entry[1]
    store = _Descriptions(home)
    if inspect:
        store.inspect(home, sources, retry=retry, limits=limits)
    described = store.of(sources)
    catalogue = _assemble(sources, described, store.remembered)
    if save and inspect:
        store.save(described)
    if not catalogue.problems:  # an error is tried again later
        _MEMO.entry = (*key[:-1], file_signature(home.state_dir / FILE_NAME)), catalogue
    return catalogue


@dataclass(slots=True)
class _Memo:
    """The last catalogue and settings: a command asks several times for the same ones."""

    entry: tuple[tuple[object, ...], PluginCatalogue] | None = None
    settings: tuple[tuple[object, ...], tuple[PluginsTable, str]] | None = None


_MEMO: Final = _Memo()


def _settings(home: Home) -> tuple[PluginsTable, str]:
    """Return the table of device.toml, and why it cannot be known; then plugins are off.

    It is asked for before every plan, so it is read once as long as the files stay the same.
    """
    state = home.state_dir / FILE_NAME
    key = home.device_file, file_signature(home.device_file), file_signature(state)
    if _MEMO.settings is None or _MEMO.settings[0] != key:
        _MEMO.settings = key, _read_settings(home)
    return _MEMO.settings[1]


def _read_settings(home: Home) -> tuple[PluginsTable, str]:
    try:
        settings = load_device_config(home).plugins
    except ConfigFileError as error:
        return DeviceConfig().plugins, error.lines[0]
    # A file that was cut off or emptied is valid. It must not switch off what was on before.
    is_lost = "enabled" not in settings.model_fields_set and _Descriptions(home).remembered
    return settings, UNSAID if is_lost else ""


def _catalogue_of_off(home: Home, problem: str) -> PluginCatalogue:
    """Return what lies there while plugins are off; none of it is run."""
    from host.plugins.assembly import PluginModules, assemble

    why = f"plugins are off ({problem or SWITCH_ON})"
    sources = read_plugin_files(home.plugins_dir)
    plugins = [PluginModules(s.label, error=why, names=s.names_in_text()) for s in sources]
    registries = assemble(plugins).registries
    reports = tuple(PluginReport(s.label, PluginStatus.OFF, s.problem or why) for s in sources)
    for key, label in _Descriptions(home).remembered.items():
        registries.absent.setdefault(key, f"{label}: {why}")
    return PluginCatalogue(reports, registries)


def _assemble(
    sources: Sequence[PluginSource],
    described: Mapping[str, PluginDescription],
    remembered: Mapping[str, str],
) -> PluginCatalogue:
    """Put the described modules beside those of the planner."""
    from host.plugins.assembly import PluginModules, assemble
    from host.plugins.description import stand_in

    plugins = []
    for source in sources:
        description = described.get(source.label)
        if description is None or description.error:
            why = source.problem or (description.error if description else NOT_INSPECTED)
            plugins.append(PluginModules(source.label, (), why, source.names_in_text()))
        else:
            modules = tuple(stand_in(module) for module in description.modules)
            plugins.append(PluginModules(source.label, modules))
    assembly = assemble(plugins)
    reports = []
    for source in sources:
        description = described.get(source.label)
        described_modules = description.modules if description else ()
        why = assembly.problems.get(source.label, "")
        status = PluginStatus.FAILED if why else PluginStatus.READY
        if source.problem:
            status = PluginStatus.REFUSED
        versions = tuple((module.key, module.version) for module in described_modules)
        reports.append(PluginReport(source.label, status, why, versions))
    registries = assembly.registries
    labels = {source.label for source in sources}
    for key, label in remembered.items():
        why = assembly.problems.get(label, "" if label in labels else "the plugin is gone")
        if why:
            registries.absent.setdefault(key, f"{label}: {why}")
    return PluginCatalogue(tuple(reports), registries, is_enabled=True, sources=tuple(sources))


class _Descriptions:
    """`state/plugins.json`: descriptions of plugins, and the names that they ever had."""

    def __init__(self, home: Home) -> None:
        self._path = home.state_dir / FILE_NAME
        self._environment = [sys.version, version()]
        """Another Python may load what this one cannot."""
        self._described: dict[str, tuple[PluginDescription, datetime]] = {}
        self.remembered: dict[str, str] = {}
        """Key of a module -> the plugin that has, or had it."""
        self._read()

    @property
    def on_by_default(self) -> tuple[str, ...]:
        """Keys of the modules that are on in every configuration that does not name them."""
        return tuple(
            module.key
            for description, _ in self._described.values()
            for module in description.modules
            if module.enabled_by_default
        )

    def inspect(
        self,
        home: Home,
        sources: Sequence[PluginSource],
        *,
        retry: bool,
        limits: InspectionLimits | None,
    ) -> None:
        """Run the sources that are new, or had an error a while ago."""
        from host.plugins.inspection import inspect_plugins

        usable = [source for source in sources if not source.problem]
        unknown = [source for source in usable if self._needs_inspection(source, retry=retry)]
        if unknown:
            now = utc_now()
            for description in inspect_plugins(home.plugins_dir, unknown, limits):
                self._described[description.label] = description, now

    def of(self, sources: Sequence[PluginSource]) -> dict[str, PluginDescription]:
        """Return label -> description of the sources that have been inspected as they are."""
        descriptions = {}
        for source in sources:
            entry = self._described.get(source.label)
            if entry is not None and not source.problem and entry[0].sha256 == source.sha256:
                descriptions[source.label] = entry[0]
        return descriptions

    def _needs_inspection(self, source: PluginSource, *, retry: bool) -> bool:
        if source.label not in self._described:
            return True
        description, inspected_at = self._described[source.label]
        if description.sha256 != source.sha256:
            return True
        age = utc_now() - inspected_at
        is_recent = timedelta(0) <= age < timedelta(seconds=RETRY_S)
        return bool(description.error) and (retry or not is_recent)

    def save(self, described: Mapping[str, PluginDescription]) -> None:
        """Write the descriptions; where the disk takes no file, the next command makes them."""
        names = {
            module.key: label
            for label, description in described.items()
            for module in description.modules
        }
        remembered = {**self.remembered, **names}
        record = {
            "schema_version": SCHEMA_VERSION,
            "environment": self._environment,
            "plugins": [
                {
                    "inspected_at": self._described[label][1].isoformat(),
                    "description": description.model_dump(mode="json"),
                }
                for label, description in described.items()
                if description.is_tried
            ],
            "modules": dict(list(remembered.items())[-PLUGINS_REMEMBERED_MAX:]),
        }
        data = (json.dumps(record, indent=1) + "\n").encode()
        try:
            if not self._path.exists() or self._path.read_bytes() != data:
                write_atomic(self._path, data)
        except (OSError, StorageError):
            return

    def _read(self) -> None:
        """Read the file; one that cannot be used is as good as none."""
        from host.plugins.description import PluginDescription

        try:
            record: dict[str, Any] = read_state(self._path, STATE_BYTES_MAX, SCHEMA_VERSION) or {}
            names = record.get("modules", {})
            self.remembered = {str(key): str(label) for key, label in names.items()}
            if record.get("environment") != self._environment:
                return
            for entry in record["plugins"]:
                description = PluginDescription.model_validate_json(
                    json.dumps(entry["description"])
                )
                inspected_at = datetime.fromisoformat(entry["inspected_at"])
                utc_now() - inspected_at  # raises without an offset
                self._described[description.label] = description, inspected_at
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self._described.clear()
