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
from planner_core.modules.registry import Registries, dependency_problems, unmet_needs

PLAIN_WORDS = {
    "tuple_type": "Must be a list",
    "model_type": "Must be a table",
    "bool_type": "Must be true or false",
}
"""Messages for owners of a TOML file, instead of pydantic's for programmers."""

Section = dict[str, ModuleParameters | None]
"""Name of a module -> its parameters; None: it is off."""

BOUND_ERRORS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")


def load_config(document: Mapping[str, object], registries: Registries) -> PlannerConfig:
    """Validate a parsed document.

    Parameters
    ----------
    document : mapping
        Parsed TOML. Every key is optional. In a module section, `true` means the defaults, `false`
        means off, and a table sets parameters. A module that is not listed has its own default.
    registries : Registries
        The modules that may be listed. One that is absent may be listed too: the configuration
        has it in `absent_modules`, and not in its section.

    Raises
    ------
    ConfigError
        With all problems of the document.
    """
    problems: list[ConfigProblem] = []
    absent: dict[str, str] = {}
    sections = {
        kind: _load_section(kind, document.get(kind.value, {}), registries, problems, absent)
        for kind in ModuleKind
    }
    _switch_off_unwritten(sections, document, registries)
    plain = {key: value for key, value in document.items() if key not in MODULE_SECTIONS}
    config = _load_plain(plain, problems)
    problems.extend(dependency_problems(registries, _enabled(sections)))
    if problems or config is None:
        raise ConfigError(tuple(problems))
    update = {kind.value: section for kind, section in sections.items()}
    return config.model_copy(update=update).with_absent_modules(absent)


def _enabled(sections: Mapping[ModuleKind, Section]) -> dict[ModuleKind, tuple[str, ...]]:
    """Return the names of the enabled modules of each kind."""
    return {
        kind: tuple(name for name, parameters in section.items() if parameters is not None)
        for kind, section in sections.items()
    }


def _switch_off_unwritten(
    sections: Mapping[ModuleKind, Section],
    document: Mapping[str, object],
    registries: Registries,
) -> None:
    """Switch off a plugin's module that nobody wrote and that cannot run with the others.

    Otherwise a new file in the folder of plugins could make every configuration invalid.
    """
    unwritten = [
        module
        for kind in ModuleKind
        for module in registries.of_kind(kind)
        if module.key in registries.origins
        and module.metadata.name not in _mapping(document.get(kind.value))
    ]
    is_settled = False
    while not is_settled:  # each round switches off a module, or is the last
        is_settled = True
        for module in unwritten:
            section = sections[module.kind]
            is_on = section[module.metadata.name] is not None
            if is_on and unmet_needs(module.metadata, registries, _enabled(sections)):
                section[module.metadata.name] = None
                is_settled = False


def _mapping(value: object) -> Mapping[Any, object]:
    return value if isinstance(value, Mapping) else {}


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
    absent: dict[str, str],
) -> Section:
    registry = registries.of_kind(kind)
    if not isinstance(section, Mapping):
        problems.append(
            ConfigProblem((kind.value,), "must be a table", section, "[section] with name = true")
        )
        section = {}
    for name, value in section.items():
        reason = None if name in registry else registries.reason_of_absence(kind, name)
        if reason is not None:
            if value is not False:
                absent[f"{kind}.{name}"] = reason
        elif name not in registry:
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
