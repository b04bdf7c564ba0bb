"""Keeps an eye on the daemon itself: sign of life, clock, dead man's switch, memory.

    every 2 s     look at screen, worker, clock and plans; show and clear the faults that are ours
    every 15 s    beat: `trader health --live` sees it
    on a change   state/health.json: what only the daemon knows, and since when
    every hour    `trader health` in a process of its own, so that what it finds has a `since`

Nothing here waits for a disk within the loop, and nothing here may fail the daemon.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from host.clock import boot_id, boot_time_s
from host.display.faults import SCROLL_TEXTS, Fault
from host.errors import StorageError
from host.health.checks.home import why_not_writable
from host.health.checks.plan import find_last_success, overdue_since
from host.health.clock_check import JUMP_S, PLANNED_AT, clock_problem
from host.health.liveness import LIVENESS_EVERY_S, LivenessFile
from host.health.monitor_state import (
    ClockJump,
    MonitorState,
    read_monitor_state,
    write_monitor_state,
)
from host.health.preallocated_file import preallocate
from host.health.probe import HealthProbe
from host.telemetry import events as told

if TYPE_CHECKING:
    from host.appliance.link_monitor import LinkWatch
    from host.appliance.screen import Screen
    from host.appliance.sd_notify import ServiceNotifier
    from host.home.config.device_settings import LimitsTable
    from host.home.home import Home
    from host.planning.worker.client import WorkerClient
    from host.telemetry.events import HostEvent

TICK_S: Final = 2.0
SAVE_S: Final = 600.0
"""What has not changed is written anew this often, so that its age means something."""
FIRST_CHECK_S: Final = 60.0
CHECK_EVERY_S: Final = 3600.0
CHECK_MAX_S: Final = 60.0
REMIND_S: Final = 86_400.0
"""An acknowledged dead man's switch shows again after that."""
NICE: Final = 10
STAYS: Final = frozenset(
    {
        Fault.WORKER_DIED,
        Fault.PLAN_OVERRAN,
        Fault.CONFIG_MISSING,
        Fault.DATA_UNUSABLE,
        Fault.PRESS_LOST,
    }
)
"""Faults that stand until a plan mends them or somebody has seen them, over a restart too."""


class HealthDesk:
    """Looks after the daemon's own health.

    Parameters
    ----------
    home : Home
    screen : Screen
    worker : WorkerClient
    tell : callable taking a HostEvent
    notifier : ServiceNotifier
    now : callable returning an aware datetime
    link : LinkWatch
    limits : LimitsTable
        Its `plan_silence_h`.
    """

    def __init__(
        self,
        home: Home,
        screen: Screen,
        worker: WorkerClient,
        tell: Callable[[HostEvent], None],
        notifier: ServiceNotifier,
        now: Callable[[], datetime],
        link: LinkWatch,
        limits: LimitsTable,
    ) -> None:
        self._home = home
        self._screen = screen
        self._worker = worker
        self._tell = tell
        self._notifier = notifier
        self._now = now
        self._silence_h = limits.plan_silence_h
        self._liveness = LivenessFile(home.state_dir)
        self._written = MonitorState()
        self._written_s = float("-inf")
        self._cannot_write = False
        self._is_full = False
        self._shown_s: dict[Fault, float] = {}
        self._seen: dict[str, tuple[int, datetime | None]] = {}
        self._has_recalled = False
        self._link = link
        self._before: MonitorState | None = None
        offset_s = now().timestamp() - boot_time_s()
        self._memory = MonitorState(
            started_at=now(),
            pid=os.getpid(),
            port=link.port,
            boot_id=boot_id(),
            clock_offset_s=round(offset_s, 1),
        )

    async def serve(self) -> None:
        """Look after the daemon for ever; at the end, remember that it ended in order."""
        if not self._has_recalled:  # reading waits for a disk, and the screen is the loop's
            self._recall(await asyncio.to_thread(self._left_behind))
        beat_s = float("-inf")
        check_s = self._screen.now_s() + FIRST_CHECK_S
        check: asyncio.Task[None] | None = None
        try:
            while True:
                await self.tick()
                now_s = self._screen.now_s()
                if now_s >= beat_s + LIVENESS_EVERY_S:
                    beat_s = now_s
                    await asyncio.to_thread(self._liveness.write)
                if now_s >= check_s and (check is None or check.done()):
                    check_s = now_s + CHECK_EVERY_S
                    check = asyncio.create_task(self._check(), name="health check")
                self._notifier.ready()
                await asyncio.sleep(TICK_S)
        finally:
            if check is not None:
                check.cancel()
            self.stopped()

    def stopped(self) -> None:
        """Remember that the daemon ended in order; the loop is at its end, so it may wait."""
        if not self._has_recalled:
            self._recall(self._left_behind())
        memory = replace(self._memory, stopped_at=self._now(), saved_at=self._now())
        self._written_s = float("-inf")  # who goes on after a failure has not ended
        with suppress(StorageError):
            write_monitor_state(self._home.state_dir, memory)

    async def tick(self) -> None:
        """Look once."""
        self._note_clock()
        await self._watch_disk()
        self._note_daemon()
        await self._watch_plans()
        await self._save()
        self._notifier.status(self.status())

    def status(self) -> str:
        """Return a line for `systemctl status`."""
        state, memory = self._screen.state, self._memory
        link = "board linked" if state.is_linked else f"no board at {memory.port}"
        what = f"serving {memory.bucket_id or 'no bucket'}, {link}"
        troubles = [f"fault {fault.value} {SCROLL_TEXTS[fault]}" for fault in state.faults]
        if state.config_rejected is not None:
            troubles.append(f"refused {state.config_rejected}")
        if not state.is_linked:
            troubles.append("no board")
        return f"degraded ({'; '.join(troubles)}): {what}" if troubles else what

    # --- what is looked at -----------------------------------------------------------------

    def _left_behind(self) -> MonitorState | None:
        """Return what the last daemon remembered; nothing when that makes no sense."""
        preallocate(self._home.state_dir)
        with suppress(OSError, ValueError):
            return read_monitor_state(self._home.state_dir)
        return None

    def _recall(self, before: MonitorState | None) -> None:
        """Take over, once, what the last daemon remembered of things that outlive it."""
        self._has_recalled = True
        if before is not None:
            self._take_over(before)

    def _take_over(self, before: MonitorState) -> None:
        """Go on from what the last daemon knew."""
        memory = replace(
            self._memory,
            watched=before.watched,
            clock_jump=before.clock_jump,
            findings=before.findings,
            incidents=before.incidents,
        )
        if before.boot_id == memory.boot_id != "":
            # The clock may have been set while nobody looked: the next look compares.
            memory = replace(memory, clock_offset_s=before.clock_offset_s)
        since = {fault: at for fault, at in before.faults.items() if fault in STAYS}
        self._before, self._memory = before, replace(memory, faults=since)
        self._note_clock()  # before anything is noted by it
        if before.started_at is not None and before.stopped_at is None:
            self._note_incident("daemon_restarted")
        for fault in sorted(STAYS & before.faults.keys()):
            self._screen.add_fault(fault)

    def _note_incident(self, kind_id: str) -> None:
        """Remember what went wrong and mended itself."""
        incidents = {**self._memory.incidents, kind_id: self._now()}
        self._memory = replace(self._memory, incidents=incidents)

    def _note_clock(self) -> None:
        """Notice a clock that is set, and one that shows what has been already."""
        now = self._now()
        offset_s = round(now.timestamp() - boot_time_s(), 1)
        by_s = offset_s - self._memory.clock_offset_s
        if abs(by_s) >= JUMP_S:
            # Who waits for a plan goes on waiting, and not for years more or less; what happened a
            # minute ago did so by the new time too.
            by = timedelta(seconds=by_s)
            self._memory = replace(
                self._memory,
                clock_jump=ClockJump(now, round(by_s, 1)),
                watched=dict(_moved(self._memory.watched, by)),
                incidents=dict(_moved(self._memory.incidents, by)),
                clock_offset_s=offset_s,
            )
            self._tell(told.ClockJumped(by_s=round(by_s, 1)))

    def _note_daemon(self) -> None:
        """Note what the screen shows and how the worker is, each since when."""
        now, state, old = self._now(), self._screen.state, self._memory
        since = now if state.is_linked != old.is_linked else old.link_since
        if self._worker.restarts != old.worker_restarts:
            self._note_incident("worker_restarted")
        has_broken = old.is_linked and not state.is_linked
        if self._link.is_unsteady(self._screen.now_s()) or has_broken:
            self._note_incident("link_unsteady")
        old = self._memory
        self._memory = replace(
            old,
            bucket_id=state.bucket,
            is_linked=state.is_linked,
            link_since=since,
            is_worker_running=self._worker.pid is not None,
            worker_restarts=self._worker.restarts,
            faults={fault: old.faults.get(fault, now) for fault in state.faults},
        )

    async def _watch_disk(self) -> None:
        """Show a disk that keeps nothing before a press has to find that out."""
        is_full = await asyncio.to_thread(self._keeps_nothing)
        if is_full and not self._is_full:
            self._screen.add_fault(Fault.CANNOT_WRITE)
            self._tell(told.FaultShown(fault=Fault.CANNOT_WRITE.record_name))
        elif self._is_full and not is_full:
            self._screen.clear_faults(Fault.CANNOT_WRITE)
        self._is_full = is_full

    def _keeps_nothing(self) -> bool:
        try:
            return why_not_writable(self._home.root) is not None
        except OSError:
            return True

    async def _watch_plans(self) -> None:
        """Show the dead man's switch, and a clock that cannot be right; clear them when over."""
        found = await asyncio.to_thread(self._successes)
        now, selected = self._now(), self._memory.bucket_id
        is_wrong = clock_problem(now, self._evidence(found.values())) is not None
        watched = {name: at for name, at in self._memory.watched.items() if not found.get(name)}
        if not is_wrong and selected in found and found[selected] is None:
            watched.setdefault(selected, now)
        self._memory = replace(self._memory, watched=watched)
        late = [
            name
            for name, success in found.items()
            if overdue_since(now, success, watched.get(name), self._silence_h)
        ]
        self._show(Fault.HOME_MISSING, is_so=not found)
        self._show(Fault.NO_PLAN_FOR_LONG, is_so=bool(late) and not is_wrong)
        self._show(Fault.CLOCK_IN_PAST, is_so=is_wrong)

    def _evidence(self, successes: Iterable[datetime | None]) -> dict[str, datetime]:
        """Return what has been already."""
        before = self._before
        known = {
            PLANNED_AT: max((at for at in successes if at is not None), default=None),
            "this daemon's start": self._memory.started_at,
            "the last daemon's memory": None if before is None else before.saved_at,
        }
        return {source: at for source, at in known.items() if at is not None}

    def _successes(self) -> Mapping[str, datetime | None]:
        """Return when a plan of each bucket succeeded last; reads only what changed."""
        look = HealthProbe(self._home, self._now())
        found: dict[str, datetime | None] = {}
        for bucket_id in self._home.bucket_ids():
            folder = self._home.plans_dir(bucket_id)
            found[bucket_id] = self._seen.get(bucket_id, (-1, None))[1]  # a disk may refuse to tell
            with suppress(OSError, StorageError):
                signature = folder.stat().st_mtime_ns if folder.is_dir() else 0
                if self._seen.get(bucket_id, (-1, None))[0] != signature:
                    self._seen[bucket_id] = (signature, find_last_success(look, bucket_id))
                found[bucket_id] = self._seen[bucket_id][1]
        return found

    def _show(self, fault: Fault, *, is_so: bool) -> None:
        """Show a fault when it begins, and again a day after it was acknowledged."""
        shown = fault in self._screen.state.faults
        if not is_so:
            self._shown_s.pop(fault, None)
            if shown:
                self._screen.clear_faults(fault)
            return
        now_s = self._screen.now_s()
        if not shown and now_s - self._shown_s.get(fault, float("-inf")) >= REMIND_S:
            self._screen.add_fault(fault)
            self._tell(told.FaultShown(fault=fault.record_name))
            self._note_daemon()
        if shown or fault not in self._shown_s:
            self._shown_s[fault] = now_s

    # --- what is kept ----------------------------------------------------------------------

    async def _save(self) -> None:
        """Write what changed; a disk that refuses is asked again at the next look."""
        now_s = self._screen.now_s()
        if not self._memory.differs_from(self._written) and now_s < self._written_s + SAVE_S:
            return
        memory = replace(self._memory, saved_at=self._now())
        try:
            await asyncio.to_thread(write_monitor_state, self._home.state_dir, memory)
        except StorageError as error:
            if not self._cannot_write:
                self._tell(told.StateNotKept(problem=str(error)))
            self._cannot_write = True
            return
        self._cannot_write = False
        self._written, self._written_s = memory, now_s

    async def _check(self) -> None:
        """Have everything looked at, to know since when each finding holds."""
        arguments = ("--home", str(self._home.root), "health", "--json")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "host.cli", *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        try:
            async with asyncio.timeout(CHECK_MAX_S):
                said, _ = await process.communicate()
        except TimeoutError:
            return
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        with suppress(ValueError, KeyError, TypeError):
            self.note_findings(json.loads(said)["findings"])

    def note_findings(self, findings: list[Mapping[str, object]]) -> None:
        """Remember since when each finding holds; those that are gone are forgotten."""
        now, known = self._now(), self._memory.findings
        keys = ["|".join(str(f[k] or "") for k in ("id", "bucket_id", "subject")) for f in findings]
        self._memory = replace(self._memory, findings={key: known.get(key, now) for key in keys})


def _moved(times: Mapping[str, datetime], by: timedelta) -> Iterator[tuple[str, datetime]]:
    """Yield times that are later by so much; those that no calendar has are forgotten."""
    for name, at in times.items():
        with suppress(OverflowError):
            yield name, at + by
