"""JSON Schemas (draft-07) of the TOML files of a home, for editors: from the models behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pydantic import BaseModel

Schema = dict[str, Any]
DRAFT: Final = "http://json-schema.org/draft-07/schema#"
SAYS_NOTHING: Final = frozenset({"title", "$defs"})


def bucket_schema() -> Schema:
    """Return the schema of `buckets/*.toml`, and of the presets."""
    from planner_core.config_api.config_schema import config_schema

    return config_schema()


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
"""By the name of their file in the home's `schema/`."""


def _schema_of(model: type[BaseModel], title: str) -> Schema:
    generated = model.model_json_schema()
    inlined = _inlined(generated, generated.get("$defs", {}))
    assert isinstance(inlined, dict)
    return {"$schema": DRAFT, "title": title, **inlined}


def _inlined(value: object, defined: Mapping[str, Any]) -> object:
    """Put what a `$ref` points at in its place: some editors follow none."""
    if isinstance(value, list):
        return [_inlined(item, defined) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        target = defined[value["$ref"].rpartition("/")[2]]
        beside = {key: item for key, item in value.items() if key != "$ref"}
        return _inlined({**target, **beside}, defined)
    return {key: _inlined(item, defined) for key, item in value.items() if key not in SAYS_NOTHING}
