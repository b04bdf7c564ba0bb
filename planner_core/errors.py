"""Errors of the planner, under one root, each with a stable `code` for programs."""

from __future__ import annotations

from dataclasses import dataclass


class PlannerError(Exception):
    """Root of the package's errors.

    `code` is the kind of failure and never changes; the message is for people.
    """

    code = "planner"


class ContextError(PlannerError):
    """The snapshot contradicts itself, or lacks something that the planner needs."""

    code = "context"


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One problem of a configuration, with its place.

    `path` holds the keys from the root of the document to the wrong one.
    """

    path: tuple[str | int, ...]
    message: str
    value: object = None
    allowed: str | None = None
    suggestion: str | None = None

    def sentence(self) -> str:
        """Return the problem as one line, without its position in a file."""
        where = ".".join(str(part) for part in self.path) or "(document)"
        line = f"{where}: {self.message}"
        if self.allowed:
            line += f" (allowed: {self.allowed})"
        if self.suggestion:
            line += f" - did you mean `{self.suggestion}`?"
        return line


PERCENT_MAX = 100.0


def percent_hint(value: object, bound: object) -> str:
    """Return ` (write 0.2 for 20 %)` for a value above a bound of at most 1; empty for others.

    A fraction that was written in percent is the usual reason for such a value.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if not isinstance(bound, int | float) or not 0 < bound <= 1:
        return ""
    is_percent = 1 < value <= PERCENT_MAX
    return f" (write {value / 100:.12g} for {value:.12g} %)" if is_percent else ""


class ConfigError(PlannerError):
    """A configuration was rejected; `problems` holds all of its problems."""

    code = "config"

    def __init__(self, problems: tuple[ConfigProblem, ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(problem.sentence() for problem in problems))


class ModuleError(PlannerError):
    """An error of a module; `key` is its `kind.name`."""

    code = "module"

    def __init__(self, key: str, message: str) -> None:
        self.key = key
        super().__init__(f"{key}: {message}")


class ModuleContractError(ModuleError):
    """A module lacks something that its kind requires, or returned something wrong."""

    code = "module_contract"


class PlanningCancelledError(PlannerError):
    """The run was cancelled."""

    code = "cancelled"
