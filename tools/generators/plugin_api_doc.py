"""docs/plugin-api.md: the names that a plugin may use, from their docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from enum import Enum
from typing import Any

from planner_core import api, testing
from planner_core.market.prices import PriceHistory
from planner_core.market.returns import MarketModel
from planner_core.market.valuation import Portfolio
from planner_core.model.context import PlanningContext
from planner_core.model.records import Security
from planner_core.modules.registration import Registration

HEAD = """\
# The API for plugins

Generated from the docstrings by `python tools/generate.py`. [plugins.md](plugins.md) shows how to
write, check and use a plugin.

This is version {version} of the API. It follows [semantic versioning](https://semver.org): a plugin
that works with 1.0 works with every 1.x. A name is added in a MINOR version, and removed or changed
in a MAJOR version only. A plugin says what it needs with `requires_api=">=1,<2"` in its
`ModuleMetadata`; another version refuses to load it, and says why. Names of `planner_core` that are
not on this page may change at any time.
"""
STATE = """\
## What a state contains

`PlanningState` and these classes are given to modules. Their fields on this page belong to the API.
All arrays have one entry per security, in the order of `state.context.securities`; its place is
called its column. Change none of them: copy first.
"""
TESTS = """\
## For tests: `planner_core.testing`
"""
STATE_CLASSES = (PlanningContext, Security, PriceHistory, MarketModel, Portfolio)
PREFIXES = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}
MEMORY_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def plugin_api_markdown() -> str:
    """Return the page."""
    parts = [HEAD.format(version=api.API_VERSION), "## Names of `planner_core.api`\n"]
    parts += [_entry(name, getattr(api, name)) for name in api.__all__]
    parts.append(STATE)
    parts += [_entry(item.__name__, item) for item in STATE_CLASSES]
    parts.append(TESTS)
    parts += [_entry(name, getattr(testing, name)) for name in testing.__all__]
    return "\n".join(parts).rstrip() + "\n"


def _entry(name: str, item: Any) -> str:  # noqa: ANN401 - any public name
    if isinstance(item, str):
        return f"### `{name}`\n\nThe version of this API, `{item}`.\n"
    if isinstance(item, Registration):
        text = _markdown(inspect.getdoc(type(item).register) or "")
        return f"### `{name}.register(module)`\n\n{text}\n"
    text = _markdown(inspect.getdoc(item) or "")
    body = "".join(f"{line}\n" for line in _members(item)) if inspect.isclass(item) else ""
    return f"### `{name}{_signature(item)}`\n\n{text}\n" + (f"\n{body}" if body else "")


def _signature(item: Any) -> str:  # noqa: ANN401 - any public name
    """Return the arguments of a function; a class has them in its docstring."""
    if inspect.isclass(item):
        return ""
    names = []
    for parameter in inspect.signature(item).parameters.values():
        prefix = PREFIXES.get(parameter.kind.name, "")
        has_default = parameter.default is not parameter.empty
        default = MEMORY_ADDRESS.sub("", repr(parameter.default)) if has_default else ""
        if default.startswith("<function"):
            default = "..."
        names.append(f"{prefix}{parameter.name}" + (f"={default}" if has_default else ""))
    return f"({', '.join(names)})"


def _members(item: type) -> Iterator[str]:
    """Yield the members of an enumeration, and the public methods and properties of a class."""
    if issubclass(item, Enum):
        yield from (f"- `{member.name}`: `{member.value}`" for member in item)
        return
    for name, member in vars(item).items():
        function = getattr(member, "fget", None) or getattr(member, "func", None) or member
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        summary = " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())
        arguments = ""
        if function is member:
            names = list(inspect.signature(function).parameters)[1:]
            arguments = f"({', '.join(names)})"
        yield f"- `{name}{arguments}`: {summary}"


def _markdown(doc: str) -> str:
    """Return a numpydoc docstring as Markdown: sections in bold, their entries as lists."""
    lines: list[str] = []
    source = doc.splitlines()
    section = ""
    for place, line in enumerate(source):
        following = source[place + 1] if place + 1 < len(source) else ""
        if line and following and set(following) == {"-"} and len(following) == len(line):
            section = line
            lines += [f"**{line}**", ""]
        elif line and set(line) == {"-"}:
            continue
        elif section in ("Parameters", "Returns", "Raises", "Attributes"):
            lines += _section_line(line)
        elif section == "Examples" and line:
            lines.append(f"    {line}")
        else:
            lines.append(line)
    return "\n".join(lines).rstrip()


def _section_line(line: str) -> list[str]:
    """Return a line of a section: a name with its type begins an entry."""
    if not line.strip():
        return [""]
    if line.startswith(" "):
        return [f"  {line.strip()}"]
    name, separator, kind = line.partition(" : ")
    return [f"- `{name}`: {kind}."] if separator else [f"- {line}"]
