"""The host's errors, under one root, each with a stable `code`; exit codes and lines made of them.

Those that refuse a file and name the places are in `home/storage/problems.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner_core.errors import PlannerError

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

USAGE_ERRORS = frozenset({"config_file", "config", "portfolio_file", "home", "usage"})
"""Codes of errors that the user corrects in what they typed or wrote: exit code 2."""


class HostError(Exception):
    """Root of the host's errors.

    `code` names the kind of failure and never changes; the message is for people.
    """

    code = "host"

    @property
    def lines(self) -> tuple[str, ...]:
        """The message as lines to print."""
        return tuple(str(self).splitlines()) or (type(self).__name__,)


class StorageError(HostError):
    """The disk did not do what was asked: full, read-only, in the way, failing."""

    code = "storage"


class HomeError(HostError):
    """There is no home there, or no such bucket in it: the command was given a wrong name."""

    code = "home"


class HistoryError(HostError):
    """There is no such version, or none that can be read."""

    code = "history"


class LostUpdateError(HostError):
    """Somebody else changed the configuration meanwhile; writing would undo that unseen."""

    code = "lost_update"


class BackupError(HostError):
    """A backup cannot be made, or the file that is to be restored is none, damaged or hostile."""

    code = "backup"


class UsageError(HostError):
    """The command line asks for something that is not there."""

    code = "usage"


def expected_errors() -> tuple[type[HostError], type[PlannerError]]:
    """Return the roots of all errors that are answered with a line.

    Asked for only once something was raised: a command that works need not wait for the import.
    """
    from planner_core.errors import PlannerError

    return HostError, PlannerError


def exit_code_of(error: HostError | PlannerError) -> int:
    """Return 2 for what the user corrects in a command line or a file of settings, else 1."""
    return EXIT_USAGE if error.code in USAGE_ERRORS else EXIT_FAILED


def error_lines(error: HostError | PlannerError) -> list[str]:
    """Return an expected error as the lines to print."""
    if isinstance(error, HostError):
        return list(error.lines)
    return str(error).splitlines() or [type(error).__name__]


def did_you_mean(name: str, known: Sequence[str], otherwise: str) -> str:
    """Return a hint at the nearest known name, whatever its case, or else what is given."""
    import difflib

    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return f"did you mean `{by_lower[close[0]]}`?" if close else otherwise
