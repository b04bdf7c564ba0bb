"""The JSON Schema (draft-07) of a bucket's TOML, from the models that check it.

The schema accepts everything that the loader accepts, and some files that the loader rejects. JSON
Schema cannot express rules between keys or needs of modules, and counts `5.0` as an integer.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from planner_core.model.config import ConfigSection, PlannerConfig
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.module import AnyModule, ModuleKind
from planner_core.modules.registry import Registries

DRAFT = "http://json-schema.org/draft-07/schema#"
TITLE = "arduino-trader: configuration of a bucket"
Schema = dict[str, Any]


def config_schema(registries: Registries | None = None) -> Schema:
    """Return the schema, with the modules and parameters of the registries."""
    registries = registries or builtin_registries()
    properties: Schema = {}
    for name, field in PlannerConfig.model_fields.items():
        if name in _KINDS:
            properties[name] = _modules(ModuleKind(name), registries)
        elif isinstance(field.annotation, type) and issubclass(field.annotation, ConfigSection):
            properties[name] = _table(field.annotation)
        else:
            properties[name] = _table(PlannerConfig)["properties"][name]
    return {
        "$schema": DRAFT,
        "title": TITLE,
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


_KINDS = frozenset(kind.value for kind in ModuleKind)


def _modules(kind: ModuleKind, registries: Registries) -> Schema:
    modules = registries.of_kind(kind)
    return {
        "type": "object",
        "description": "NAME = true, false, or { parameter = value }",
        "additionalProperties": False,
        "properties": {module.metadata.name: _module(module) for module in modules},
    }


def _module(module: AnyModule) -> Schema:
    metadata = module.metadata
    return {
        "description": metadata.description,
        "default": metadata.enabled_by_default,
        "anyOf": [{"type": "boolean"}, _table(module.parameters_model)],
    }


def _table(model: type[BaseModel]) -> Schema:
    generated = model.model_json_schema()
    described = {
        name: _described(schema) for name, schema in generated.get("properties", {}).items()
    }
    return {
        "type": "object",
        "description": " ".join((model.__doc__ or "").split("\n\n")[0].split()),
        "additionalProperties": False,
        "properties": described,
    }


def _described(schema: Schema) -> Schema:
    """Put the unit into the description, where editors show it, and drop redundant keys."""
    described = {
        key: value for key, value in schema.items() if key not in ("title", "unit", "$ref")
    }
    unit = schema.get("unit")
    if unit not in (None, "1"):
        described["description"] = f"{schema.get('description', '')} ({unit})".strip()
    return described
