"""JSON Schemas (draft-07) of the TOML files of a home, for editors, made from their models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pydantic import BaseModel

    from planner_core.modules.registry import Registries

Schema = dict[str, Any]
DRAFT: Final = "http://json-schema.org/draft-07/schema#"
IGNORED_KEYS: Final = frozenset({"title", "$defs"})


def bucket_schema(registries: Registries | None = None) -> Schema:
    """Return the schema of `buckets/*.toml`, and of the presets.

    `registries` are the modules that they may name; by default those shipped with the planner.
    """
    from planner_core.config_api.config_schema import config_schema

    return config_schema(registries)


def device_schema() -> Schema:
    """Return the schema of `device.toml`."""
    from host.home.config.device_settings import DeviceConfig

    return _schema_of(DeviceConfig, "arduino-trader: the board")


def portfolio_schema() -> Schema:
    """Return the schema of `portfolios/*.toml`."""
    from host.home.portfolio.portfolio_file import PortfolioTables

    return _schema_of(PortfolioTables, "arduino-trader: a portfolio")


SCHEMAS: Final[Mapping[str, Callable[[], Schema]]] = {
    "bucket": bucket_schema,
    "device": device_schema,
    "portfolio": portfolio_schema,
}
"""The keys are the file names in the home's `schema/`."""


def _schema_of(model: type[BaseModel], title: str) -> Schema:
    generated = model.model_json_schema()
    inlined = _inlined(generated, generated.get("$defs", {}))
    assert isinstance(inlined, dict)
    return {"$schema": DRAFT, "title": title, **inlined}


def _inlined(value: object, definitions: Mapping[str, Any]) -> object:
    """Replace each `$ref` by its target: some editors do not follow references."""
    if isinstance(value, list):
        return [_inlined(item, definitions) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        target = definitions[value["$ref"].rpartition("/")[2]]
        beside = {key: item for key, item in value.items() if key != "$ref"}
        return _inlined({**target, **beside}, definitions)
    return {
        key: _inlined(item, definitions) for key, item in value.items() if key not in IGNORED_KEYS
    }
