"""Commented files for people to edit, written from the models that will read them.

Each function is pure and returns a text, so that `tools/generate.py` can keep the shipped files and
the code from drifting apart.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from host.home.config.device_settings import DeviceConfig
from host.home.portfolio.portfolio_file import PortfolioTables
from host.home.storage.model_problems import bounds_text
from planner_core.model.config import ConfigSection, PlannerConfig
from planner_core.model.module_metadata import ModuleKind
from planner_core.modules.builtin import builtin_registries

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from planner_core.modules.module import AnyModule
    from planner_core.modules.registry import Registries

LINE_LENGTH = 100
BOUNDS_TOLD_BELOW = 1e9

BUCKET_HEAD = """\
#:schema ../schema/bucket.json
# {title}
#
# Every setting is listed with its default, behind a `#`. To change one, delete that `#` and edit
# the value. Settings that stay behind a `#` follow the defaults of the installed version.
# Check your changes with: trader config check {bucket}
"""
DEVICE_HEAD = """\
#:schema schema/device.json
# The board: link, display, buttons, limits. Every setting is listed with its default, behind a `#`.
# To change one, delete that `#` and edit the value.
"""
MODULES_HEAD = """\
# NAME = true (on, as below), false (off), or { key = value } (on, with other parameters).
"""
SECTION_TEXTS = {
    "objective": "Weights of the objective, per year: what makes a good portfolio.",
    "estimation": "How expected returns and risk are estimated from daily closes.",
    "costs": "Costs of a trade.",
    "constraints": "Hard limits; no module switches them off.",
    "search": "Effort of the search.",
    "opportunity_calculators": "Reasons to trade.",
    "pattern_generators": "Trades that make sense together; where the search begins.",
    "sequence_generators": "How sets of trades are found.",
    "filters": "Trades to leave out.",
}

SATELLITE_SETTINGS: Mapping[str, Any] = {
    "max_plan_depth": 4,
    "objective": {"risk_aversion": 2.0, "concentration_penalty": 0.05},
    "estimation": {"mean_shrinkage": 0.5},
    "constraints": {
        "position_weight_max": 0.35,
        "lot_age_min": 30,
        "sell_cooldown_days": 60,
        "turnover_max": 0.40,
    },
    "opportunity_calculators": {
        "profit_taking": {"windfall_min": 0.40, "windfall_high": 1.00},
        "opportunity_buys": {"quality_min": 0.65, "tickets": [0.05, 0.10]},
    },
}
"""The demo's second style; one file shows how a bucket differs from the defaults."""

README_HEAD = """\
The home of arduino-trader
==========================

All these files are yours to edit, over SSH or in any editor. Nothing is sent anywhere and no
order is placed: `trader plan BUCKET` reads these files and says what to do.

Edit next, in this order:

  1. portfolios/core.toml         what you own and want: one [securities.ID] table per security
  2. market/prices.csv            a column per security, a row per day, oldest first; many downloads
                                  are read as they are; closes as traded, not total return
  3. market/fx.csv                only if a security or an account is in another currency
  4. portfolios/core.trades.csv   your buys and sells; cool-downs and turnover depend on it
  5. buckets/core.toml            how the planner works, with every default explained
  6. trader plan core             errors are shown with file, line and column

A new bucket is a new portfolios/NAME.toml with its NAME.trades.csv and buckets/NAME.toml. Buckets
share the market data, but neither cash nor limits.

Splits go to market/corporate_actions.csv unless your prices are adjusted already. A price or rate
that moved implausibly far blocks what is in it until you say that it was real: trader data accept.
In a demo home, PROVENANCE.md says where the data comes from; delete that file with the demo data.


The keys of portfolios/NAME.toml
--------------------------------

"""


def bucket_template(
    registries: Registries,
    *,
    bucket: str = "core",
    title: str = "How the planner treats this bucket.",
    settings: Mapping[str, Any] | None = None,
) -> str:
    """Return a bucket's configuration with every setting explained.

    Parameters
    ----------
    registries : Registries
        Modules to list.
    bucket, title : str
        For the comment at the top.
    settings : mapping, optional
        What differs from the defaults, as the TOML would say it; these lines are not commented out.
    """
    chosen = dict(settings or {})
    parts = [BUCKET_HEAD.format(title=title, bucket=bucket)]
    sections = []
    for name, field in PlannerConfig.model_fields.items():
        if name in {kind.value for kind in ModuleKind}:
            sections.append(_module_section(ModuleKind(name), registries, chosen.get(name, {})))
        elif isinstance(field.annotation, type) and issubclass(field.annotation, ConfigSection):
            sections.append(_section(name, field.annotation, chosen.get(name, {})))
        else:
            parts.append("\n".join(_setting(name, field, chosen)) + "\n")
    return "\n".join([*parts, *sections])


def default_bucket() -> str:
    """Return `configs/default_bucket.toml`: what `trader init` writes."""
    return bucket_template(
        builtin_registries(),
        title="How the planner treats this bucket: the preset track-targets, which is the default.",
    )


def demo_core_bucket() -> str:
    """Return `configs/demo/buckets/core.toml`: the defaults."""
    return bucket_template(
        builtin_registries(), title="Demo: the core, planned with every default."
    )


def demo_satellite_bucket() -> str:
    """Return `configs/demo/buckets/satellite_a.toml`: another style, so other parameters."""
    return bucket_template(
        builtin_registries(),
        bucket="satellite_a",
        title="Demo: a satellite with fewer names, larger bets and a shorter memory.",
        settings=SATELLITE_SETTINGS,
    )


def device_template() -> str:
    """Return `configs/home/device.toml`: every setting of the appliance, commented out."""
    parts = [DEVICE_HEAD]
    for name, field in DeviceConfig.model_fields.items():
        table = field.annotation
        assert isinstance(table, type)
        assert issubclass(table, BaseModel)
        lines = [f"[{name}]  # {table.__doc__}"]
        for key, setting in table.model_fields.items():
            lines.extend(_setting(key, setting, {}))
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def home_readme() -> str:
    """Return `configs/home/README.txt`: what to edit next, and every key of a portfolio."""
    return README_HEAD + portfolio_reference()


def portfolio_reference() -> str:
    """Return every key of a portfolio file with its meaning, as a plain text."""
    return "\n".join(_table_reference(PortfolioTables, "")) + "\n"


def _section(name: str, model: type[ConfigSection], chosen: Mapping[str, Any]) -> str:
    lines = [f"[{name}]  # {SECTION_TEXTS[name]}"]
    for key, field in model.model_fields.items():
        lines.extend(_setting(key, field, chosen))
    return "\n".join(lines) + "\n"


def _setting(key: str, field: FieldInfo, chosen: Mapping[str, Any]) -> Iterator[str]:
    allowed = _allowed(field)
    yield from _wrapped(f"{field.description} ({allowed})" if allowed else str(field.description))
    if key in chosen:
        yield f"{key} = {toml_value(chosen[key])}  # default {toml_value(field.default)}"
    else:
        yield f"#{key} = {toml_value(field.default)}"


def _module_section(kind: ModuleKind, registries: Registries, chosen: Mapping[str, Any]) -> str:
    blocks = [f"[{kind.value}]  # {SECTION_TEXTS[kind.value]}\n{MODULES_HEAD}"]
    for module in registries.of_kind(kind):
        name = module.metadata.name
        lines = [*_module_lines(module), *_module_setting(module, chosen.get(name))]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def _module_lines(module: AnyModule) -> Iterator[str]:
    metadata = module.metadata
    state = "" if metadata.enabled_by_default else " (off by default)"
    yield from _wrapped(f"{metadata.description}{state}")
    fields = module.parameters_model.model_fields
    width = max((len(key) for key in fields), default=0)
    for key, field in fields.items():
        allowed = _allowed(field)
        text = f"{key:<{width}}  {field.description}{f' ({allowed})' if allowed else ''}"
        yield from _wrapped(text, first="#   ", rest="#   " + " " * (width + 2))


def _module_setting(module: AnyModule, chosen: object) -> Iterator[str]:
    name = module.metadata.name
    if chosen is not None:
        yield f"{name} = {toml_value(chosen)}"
        return
    defaults = {key: field.default for key, field in module.parameters_model.model_fields.items()}
    yield f"#{name} = {toml_value(defaults or True)}"


def _allowed(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    unit = extra.get("unit") if isinstance(extra, dict) else None
    parts = (unit if unit != "1" else None, bounds_text(field, BOUNDS_TOLD_BELOW))
    return ", ".join(str(part) for part in parts if part)


def _wrapped(text: str, first: str = "# ", rest: str = "# ") -> list[str]:
    return textwrap.wrap(
        text, LINE_LENGTH, initial_indent=first, subsequent_indent=rest, break_long_words=False
    )


def toml_value(value: object) -> str:
    """Write a value as TOML 1.0, on one line.

    Raises
    ------
    TypeError
        When TOML has no such value.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        inside = ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items())
        return f"{{ {inside} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    raise TypeError(f"TOML has no {type(value).__name__}")


def _table_reference(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """Yield a line per key, then the tables below."""
    below: list[tuple[str, type[BaseModel]]] = []
    width = max(len(key) for key in model.model_fields)
    for key, field in model.model_fields.items():
        need = "needed" if field.is_required() else ""
        notes = ", ".join(note for note in (bounds_text(field, BOUNDS_TOLD_BELOW), need) if note)
        text = f"{key:<{width}}  {field.description}{f' ({notes})' if notes else ''}"
        yield from _wrapped(text, first="  ", rest=" " * (width + 4))
        nested, way = _nested_table(field.annotation)
        if nested is not None:
            below.append((way.format(f"{prefix}{key}"), nested))
    for name, table in below:
        yield ""
        yield name
        inner = name.strip("[]")
        yield from _table_reference(table, f"{inner}.")


def _nested_table(annotation: Any) -> tuple[type[BaseModel] | None, str]:  # noqa: ANN401
    """Return the table inside a field, and how its header is written."""
    way, at = "[{}]", annotation
    while not (isinstance(at, type) and issubclass(at, BaseModel)):
        arguments = get_args(at)
        if not arguments:
            return None, ""
        origin = getattr(at, "__origin__", None)
        if origin is dict:
            way = way.replace("]", ".NAME]", 1)
        elif origin is list:
            way = f"[{way}]"
        at = arguments[-1]
    return at, way
