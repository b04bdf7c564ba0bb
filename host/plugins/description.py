"""A module as plain data, and a stand-in made from it.

Only the planner's process runs the code of plugins. Everybody else - the check of a configuration,
the schema, `trader modules` - has the description, and builds a stand-in from it: metadata and a
model of the parameters, with types, bounds, units and defaults. Calling its methods is an error.

A parameter is a bool, an int, a float, a str, one of several strings, or a tuple of these. More
than that a stand-in could not check. What a validator of the plugin itself refuses, is seen by the
planner's process alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.errors import PydanticUserError
from pydantic_core import SchemaError

from host.errors import HostError
from planner_core.errors import ModuleContractError
from planner_core.model.module_metadata import (
    LIST_LENGTH_MAX,
    TEXT_LENGTH_MAX,
    Dependency,
    ModuleKind,
    ModuleMetadata,
    ModuleParameters,
)
from planner_core.modules.module import (
    AnyModule,
    Filter,
    OpportunityCalculator,
    PatternGenerator,
    SequenceGenerator,
)
from planner_core.modules.registration import MODULES_PER_FILE_MAX

DETAILS_LENGTH_MAX: Final = 8_000
"""The docstring of a module."""
PARAMETERS_MAX: Final = 64
"""Nobody sets more."""
TEXT: Final = Field(max_length=TEXT_LENGTH_MAX)
BOUNDS: Final[Mapping[str, str]] = {
    "minimum": "ge",
    "exclusiveMinimum": "gt",
    "maximum": "le",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
    "minLength": "min_length",
    "maxLength": "max_length",
    "pattern": "pattern",
    "minItems": "min_length",
    "maxItems": "max_length",
}
"""Words of JSON Schema, and pydantic's for the same."""
SCALARS: Final[Mapping[str, type]] = {
    "boolean": bool,
    "integer": int,
    "number": float,
    "string": str,
}

Schema = dict[str, Any]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DependencyRecord(_Record):
    """A `Dependency`."""

    kind: ModuleKind
    name: Annotated[str, TEXT] | None
    version: Annotated[str, TEXT]


class ModuleDescription(_Record):
    """Everything about a module that can be known without its code."""

    kind: ModuleKind
    name: Annotated[str, TEXT]
    version: Annotated[str, TEXT]
    description: Annotated[str, TEXT]
    author: Annotated[str, TEXT]
    requires_python: Annotated[str, TEXT]
    requires_api: Annotated[str, TEXT]
    dependencies: Annotated[tuple[DependencyRecord, ...], Field(max_length=LIST_LENGTH_MAX)]
    conflicts: Annotated[tuple[Annotated[str, TEXT], ...], Field(max_length=LIST_LENGTH_MAX)]
    tags: Annotated[tuple[Annotated[str, TEXT], ...], Field(max_length=LIST_LENGTH_MAX)]
    enabled_by_default: bool
    type_name: Annotated[str, TEXT]
    details: Annotated[str, Field(max_length=DETAILS_LENGTH_MAX)]
    parameters_details: Annotated[str, Field(max_length=DETAILS_LENGTH_MAX)]
    parameters: dict[str, Any]

    @property
    def key(self) -> str:
        """`kind.name`."""
        return f"{self.kind.value}.{self.name}"


class PluginDescription(_Record):
    """A plugin with its modules, or the reason why it has none.

    `is_tried` is false if there was no time to run it: that says nothing about the plugin.
    """

    label: str
    sha256: str
    error: str = ""
    is_tried: bool = True
    modules: Annotated[tuple[ModuleDescription, ...], Field(max_length=MODULES_PER_FILE_MAX)] = ()


def describe_module(module: AnyModule) -> ModuleDescription:
    """Describe a module; raise ModuleContractError for parameters of other types than above."""
    metadata = module.metadata
    description = ModuleDescription(
        kind=module.kind,
        name=metadata.name,
        version=metadata.version,
        description=metadata.description,
        author=metadata.author,
        requires_python=metadata.requires_python,
        requires_api=metadata.requires_api,
        dependencies=tuple(
            DependencyRecord(kind=need.kind, name=need.name, version=need.version)
            for need in metadata.dependencies
        ),
        conflicts=metadata.conflicts,
        tags=metadata.tags,
        enabled_by_default=metadata.enabled_by_default,
        type_name=type(module).__name__[:TEXT_LENGTH_MAX],
        details=(inspect.getdoc(type(module)) or "")[:DETAILS_LENGTH_MAX],
        parameters_details=(inspect.getdoc(module.parameters_model) or "")[:DETAILS_LENGTH_MAX],
        parameters=_parameters(module),
    )
    stand_in(description)  # so that a type that cannot be checked is refused here
    return description


def _parameters(module: AnyModule) -> Schema:
    """Return name -> schema of every parameter, without references."""
    schema = module.parameters_model.model_json_schema()
    properties: Schema = schema.get("properties", {})
    if len(properties) > PARAMETERS_MAX:
        raise ModuleContractError(module.key, f"has more than {PARAMETERS_MAX} parameters")
    definitions = schema.get("$defs", {})
    return {name: _resolved(item, definitions) for name, item in properties.items()}


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    """Replace a reference, such as pydantic makes for an enumeration."""
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    return {**definitions.get(reference.rpartition("/")[2], {}), **schema}


class PluginCodeError(HostError):
    """A stand-in was called: the code of a plugin runs in the planner's process only."""

    code = "plugin"


def _refuse(*_arguments: object) -> Any:  # noqa: ANN401 - in the place of any method
    raise PluginCodeError("a module of a plugin runs in the planner's process only")


BASES: Final[Mapping[ModuleKind, tuple[type[AnyModule], tuple[str, ...]]]] = {
    ModuleKind.OPPORTUNITY: (OpportunityCalculator, ("calculate",)),
    ModuleKind.PATTERN: (PatternGenerator, ("generate",)),
    ModuleKind.SEQUENCE: (SequenceGenerator, ("generate",)),
    ModuleKind.FILTER: (Filter, ("reject", "conflicts", "select_alternatives")),
}
"""The base of each kind, and its methods."""


def stand_in(description: ModuleDescription) -> AnyModule:
    """Return a module with the metadata and parameters of a description.

    Raises
    ------
    ModuleContractError
        When the description is not that of a valid module.
    """
    metadata = ModuleMetadata(
        name=description.name,
        version=description.version,
        description=description.description,
        author=description.author,
        requires_python=description.requires_python,
        requires_api=description.requires_api,
        dependencies=tuple(
            Dependency(need.kind, need.name, need.version) for need in description.dependencies
        ),
        conflicts=description.conflicts,
        tags=description.tags,
        enabled_by_default=description.enabled_by_default,
    )
    base, methods = BASES[description.kind]
    content: dict[str, object] = {
        "__doc__": description.details,
        "metadata": metadata,
        "parameters_model": _parameters_model(description),
        **dict.fromkeys(methods, _refuse),
    }
    module: AnyModule = type(description.type_name, (base,), content)()
    return module


def _parameters_model(description: ModuleDescription) -> type[ModuleParameters]:
    fields: dict[str, Any] = {}
    for name, schema in description.parameters.items():
        where = f"parameter {name}"
        try:
            fields[name] = _field(schema)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            message = f"{where}: {error}" if isinstance(error, TypeError) else f"{where}: invalid"
            raise ModuleContractError(description.key, message) from None
    try:
        model = create_model(
            f"{description.type_name}Parameters", __base__=ModuleParameters, **fields
        )
        model.model_validate({})
    except (PydanticUserError, SchemaError, TypeError, ValueError) as error:
        line = " ".join(str(error).split())[:TEXT_LENGTH_MAX]
        raise ModuleContractError(description.key, f"parameters: {line}") from None
    model.__doc__ = description.parameters_details
    return model


def _field(schema: Schema) -> tuple[Any, Any]:
    """Return pydantic's definition of a field: its type, and default, bounds and unit."""
    default = schema["default"]
    if isinstance(default, list):
        default = tuple(default)
    unit = schema.get("unit")
    field = Field(
        default=default,
        description=schema.get("description"),
        json_schema_extra=None if unit is None else {"unit": str(unit)},
        strict=False if isinstance(default, tuple) else None,
        **_bounds(schema),
    )
    return _type(schema), field


def _type(schema: Schema) -> Any:  # noqa: ANN401 - a type, or an annotated one
    """Return the type of a value: see the top of this file."""
    if "enum" in schema or "const" in schema:
        choices = schema.get("enum", [schema.get("const")])
        if not all(isinstance(choice, str) for choice in choices):
            raise TypeError("the values to choose from are strings")
        return Literal[tuple(choices)]
    name = schema.get("type")
    if isinstance(name, str) and name in SCALARS:
        return SCALARS[name]
    items = schema.get("items")
    if name == "array" and isinstance(items, dict) and items.get("type") != "array":
        item: Any = Annotated[_type(items), Field(**_bounds(items))]
        return tuple[item, ...]
    raise TypeError("a parameter is a bool, int, float, str, one of several strings, or a tuple")


def _bounds(schema: Schema) -> dict[str, Any]:
    if "enum" in schema or "const" in schema:
        return {}
    return {BOUNDS[word]: value for word, value in schema.items() if word in BOUNDS}
