"""A plan begun at the release of a press, while it is not known yet what the press will be.

A second press may follow for 0.3 s, and then it was no wish for a plan. So what is begun here is a
guess, and nobody sees it: it is not journaled, not stored, not shown, and has no answer. Only once
the press has its verdict, which stands in the journal as `PlanRequested`, is the guess asked for by
its trace id and becomes the plan of that press. Any other verdict drops it. A crash in between
leaves what it would have left without the guess: a press without a verdict.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from host.planning.worker.errors import PlanFailedError

if TYPE_CHECKING:
    from host.appliance.presses.press_log import OpenRequest
    from host.planning.worker.client import PlanReply
    from host.planning.worker.supervisor import PlanSupervisor

OLD_S: Final = 3.0
"""An older guess is not taken: what it read may have changed since."""

Follow = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class _Guess:
    """A plan that nobody asked for yet."""

    trace_id: str
    bucket_id: str
    began_s: float
    outcome: asyncio.Task[PlanReply | PlanFailedError] | None = None
    is_meant: bool = False
    is_dropped: bool = False
    follow: Follow | None = None
    events: list[dict[str, Any]] = field(default_factory=list)

    def take(self, event: dict[str, Any]) -> None:
        """Keep what the planner says for whoever asks for the plan, or pass it on."""
        if self.follow is None:
            self.events.append(event)
        else:
            self.follow(event)


class HeadStart:
    """Has at most one guess, and gives it to the request that it was made for.

    Parameters
    ----------
    worker : PlanSupervisor
        It plans one at a time; whoever else asks it goes through `plan`.
    deadline_s : float
        For each plan.
    """

    def __init__(self, worker: PlanSupervisor, deadline_s: float) -> None:
        self._worker = worker
        self._deadline_s = deadline_s
        self._guess: _Guess | None = None
        self._is_planning = False

    def begin(self, trace_id: str, bucket_id: str) -> None:
        """Guess that this press asks for a plan; nothing happens while the planner is at work."""
        if self._is_planning or (self._guess is not None and self._is_running(self._guess)):
            return
        guess = _Guess(trace_id, bucket_id, asyncio.get_running_loop().time())
        guess.outcome = asyncio.create_task(self._run(guess), name="head start")
        self._guess = guess

    def mean(self, trace_id: str) -> None:
        """Keep the guess: its press was a wish for a plan, and that stands in the journal."""
        if self._guess is not None and self._guess.trace_id == trace_id:
            self._guess.is_meant = True

    def drop(self) -> None:
        """Give the guess up, unless it was meant: the press was something else."""
        guess = self._guess
        if guess is not None and not guess.is_meant:
            guess.is_dropped = True  # for good, even if its press is a wish for a plan after all
            self._worker.cancel(guess.trace_id)

    async def plan(self, request: OpenRequest, follow: Follow) -> PlanReply:
        """Return the plan of a request: the guess if it was made for it, else a new one.

        Raises
        ------
        PlanFailedError
            As `PlanSupervisor.plan` does.
        """
        self._is_planning = True
        try:
            guess, self._guess = self._guess, None
            if guess is not None and self._fits(guess, request):
                return await self._adopt(guess, follow)
            if guess is not None:
                await self._give_up(guess)
            return await self._worker.plan(
                request.trace_id, request.bucket_id, self._deadline_s, follow
            )
        finally:
            self._is_planning = False

    # --- inside ----------------------------------------------------------------------------

    async def _run(self, guess: _Guess) -> PlanReply | PlanFailedError:
        try:
            return await self._worker.plan(
                guess.trace_id, guess.bucket_id, self._deadline_s, guess.take
            )
        except PlanFailedError as error:
            return error  # nobody may ever ask

    def _fits(self, guess: _Guess, request: OpenRequest) -> bool:
        age_s = asyncio.get_running_loop().time() - guess.began_s
        is_its_own = (guess.trace_id, guess.bucket_id) == (request.trace_id, request.bucket_id)
        is_wanted = guess.is_meant and not guess.is_dropped and age_s <= OLD_S
        return is_its_own and is_wanted and not self._has_failed(guess)

    async def _adopt(self, guess: _Guess, follow: Follow) -> PlanReply:
        for event in guess.events:
            follow(event)
        guess.follow = follow
        assert guess.outcome is not None
        outcome = await guess.outcome
        if isinstance(outcome, PlanFailedError):
            raise outcome
        return outcome

    async def _give_up(self, guess: _Guess) -> None:
        """End a guess, so that the planner is free."""
        assert guess.outcome is not None
        self._worker.cancel(guess.trace_id)
        await guess.outcome

    @staticmethod
    def _has_failed(guess: _Guess) -> bool:
        """Tell whether it came to nothing before it was asked for: then it is tried again."""
        task = guess.outcome
        return task is not None and task.done() and isinstance(task.result(), PlanFailedError)

    @staticmethod
    def _is_running(guess: _Guess) -> bool:
        return guess.outcome is not None and not guess.outcome.done()
