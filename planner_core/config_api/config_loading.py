"""Turn parsed TOML into a `PlannerConfig`, or raise one error that lists every problem.

Module sections are checked against the parameter models of the registered modules. So a plugin's
parameters are checked like ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from planner_core.errors import ConfigError, ConfigProblem, percent_hint
from planner_core.model.config import MODULE_SECTIONS, PlannerConfig
from planner_core.model.module_metadata import ModuleKind, ModuleParameters
from planner_core.modules.module import AnyModule
from planner_core.modules.registry import Registries, dependency_problems

PLAIN_WORDS = {
    "tuple_type": "Must be a list",
    "model_type": "Must be a table",
    "bool_type": "Must be true or false",
}
"""Messages for owners of a TOML file, instead of pydantic's for programmers."""

BOUND_ERRORS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")


def load_config(document: Mapping[str, object], registries: Registries) -> PlannerConfig:
    """Validate a parsed document.

    Parameters
    ----------
    document : mapping
        Parsed TOML. Every key is optional. In a module section, `true` means the defaults, `false`
        means off, and a table sets parameters. A module that is not listed has its own default.
    registries : Registries
        The modules that may be listed.

    Raises
    ------
    ConfigError
        With all problems of the document.
    """
    problems: list[ConfigProblem] = []
    sections = {
        kind: _load_section(kind, document.get(kind.value, {}), registries, problems)
        for kind in ModuleKind
    }
    plain = {key: value for key, value in document.items() if key not in MODULE_SECTIONS}
    config = _load_plain(plain, problems)
    enabled = {
        kind: tuple(name for name, parameters in section.items() if parameters is not None)
        for kind, section in sections.items()
    }
    problems.extend(dependency_problems(registries, enabled))
    if problems or config is None:
        raise ConfigError(tuple(problems))
    return config.model_copy(update={kind.value: section for kind, section in sections.items()})


def _load_plain(plain: Mapping[str, object], problems: list[ConfigProblem]) -> PlannerConfig | None:
    try:
        return PlannerConfig.model_validate(plain)
    except ValidationError as error:
        problems.extend(problems_of(error, PlannerConfig))
        return None


def _load_section(
    kind: ModuleKind,
    section: object,
    registries: Registries,
    problems: list[ConfigProblem],
) -> dict[str, ModuleParameters | None]:
    registry = registries.of_kind(kind)
    if not isinstance(section, Mapping):
        problems.append(
            ConfigProblem((kind.value,), "must be a table", section, "[section] with name = true")
        )
        section = {}
    for name, value in section.items():
        if name not in registry:
            problems.append(
                ConfigProblem(
                    (kind.value, name),
                    "no such module",
                    value,
                    ", ".join(registry.names),
                    registry.closest(str(name)),
                )
            )
    return {
        module.metadata.name: _module_parameters(
            module, section.get(module.metadata.name), problems
        )
        for module in registry
    }


def _module_parameters(
    module: AnyModule, value: object, problems: list[ConfigProblem]
) -> ModuleParameters | None:
    model: type[ModuleParameters] = module.parameters_model
    path = (module.kind.value, module.metadata.name)
    if value is None:
        value = module.metadata.enabled_by_default
    if value is False:
        return None
    if value is True:
        value = {}
    if not isinstance(value, Mapping):
        problems.append(
            ConfigProblem(path, "must be true, false or a table", value, "true, false, { ... }")
        )
        return None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems.extend(problems_of(error, model, path))
        return model.model_construct()


def problems_of(
    error: ValidationError, model: type[BaseModel], prefix: tuple[str | int, ...] = ()
) -> list[ConfigProblem]:
    """Return every problem of a validation, with bounds and suggestions.

    Parameters
    ----------
    error : ValidationError
    model : type of BaseModel
        The validated model.
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
            allowed = _bounds(field_info)
            message = _plain_message(detail, has_bounds=allowed is not None)
            problems.append(ConfigProblem((*prefix, *location), message, detail["input"], allowed))
    return problems


def _plain_message(detail: Any, *, has_bounds: bool) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    if detail["type"] == "value_error":
        # Raised by one of our validators: its message is complete.
        return str(detail["ctx"]["error"])
    message = PLAIN_WORDS.get(detail["type"], str(detail["msg"]))
    if has_bounds and detail["type"] in BOUND_ERRORS:
        message = "is out of bounds"  # the bounds follow as "allowed"
    value = detail["input"]
    shown = f"{value!r}" if isinstance(value, str | int | float | bool) else type(value).__name__
    hint = percent_hint(value, detail.get("ctx", {}).get("le"))
    return f"{message[:1].lower()}{message[1:]}, found {shown:.80}{hint}"


def _field_at(model: type[BaseModel], location: tuple[str | int, ...]) -> tuple[list[str], Any]:
    """Follow a path into nested sections; return the sibling keys and the field's description."""
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
