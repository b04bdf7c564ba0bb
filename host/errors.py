"""Every error of the host, under one root, each with a stable `code` for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from host.files.problems import FileProblem


class HostError(Exception):
    """Root of the host's errors.

    `code` names the kind of failure and never changes; the message is for people.
    """

    code = "host"


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


class FileRefusedError(HostError):
    """A file cannot be used; `problems` holds every reason, by position."""

    code = "file"

    def __init__(self, problems: Sequence[FileProblem]) -> None:
        assert problems, "a refusal has a reason"
        self.problems = tuple(problems)
        super().__init__("\n".join(self.lines))

    @property
    def lines(self) -> tuple[str, ...]:
        """One line per problem: `file:line:col: what, found, what to do`."""
        return tuple(str(problem) for problem in self.problems)


class PortfolioFileError(FileRefusedError):
    """A portfolio file is wrong: its owner has to correct it (exit code 2)."""

    code = "portfolio_file"


class MarketDataError(FileRefusedError):
    """Prices, rates or splits cannot carry a plan: it is held, with the first line as reason."""

    code = "market_data"


class LedgerError(FileRefusedError):
    """The record of trades cannot be relied on: the planner holds."""

    code = "ledger"
