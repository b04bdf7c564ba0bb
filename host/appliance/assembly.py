"""Assembly of the daemon: open every part, with the other parts that it needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from firmware_bridge.link import Link
from host.appliance.bucket_selection import BucketSelection
from host.appliance.config_watcher import ConfigWatcher
from host.appliance.control_server import ControlServer
from host.appliance.health_monitor import DaemonProcesses, HealthMonitor, LinkMonitor
from host.appliance.night_dimmer import NightDimmer
from host.appliance.pairing_watcher import PairingWatcher
from host.appliance.plan_service import PlanService
from host.appliance.presses.press_handler import Controls, PressEffects, PressHandler
from host.appliance.presses.press_log import OpenRequest, PressLog
from host.appliance.presses.recorder import Recorder
from host.appliance.screen import Screen
from host.appliance.settings_watcher import SettingsWatcher
from host.appliance.web_server import WebServer
from host.display.compositor import Fault
from host.home.config.plugin_catalogue import load_catalogue
from host.home.plan_store import PlanStore
from host.planning.breaker_store import BreakerStore
from host.planning.worker.client import WorkerCallbacks, WorkerClient
from host.planning.worker.supervisor import PlanSupervisor
from host.telemetry.event_bus import EventBus
from host.telemetry.events import (
    StateNotKept,
    WorkerEnded,
    WorkerReady,
    WorkerSaid,
    WorkerWarm,
)
from host.telemetry.journal.journal import Journal, Reading
from host.telemetry.journal.reader import HEAD_NAME
from host.telemetry.logs import is_logged, is_logged_type, log_event
from host.telemetry.metrics.metrics import MetricsStore

if TYPE_CHECKING:
    from firmware_bridge.transport import Port
    from host.appliance.sd_notify import ServiceNotifier
    from host.clock import Clock
    from host.home.config.device_settings import DeviceConfig, LimitsTable
    from host.home.home import Home
    from host.telemetry.events import HostEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of a daemon that it runs, or hands events to."""

    journal_reading: Reading
    recorder: Recorder
    link: Link
    screen: Screen
    presses: PressHandler
    plans: PlanService
    selection: BucketSelection
    pairing: PairingWatcher
    configs: ConfigWatcher
    settings: SettingsWatcher
    night_dimmer: NightDimmer
    health: HealthMonitor
    control: ControlServer
    web: WebServer


async def assemble(
    stack: AsyncExitStack,
    *,
    home: Home,
    config: DeviceConfig,
    port: Port,
    clock: Clock,
    notifier: ServiceNotifier,
    config_rejected: str | None,
    worker_command: Sequence[str] | None,
) -> Parts:
    """Open all parts; the stack closes them, the last one first. See `Daemon` for the arguments."""
    limits, store = config.limits, PlanStore(home)
    bus = EventBus(clock.now)
    bus.subscribe("log", log_event, wants=is_logged, wants_type=is_logged_type)
    stack.push_async_callback(bus.close)
    press_log = PressLog()
    journal = await open_journal(stack, home, press_log, clock)
    link = Link(port, last_edge=press_log.last_edge)
    screen = Screen(link.show)
    screen.update(screen.state.with_config_rejected(config_rejected, screen.now_s()))
    night_dimmer = NightDimmer(config.display, screen, clock.now)
    night_dimmer.update()
    set_fault = partial(screen.set_fault, Fault.CANNOT_WRITE)
    recorder = Recorder(journal, press_log, bus, clock.now, set_fault)
    stack.push_async_callback(recorder.close)
    stack.callback(screen.close)

    link_monitor = LinkMonitor(link)
    worker, plans = await open_planner(
        stack,
        home=home,
        limits=limits,
        recorder=recorder,
        screen=screen,
        store=store,
        gauges=link_monitor.gauges,
        command=worker_command,
    )
    selection = BucketSelection(home, recorder, screen, plans, store)
    pairing = PairingWatcher(home, recorder, screen, has_tls=config.web.has_tls)
    effects = press_effects(link, plans, selection, pairing)
    presses = PressHandler(home, recorder, screen, controls_of(config), effects)
    web = WebServer(home, config.web, recorder.publish)
    health = HealthMonitor(
        home=home,
        screen=screen,
        processes=DaemonProcesses(worker, web),
        publish=recorder.publish,
        notifier=notifier,
        clock=clock,
        link=link_monitor,
        plan_silence_h=limits.plan_silence_h,
    )
    await stack.enter_async_context(link)
    return Parts(
        journal_reading=journal.reading,
        recorder=recorder,
        link=link,
        screen=screen,
        presses=presses,
        plans=plans,
        selection=selection,
        pairing=pairing,
        configs=ConfigWatcher(home, recorder, screen, config_rejected),
        settings=SettingsWatcher(home, recorder, config.log, is_applied=config_rejected is None),
        night_dimmer=night_dimmer,
        health=health,
        web=web,
        control=ControlServer(home, recorder, screen, plans),
    )


async def open_journal(
    stack: AsyncExitStack, home: Home, press_log: PressLog, clock: Clock
) -> Journal:
    """Open the journal, and read the presses in it."""
    head = home.state_dir / HEAD_NAME
    journal = Journal(home.journal_dir, head, now=clock.now, state=press_log.state)
    await asyncio.to_thread(journal.open, press_log.note)
    stack.callback(journal.close)
    return journal


async def open_planner(
    stack: AsyncExitStack,
    *,
    home: Home,
    limits: LimitsTable,
    recorder: Recorder,
    screen: Screen,
    store: PlanStore,
    gauges: Callable[[], Mapping[str, float]],
    command: Sequence[str] | None,
) -> tuple[WorkerClient, PlanService]:
    """Start the planner's process, and return it with the service that uses it."""
    callbacks = worker_callbacks(
        recorder.publish, restarts=lambda: worker.restarts, running=lambda: plans.running
    )
    worker = WorkerClient(home, callbacks, command, limits.plan_memory_mb)
    await stack.enter_async_context(worker)
    supervisor = PlanSupervisor(
        worker,
        BreakerStore(home),
        MetricsStore(home),
        prepare=partial(load_catalogue, home),
        gauges=gauges,
        on_problem=lambda problem: recorder.publish(StateNotKept(problem=problem)),
        now=recorder.now,
    )
    stack.push_async_callback(supervisor.close)
    plans = PlanService(recorder, screen, supervisor, store, limits.plan_deadline_s)
    return worker, plans


def controls_of(config: DeviceConfig) -> Controls:
    """Return what the gestures mean."""
    return Controls(config.buttons, config.limits.press_age_s, serves_api=config.web.enabled)


def press_effects(
    link: Link, plans: PlanService, selection: BucketSelection, pairing: PairingWatcher
) -> PressEffects:
    """Return the calls that a press leads to."""
    return PressEffects(
        confirm_edge=link.confirm,
        request_plan=plans.request,
        cancel_plan=plans.cancel,
        speculate=plans.speculative.begin,
        discard_speculation=plans.speculative.discard,
        show_selected_bucket=selection.on_selected,
        open_pairing=pairing.open,
        close_pairing=pairing.close,
    )


def worker_callbacks(
    publish: Callable[[HostEvent], None],
    *,
    restarts: Callable[[], int],
    running: Callable[[], OpenRequest | None],
) -> WorkerCallbacks:
    """Return callbacks that publish events about the planner's process.

    Parameters
    ----------
    publish : callable taking a HostEvent
    restarts : callable returning how often the process was restarted
    running : callable returning the request that it works on
    """

    def on_stderr_line(line: str) -> None:
        request = running()  # it may have caused the line
        trace_id, bucket_id = (request.trace_id, request.bucket_id) if request else ("", "")
        publish(WorkerSaid(trace_id=trace_id, bucket_id=bucket_id, line=line))

    return WorkerCallbacks(
        on_ready=lambda pid: publish(WorkerReady(pid=pid)),
        on_warm=lambda elapsed_s: publish(WorkerWarm(elapsed_s=elapsed_s)),
        on_end=lambda why: publish(WorkerEnded(why=why, restarts=restarts())),
        on_stderr_line=on_stderr_line,
    )
