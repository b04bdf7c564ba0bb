"""Values of parameters that must be accepted, and values that must be refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from planner_core.modules.module import AnyModule, ModuleParameters

INSIDE: Final = 1e-6
"""Distance from a bound that is excluded, as a fraction of the range: 0.000001 for (0, 1]."""
BEYOND: Final = 1.0
"""Distance beyond a bound, in units of the parameter."""
LOWER: Final = ("minimum", "exclusiveMinimum")
UPPER: Final = ("maximum", "exclusiveMaximum")
NUMBERS: Final = ("integer", "number")

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ParameterProblem:
    """A wrong declaration of a parameter, and what to write instead."""

    name: str
    message: str
    cure: str


def parameter_schemas(module: AnyModule) -> Mapping[str, Schema]:
    """Return name -> JSON Schema of every parameter."""
    schemas: Mapping[str, Schema] = module.parameters_model.model_json_schema().get(
        "properties", {}
    )
    return schemas


def edge_values(schema: Schema) -> Iterator[object]:
    """Yield the values at the bounds, each choice, and both positions of a switch."""
    if schema.get("type") == "boolean":
        yield from (False, True)
    elif "enum" in schema:
        yield from schema["enum"]
    elif schema.get("type") in NUMBERS:
        yield from _edges_of_number(schema)
    elif schema.get("type") == "array":
        items = schema.get("items", {})
        n_items = max(1, int(schema.get("minItems", 1)))
        for edge in edge_values(items):
            yield (edge,) * n_items


def _edges_of_number(schema: Schema) -> Iterator[float]:
    lower, upper = _bound(schema, LOWER), _bound(schema, UPPER)
    if lower is None or upper is None:
        return
    step = 1 if schema["type"] == "integer" else INSIDE * (upper - lower)
    yield lower + step * ("exclusiveMinimum" in schema)
    yield upper - step * ("exclusiveMaximum" in schema)


def _bound(schema: Schema, words: tuple[str, ...]) -> float | None:
    return next((schema[word] for word in words if word in schema), None)


def values_beyond(schema: Schema) -> Iterator[object]:
    """Yield values that the bounds or the type exclude."""
    kind = schema.get("type")
    if kind in NUMBERS:
        yield from (bound - BEYOND for bound in [_bound(schema, LOWER)] if bound is not None)
        yield from (bound + BEYOND for bound in [_bound(schema, UPPER)] if bound is not None)
    yield "a text" if kind in (*NUMBERS, "boolean", "array") else 7


def declaration_problems(module: AnyModule) -> Iterator[ParameterProblem]:
    """Yield what is wrong with the declarations: bounds, unit, description, what is refused."""
    model: type[ModuleParameters] = module.parameters_model
    for name, schema in parameter_schemas(module).items():
        for word in ("unit", "description"):
            if not schema.get(word):
                yield ParameterProblem(
                    name, f"has no {word}", f"declare it with parameter(..., {word}=...)"
                )
        yield from _bound_problems(name, schema)
        for value in values_beyond(schema):
            if not refuses(model, {name: value}):
                yield ParameterProblem(
                    name,
                    f"accepts {value!r}, which its declaration excludes",
                    "keep the settings of ModuleParameters: strict, with its bounds",
                )
    if not refuses(model, {"no_such_parameter": 1}):
        yield ParameterProblem(
            "no_such_parameter",
            "is accepted although it is not declared",
            "keep the settings of ModuleParameters: unknown keys are typing errors",
        )


def _bound_problems(name: str, schema: Schema) -> Iterator[ParameterProblem]:
    number = schema.get("items", schema) if schema.get("type") == "array" else schema
    if number.get("type") in NUMBERS:
        for words, usage in ((LOWER, "ge= or gt="), (UPPER, "le= or lt=")):
            if _bound(number, words) is None:
                yield ParameterProblem(
                    name, f"has no bound: write {usage}", f"add {usage} to its parameter(...)"
                )
    if schema.get("type") == "array" and "maxItems" not in schema:
        yield ParameterProblem(name, "may be of any length", "add max_length= to its parameter()")


def refuses(model: type[ModuleParameters], values: Mapping[str, object]) -> bool:
    """Return whether a model refuses values."""
    try:
        model.model_validate(values)
    except ValidationError:
        return True
    return False


def edge_parameters(module: AnyModule) -> Iterator[tuple[str, ModuleParameters | None]]:
    """Yield each parameter at each of its bounds, the others at their defaults.

    The text is `name = value`. None in place of the parameters: the value is refused, although it
    lies within the bounds. A value that only the others' defaults exclude is left out.
    """
    model: type[ModuleParameters] = module.parameters_model
    for name, schema in parameter_schemas(module).items():
        for value in edge_values(schema):
            text = f"{name} = {value!r}"
            try:
                yield text, model.model_validate({name: value})
            except ValidationError as error:
                if any(problem["loc"][:1] == (name,) for problem in error.errors()):
                    yield text, None
