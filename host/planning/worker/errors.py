"""Why there is no plan: what went wrong in the planner's process, or with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from host.errors import HostError

DIED: Final = "worker_died"
OVERRAN: Final = "overrun"
CANCELLED: Final = "cancelled"
LEFT_PROCESSES: Final = "left_processes"
"""As `host.planning.worker.main` says it; the daemon does not import the planner."""


class PlanFailedError(HostError):
    """There is no plan; `failure` says which way it failed, `lines` why.

    `blamed` is the key of the module that ran when the process died or hung, "" for none. With
    `is_doubtful` it may have had nothing to do with that, or nobody knows which module did it.
    """

    code = "plan_failed"

    def __init__(
        self, failure: str, lines: Sequence[str], blamed: str = "", *, is_doubtful: bool = False
    ) -> None:
        self.failure = failure
        self.blamed = blamed
        self.is_doubtful = is_doubtful
        self._lines = tuple(lines) or (failure,)
        super().__init__("\n".join(self._lines))

    @property
    def lines(self) -> tuple[str, ...]:
        """Why there is no plan, a line per reason."""
        return self._lines
