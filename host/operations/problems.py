"""Places in files, of the errors that have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from host.home.storage.problems import FileProblem


def problem_to_json(problem: FileProblem) -> dict[str, object]:
    """Return a problem of a file with its place."""
    return {"line": problem.line, "column": problem.column, "message": problem.message}


def problem_with_file(problem: FileProblem) -> dict[str, object]:
    """Return a problem with the name of its file, where there may be several."""
    return {"file": problem.source, **problem_to_json(problem)}


def places_of(error: Exception) -> list[dict[str, object]]:
    """Return the problems of an error with their files and places; none if it has none."""
    from host.home.storage.problems import FileRefusedError

    if not isinstance(error, FileRefusedError):
        return []
    return [problem_with_file(problem) for problem in error.problems]
