"""pydantic's errors as problems that name the key, the value and what is allowed."""

from __future__ import annotations

import difflib
import math
import re
import types
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from host.home.storage.locale_values import date_advice, number_advice, units_of_sign
from host.limits import CURRENCY
from planner_core.errors import ConfigProblem, percent_hint

SHOWN_LENGTH_MAX = 60
CODES_SHOWN_MAX = 3

WORDS = {
    "date_type": "is not a date (write 2022-12-28, without quotes or time)",
    "date_from_datetime_inexact": "is a time, not a date (write 2022-12-28)",
    "float_type": "is not a number (write it without quotes, with a point)",
    "bool_type": "is not a switch (write true or false)",
    "string_type": "is not text (write it in quotes)",
    "list_type": "is not a list (write [ ... ])",
    "dict_type": "is not a table (write [table] or { ... })",
    "model_type": "is not a table (write [table] or { ... })",
    "model_attributes_type": "is not a table (write [table] or { ... })",
    "missing": "is missing",
    "greater_than": "is out of bounds",
    "greater_than_equal": "is out of bounds",
    "less_than": "is out of bounds",
    "less_than_equal": "is out of bounds",
    "literal_error": "is not one of the allowed words",
    "too_long": "has too many entries",
    "string_too_long": "is too long",
    "finite_number": "is not a finite number",
}

MINOR_UNIT_WORDS = {
    **dict.fromkeys(("gbx", "gbp pence", "pence", "penny", "p", "gbpence"), ("GBP", "GBX")),
    **dict.fromkeys(("ila", "agorot", "agora"), ("ILS", "ILA")),
    **dict.fromkeys(("zac", "cents zar"), ("ZAR", "ZAC")),
}
"""Words for price units, in small letters: the currency and the price unit of each."""
MINOR_UNIT_CODES = {"GBp": "gbx", "ILa": "ila", "ZAc": "zac"}
"""Codes of Bloomberg and Yahoo, where the last letter alone says that it is a hundredth."""
CURRENCY_WORDS = {
    **dict.fromkeys(("euro", "euros", "eu"), "EUR"),
    **dict.fromkeys(("dollar", "dollars", "us", "us dollar"), "USD"),
    **dict.fromkeys(("pound", "pounds", "sterling", "pfund"), "GBP"),
    **dict.fromkeys(("franc", "francs", "franken", "sfr"), "CHF"),
    **dict.fromkeys(("yen", "jpn"), "JPY"),
    **dict.fromkeys(("rmb", "yuan", "cnh"), "CNY"),
    "won": "KRW",
}

SWITCHES = {
    **dict.fromkeys(("true", "yes", "on", "1"), "true"),
    **dict.fromkeys(("false", "no", "off", "0"), "false"),
}

PATTERNS = {CURRENCY.pattern: "must be three capital letters, such as USD"}
"""Patterns in words."""

Part = str | int


def model_problems(error: ValidationError, model: type[BaseModel]) -> list[ConfigProblem]:
    """Return one problem per error, with the path down to the wrong key."""
    problems = []
    for detail in error.errors(include_url=False, include_context=True):
        location: tuple[Part, ...] = tuple(part for part in detail["loc"] if part != "[key]")
        table, field = _at(model, location)
        if detail["type"] == "extra_forbidden" and table is not None:
            problems.append(_unknown_key(location, detail["input"], table))
            continue
        message = _message(detail)
        is_missing = detail["type"] == "missing"
        allowed = bounds_text(field) if field is not None and not is_missing else None
        problems.append(ConfigProblem(location, message, detail["input"], allowed))
    return problems


def bounds_text(field: FieldInfo, shown_below: float = math.inf) -> str | None:
    """Return the bounds and choices of a field in words; None when only its type limits it.

    Bounds of `shown_below` and more are left out: they are too wide to help a reader.
    """
    parts = []
    for item in _metadata(field):
        for attribute, sign in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<")):
            bound = getattr(item, attribute, None)
            if bound is not None and abs(bound) < shown_below:
                parts.append(f"{sign} {bound:g}")
    choices = _choices(field.annotation)
    if choices:
        parts.append(", ".join(choices))
    return " and ".join(parts) or None


def _unknown_key(
    location: tuple[Part, ...], value: object, table: type[BaseModel]
) -> ConfigProblem:
    fields = list(table.model_fields)
    close = difflib.get_close_matches(str(location[-1]), fields, n=1, cutoff=0.5)
    return ConfigProblem(
        location, "unknown key", value, ", ".join(fields), close[0] if close else None
    )


def _message(detail: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    value = detail["input"]
    kind = str(detail["type"])
    if kind == "missing":
        return WORDS[kind]
    if isinstance(value, Mapping | list):
        text = "a table" if isinstance(value, Mapping) else f"a list of {len(value)}"
    else:
        text = repr(value) if isinstance(value, str | bool | int | float) else str(value)
    text = f"{text:.{SHOWN_LENGTH_MAX}}"
    message = WORDS.get(kind) or str(detail["msg"])
    if kind == "string_pattern_mismatch":
        pattern = detail["ctx"]["pattern"].strip("^$")
        message = PATTERNS.get(pattern) or f"must look like {pattern}"
    advice = _guess(kind, value, detail.get("ctx", {}))
    if advice:
        # A guess at what is meant is better advice than the general one.
        message = message.split(" (")[0]
        text += f" ({advice})"
    return f"{message[:1].lower()}{message[1:]}, found {text}"


def _guess(kind: str, value: object, context: Mapping[str, Any]) -> str:
    """Return what was probably meant, as `write 0.2 for 20 %`; empty without a guess."""
    if kind == "less_than_equal":
        return percent_hint(value, context.get("le")).strip(" ()")
    advice = ""
    if kind in ("date_type", "date_from_datetime_inexact"):
        advice = date_advice(str(value))
    elif isinstance(value, str):
        advice = _guess_text(kind, value, context)
    in_quotes = isinstance(value, str) and kind in ("date_type", "float_type", "bool_type")
    return f"{advice}, without quotes" if advice and in_quotes else advice


def _guess_text(kind: str, text: str, context: Mapping[str, Any]) -> str:
    """Return what was probably meant by a text."""
    if kind == "literal_error":
        return _guess_choice(text, str(context.get("expected", "")))
    if kind == "string_pattern_mismatch" and context["pattern"].strip("^$") == CURRENCY.pattern:
        return currency_advice(text)
    if kind == "bool_type":
        switch = SWITCHES.get(text.strip().lower())
        return f"write {switch}" if switch else ""
    return number_advice(text) if kind == "float_type" else ""


def _guess_choice(value: str, choices: str) -> str:
    """Return the choice that a word means; `choices` is pydantic's list of them."""
    unit = _minor_unit(value)
    for choice in re.findall(r"'([^']*)'", choices):
        if choice.lower() == value.strip().lower() or (unit and choice == unit[1]):
            return f'write "{choice}"'
    return ""


def currency_advice(text: str) -> str:
    """Return how to write a currency that is not written as three capitals; empty if unclear."""
    text = text.strip()
    unit = _minor_unit(text)
    if unit:
        return f'write currency = "{unit[0]}", and price_unit = "{unit[1]}" for prices in {unit[1]}'
    code = CURRENCY_WORDS.get(text.lower(), text.upper())
    codes = (code,) if CURRENCY.fullmatch(code) else units_of_sign(text)
    choices = " or ".join(f'"{code}"' for code in codes[:CODES_SHOWN_MAX])
    return f"write {choices}" if choices else ""


def _minor_unit(text: str) -> tuple[str, str] | None:
    """Return currency and price unit of a word for a hundredth of a currency."""
    return MINOR_UNIT_WORDS.get(MINOR_UNIT_CODES.get(text, text.lower()))


def _at(
    model: type[BaseModel], location: tuple[Part, ...]
) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """Return the table that contains a location, and the field it names; None where unknown."""
    table: type[BaseModel] | None = model
    annotation: Any = model
    field: FieldInfo | None = None
    for part in location:
        annotation = _plain(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            table = annotation
            field = table.model_fields.get(str(part))
            annotation = field.annotation if field is not None else None
        else:
            arguments = get_args(annotation)
            annotation = arguments[-1] if arguments else None
            field = None
    return table, field


def _plain(annotation: Any) -> Any:  # noqa: ANN401 - any annotation
    """Return an annotation without `Annotated` and `| None`."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, types.UnionType):
            annotation = next(item for item in get_args(annotation) if item is not type(None))
        else:
            return annotation


def _metadata(field: FieldInfo) -> list[Any]:
    """Return the bounds of a field, also those inside `Annotated[...] | None`."""
    bounds = list(field.metadata)
    pending: list[Any] = [field.annotation]
    while pending:
        annotation = pending.pop()
        if get_origin(annotation) is Annotated:
            base, *extra = get_args(annotation)
            pending.append(base)
            for item in extra:
                bounds.extend(item.metadata if isinstance(item, FieldInfo) else [item])
        elif get_origin(annotation) in (Union, types.UnionType):
            pending.extend(get_args(annotation))
    return bounds


def _choices(annotation: Any) -> list[str]:  # noqa: ANN401 - any annotation
    plain = _plain(annotation)
    if isinstance(plain, type) and issubclass(plain, Enum):
        return [str(member.value) for member in plain]
    return [str(choice) for choice in get_args(plain)] if get_origin(plain) is Literal else []
