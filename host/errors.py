"""The host's errors, under one root, each with a stable `code`; their exit codes and lines.

Errors that refuse a file, with the places in it, are in `home/storage/problems.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from planner_core.errors import PlannerError

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

USAGE_ERRORS = frozenset({"config_file", "config", "portfolio_file", "home", "usage", "not_found"})
"""Codes of errors in a command line or a file of the user: exit code 2."""


class HostError(Exception):
    """Root of the host's errors.

    `code` names the kind of failure and never changes; the message is for people.
    """

    code = "host"

    @property
    def lines(self) -> tuple[str, ...]:
        """The message as lines to print."""
        return tuple(str(self).splitlines()) or (type(self).__name__,)

    @property
    def places(self) -> tuple[Mapping[str, object], ...]:
        """The same with the places of a file, for programs; null where there is none."""
        return tuple(place_of(line) for line in self.lines)


def place_of(
    message: str, file: str | None = None, line: int | None = None, column: int | None = None
) -> dict[str, object]:
    """Return a message and its place, with the keys of `docs/json.md`."""
    return {"message": message, "file": file, "line": line, "column": column}


class StorageError(HostError):
    """The disk is full, read-only or failing, or a path is blocked."""

    code = "storage"


class HomeError(HostError):
    """The home or the bucket does not exist."""

    code = "home"


class NoBucketError(HomeError):
    """The home has no such bucket, or the name cannot be one."""


class HistoryError(HostError):
    """A version does not exist, or cannot be read."""

    code = "history"


class NoVersionError(HistoryError):
    """No version has this number."""


class LostUpdateError(HostError):
    """The configuration was changed by someone else; writing would undo that unnoticed."""

    code = "lost_update"


class BackupError(HostError):
    """A backup cannot be made, or the file to restore is not one, damaged or hostile."""

    code = "backup"


class UsageError(HostError):
    """The command line, or a request, is wrong."""

    code = "usage"


class NotFoundError(UsageError):
    """Something with this name does not exist: a bucket, a module, a plan, a type of event."""

    code = "not_found"


def expected_errors() -> tuple[type[HostError], type[PlannerError]]:
    """Return the roots of all errors that are printed as a line.

    The import is inside, because only a command that fails needs it.
    """
    from planner_core.errors import PlannerError

    return HostError, PlannerError


def exit_code_of(error: HostError | PlannerError) -> int:
    """Return 2 for an error in a command line or a file of settings, else 1."""
    return EXIT_USAGE if error.code in USAGE_ERRORS else EXIT_FAILED


def error_lines(error: HostError | PlannerError) -> list[str]:
    """Return an expected error as the lines to print."""
    if isinstance(error, HostError):
        return list(error.lines)
    return str(error).splitlines() or [type(error).__name__]


def error_to_json(error: HostError | PlannerError) -> dict[str, object]:
    """Return what a command with `--json` prints in place of its result."""
    lines = error_lines(error)
    places = error.places if isinstance(error, HostError) else [place_of(line) for line in lines]
    return {
        "outcome": "REFUSED",
        "reason": lines[0],
        "code": error.code,
        "errors": list(places),
        "exit_code": exit_code_of(error),
    }


def did_you_mean(name: str, candidates: Sequence[str], otherwise: str) -> str:
    """Return a hint at the nearest candidate, whatever its case, or else `otherwise`."""
    import difflib  # slow to import, and only needed for a wrong name

    by_lower = {candidate.lower(): candidate for candidate in candidates}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return f"did you mean `{by_lower[close[0]]}`?" if close else otherwise
