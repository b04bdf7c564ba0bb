"""A plan that a command made stands in the journal, as one that a press asked for does."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from host.clock import utc_now
from host.telemetry.events.host_event import stamped
from host.telemetry.events.press_events import PlanStored, plan_summary
from host.telemetry.journal.head import HEAD_NAME
from host.telemetry.journal.journal import Journal
from host.telemetry.journal.record import clean_record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from host.home.home import Home
    from host.home.plan_store import PlanFile
    from host.planning.plan_run import PlannedRun
    from planner_core.events import Event

EVENTS_MAX: Final = 2_000
"""Of one plan; the last ones say how it ended."""


def journal_plan(home: Home, events: Iterable[Event], run: PlannedRun, file: PlanFile) -> None:
    """Record what was told while a plan was made, and that it is on disk.

    Raises
    ------
    StorageError
        When the journal could not be written.
    """
    stored = PlanStored(
        trace_id=run.plan.trace_id,
        bucket_id=run.plan.bucket_id,
        file=file.path.name,
        elapsed_s=round(run.elapsed_s, 4),
        via="command",
        **plan_summary(run.record),
    )
    kept = deque((event for event in events if event.is_kept), EVENTS_MAX)
    told = [*kept, stamped(stored, utc_now())]
    journal = Journal(home.journal_dir, home.state_dir / HEAD_NAME)
    try:
        journal.append_all([clean_record(event) for event in told])
    finally:
        journal.close()
