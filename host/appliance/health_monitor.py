"""Monitor of the daemon itself: its loop, clock, disk, line, worker and plans.

    every 2 s     check them; show and clear the faults about them
    every 15 s    write the sign of life for `trader health --live`
    on a change   write state/health.json: facts that only the daemon knows, and since when
    every hour    run `trader health` in a process of its own, to know since when each finding holds

The loop never waits for a disk here, and nothing here may end the daemon.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from host.clock import boot_id, clock_problem
from host.display.faults import SCROLL_TEXTS, Fault
from host.errors import StorageError
from host.health.clock_check import PLANNED_AT
from host.health.liveness import LIVENESS_EVERY_S, LivenessFile
from host.health.monitor_state import (
    ClockJump,
    MonitorState,
    read_monitor_state,
    write_monitor_state,
)
from host.health.preallocated_file import preallocate
from host.home.plan_store import PlanStore, overdue_since
from host.home.storage.atomic_file import find_write_problem
from host.telemetry.events import ClockJumped, FaultShown, StateNotKept
from host.telemetry.metrics.metrics import peak_memory_bytes

if TYPE_CHECKING:
    from firmware_bridge.link import Link
    from host.appliance.screen import Screen
    from host.appliance.sd_notify import ServiceNotifier
    from host.appliance.web_server import WebServer
    from host.clock import Clock
    from host.home.home import Home
    from host.planning.worker.client import WorkerClient
    from host.telemetry.events import HostEvent

TICK_S: Final = 2.0
"""A fault is on the matrix within this time."""
SAVE_S: Final = 600.0
"""An unchanged state is written again after this time, so that its age has a meaning."""
FIRST_CHECK_S: Final = 60.0
"""The start comes first: link, journal and the planner's process are ready by then."""
CHECK_EVERY_S: Final = 3600.0
"""`since` is exact to an hour; a check is a process of its own, too costly for every minute."""
CHECK_MAX_S: Final = 60.0
"""A board needs some seconds; a check that takes longer hangs, as on a broken disk."""
JUMP_S: Final = 60.0
"""A smaller change of the clock is not reported."""
REMIND_S: Final = 86_400.0
"""An acknowledged fault about late plans is shown again after this time."""
NICE: Final = 10
"""A check must not delay a plan or the display."""
LASTING_FAULTS: Final = frozenset(
    {
        Fault.WORKER_DIED,
        Fault.PLAN_OVERRAN,
        Fault.CONFIG_MISSING,
        Fault.DATA_UNUSABLE,
        Fault.PRESS_LOST,
    }
)
"""Faults that stay, over a restart too, until a plan clears them or a person acknowledges them."""

WINDOW_S: Final = 60.0
"""About a hundred packets, enough for a share of them."""
DAMAGED_MIN: Final = 3
"""One or two damaged packets, as when a plug is moved, are no trend."""
DAMAGED_SHARE: Final = 0.02
"""A good line damages less than one packet in a million; one in fifty is a problem."""


class LinkMonitor:
    """Compares the link's counters with those of a minute ago.

    Parameters
    ----------
    link : Link
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._samples: deque[tuple[float, int, int]] = deque()

    @property
    def port_name(self) -> str:
        """The name of the board's port."""
        return self._link.port.name

    def is_unsteady(self, now_s: float) -> bool:
        """Return whether too many of the last minute's packets were damaged."""
        counters = self._link.statistics
        # A packet that was damaged on its way to the board is sent again.
        n_damaged = counters.bad_packets + counters.bad_bodies + counters.retransmits
        self._samples.append((now_s, n_damaged, counters.packets_received))
        while self._samples[0][0] < now_s - WINDOW_S:
            self._samples.popleft()
        _, damaged_before, received_before = self._samples[0]
        n_damaged -= damaged_before
        n_packets = n_damaged + counters.packets_received - received_before
        return n_damaged >= DAMAGED_MIN and n_damaged >= DAMAGED_SHARE * n_packets

    def gauges(self) -> dict[str, float]:
        """Return the figures of the device that are stored after each plan."""
        counters = {f"link_{name}": value for name, value in asdict(self._link.statistics).items()}
        return {**counters, "daemon_rss_peak_bytes": peak_memory_bytes()}


@dataclass(frozen=True, slots=True)
class DaemonProcesses:
    """The processes that the daemon runs."""

    worker: WorkerClient
    web: WebServer


class HealthMonitor:
    """Monitors the daemon.

    Parameters
    ----------
    home : Home
    screen : Screen
    processes : DaemonProcesses
    publish : callable taking a HostEvent
    notifier : ServiceNotifier
    clock : Clock
    link : LinkMonitor
    plan_silence_h : float, hours
        A bucket without a successful plan for longer is a fault; 0: never.
    """

    def __init__(
        self,
        *,
        home: Home,
        screen: Screen,
        processes: DaemonProcesses,
        publish: Callable[[HostEvent], None],
        notifier: ServiceNotifier,
        clock: Clock,
        link: LinkMonitor,
        plan_silence_h: float,
    ) -> None:
        self._home = home
        self._screen = screen
        self._worker = processes.worker
        self._publish = publish
        self._notifier = notifier
        self._clock = clock
        self._link = link
        self._web = processes.web
        self._plan_silence_h = plan_silence_h
        self._plans = PlanStore(home)
        self._liveness = LivenessFile(home.state_dir)
        self._status = ""
        self._saved = MonitorState()
        self._saved_s = float("-inf")
        self._has_save_failed = False
        self._is_disk_full = False
        self._shown_s: dict[Fault, float] = {}
        self._last_successes: dict[str, tuple[int, datetime | None]] = {}
        """By bucket: the signature of its folder of plans, and the last success in it."""
        self._has_restored = False
        self._previous: MonitorState | None = None
        """The state of the last daemon."""
        self._state = MonitorState(
            started_at=clock.now(),
            pid=os.getpid(),
            port=link.port_name,
            boot_id=boot_id(),
            clock_offset_s=self._clock_offset_s(),
        )

    async def serve(self) -> None:
        """Monitor the daemon forever; at the end, record that it ended in order."""
        if not self._has_restored:  # reading waits for a disk, and the screen belongs to the loop
            self._restore(await asyncio.to_thread(self._read_previous))
        liveness_s = float("-inf")
        check_s = self._screen.now_s() + FIRST_CHECK_S
        check: asyncio.Task[None] | None = None
        is_ready = False
        try:
            while True:
                await self.tick()
                now_s = self._screen.now_s()
                if now_s >= liveness_s + LIVENESS_EVERY_S:
                    liveness_s = now_s
                    await asyncio.to_thread(self._liveness.write)
                if now_s >= check_s and (check is None or check.done()):
                    check_s = now_s + CHECK_EVERY_S
                    check = asyncio.create_task(self._run_check(), name="health check")
                if not is_ready:
                    is_ready = True
                    self._notifier.ready()
                await asyncio.sleep(TICK_S)
        finally:
            if check is not None:
                check.cancel()
            self.record_end()

    def record_end(self) -> None:
        """Record that the daemon ended in order; the loop is at its end, so this may wait."""
        if not self._has_restored:
            self._restore(self._read_previous())
        now = self._clock.now()
        self._saved_s = float("-inf")  # a monitor that goes on after a failure has not ended
        state = replace(self._state, stopped_at=now, saved_at=now)
        with suppress(StorageError):
            write_monitor_state(self._home.state_dir, state)

    async def tick(self) -> None:
        """Check everything once."""
        self._check_clock()
        await self._check_disk()
        self._note_daemon()
        await self._check_plans()
        await self._save()
        status = self.status()
        if status != self._status:
            self._status = status
            self._notifier.status(status)

    def status(self) -> str:
        """Return a line for `systemctl status`."""
        display, state = self._screen.state, self._state
        link = "board linked" if display.is_linked else f"no board at {state.port}"
        summary = f"serving {state.bucket_id or 'no bucket'}, {link}"
        troubles = [f"fault {fault.value} {SCROLL_TEXTS[fault]}" for fault in display.faults]
        if display.config_rejected is not None:
            troubles.append(f"rejected {display.config_rejected}")
        if not display.is_linked:
            troubles.append("no board")
        return f"degraded ({'; '.join(troubles)}): {summary}" if troubles else summary

    # --- the state of the last daemon ------------------------------------------------------

    def _read_previous(self) -> MonitorState | None:
        """Return the state of the last daemon; None when it cannot be read."""
        preallocate(self._home.state_dir)
        with suppress(OSError, ValueError):
            return read_monitor_state(self._home.state_dir)
        return None

    def _restore(self, previous: MonitorState | None) -> None:
        """Take over, once, the facts of the last daemon that outlive it."""
        self._has_restored = True
        if previous is None:
            return
        state = replace(
            self._state,
            watched=previous.watched,
            clock_jump=previous.clock_jump,
            findings=previous.findings,
            incidents=previous.incidents,
        )
        if previous.boot_id == state.boot_id != "":
            # The clock may have been set while no daemon ran: the next check compares.
            state = replace(state, clock_offset_s=previous.clock_offset_s)
        faults = {fault: at for fault, at in previous.faults.items() if fault in LASTING_FAULTS}
        self._previous, self._state = previous, replace(state, faults=faults)
        self._check_clock()  # before its time is used for an incident
        if previous.started_at is not None and previous.stopped_at is None:
            self._note_incident("daemon_restarted")
        for fault in sorted(faults):
            self._screen.add_fault(fault)

    # --- the checks ------------------------------------------------------------------------

    def _note_incident(self, kind_id: str) -> None:
        """Record a problem that passed by itself."""
        incidents = {**self._state.incidents, kind_id: self._clock.now()}
        self._state = replace(self._state, incidents=incidents)

    def _clock_offset_s(self) -> float:
        """Return the time of day less the time since the boot; it changes when a clock is set."""
        return round(self._clock.now().timestamp() - self._clock.boot_time_s(), 1)

    def _check_clock(self) -> None:
        """Notice that the clock was set, and move the recorded times with it."""
        offset_s = self._clock_offset_s()
        by_s = round(offset_s - self._state.clock_offset_s, 1)
        if abs(by_s) < JUMP_S:
            return
        # A wait for a plan goes on, without years more or less; an incident of a minute ago is
        # also a minute old by the new time.
        by = timedelta(seconds=by_s)
        self._state = replace(
            self._state,
            clock_jump=ClockJump(self._clock.now(), by_s),
            watched=dict(_moved(self._state.watched, by)),
            incidents=dict(_moved(self._state.incidents, by)),
            clock_offset_s=offset_s,
        )
        self._publish(ClockJumped(by_s=by_s))

    def _note_daemon(self) -> None:
        """Record the state of screen and worker, and since when each holds."""
        now, display, before = self._clock.now(), self._screen.state, self._state
        link_since = now if display.is_linked != before.is_linked else before.link_since
        if self._worker.restarts != before.worker_restarts:
            self._note_incident("worker_restarted")
        was_lost = before.is_linked and not display.is_linked
        if self._link.is_unsteady(self._screen.now_s()) or was_lost:
            self._note_incident("link_unsteady")
        self._state = replace(
            self._state,
            bucket_id=display.bucket,
            is_linked=display.is_linked,
            link_since=link_since,
            is_worker_running=self._worker.pid is not None,
            worker_restarts=self._worker.restarts,
            web_problem=self._web.problem,
            faults={fault: self._state.faults.get(fault, now) for fault in display.faults},
        )

    async def _check_disk(self) -> None:
        """Show that the disk takes no writes before a press meets it."""
        is_full = await asyncio.to_thread(self._refuses_writes)
        if is_full and not self._is_disk_full:
            self._screen.add_fault(Fault.CANNOT_WRITE)
            self._publish(FaultShown(fault=Fault.CANNOT_WRITE.record_name))
        elif self._is_disk_full and not is_full:
            self._screen.clear_faults(Fault.CANNOT_WRITE)
        self._is_disk_full = is_full

    def _refuses_writes(self) -> bool:
        try:
            return find_write_problem(self._home.root) is not None
        except OSError:
            return True

    async def _check_plans(self) -> None:
        """Show that plans are late, or that the clock is behind, for as long as it is so."""
        successes = await asyncio.to_thread(self._read_last_successes)
        now, selected = self._clock.now(), self._state.bucket_id
        is_clock_behind = clock_problem(now, self._evidence(successes.values())) is not None
        watched = {name: at for name, at in self._state.watched.items() if not successes.get(name)}
        if not is_clock_behind and selected in successes and successes[selected] is None:
            watched.setdefault(selected, now)
        self._state = replace(self._state, watched=watched)
        is_late = any(
            overdue_since(now, success, watched.get(name), self._plan_silence_h)
            for name, success in successes.items()
        )
        self._show(Fault.HOME_MISSING, is_present=not successes)
        self._show(Fault.NO_PLAN_FOR_LONG, is_present=is_late and not is_clock_behind)
        self._show(Fault.CLOCK_IN_PAST, is_present=is_clock_behind)

    def _evidence(self, successes: Iterable[datetime | None]) -> dict[str, datetime]:
        """Return times that have certainly passed, by their source."""
        previous = self._previous
        times = {
            PLANNED_AT: max((at for at in successes if at is not None), default=None),
            "this daemon's start": self._state.started_at,
            "the last daemon's memory": None if previous is None else previous.saved_at,
        }
        return {source: at for source, at in times.items() if at is not None}

    def _read_last_successes(self) -> Mapping[str, datetime | None]:
        """Return when a plan of each bucket succeeded last; read only the folders that changed."""
        successes: dict[str, datetime | None] = {}
        for bucket_id in self._home.bucket_ids():
            folder = self._home.plans_dir(bucket_id)
            signature, success = self._last_successes.get(bucket_id, (-1, None))
            try:
                current = folder.stat().st_mtime_ns if folder.is_dir() else 0
                if signature != current:
                    success = self._plans.last_success(bucket_id)
                    self._last_successes[bucket_id] = (current, success)
            except (OSError, StorageError):
                pass  # then the last known success counts
            successes[bucket_id] = success
        return successes

    def _show(self, fault: Fault, *, is_present: bool) -> None:
        """Show a fault when it begins, and again a day after it was acknowledged."""
        is_shown = fault in self._screen.state.faults
        if not is_present:
            self._shown_s.pop(fault, None)
            if is_shown:
                self._screen.clear_faults(fault)
            return
        now_s = self._screen.now_s()
        if not is_shown and now_s - self._shown_s.get(fault, float("-inf")) >= REMIND_S:
            self._screen.add_fault(fault)
            self._publish(FaultShown(fault=fault.record_name))
            self._note_daemon()
        if is_shown or fault not in self._shown_s:
            self._shown_s[fault] = now_s

    # --- writing the state -----------------------------------------------------------------

    async def _save(self) -> None:
        """Write the state if it has changed; a write that fails is tried again at the next tick."""
        now_s = self._screen.now_s()
        if self._state == self._saved and now_s < self._saved_s + SAVE_S:
            return
        state = self._state
        saved = replace(state, saved_at=self._clock.now())
        try:
            await asyncio.to_thread(write_monitor_state, self._home.state_dir, saved)
        except StorageError as error:
            if not self._has_save_failed:
                self._publish(StateNotKept(problem=str(error)))
            self._has_save_failed = True
            return
        self._has_save_failed = False
        self._saved, self._saved_s = state, now_s

    async def _run_check(self) -> None:
        """Run `trader health`, to know since when each finding holds."""
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
                report, _ = await process.communicate()
        except TimeoutError:
            return
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        with suppress(ValueError, KeyError, TypeError):
            self.note_findings(json.loads(report)["findings"])

    def note_findings(self, findings: list[Mapping[str, object]]) -> None:
        """Record since when each finding holds; findings that ended are forgotten."""
        now, since = self._clock.now(), self._state.findings
        keys = ["|".join(str(f[k] or "") for k in ("id", "bucket_id", "subject")) for f in findings]
        self._state = replace(self._state, findings={key: since.get(key, now) for key in keys})


def _moved(times: Mapping[str, datetime], by: timedelta) -> Iterator[tuple[str, datetime]]:
    """Yield times moved by a duration, without those that leave the calendar."""
    for name, at in times.items():
        with suppress(OverflowError):
            yield name, at + by
