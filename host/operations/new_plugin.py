"""New files of plugins: a documented template of each kind, and the examples that are shipped."""

from __future__ import annotations

import keyword
import re
import sys
from ast import get_docstring, parse
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.errors import UsageError
from host.home.storage.atomic_file import make_folder, write_new
from host.plugins.sources import TEST_PREFIX, folder_problem
from planner_core.model.module_metadata import MODULE_NAME, ModuleKind
from planner_core.modules.builtin import builtin_registries

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from host.home.home import Home

KINDS: Final[Mapping[str, ModuleKind]] = {
    "opportunity": ModuleKind.OPPORTUNITY,
    "pattern": ModuleKind.PATTERN,
    "sequence": ModuleKind.SEQUENCE,
    "filter": ModuleKind.FILTER,
}
"""Word on the command line -> kind. Each has a template of the word's name."""
TEMPLATES: Final = "plugin_templates"
EXAMPLES: Final = "plugins"
"""Folders of the package `configs`."""
PLACEHOLDER: Final = "my_module"
CLASS_PLACEHOLDER: Final = "MyModule"
PACKAGES: Final = frozenset({"configs", "firmware_bridge", "host", "numpy", "planner_core",
                             "pydantic"})  # fmt: skip
"""A file of such a name would hide the package in its own test."""
REGISTERED: Final = re.compile(r"^(\w+)_registry\.register\(", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class NewPlugin:
    """The files that were written.

    Parameters
    ----------
    path : Path
    test : Path, optional
    name : str
        Of the module, in the bucket's TOML.
    kind : ModuleKind
    folder_problem : str
        Why the folder's files will be refused; empty: they can be loaded.
    """

    path: Path
    test: Path | None
    name: str
    kind: ModuleKind
    folder_problem: str


@dataclass(frozen=True, slots=True)
class Example:
    """A plugin that is shipped as a file to copy."""

    name: str
    kind: ModuleKind
    summary: str
    source: str


def create_plugin(home: Home, name: str, kind: str, *, with_test: bool = True) -> NewPlugin:
    """Write a template, and its test beside it.

    Parameters
    ----------
    home : Home
    name : str
        Of the module and of its file.
    kind : str
        One of KINDS.
    with_test : bool

    Raises
    ------
    UsageError
        The name cannot be used, or a file of this name exists. Nothing was written.
    StorageError
    """
    check_name(name)
    folder = _shipped(TEMPLATES)
    files = {f"{name}.py": f"{kind}.py"}
    if with_test:
        files[f"{TEST_PREFIX}{name}.py"] = f"{TEST_PREFIX}{kind}.py"
    texts = {
        file: _with_name(folder.joinpath(template).read_text("utf-8"), name)
        for file, template in files.items()
    }
    paths = _write(home, texts)
    return NewPlugin(
        paths[0],
        paths[1] if with_test else None,
        name,
        KINDS[kind],
        folder_problem(home.plugins_dir),
    )


def copy_example(home: Home, name: str) -> NewPlugin:
    """Copy an example into the home; raise UsageError if there is none, or the name is taken."""
    examples = {example.name: example for example in list_examples()}
    if name not in examples:
        raise UsageError(f"{name}: no such example (there are: {', '.join(examples)})")
    text = _shipped(EXAMPLES).joinpath(f"{name}.py").read_text("utf-8")
    (path,) = _write(home, {f"{name}.py": text})
    return NewPlugin(path, None, name, examples[name].kind, folder_problem(home.plugins_dir))


def list_examples() -> tuple[Example, ...]:
    """List the examples by their names; none of their code is run."""
    files = sorted(_shipped(EXAMPLES).iterdir(), key=lambda file: file.name)
    return tuple(
        _example(file.name.removesuffix(".py"), file.read_text("utf-8"))
        for file in files
        if file.name.endswith(".py")
    )


def _example(name: str, text: str) -> Example:
    """Read the kind, and the first and second paragraph of the docstring."""
    summary, source, *_ = (get_docstring(parse(text)) or "").split("\n\n")
    registered = REGISTERED.search(text)
    assert registered is not None, f"{name} registers a module"
    return Example(name, KINDS[registered[1]], summary, " ".join(source.split()))


def check_name(name: str) -> None:
    """Raise UsageError unless a new module may have this name."""
    problem = ""
    if not MODULE_NAME.match(name):
        problem = "a name is lower case letters, digits and _, such as my_momentum"
    elif name.startswith(TEST_PREFIX):
        problem = f"files that begin with {TEST_PREFIX} are tests, and are not loaded"
    elif keyword.iskeyword(name) or name in sys.stdlib_module_names or name in PACKAGES:
        problem = "Python has a module or word of this name"
    else:
        registries = builtin_registries()
        for kind in ModuleKind:
            if name in registries.of_kind(kind):
                problem = f"the planner has a module {kind}.{name}"
    if problem:
        raise UsageError(f"{name}: {problem} (choose another name)")


def _with_name(text: str, name: str) -> str:
    class_name = "".join(part.capitalize() for part in name.split("_"))
    return text.replace(PLACEHOLDER, name).replace(CLASS_PLACEHOLDER, class_name)


def _write(home: Home, texts: Mapping[str, str]) -> list[Path]:
    """Write files into the home's folder of plugins, unless one of them exists."""
    paths = [home.plugins_dir / file for file in texts]
    for path in paths:
        if path.is_symlink() or path.exists():
            raise UsageError(f"{path}: exists already (choose another name, or remove it)")
    make_folder(home.plugins_dir)
    for path, text in zip(paths, texts.values(), strict=True):
        if not write_new(path, text.encode()):
            raise UsageError(f"{path}: exists already (choose another name, or remove it)")
    return paths


def _shipped(folder: str) -> Traversable:
    return resources.files("configs").joinpath(folder)
