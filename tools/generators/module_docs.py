"""docs/modules.md: every module of the planner, from its metadata, docstring and parameters."""

from __future__ import annotations

import inspect
from typing import Any

from planner_core.modules.builtin import builtin_registries
from planner_core.modules.module import AnyModule, Dependency, ModuleKind

HEAD = """\
# The planner's modules

Generated from the code by `python tools/generate.py`. Switch a module in `buckets/BUCKET.toml`:
`name = true`, `name = false`, or `name = { parameter = value }`; `trader modules show NAME` prints
the same on the device.
"""

KINDS = {
    ModuleKind.OPPORTUNITY: "Opportunity calculators: reasons to trade",
    ModuleKind.PATTERN: "Pattern generators: sets that make sense together, seeds of the search",
    ModuleKind.SEQUENCE: "Sequence generators: which sets are compared",
    ModuleKind.FILTER: "Filters: they narrow the choice and never switch a constraint off",
}


def modules_markdown() -> str:
    """The catalogue."""
    registries = builtin_registries()
    parts = [HEAD]
    for kind, title in KINDS.items():
        parts.append(f"## {title}\n")
        parts.extend(_module(module) for module in registries.of_kind(kind))
    return "\n".join(parts)


def _module(module: AnyModule) -> str:
    metadata = module.metadata
    rule = inspect.getdoc(type(module)) or ""
    off = "" if metadata.enabled_by_default else " (off by default)"
    needs = "".join(f"\nNeeds {_need(need)}.\n" for need in metadata.dependencies)
    return (
        f"### {metadata.name}{off}\n\n{metadata.description}. Version {metadata.version},"
        f" tags: {', '.join(metadata.tags)}.\n\n{rule}\n{needs}\n{_parameters(module)}"
    )


def _need(need: Dependency) -> str:
    if need.name is None:
        return f"at least one enabled module of `{need.kind}`"
    return f"`{need.kind}.{need.name}` {need.version}".rstrip()


def _parameters(module: AnyModule) -> str:
    properties = module.parameters_model.model_json_schema().get("properties", {})
    if not properties:
        return ""
    rows = "\n".join(_row(name, schema) for name, schema in properties.items())
    return f"| parameter | default | bounds | unit | meaning |\n|---|---|---|---|---|\n{rows}\n"


def _row(name: str, schema: dict[str, Any]) -> str:
    default = schema.get("default")
    shown = ", ".join(f"{item}" for item in default) if isinstance(default, list) else default
    return (
        f"| `{name}` | {shown if shown != '' else 'none'} | {_bounds(schema)} |"
        f" {schema.get('unit', '')} | {schema.get('description', '')} |"
    )


def _bounds(schema: dict[str, Any]) -> str:
    source = schema.get("items", schema)
    low = source.get("minimum", source.get("exclusiveMinimum"))
    high = source.get("maximum", source.get("exclusiveMaximum"))
    opening = "(" if "exclusiveMinimum" in source else "["
    closing = ")" if "exclusiveMaximum" in source else "]"
    if low is None and high is None:
        return ""
    return f"{opening}{low:g}, {high:g}{closing}"
