"""Handle button edges: from an edge on the link to a verdict in the journal and its effect.

    journal the edge -> confirm it to the board -> gesture -> decision -> journal the verdict
    -> effect

A gesture has a command, which is set in `device.toml`. The decision is the meaning of that command
in the present situation. Nothing is done before its verdict is in the journal; `presses.press_log`
explains this order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias, TypedDict, assert_never

from firmware_bridge.buttons import (
    Gesture,
    GestureKind,
    GestureTiming,
    GestureTracker,
    GestureUpdate,
    PendingGesture,
)
from firmware_bridge.messages import MILLISECONDS, Edge
from host.appliance.presses.press_log import JournaledEdge, edge_event, edges_field
from host.display import compositor as display
from host.home.config.device_settings import ButtonCommand, ButtonsTable
from host.telemetry.events import (
    BucketSelected,
    CancelRequested,
    FaultAcknowledged,
    PageTurned,
    PairingClosed,
    PairingOpened,
    PlanRequested,
    PressDropped,
    PressesLost,
    PressExpired,
    PressIgnored,
    PressJoined,
    new_trace_id,
)

if TYPE_CHECKING:
    from firmware_bridge import events as link_events
    from firmware_bridge.events import EdgeId
    from host.appliance.presses.recorder import Recorder
    from host.appliance.screen import Screen
    from host.home.home import Home
    from host.telemetry.events import EventScope


# --- from a gesture to a decision ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Expire:
    """The gesture arrived too late: record it, do nothing."""

    age_s: float


@dataclass(frozen=True, slots=True)
class StartPlan:
    """Plan this bucket."""

    bucket_id: str


@dataclass(frozen=True, slots=True)
class JoinPlan:
    """A plan of the bucket is under way: its answer is the answer to this press, too."""

    bucket_id: str
    trace_id: str


@dataclass(frozen=True, slots=True)
class TurnPage:
    """Show the next page of the result."""


@dataclass(frozen=True, slots=True)
class SelectBucket:
    """Select another bucket."""

    bucket_id: str


@dataclass(frozen=True, slots=True)
class CancelPlan:
    """Stop the plan that is under way."""

    trace_id: str


@dataclass(frozen=True, slots=True)
class AcknowledgeFaults:
    """Clear the faults: a person has seen them."""


@dataclass(frozen=True, slots=True)
class OpenPairing:
    """Let a device pair with the HTTP API; the matrix shows a code."""


@dataclass(frozen=True, slots=True)
class ClosePairing:
    """End the pairing before its time."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """There is nothing to do now."""

    why: str


Decision: TypeAlias = (
    Expire
    | StartPlan
    | JoinPlan
    | TurnPage
    | SelectBucket
    | CancelPlan
    | AcknowledgeFaults
    | OpenPairing
    | ClosePairing
    | Ignore
)


@dataclass(frozen=True, slots=True)
class Situation:
    """The facts that a decision depends on.

    Parameters
    ----------
    bucket_id : str, optional
        The selected one; None when the home has no bucket.
    bucket_ids : sequence of str
    plans : mapping of bucket id to trace id
        Requested and not answered; the plan that runs comes first.
    has_faults : bool
    is_pairing : bool
        A code for pairing is on the matrix.
    """

    bucket_id: str | None
    bucket_ids: Sequence[str]
    plans: Mapping[str, str]
    has_faults: bool = False
    is_pairing: bool = False


class Controls:
    """The commands of the gestures, as set in `device.toml`.

    Parameters
    ----------
    buttons : ButtonsTable
    press_age_s : float
        An older gesture is not executed.
    serves_api : bool
        The daemon serves the HTTP API: cancel with nothing to cancel lets a device pair.
    """

    def __init__(
        self, buttons: ButtonsTable, press_age_s: float, *, serves_api: bool = False
    ) -> None:
        self.timing = GestureTiming(buttons.double_window_ms, buttons.hold_ms, buttons.long_hold_ms)
        self.press_age_s = press_age_s
        self._serves_api = serves_api
        self._commands = {
            GestureKind.SHORT: buttons.short,
            GestureKind.DOUBLE: buttons.double,
            GestureKind.HOLD: buttons.hold,
            GestureKind.LONG_HOLD: buttons.long_hold,
        }

    def decide(self, kind: GestureKind, age_s: float, situation: Situation) -> Decision:
        """Return the decision about a gesture that was made `age_s` ago."""
        if age_s > self.press_age_s:
            return Expire(age_s)
        return self._decide_command(self._commands[kind], situation)

    def _decide_command(self, command: ButtonCommand, situation: Situation) -> Decision:
        match command:
            case ButtonCommand.PLAN:
                return _decide_plan(situation)
            case ButtonCommand.NEXT_PAGE:
                return TurnPage()
            case ButtonCommand.NEXT_BUCKET:
                return next_bucket(situation) or Ignore("there is no other bucket")
            case ButtonCommand.CANCEL:
                return _decide_cancel(situation, serves_api=self._serves_api)
            case ButtonCommand.PAIR:
                return OpenPairing()
            case ButtonCommand.NOTHING:
                return Ignore("the gesture is set to do nothing")


def next_bucket(situation: Situation) -> SelectBucket | None:
    """Return the bucket after the selected one; None when there is no other."""
    names = list(situation.bucket_ids)
    if situation.bucket_id not in names:
        return SelectBucket(names[0]) if names else None
    name = names[(names.index(situation.bucket_id) + 1) % len(names)]
    return None if name == situation.bucket_id else SelectBucket(name)


def _decide_plan(situation: Situation) -> Decision:
    bucket_id = situation.bucket_id
    if bucket_id is None:
        return Ignore("the home has no bucket")
    trace_id = situation.plans.get(bucket_id)
    return StartPlan(bucket_id) if trace_id is None else JoinPlan(bucket_id, trace_id)


def _decide_cancel(situation: Situation, *, serves_api: bool) -> Decision:
    """Cancel what the matrix shows: a code hides a plan under way, and that hides a fault."""
    if situation.is_pairing:
        return ClosePairing()
    for trace_id in situation.plans.values():
        return CancelPlan(trace_id)
    if situation.has_faults:
        return AcknowledgeFaults()
    return OpenPairing() if serves_api else Ignore("nothing to cancel")


# --- from an edge to a verdict -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PressEffects:
    """The parts of the daemon that a press sets in motion; each call is quick.

    Parameters
    ----------
    confirm_edge : callable taking an EdgeId
        Acknowledges an edge to the board.
    request_plan : callable taking a trace id and the time of the press in seconds
        Called when the request is in the journal.
    cancel_plan : callable taking a trace id
    speculate : callable taking a trace id and a bucket id
        Begins a plan that may be wanted in a moment.
    discard_speculation : callable
    show_selected_bucket : callable
    open_pairing, close_pairing : callable
    """

    confirm_edge: Callable[[EdgeId], None]
    request_plan: Callable[[str, float], None]
    cancel_plan: Callable[[str], None]
    speculate: Callable[[str, str], None]
    discard_speculation: Callable[[], None]
    show_selected_bucket: Callable[[], None]
    open_pairing: Callable[[], None]
    close_pairing: Callable[[], None]


class PressFields(TypedDict):
    """Fields of every verdict on a press."""

    gesture: str
    edges: tuple[tuple[int, int], ...]
    age_s: float


@dataclass(frozen=True, slots=True)
class Press:
    """A gesture with its trace id and age."""

    gesture: Gesture
    trace_id: str
    age_s: float

    def fields(self) -> PressFields:
        """Return the fields of every verdict on it."""
        return {
            "gesture": self.gesture.kind.value,
            "edges": edges_field(self.gesture.edges),
            "age_s": round(self.age_s, 3),
        }


class PressHandler:
    """Takes edges and gives verdicts, one after the other.

    Parameters
    ----------
    home : Home
    recorder : Recorder
    screen : Screen
    controls : Controls
    effects : PressEffects
    """

    def __init__(
        self,
        home: Home,
        recorder: Recorder,
        screen: Screen,
        controls: Controls,
        effects: PressEffects,
    ) -> None:
        self.gestures = GestureTracker(controls.timing)
        self._home = home
        self._recorder = recorder
        self._press_log = recorder.press_log
        self._screen = screen
        self._controls = controls
        self._effects = effects
        self._bucket_ids: tuple[str, ...] = ()

    async def read_bucket_ids(self) -> tuple[str, ...]:
        """Return the buckets that there are now."""
        self._bucket_ids = await asyncio.to_thread(self._home.bucket_ids)
        return self._bucket_ids

    async def on_edge(self, edge: link_events.ButtonEdge) -> None:
        """Journal an edge, acknowledge it, and act on the gesture that it completes."""
        arrived_s = self._screen.now_s()
        trace_id = self._press_log.trace_of(edge) or new_trace_id()
        await self._recorder.record(edge_event(edge, trace_id))
        self._effects.confirm_edge(edge.edge_id)
        self._screen.update(self._screen.state.with_touch(arrived_s))
        await self._feed(edge, arrived_s)
        await self._drop_unmatched_edges()

    async def replay(self) -> None:
        """Feed the edges to the gestures that a crash left without a verdict."""
        now, now_s = self._recorder.now(), self._screen.now_s()
        for edge in self._press_log.open_edges:
            ago_s = (now - edge.journaled_at).total_seconds()
            if ago_s < 0 or (now - edge.at) > self._longest_gesture():
                await self._give_up_edges((edge,), PressExpired, "the daemon was not running")
            else:
                await self._feed(edge.to_link_event(), now_s - ago_s)
        await self._drop_unmatched_edges()

    async def tick(self) -> None:
        """Handle gestures that a timeout completed."""
        await self._handle_updates(self.gestures.tick(self._screen.now_s()))
        await self._drop_unmatched_edges()

    async def give_up_presses(self, why: str) -> None:
        """Give up presses that will never be complete."""
        await self._handle_updates(self.gestures.end_presses(self._screen.now_s()))
        await self._give_up_edges(self._press_log.open_edges, PressDropped, why)

    async def on_connected(self, boot_id: int) -> None:
        """Resume gesture timeouts; give up a press from before a restart of the board."""
        self.gestures.link_connected(self._screen.now_s())
        if any(edge.edge_id.boot_id != boot_id for edge in self._press_log.open_edges):
            await self.give_up_presses("the board restarted")

    async def on_presses_lost(self, lost: link_events.PressesLost) -> None:
        """Record edges that the board lost, once, and give up the presses that they belong to."""
        n_new = self._press_log.newly_lost(lost.boot_id, lost.overflow + lost.reset)
        if n_new:
            await self._recorder.record(PressesLost(boot_id=lost.boot_id, edges_lost=n_new))
            self._screen.add_fault(display.Fault.PRESS_LOST)
            await self.give_up_presses("the board lost edges")

    # --- inside ----------------------------------------------------------------------------

    def _longest_gesture(self) -> timedelta:
        """Return after how long an edge cannot belong to a gesture that is still executed."""
        hold_s = self._controls.timing.long_hold_ms / MILLISECONDS
        return timedelta(seconds=self._controls.press_age_s + hold_s)

    async def _feed(self, edge: link_events.ButtonEdge, arrived_s: float) -> None:
        updates = self.gestures.feed(edge, arrived_s)
        if edge.edge is Edge.UP:
            self._screen.update(self._screen.state.with_preview(None))
        await self._handle_updates(updates)
        if edge.edge is Edge.DOWN:
            self._effects.discard_speculation()  # two presses are never a request for a plan
        elif self.gestures.awaits_second_press:
            self._speculate(edge)

    def _speculate(self, edge: link_events.ButtonEdge) -> None:
        """Begin the plan that this press asks for if no second one follows."""
        age_s = edge.age_ms / MILLISECONDS
        decision = self._controls.decide(GestureKind.SHORT, age_s, self._situation())
        trace_ids = {e.edge_id: e.trace_id for e in self._press_log.open_edges}
        trace_id = trace_ids.get(edge.edge_id)  # None for a release whose press was lost
        if trace_id is None or self._press_log.open_requests:
            return
        if isinstance(decision, StartPlan):
            self._effects.speculate(trace_id, decision.bucket_id)

    async def _handle_updates(self, updates: list[GestureUpdate]) -> None:
        for update in updates:
            if isinstance(update, PendingGesture):
                self._show_preview(update)
            else:
                await self._handle_gesture(update)

    async def _drop_unmatched_edges(self) -> None:
        """Give every edge its verdict, once no press is under way."""
        if self.gestures.is_idle:
            self.gestures.forget_times()
            edges = self._press_log.open_edges
            await self._give_up_edges(edges, PressDropped, "no press with its release")

    async def _give_up_edges(
        self,
        edges: tuple[JournaledEdge, ...],
        verdict: type[PressExpired | PressDropped],
        why: str,
    ) -> None:
        if edges:
            self._effects.discard_speculation()
            ids = edges_field(edge.edge_id for edge in edges)
            await self._recorder.record(verdict(trace_id=edges[0].trace_id, edges=ids, why=why))

    def _situation(self) -> Situation:
        requests = self._press_log.open_requests
        plans = {r.bucket_id: r.trace_id for r in requests if not r.is_cancelled}
        state = self._screen.state
        return Situation(
            self._press_log.selected_bucket,
            self._bucket_ids,
            plans,
            has_faults=bool(state.faults),
            is_pairing=state.is_pairing(self._screen.now_s()),
        )

    async def _handle_gesture(self, gesture: Gesture) -> None:
        """Decide about a gesture, record the verdict, and execute it."""
        await self.read_bucket_ids()
        trace_id = self._press_log.edge(gesture.edges[0]).trace_id
        press = Press(gesture, trace_id, self.gestures.age_s(gesture, self._screen.now_s()))
        async with self._recorder.deciding:
            situation = self._situation()
            decision = self._controls.decide(gesture.kind, press.age_s, situation)
            self._screen.update(self._screen.state.with_preview(None))
            if not isinstance(decision, StartPlan):
                self._effects.discard_speculation()
            await self._execute(decision, press, situation.bucket_id or "")

    async def _execute(self, decision: Decision, press: Press, bucket_id: str) -> None:
        record, fields, trace_id = self._recorder.record, press.fields(), press.trace_id
        screen, effects = self._screen, self._effects
        scope: EventScope = {"trace_id": trace_id, "bucket_id": bucket_id}
        match decision:
            case StartPlan(target_id):
                pressed_s = screen.now_s() - press.age_s
                await record(PlanRequested(trace_id=trace_id, bucket_id=target_id, **fields))
                effects.request_plan(trace_id, pressed_s)
            case JoinPlan(target_id):
                # Under the trace id of the plan: one answer, one id.
                scope = {"trace_id": decision.trace_id, "bucket_id": target_id}
                await record(PressJoined(**scope, press_trace_id=trace_id, **fields))
            case SelectBucket(target_id):
                await record(BucketSelected(trace_id=trace_id, bucket_id=target_id, **fields))
                effects.show_selected_bucket()
            case TurnPage():
                await record(PageTurned(**scope, **fields))
                screen.update(screen.state.with_next_page(screen.now_s()))
            case CancelPlan(plan_trace_id):
                await record(CancelRequested(**scope, cancels=plan_trace_id, **fields))
                effects.cancel_plan(plan_trace_id)
            case AcknowledgeFaults():
                faults = screen.state.faults
                fault_names = tuple(fault.record_name for fault in faults)
                await record(FaultAcknowledged(**scope, faults=fault_names, **fields))
                screen.clear_faults(*faults)
            case OpenPairing() | ClosePairing():
                await self._execute_pairing(decision, press)
            case Expire():
                await record(PressExpired(**scope, **fields))
            case Ignore(why):
                await record(PressIgnored(**scope, why=why, **fields))
            case _:
                assert_never(decision)

    async def _execute_pairing(self, decision: OpenPairing | ClosePairing, press: Press) -> None:
        fields, trace_id = press.fields(), press.trace_id
        if isinstance(decision, OpenPairing):
            await self._recorder.record(PairingOpened(trace_id=trace_id, **fields))
            self._effects.open_pairing()
        else:
            await self._recorder.record(PairingClosed(trace_id=trace_id, **fields))
            self._effects.close_pairing()

    def _show_preview(self, gesture: PendingGesture) -> None:
        """Show the effect of a release now."""
        screen, timing = self._screen, self._controls.timing
        decision = self._controls.decide(gesture.kind, 0.0, self._situation())
        intent = intent_of(decision)
        now_s = screen.now_s()
        bucket = decision.bucket_id if isinstance(decision, SelectBucket) else ""
        until_s = None
        if gesture.kind is GestureKind.HOLD:
            until_s = now_s + (timing.long_hold_ms - timing.hold_ms) / MILLISECONDS
        preview = None if intent is None else display.ReleasePreview(intent, now_s, until_s, bucket)
        screen.update(screen.state.with_preview(preview))


def intent_of(decision: Decision) -> display.Intent | None:
    """Return the picture of a release; None for a decision that is visible at once."""
    match decision:
        case SelectBucket():
            return display.Intent.NEXT_BUCKET
        case CancelPlan() | ClosePairing():
            return display.Intent.CANCEL
        case OpenPairing():
            return display.Intent.PAIR
        case AcknowledgeFaults():
            return display.Intent.ACKNOWLEDGE
        case Ignore():
            return display.Intent.NOTHING
        case _:
            return None
