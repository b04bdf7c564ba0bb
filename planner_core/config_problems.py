"""What pydantic found wrong, in the words of a person who edits a file."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel, ValidationError

from planner_core.errors import ConfigProblem

PLAIN_WORDS = {
    "tuple_type": "Must be a list",
    "model_type": "Must be a table",
    "bool_type": "Must be true or false",
}
"""What an owner of a TOML file calls a thing that pydantic names for programmers."""


def problems_of(
    error: ValidationError, model: type[BaseModel], prefix: tuple[str | int, ...] = ()
) -> list[ConfigProblem]:
    """Return every problem of a validation, with bounds and did-you-mean.

    Parameters
    ----------
    error : ValidationError
    model : type of BaseModel
        What was validated.
    prefix : tuple
        Keys above it in the document.
    """
    problems = []
    for detail in error.errors(include_url=False):
        location = detail["loc"]
        fields, field_info = _field_at(model, location)
        if detail["type"] == "extra_forbidden":
            close = difflib.get_close_matches(str(location[-1]), fields, n=1, cutoff=0.5)
            problems.append(
                ConfigProblem(
                    (*prefix, *location),
                    "unknown key",
                    detail["input"],
                    ", ".join(fields),
                    close[0] if close else None,
                )
            )
        else:
            problems.append(
                ConfigProblem(
                    (*prefix, *location),
                    _plain_message(detail),
                    detail["input"],
                    _bounds(field_info),
                )
            )
    return problems


def _plain_message(detail: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    if detail["type"] == "value_error":
        # Raised by a rule of our own between several keys: its words say all.
        return str(detail["ctx"]["error"])
    message = PLAIN_WORDS.get(detail["type"], str(detail["msg"]))
    value = detail["input"]
    shown = f"{value!r}" if isinstance(value, str | int | float | bool) else type(value).__name__
    return f"{message[:1].lower()}{message[1:]}, found {shown:.80}"


def _field_at(model: type[BaseModel], location: tuple[str | int, ...]) -> tuple[list[str], Any]:
    """Walk into nested sections; return the sibling keys and the field's own description."""
    fields = model.model_fields
    for part in location[:-1]:
        section = fields.get(str(part))
        annotation = section.annotation if section is not None else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        fields = annotation.model_fields
    return list(fields), fields.get(str(location[-1])) if location else None


def _bounds(field_info: Any) -> str | None:  # noqa: ANN401 - pydantic's FieldInfo or None
    if field_info is None:
        return None
    parts = []
    for item in field_info.metadata:
        for attribute, sign in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<")):
            bound = getattr(item, attribute, None)
            if bound is not None:
                parts.append(f"{sign} {bound:g}")
    extra = field_info.json_schema_extra
    unit = extra.get("unit") if isinstance(extra, dict) else None
    if parts and unit not in (None, "1"):
        return f"{' and '.join(parts)}, {unit}"
    return " and ".join(parts) or None
