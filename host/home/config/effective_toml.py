"""A configuration written out in full as TOML: every setting that the planner uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from host.home.config.currency_defaults import in_base_currency, scaled_defaults
from planner_core.model.config import config_in_force
from planner_core.model.module_metadata import ModuleKind

if TYPE_CHECKING:
    from pydantic import BaseModel

    from planner_core.model.config import PlannerConfig


def effective_toml(
    config: PlannerConfig, currency: str | None = None, *, with_targets: bool = False
) -> str:
    """Return every setting with its value and unit; a changed one has its default beside it.

    The text is a valid configuration, equal to the one it came from. With a base currency, defaults
    in money have its size; with targets, defaults are those of a bucket with targets.
    """
    scaled = {} if currency is None else scaled_defaults(config, currency)
    notes = dict.fromkeys(scaled, f"the default in {currency}")
    in_force = config_in_force(config, with_targets=with_targets)
    notes |= dict.fromkeys(_differences(config, in_force), "the default with targets")
    if currency is not None:
        in_force = in_base_currency(in_force, currency)
    return "\n".join(_lines(in_force, notes)) + "\n"


def effective_mapping(
    config: PlannerConfig, currency: str | None = None, *, with_targets: bool = False
) -> dict[str, object]:
    """Return every setting as plain data, as `effective_toml`; a module that is off is False."""
    config = config_in_force(config, with_targets=with_targets)
    if currency is not None:
        config = in_base_currency(config, currency)
    mapping: dict[str, object] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        if name in _SECTIONS_OF_MODULES:
            mapping[name] = {
                module: False if parameters is None else parameters.model_dump(mode="json")
                for module, parameters in value.items()
            }
        else:
            mapping[name] = value.model_dump(mode="json") if _is_model(value) else value
    return mapping


def _differences(config: PlannerConfig, other: PlannerConfig) -> Iterator[tuple[str, str]]:
    """Yield the section and key of each setting that differs."""
    for name in ("objective", "constraints"):
        section = getattr(config, name)
        for key in type(section).model_fields:
            if getattr(section, key) != getattr(getattr(other, name), key):
                yield name, key


_SECTIONS_OF_MODULES = frozenset(kind.value for kind in ModuleKind)


def _is_model(value: object) -> bool:
    return hasattr(value, "model_dump")


def _lines(config: PlannerConfig, notes: Mapping[tuple[str, str], str]) -> Iterator[str]:
    fields = type(config).model_fields
    for name in fields:
        if not _is_table(config, name):
            yield _setting(config, name)
    for name in fields:
        if not _is_table(config, name):
            continue
        yield ""
        yield f"[{name}]"
        section = getattr(config, name)
        if name in _SECTIONS_OF_MODULES:
            for module, parameters in section.items():
                yield _module(module, parameters)
        else:
            for key in type(section).model_fields:
                yield _setting(section, key, notes.get((name, key)))


def _is_table(config: PlannerConfig, name: str) -> bool:
    return name in _SECTIONS_OF_MODULES or _is_model(getattr(config, name))


def _setting(section: BaseModel, name: str, note: str | None = None) -> str:
    field = type(section).model_fields[name]
    value = getattr(section, name)
    extra = field.json_schema_extra
    unit = extra.get("unit") if isinstance(extra, dict) else None
    # "1" marks a number without a unit.
    notes = [str(unit)] if unit and unit != "1" else []
    if note is not None:
        notes.append(note)
    elif value != field.default:
        notes.append(f"default {_toml(field.default)}")
    comment = f"  # {'; '.join(notes)}" if notes else ""
    return f"{name} = {_toml(value)}{comment}"


def _module(name: str, parameters: BaseModel | None) -> str:
    if parameters is None:
        return f"{name} = false"
    values = parameters.model_dump(mode="json")
    if not values:
        return f"{name} = true"
    inside = ", ".join(f"{key} = {_toml(value)}" for key, value in values.items())
    return f"{name} = {{ {inside} }}"


def _toml(value: Any) -> str:  # noqa: ANN401 - whatever TOML can hold
    import tomlkit

    text: str = tomlkit.item(value).as_string()
    return text
