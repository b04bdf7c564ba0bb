"""`trader modules`: list and show the planner's modules."""

from __future__ import annotations

import argparse
import inspect
from typing import TYPE_CHECKING, Any

from host.errors import UsageError, did_you_mean
from planner_core.modules.builtin import builtin_registries

if TYPE_CHECKING:
    from host.cli.output import Output
    from planner_core.modules.module import AnyModule
    from planner_core.modules.registry import Registries


def show_list(options: argparse.Namespace, output: Output) -> int:
    """Print a line per module."""
    modules = list(_registries().all_modules())
    if options.json:
        output.json({"modules": [describe(module) for module in modules]})
        return 0
    width = max(len(module.metadata.name) for module in modules)
    kind = None
    for module in modules:
        if module.kind is not kind:
            output.line(f"{'' if kind is None else chr(10)}[{module.kind.value}]")
            kind = module.kind
        default = "on " if module.metadata.enabled_by_default else "off"
        output.line(f"  {module.metadata.name:<{width}}  {default}  {module.metadata.description}")
    output.line(
        "\non, off: without an entry in the configuration. `trader modules show NAME` says more."
    )
    return 0


def show(options: argparse.Namespace, output: Output) -> int:
    """Print the modules of a name; two kinds may share a short name."""
    matches = find_modules(options.name, _registries())
    if options.json:
        output.json({"modules": [describe(module) for module in matches]})
        return 0
    for number, module in enumerate(matches):
        if number:
            output.line()
        _print_module(module, output)
    return 0


def find_modules(name: str, registries: Registries) -> list[AnyModule]:
    """Return the modules with a key or short name; raise UsageError with the nearest name."""
    modules = list(registries.all_modules())
    matches = [module for module in modules if name in (module.key, module.metadata.name)]
    if matches:
        return matches
    names = [module.metadata.name for module in modules]
    hint = did_you_mean(name.rsplit(".", 1)[-1], names, "`trader modules list` shows them")
    raise UsageError(f"no module `{name}` ({hint})")


def describe(module: AnyModule) -> dict[str, object]:
    """Return a module as plain data."""
    metadata = module.metadata
    return {
        "key": module.key,
        "kind": module.kind.value,
        "name": metadata.name,
        "version": metadata.version,
        "description": metadata.description,
        "author": metadata.author,
        "requires_python": metadata.requires_python,
        "tags": list(metadata.tags),
        "enabled_by_default": metadata.enabled_by_default,
        "dependencies": [
            {"kind": need.kind.value, "name": need.name, "version": need.version}
            for need in metadata.dependencies
        ],
        "parameters": {
            name: describe_parameter(field)
            for name, field in module.parameters_model.model_fields.items()
        },
        "details": inspect.getdoc(type(module)),
    }


def describe_parameter(field: Any) -> dict[str, object]:  # noqa: ANN401 - pydantic's FieldInfo
    """Return a parameter as plain data: default, unit, bounds, meaning."""
    bounds = {
        sign: getattr(item, attribute)
        for item in field.metadata
        for attribute, sign in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))
        if getattr(item, attribute, None) is not None
    }
    extra = field.json_schema_extra or {}
    return {
        "default": field.default,
        "unit": extra.get("unit"),
        "bounds": bounds,
        "description": field.description,
    }


def _print_module(module: AnyModule, output: Output) -> None:
    metadata = module.metadata
    state = "on" if metadata.enabled_by_default else "off"
    output.line(f"{module.key}  {metadata.version}  by {metadata.author}, {state} by default")
    output.line(inspect.getdoc(type(module)) or metadata.description)
    for need in metadata.dependencies:
        what = f"{need.kind.value}.{need.name or '(any)'} {need.version}".rstrip()
        output.line(f"needs {what}")
    parameters: dict[str, Any] = {
        name: describe_parameter(field)
        for name, field in module.parameters_model.model_fields.items()
    }
    if not parameters:
        output.line("\nIt has no parameters.")
        return
    output.line(f"\n[{module.kind.value}]\n{metadata.name} = {{ ... }} takes")
    width = max(len(name) for name in parameters)
    for name, about in parameters.items():
        limits = " and ".join(f"{sign} {bound:g}" for sign, bound in about["bounds"].items())
        output.line(
            f"  {name:<{width}} = {about['default']}  {about['unit']}; {limits}".rstrip("; ")
        )
        output.line(f"  {'':<{width}}   {about['description']}")


def _registries() -> Registries:
    return builtin_registries()
