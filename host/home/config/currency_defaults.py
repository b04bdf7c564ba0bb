"""Defaults that are amounts of money, in the size of a bucket's base currency.

A fee of 2 and a smallest trade of 400 are made for the euro. In yen that would be a cent and three
euros. So these defaults are multiplied by `currency_scale`. What the owner wrote is never changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from host.home.portfolio.portfolio_file import read_portfolio
from host.home.storage.problems import PortfolioFileError
from planner_core.model.currencies import currency_scale

if TYPE_CHECKING:
    from pydantic import BaseModel

    from host.home.home import Home
    from planner_core.model.config import PlannerConfig

MONEY_UNIT = "base currency"
"""How the unit of a setting begins that is an amount of money."""


def in_base_currency(config: PlannerConfig, currency: str) -> PlannerConfig:
    """Return a configuration with its defaults in money scaled to a currency.

    Applying it twice changes nothing more.
    """
    scale = currency_scale(currency)
    if scale == 1:
        return config
    sections = {
        name: section.model_copy(
            update={key: getattr(section, key) * scale for key in _default_amounts(section)}
        )
        for name, section in _sections(config)
    }
    return config.model_copy(update=sections)


def scaled_defaults(config: PlannerConfig, currency: str) -> dict[tuple[str, str], float]:
    """Return the defaults in money that differ in this currency, by section and key."""
    scale = currency_scale(currency)
    return {
        (name, key): getattr(section, key) * scale
        for name, section in _sections(config)
        for key in _default_amounts(section)
        if scale != 1
    }


def base_currency_of(home: Home, bucket_id: str) -> str | None:
    """Return the base currency of a bucket; None where its portfolio cannot be read."""
    try:
        return read_portfolio(home.portfolio_file(bucket_id)).tables.base_currency
    except PortfolioFileError:
        return None


def names_targets(home: Home, bucket_id: str) -> bool:
    """Return whether a bucket has a target; False where its portfolio cannot be read."""
    try:
        tables = read_portfolio(home.portfolio_file(bucket_id)).tables
    except PortfolioFileError:
        return False
    targets = [security.target for security in tables.securities.values()]
    for classification in tables.groups.values():
        targets += [group.target for group in classification.values()]
    return any(target is not None for target in targets)


def _sections(config: PlannerConfig) -> Iterator[tuple[str, BaseModel]]:
    for name in type(config).model_fields:
        section = getattr(config, name)
        if hasattr(section, "model_fields_set"):
            yield name, section


def _default_amounts(section: BaseModel) -> Iterator[str]:
    """Yield the settings of a section that are money and that the owner did not write."""
    for key, field in type(section).model_fields.items():
        extra = field.json_schema_extra
        unit = str(extra.get("unit", "")) if isinstance(extra, dict) else ""
        if unit.startswith(MONEY_UNIT) and key not in section.model_fields_set:
            yield key
