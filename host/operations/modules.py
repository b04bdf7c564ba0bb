"""The planner's modules: their rules and parameters."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from host.errors import NotFoundError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner_core.modules.module import AnyModule
    from planner_core.modules.registry import Registries


def modules_to_json(modules: Iterable[AnyModule], registries: Registries) -> dict[str, object]:
    """Return modules as plain data, each with the plugin that it is from."""
    return {
        "modules": [
            {**module_to_json(module), "plugin": registries.origins.get(module.key)}
            for module in modules
        ]
    }


def find_modules(name: str, registries: Registries) -> list[AnyModule]:
    """Return the modules with a key or short name.

    Raises
    ------
    NotFoundError
        With the nearest name; for a module of a plugin that cannot be used, with the reason.
    """
    modules = list(registries.all_modules())
    matches = [module for module in modules if name in (module.key, module.metadata.name)]
    if matches:
        return matches
    for key, reason in registries.absent.items():
        if name in (key, key.rpartition(".")[2]):
            raise NotFoundError(f"module `{name:.80}` cannot be used: {reason}")
    names = [module.metadata.name for module in modules]
    hint = did_you_mean(name.rsplit(".", 1)[-1][:80], names, "`trader modules list` shows them")
    raise NotFoundError(f"no module `{name:.80}` ({hint})")


def module_to_json(module: AnyModule) -> dict[str, object]:
    """Return a module as plain data."""
    metadata = module.metadata
    return {
        "key": module.key,
        "kind": module.kind.value,
        "name": metadata.name,
        "version": metadata.version,
        "description": metadata.description,
        "author": metadata.author,
        "requires_python": metadata.requires_python,
        "tags": list(metadata.tags),
        "enabled_by_default": metadata.enabled_by_default,
        "dependencies": [
            {"kind": need.kind.value, "name": need.name, "version": need.version}
            for need in metadata.dependencies
        ],
        "parameters": {
            name: parameter_to_json(field)
            for name, field in module.parameters_model.model_fields.items()
        },
        "details": inspect.getdoc(type(module)),
    }


def parameter_to_json(field: Any) -> dict[str, object]:  # noqa: ANN401 - pydantic's FieldInfo
    """Return a parameter as plain data: default, unit, bounds, meaning."""
    bounds = {
        sign: getattr(item, attribute)
        for item in field.metadata
        for attribute, sign in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))
        if getattr(item, attribute, None) is not None
    }
    extra = field.json_schema_extra or {}
    return {
        "default": field.default,
        "unit": extra.get("unit"),
        "bounds": bounds,
        "description": field.description,
    }
