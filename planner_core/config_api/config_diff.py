"""Differences between two configurations: of their texts, and of their meaning.

The semantic difference compares the values that the planner uses. A comment, the order of keys, `5`
instead of `5.0` or a default that is written out never shows in it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from planner_core.model.config import MODULE_SECTIONS, ConfigSection, PlannerConfig
from planner_core.model.module_metadata import ModuleKind, ModuleParameters

Change = Mapping[str, object]
"""`{"old": ..., "new": ...}`."""


@dataclass(frozen=True, slots=True)
class ConfigDiff:
    """Differences of a configuration from an older one.

    Parameters
    ----------
    modules_added, modules_removed : tuple of str
        Keys `kind.name` of the modules that were switched on or off.
    params_changed : mapping
        `kind.name` -> parameter -> `{"old": value, "new": value}`, for modules that are on in both.
    settings_changed : mapping
        Every other key, such as `objective.risk_aversion` -> `{"old": value, "new": value}`.
    """

    modules_added: tuple[str, ...] = ()
    modules_removed: tuple[str, ...] = ()
    params_changed: Mapping[str, Mapping[str, Change]] = field(default_factory=dict)
    settings_changed: Mapping[str, Change] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """True if both mean the same."""
        changes = (self.params_changed, self.settings_changed)
        return not (self.modules_added or self.modules_removed or any(changes))

    def to_record(self) -> dict[str, object]:
        """Return the difference as plain data."""
        return {
            "modules_added": list(self.modules_added),
            "modules_removed": list(self.modules_removed),
            "params_changed": {
                key: {name: dict(change) for name, change in changes.items()}
                for key, changes in self.params_changed.items()
            },
            "settings_changed": {
                key: dict(change) for key, change in self.settings_changed.items()
            },
        }

    def lines(self) -> Iterator[str]:
        """Yield the difference for a person, one change a line."""
        for key in self.modules_added:
            yield f"on   {key}"
        for key in self.modules_removed:
            yield f"off  {key}"
        for key, changes in self.params_changed.items():
            for name, change in changes.items():
                yield f"set  {key}.{name}: {change['old']} -> {change['new']}"
        for key, change in self.settings_changed.items():
            yield f"set  {key}: {change['old']} -> {change['new']}"


def semantic_diff(old: PlannerConfig, new: PlannerConfig) -> ConfigDiff:
    """Compare the meaning of two configurations."""
    added: list[str] = []
    removed: list[str] = []
    parameters: dict[str, Mapping[str, Change]] = {}
    for kind in ModuleKind:
        before, after = old.enabled(kind), new.enabled(kind)
        added += [f"{kind}.{name}" for name in after if name not in before]
        removed += [f"{kind}.{name}" for name in before if name not in after]
        for name in before:
            if name in after and (changes := _changes(_values(before[name]), _values(after[name]))):
                parameters[f"{kind}.{name}"] = changes
    settings = _changes(_settings(old), _settings(new))
    return ConfigDiff(tuple(added), tuple(removed), parameters, settings)


def unified_diff(old: str, new: str, old_name: str, new_name: str) -> list[str]:
    """Return the lines of a unified diff, without line ends; empty when the texts are equal."""
    return list(
        difflib.unified_diff(old.splitlines(), new.splitlines(), old_name, new_name, lineterm="")
    )


def _settings(config: PlannerConfig) -> dict[str, object]:
    """Return every key outside the module sections with its value."""
    flat: dict[str, object] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, ConfigSection):
            flat |= {f"{name}.{key}": item for key, item in value.model_dump(mode="json").items()}
        elif name not in MODULE_SECTIONS:
            flat[name] = value
    return flat


def _values(parameters: ModuleParameters) -> dict[str, object]:
    return parameters.model_dump(mode="json")


def _changes(old: Mapping[str, object], new: Mapping[str, object]) -> dict[str, Change]:
    return {
        key: {"old": old.get(key), "new": new.get(key)}
        for key in {**old, **new}
        if old.get(key) != new.get(key)
    }
