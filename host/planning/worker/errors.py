"""The error of a plan that the worker could not make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from host.errors import HostError

DIED: Final = "worker_died"
OVERRAN: Final = "overrun"
CANCELLED: Final = "cancelled"
LEFT_PROCESSES: Final = "left_processes"
"""The modules of a plan left processes behind."""


class PlanFailedError(HostError):
    """There is no plan.

    Parameters
    ----------
    failure : str
        The way it failed: a constant above, or the code of another error.
    lines : sequence of str
        Why, a line per reason.
    suspect : str
        Key of the module that ran when the process died or hung; "" for none.
    cause_uncertain : bool
        The suspect may not be the cause, or no module is known to be.
    """

    code = "plan_failed"

    def __init__(
        self,
        failure: str,
        lines: Sequence[str],
        suspect: str = "",
        *,
        cause_uncertain: bool = False,
    ) -> None:
        self.failure = failure
        self.suspect = suspect
        self.cause_uncertain = cause_uncertain
        self._lines = tuple(lines) or (failure,)
        super().__init__("\n".join(self._lines))

    @property
    def lines(self) -> tuple[str, ...]:
        """Reasons why there is no plan, one per line."""
        return self._lines
