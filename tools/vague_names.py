"""Names that do not say what they hold: vague participles, and docstrings that begin as a question.

`found`, `told` or `kept` say how a value came about, and a reader wants to know what it is: the
match, the event, the rows. A participle with a noun (`known_keys`) or as a test's or a function's
longer name is fine. An exception needs a reason, in `EXCEPTIONS`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Final

VAGUE: Final = frozenset(
    {
        "asked", "begun", "brought", "come", "done", "found", "given", "gone", "got", "heard",
        "judged", "kept", "known", "left", "looked", "made", "meant", "said", "seen",
        "spared", "taken", "told", "wanted", "wished",
    }
)  # fmt: skip
QUESTION_WORDS: Final = frozenset({"what", "who", "whom", "whose", "whether"})

EXCEPTIONS: Final[Mapping[tuple[str, str], str]] = {
    ("firmware_bridge/max7219.py", "left"): "the left half of the matrix",
    ("firmware_bridge/render.py", "left"): "a coordinate",
    ("host/display/animation.py", "left"): "a coordinate",
    ("host/presentation/plan_plot.py", "left"): "a coordinate",
}
"""(path, name) -> why this name is the right one."""

Finding = tuple[int, str]


def vague_names(name: str, tree: ast.Module) -> Iterator[Finding]:
    """Yield each vague name that a file defines: variables, parameters, attributes, functions."""
    for node in ast.walk(tree):
        defined = _defined(node)
        if defined.strip("_").lower() in VAGUE and (name, defined) not in EXCEPTIONS:
            yield _line(node), f"`{defined}` does not say what it is: use the thing's own name"


def questions(tree: ast.Module) -> Iterator[Finding]:
    """Yield each docstring that begins with a question word instead of a verb or a noun."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            words = (ast.get_docstring(node) or "").split(maxsplit=1)
            if words and words[0].lower() in QUESTION_WORDS:
                yield _line(node), f"a docstring begins with a verb or a noun, not `{words[0]}`"


def _defined(node: ast.AST) -> str:
    """Return the name that a node defines, or an empty text."""
    match node:
        case (
            ast.FunctionDef(name=str() as name)
            | ast.AsyncFunctionDef(name=str() as name)
            | ast.ClassDef(name=str() as name)
            | ast.arg(arg=str() as name)
            | ast.Name(id=str() as name, ctx=ast.Store())
            | ast.Attribute(attr=str() as name, ctx=ast.Store())
            | ast.alias(asname=str() as name)
            | ast.MatchAs(name=str() as name)
            | ast.MatchStar(name=str() as name)
            | ast.ExceptHandler(name=str() as name)
        ):
            return name
        case _:
            return ""


def _line(node: ast.AST) -> int:
    return getattr(node, "lineno", 1)
