"""The schemas of the board and of portfolios accept exactly the files that the models accept."""

from __future__ import annotations

import copy
import datetime
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from host.home.config.device_settings import DeviceConfig
from host.home.config.schemas import device_schema, portfolio_schema
from host.home.portfolio.portfolio_file import PortfolioTables
from tools.generators.config_templates import device_template

BEYOND_SCHEMA = re.compile(
    r"^Times have to increase|^Has to be a time zone"
    r"|found -?\d+\.0$|valid date|string, found 2024-"
)
"""Rules between keys, names of zones, 5.0 for 5, a day for a text like one, or the reverse."""
PORTFOLIO_TEXT = """
base_currency = "USD"
as_of = 2024-01-05
timezone = "UTC"
tax_entity = "me"
[cash]
USD = { settled = 10.0, unsettled = 1 }
[securities.A]
name = "Acme"
currency = "GBP"
price_unit = "GBX"
lot_size = 10
min_trade_value = 0
fractional = false
groups = { industry = "tools" }
target = 0.5
cap = 1
allow_buy = true
allow_sell = false
quality = 1.0
half_spread_bps = 5
adv_value = 1e6
lots = [{ date = 2023-06-01, quantity = 10, unit_cost = 90.0, fx_rate = 1.1 }]
[[cash_flows]]
date = 2024-02-01
amount = -5
note = ""
[[pending_orders]]
security = "A"
side = "buy"
quantity = 1
limit_price = 3
note = "x"
[groups.industry.tools]
target = 0.1
cap = 0.2
[[accepted_prices]]
security = "A"
date = 2024-01-03
note = "split"
"""
OTHERS: list[Any] = [0, 1, -1, 0.5, 5.0, True, "", "USD", "usd", "buy", "x" * 201, [], {}, [1],
                     datetime.date(2024, 2, 29), "2024-02-29", "plan"]  # fmt: skip


def only(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what a value that may be missing has to be when it is there."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"]
    return kinds[0] if len(kinds) == 1 else schema


def places(value: Any, schema: dict[str, Any]) -> Iterator[tuple[Any, Any, dict[str, Any]]]:  # noqa: ANN401 - TOML
    """Yield every place in a document: what holds it, its key, and its schema."""
    schema = only(schema)
    inner: dict[str, Any] = schema.get("additionalProperties") or next(
        iter(schema.get("patternProperties", {}).values()), {}
    )
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in entries:
        if isinstance(value, list):
            below = schema["items"]
        else:
            below = schema.get("properties", {}).get(key, inner)
        yield value, key, only(below)
        if isinstance(item, dict | list):
            yield from places(item, below)


def near(schema: dict[str, Any]) -> list[Any]:
    """Return values at and over the bounds of a schema, and of other kinds."""
    edges = [
        schema[key] + step
        for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
        for step in (-1, 0, 1)
        if key in schema
    ]
    return [*edges, *schema.get("enum", ()), *OTHERS]


@st.composite
def changed(draw: st.DrawFn, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a valid document that was changed in one place."""
    document: dict[str, Any] = copy.deepcopy(tomlkit.parse(text).unwrap())
    holder, key, below = draw(st.sampled_from(list(places(document, schema))))
    change = draw(st.sampled_from(["replace", "replace", "replace", "remove", "add"]))
    if change == "replace":
        holder[key] = draw(st.sampled_from(near(below)))
    elif change == "remove":
        del holder[key]
    elif isinstance(holder, dict):
        name = draw(st.sampled_from(["other", "EUR", "a b", "x" * 70, "_", "é", ""]))
        holder[name] = copy.deepcopy(holder[key])
    return document


def as_json(value: object) -> object:
    """Return what a TOML file holds as JSON Schema sees it: a day is a text."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.date) else value


def agree(model: type[BaseModel], schema: dict[str, Any], document: dict[str, Any]) -> None:
    """Ask both; they may differ only in what JSON Schema cannot say."""
    validator = jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker())
    is_valid = validator.is_valid(as_json(document))
    try:
        model.model_validate(document)
        problems = []
    except ValidationError as error:
        problems = [f"{e['msg']}, found {e['input']}" for e in error.errors()]
    sayable = [problem for problem in problems if not BEYOND_SCHEMA.search(problem)]
    if problems and not sayable:
        return
    assert is_valid == (not problems), (document, problems)


DEVICE, PORTFOLIO = device_schema(), portfolio_schema()
DEVICE_TEXT = re.sub(r"(?m)^#(?=[a-z_]+ = )", "", device_template())


def test_what_is_changed_is_valid_before() -> None:
    for model, schema, text in (
        (DeviceConfig, DEVICE, DEVICE_TEXT),
        (PortfolioTables, PORTFOLIO, PORTFOLIO_TEXT),
    ):
        document = tomlkit.parse(text).unwrap()
        model.model_validate(document)
        jsonschema.Draft7Validator(schema).validate(as_json(document))
        assert len(list(places(document, schema))) > 15


@settings(max_examples=200)
@given(changed(DEVICE_TEXT, DEVICE))
def test_the_schema_of_the_board_says_what_its_model_says(document: dict[str, Any]) -> None:
    agree(DeviceConfig, DEVICE, document)


@settings(max_examples=400)
@given(changed(PORTFOLIO_TEXT, PORTFOLIO))
def test_the_schema_of_a_portfolio_says_what_its_model_says(document: dict[str, Any]) -> None:
    agree(PortfolioTables, PORTFOLIO, document)


def test_a_schema_that_forgot_a_bound_is_seen() -> None:
    forgetful = device_schema()
    del forgetful["properties"]["display"]["properties"]["brightness"]["maximum"]
    with pytest.raises(AssertionError):
        agree(DeviceConfig, forgetful, {"display": {"brightness": 16}})
