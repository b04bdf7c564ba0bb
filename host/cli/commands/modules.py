"""`trader modules`: list and show the planner's modules."""

from __future__ import annotations

import argparse
import inspect
from typing import TYPE_CHECKING, Any

from host.cli.home_option import open_home
from host.home.config.plugin_catalogue import modules_of
from host.operations.modules import find_modules, modules_to_json, parameter_to_json
from host.text import printable

if TYPE_CHECKING:
    from host.cli.output import Output
    from planner_core.modules.module import AnyModule


def show_list(options: argparse.Namespace, output: Output) -> int:
    """Print a line per module."""
    registries = modules_of(open_home(options.home))
    modules = list(registries.all_modules())
    if options.json:
        output.json(modules_to_json(modules, registries))
        return 0
    width = max(len(module.metadata.name) for module in modules)
    kind = None
    for module in modules:
        if module.kind is not kind:
            output.line(f"{'' if kind is None else chr(10)}[{module.kind.value}]")
            kind = module.kind
        default = "on " if module.metadata.enabled_by_default else "off"
        plugin = registries.origins.get(module.key)
        of_plugin = f" ({plugin})" if plugin else ""
        text = f"{module.metadata.description}{of_plugin}"
        output.line(printable(f"  {module.metadata.name:<{width}}  {default}  {text}"))
    output.line(
        "\non, off: without an entry in the configuration. `trader modules show NAME` says more."
    )
    return 0


def show(options: argparse.Namespace, output: Output) -> int:
    """Print the modules of a name; two kinds may share a short name."""
    registries = modules_of(open_home(options.home))
    matches = find_modules(options.name, registries)
    if options.json:
        output.json(modules_to_json(matches, registries))
        return 0
    for number, module in enumerate(matches):
        if number:
            output.line()
        _print_module(module, registries.origins.get(module.key), output)
    return 0


def _print_module(module: AnyModule, plugin: str | None, output: Output) -> None:
    metadata = module.metadata
    state = "on" if metadata.enabled_by_default else "off"
    output.line(
        printable(f"{module.key}  {metadata.version}  by {metadata.author}, {state} by default")
    )
    if plugin is not None:
        output.line(f"from {plugin}")
    text = inspect.getdoc(type(module)) or metadata.description
    for line in text.splitlines():
        output.line(printable(line))
    for need in metadata.dependencies:
        what = f"{need.kind.value}.{need.name or '(any)'} {need.version}".rstrip()
        output.line(f"needs {what}")
    parameters: dict[str, Any] = {
        name: parameter_to_json(field)
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
