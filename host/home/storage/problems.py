"""Problems of a file that a person edits, each with its place, and the errors that carry them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from host.errors import HostError, place_of
from host.text import printable

EXCERPT_WIDTH = 96
LINE_LENGTH_MAX = 1000


@dataclass(frozen=True, slots=True)
class FileProblem:
    """One problem of a file. `line` and `column` count from 1; None: the file as a whole."""

    source: str
    line: int | None
    column: int | None
    message: str
    excerpt: str = ""

    def __str__(self) -> str:
        place = "" if self.line is None else f":{self.line}:{self.column}"
        return f"{printable(self.source)}{place}: {_clipped(printable(self.message))}"

    def explained(self) -> str:
        """Return the message, and below it the line of the file with a caret under the place."""
        return f"{self}\n{self.excerpt}" if self.excerpt else str(self)


class FileRefusedError(HostError):
    """A file cannot be used; `problems` has every reason, by position."""

    code = "file"

    def __init__(self, problems: Sequence[FileProblem]) -> None:
        assert problems, "a refusal has a reason"
        self.problems = tuple(problems)
        super().__init__("\n".join(self.lines))

    @property
    def lines(self) -> tuple[str, ...]:
        """One line per problem: `file:line:col: what is wrong (what to do)`."""
        return tuple(str(problem) for problem in self.problems)

    @property
    def places(self) -> tuple[Mapping[str, object], ...]:
        """Each problem with its place, for programs."""
        return tuple(
            place_of(problem.message, problem.source, problem.line, problem.column)
            for problem in self.problems
        )


class ConfigFileError(FileRefusedError):
    """A file of settings was refused (exit code 2)."""

    code = "config_file"


class ConfigFileUnreadableError(ConfigFileError):
    """A file of settings exists but cannot be read now; reading it later may work."""


class PortfolioFileError(FileRefusedError):
    """A portfolio file is wrong: its owner has to fix it (exit code 2)."""

    code = "portfolio_file"


class MarketDataError(FileRefusedError):
    """Prices, rates or splits are unusable: the plan is held, with the first line as reason."""

    code = "market_data"


class LedgerError(FileRefusedError):
    """The ledger of trades is unusable: the plan is held."""

    code = "ledger"


def excerpt(line: str, number: int, column: int, width: int) -> str:
    """Return a line, or a window of a long one, with a caret below the column."""
    begin = max(0, column - 1 - EXCERPT_WIDTH // 2) if len(line) > EXCERPT_WIDTH else 0
    shown = line[begin : begin + EXCERPT_WIDTH]
    shown = "".join(_one_cell(char) for char in shown)
    offset = column - 1 - begin
    carets = "^" * max(1, min(width, len(shown.rstrip()) - offset))
    gutter = f"{number:5d} | "
    return f"{gutter}{shown}\n{' ' * (len(gutter) - 2)}| {' ' * offset}{carets}"


def _one_cell(char: str) -> str:
    if char == "\t":
        return " "
    if not char.isprintable() or unicodedata.combining(char):
        return "?"
    return char


def _clipped(message: str) -> str:
    if len(message) <= LINE_LENGTH_MAX:
        return message
    return message[: LINE_LENGTH_MAX - 3] + "..."
