"""The rules of the house that no linter has: function length, names, who may catch everything.

python tools/house.py                              the rules
python tools/house.py trips [--root DIR] [--json]  how many files a press, an edit and a plan enter
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # as a script, this file sees only its own folder

from tools.orphan_modules import orphans  # noqa: E402
from tools.vague_names import questions, vague_names  # noqa: E402

FOLDERS = ("configs", "firmware_bridge", "host", "planner_core", "tests", "tools")

FUNCTION_LINES_MAX = 70

# Such a name says nothing about what is inside, so everything ends up there.
EMPTY_NAMES = frozenset({"base", "common", "helper", "helpers", "manager", "util", "utils"})

# Where a failure of anything at all is contained, and turned into an event.
MAY_CATCH_EVERYTHING = frozenset(
    {
        "planner_core/pipeline/isolation.py",
        "planner_core/testing/contract_suite.py",
        "host/planning/plan_pair.py",
        "host/plugins/loading.py",
        "host/planning/worker/main.py",
        "host/appliance/daemon.py",
        "host/telemetry/event_bus.py",
        "host/telemetry/logs.py",
    }
)
EVERYTHING = frozenset({"Exception", "BaseException"})

COMPOUND = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.Try, ast.Match)

# Folders of tests that mirror no folder of the product.
TESTS_OF_SEVERAL = frozenset(
    {"tests/host/crash"}  # kills, faults and power cuts, for all that writes files
)

# The planner is lean: what it may import besides the standard library and itself.
PLANNER_MAY_IMPORT = frozenset({"numpy", "pydantic", "pydantic_core", "planner_core"})

Finding = tuple[int, str]


def long_functions(tree: ast.Module) -> Iterator[Finding]:
    """Functions that are longer than a screen; the docstring does not count, it is not logic."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1 - docstring_lines(node)
            if lines > FUNCTION_LINES_MAX:
                yield (
                    node.lineno,
                    f"function {node.name} has {lines} lines; {FUNCTION_LINES_MAX} at most",
                )


def docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function's docstring."""
    if ast.get_docstring(node, clean=False) is None:
        return 0
    statement = node.body[0]
    return (statement.end_lineno or statement.lineno) - statement.lineno + 1


def broad_excepts(tree: ast.Module) -> Iterator[Finding]:
    """Handlers that catch everything."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and catches_everything(node.type):
            yield node.lineno, "`except Exception` belongs where failures are contained"


def catches_everything(caught: ast.expr | None) -> bool:
    """Tell if a handler of this type catches any exception."""
    if caught is None:
        return True
    types = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(isinstance(type_, ast.Name) and type_.id in EVERYTHING for type_ in types)


def wide_suppressions(tree: ast.Module) -> Iterator[Finding]:
    """Yield each `suppress` that covers more than one simple statement, and so hides more."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.With) or not any(map(is_suppress, node.items)):
            continue
        body = node.body
        while len(body) == 1 and isinstance(body[0], ast.With | ast.AsyncWith):
            body = body[0].body  # a timeout or an open file around the one call
        if len(body) > 1 or isinstance(body[0], COMPOUND):
            yield node.lineno, "`suppress` covers one call; use try/except for more"


def is_suppress(item: ast.withitem) -> bool:
    """Tell if a context manager is `contextlib.suppress`."""
    call = item.context_expr
    return isinstance(call, ast.Call) and ast.unparse(call.func).endswith("suppress")


def foreign_imports(tree: ast.Module) -> Iterator[Finding]:
    """Packages that the planner does without."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        else:
            continue
        for package in {name.partition(".")[0] for name in names}:
            if package not in PLANNER_MAY_IMPORT | sys.stdlib_module_names:
                yield node.lineno, f"planner_core needs numpy and pydantic only, not {package}"


def findings(name: str, text: str) -> Iterator[Finding]:
    """Yield every broken rule of one file, given its path below the root and its text."""
    path = Path(name)
    if EMPTY_NAMES & {path.stem, *path.parent.parts}:
        yield 1, "a name that says what is inside, please"
    tree = ast.parse(text, name)
    yield from long_functions(tree)
    yield from vague_names(name, tree)
    yield from questions(tree)
    yield from wide_suppressions(tree)
    if name not in MAY_CATCH_EVERYTHING:
        yield from broad_excepts(tree)
    if path.parts[0] == "planner_core":
        yield from foreign_imports(tree)


def sources(root: Path) -> Iterator[tuple[str, str]]:
    """Path below the root, and text, of every Python file of ours."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def violations(root: Path) -> list[str]:
    """Every broken rule, as `path:line: what`."""
    files = tuple(sources(root))
    return [
        *(f"{name}:{line}: {what}" for name, text in files for line, what in findings(name, text)),
        *(f"{name}:1: no product module imports it" for name in orphans(files)),
        *(f"{folder}: tests mirror the tree" for folder in unmirrored_tests(root, files)),
    ]


def unmirrored_tests(root: Path, files: Iterable[tuple[str, str]]) -> list[str]:
    """Return the folders of tests for which the product has no folder."""
    folders = {Path(name).parent for name, _ in files if Path(name).name.startswith("test_")}
    return sorted(
        folder.as_posix()
        for folder in folders
        if len(folder.parts) > 1
        and folder.parts[1] in FOLDERS
        and folder.as_posix() not in TESTS_OF_SEVERAL
        and not (root / Path(*folder.parts[1:])).is_dir()
    )


def main(arguments: Sequence[str] = ()) -> int:
    """Print every broken rule and fail if there is one; or count the trips."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", nargs="?", choices=("trips",), help="default: check the rules")
    if parser.parse_args(arguments[:1]).command == "trips":
        from tools import trips

        return trips.main(arguments[1:])
    broken = violations(ROOT)
    print("\n".join([*broken, f"house: {len(broken)} broken rules"]))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
