"""From an edge on the link to a verdict in the journal; `daemon.presses` says why in this order.

journal the edge -> confirm it to the board -> gesture -> decision -> journal the verdict -> effect
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol, TypedDict, assert_never

from firmware_bridge.buttons import (
    Gesture,
    GestureKind,
    GestureTracker,
    GestureUpdate,
    PendingGesture,
)
from firmware_bridge.messages import Edge
from host.appliance.presses.controls import (
    AcknowledgeFaults,
    CancelPlan,
    Controls,
    Decision,
    Expire,
    Ignore,
    JoinPlan,
    SelectBucket,
    Situation,
    StartPlan,
    TurnPage,
)
from host.appliance.presses.press_log import JournaledEdge, edge_event, edges_field
from host.display import compositor as display
from host.telemetry.events import (
    BucketSelected,
    CancelRequested,
    FaultAcknowledged,
    PageTurned,
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
    from host.appliance.presses.speculative_plan import HeadStart
    from host.appliance.screen import Screen
    from host.home.home import Home
    from host.telemetry.events import EventScope

MILLISECONDS: Final = 1000


class Effects(Protocol):
    """What a verdict leads to; each is quick, and journals nothing about presses."""

    def plan_requested(self, trace_id: str, pressed_s: float) -> None:
        """Begin to plan: the request is open in the ledger."""

    def cancel_requested(self, trace_id: str) -> None:
        """Stop this plan."""

    def bucket_selected(self, bucket_id: str) -> None:
        """Show another bucket."""


class PressFields(TypedDict):
    """What every verdict on a press says."""

    gesture: str
    edges: tuple[tuple[int, int], ...]
    age_s: float


@dataclass(frozen=True, slots=True)
class Press:
    """A gesture with what everything about it is recorded under."""

    gesture: Gesture
    trace_id: str
    age_s: float

    def fields(self) -> PressFields:
        """Return what every verdict says."""
        return {
            "gesture": self.gesture.kind.value,
            "edges": edges_field(self.gesture.edges),
            "age_s": round(self.age_s, 3),
        }


class PressDesk:
    """Takes edges and gives verdicts, one after the other."""

    def __init__(
        self,
        home: Home,
        recorder: Recorder,
        screen: Screen,
        controls: Controls,
        effects: Effects,
        head_start: HeadStart,
    ) -> None:
        self.reader = GestureTracker(controls.timing)
        self._home = home
        self._recorder = recorder
        self._ledger = recorder.ledger
        self._screen = screen
        self._controls = controls
        self._effects = effects
        self._head_start = head_start
        self._bucket_ids: tuple[str, ...] = ()

    async def look_at_buckets(self) -> tuple[str, ...]:
        """Return the buckets that there are now."""
        self._bucket_ids = await asyncio.to_thread(self._home.bucket_ids)
        return self._bucket_ids

    async def take(
        self, changed: link_events.ButtonEdge, confirm: Callable[[EdgeId], None]
    ) -> None:
        """Journal an edge, acknowledge it, and act on what it completes."""
        arrived_s = self._screen.now_s()
        trace_id = self._ledger.trace_of(changed) or new_trace_id()
        await self._recorder.record(edge_event(changed, trace_id))
        confirm(changed.edge_id)
        self._screen.update(self._screen.state.with_touch(arrived_s))
        await self._read(changed, arrived_s)
        await self._sweep()

    async def replay(self) -> None:
        """Feed the gestures what a crash left without a verdict."""
        now, now_s = self._recorder.now(), self._screen.now_s()
        for edge in self._ledger.open_edges:
            ago_s = (now - edge.journaled_at).total_seconds()
            if ago_s < 0 or (now - edge.at) > self._patience():
                await self._give_up_edges((edge,), PressExpired, "the daemon was away")
            else:
                await self._read(edge.changed(), now_s - ago_s)
        await self._sweep()

    async def tick(self) -> None:
        """Act on what the time has decided."""
        await self._act(self.reader.tick(self._screen.now_s()))
        await self._sweep()

    async def edges_are_missing(self, why: str) -> None:
        """Give up presses that will never be complete."""
        await self._act(self.reader.end_presses(self._screen.now_s()))
        await self._give_up_edges(self._ledger.open_edges, PressDropped, why)

    async def board_connected(self, boot_id: int) -> None:
        """Trust silence again; a press from before a restart of the board is given up."""
        self.reader.link_connected(self._screen.now_s())
        if any(edge.edge_id.boot_id != boot_id for edge in self._ledger.open_edges):
            await self.edges_are_missing("the board restarted")

    async def events_lost(self, lost: link_events.PressesLost) -> None:
        """Record presses that never reached us, once, and give up what they tear apart."""
        newly = self._ledger.newly_lost(lost.boot_id, lost.overflow + lost.reset)
        if newly:
            await self._recorder.record(PressesLost(boot_id=lost.boot_id, edges_lost=newly))
            self._screen.add_fault(display.Fault.PRESS_LOST)
            await self.edges_are_missing("the board lost edges")

    # --- inside ----------------------------------------------------------------------------

    def _patience(self) -> timedelta:
        """Return after how long an edge cannot be part of anything that is still executed."""
        hold_s = self._controls.timing.long_hold_ms / MILLISECONDS
        return timedelta(seconds=self._controls.press_age_s + hold_s)

    async def _read(self, changed: link_events.ButtonEdge, arrived_s: float) -> None:
        updates = self.reader.feed(changed, arrived_s)
        if changed.edge is Edge.UP:
            self._screen.update(self._screen.state.with_preview(None))
        await self._act(updates)
        if changed.edge is Edge.DOWN:
            self._head_start.drop()  # a second press: whatever it becomes, it is no wish for a plan
        elif self.reader.awaits_second_press:
            self._guess(changed)

    def _guess(self, changed: link_events.ButtonEdge) -> None:
        """Begin the plan that this press asks for if no second one follows."""
        age_s = changed.age_ms / MILLISECONDS
        decision = self._controls.decide(GestureKind.SHORT, age_s, self._situation())
        known = {edge.edge_id: edge.trace_id for edge in self._ledger.open_edges}
        trace_id = known.get(changed.edge_id)  # None for a release whose press was lost
        if trace_id is None or self._ledger.open_requests:
            return
        if isinstance(decision, StartPlan):
            self._head_start.begin(trace_id, decision.bucket_id)

    async def _act(self, updates: list[GestureUpdate]) -> None:
        for update in updates:
            if isinstance(update, PendingGesture):
                self._preview(update)
            else:
                await self._judge(update)

    async def _sweep(self) -> None:
        """Once no press is under way, no edge may be left without a verdict."""
        if self.reader.is_idle:
            self.reader.forget_times()
            left = self._ledger.open_edges
            await self._give_up_edges(left, PressDropped, "no press with its release")

    async def _give_up_edges(
        self,
        edges: tuple[JournaledEdge, ...],
        verdict: type[PressExpired | PressDropped],
        why: str,
    ) -> None:
        if edges:
            self._head_start.drop()
            ids = edges_field(edge.edge_id for edge in edges)
            await self._recorder.record(verdict(trace_id=edges[0].trace_id, edges=ids, why=why))

    def _situation(self) -> Situation:
        plans = {r.bucket_id: r.trace_id for r in self._ledger.open_requests if not r.is_cancelled}
        has_faults = bool(self._screen.state.faults)
        return Situation(self._ledger.selected_bucket, self._bucket_ids, plans, has_faults)

    async def _judge(self, gesture: Gesture) -> None:
        """Decide what a gesture means now, record it, and let it happen."""
        await self.look_at_buckets()
        trace_id = self._ledger.edge(gesture.edges[0]).trace_id
        press = Press(gesture, trace_id, self.reader.age_s(gesture, self._screen.now_s()))
        situation = self._situation()
        decision = self._controls.decide(gesture.kind, press.age_s, situation)
        self._screen.update(self._screen.state.with_preview(None))
        if not isinstance(decision, StartPlan):
            self._head_start.drop()
        await self._carry_out(decision, press, situation.bucket_id or "")

    async def _carry_out(self, decision: Decision, press: Press, bucket_id: str) -> None:
        record, fields, trace_id = self._recorder.record, press.fields(), press.trace_id
        screen = self._screen
        match decision:
            case StartPlan(chosen):
                pressed_s = screen.now_s() - press.age_s
                await record(PlanRequested(trace_id=trace_id, bucket_id=chosen, **fields))
                self._effects.plan_requested(trace_id, pressed_s)
            case JoinPlan(joined):
                # Under the plan's trace id: one answer, one id.
                names: EventScope = {"trace_id": decision.trace_id, "bucket_id": joined}
                await record(PressJoined(**names, press_trace_id=trace_id, **fields))
            case SelectBucket(chosen):
                await record(BucketSelected(trace_id=trace_id, bucket_id=chosen, **fields))
                self._effects.bucket_selected(chosen)
            case TurnPage():
                await record(PageTurned(trace_id=trace_id, bucket_id=bucket_id, **fields))
                screen.update(screen.state.with_next_page(screen.now_s()))
            case CancelPlan(cancels):
                names = {"trace_id": trace_id, "bucket_id": bucket_id}
                await record(CancelRequested(**names, cancels=cancels, **fields))
                self._effects.cancel_requested(cancels)
            case AcknowledgeFaults():
                faults = screen.state.faults
                seen = tuple(fault.record_name for fault in faults)
                names = {"trace_id": trace_id, "bucket_id": bucket_id}
                await record(FaultAcknowledged(**names, faults=seen, **fields))
                screen.clear_faults(*faults)
            case Expire():
                await record(PressExpired(trace_id=trace_id, bucket_id=bucket_id, **fields))
            case Ignore(why):
                names = {"trace_id": trace_id, "bucket_id": bucket_id}
                await record(PressIgnored(**names, why=why, **fields))
            case _:
                assert_never(decision)

    def _preview(self, update: PendingGesture) -> None:
        """Show what letting go now would do."""
        screen, timing = self._screen, self._controls.timing
        decision = self._controls.decide(update.kind, 0.0, self._situation())
        intent = intent_of(decision)
        now_s = screen.now_s()
        bucket = decision.bucket_id if isinstance(decision, SelectBucket) else ""
        until_s = None
        if update.kind.value == "hold":
            until_s = now_s + (timing.long_hold_ms - timing.hold_ms) / MILLISECONDS
        preview = None if intent is None else display.ReleasePreview(intent, now_s, until_s, bucket)
        screen.update(screen.state.with_preview(preview))


def intent_of(decision: Decision) -> display.Intent | None:
    """Return the picture of what a release would do; None for what shows itself at once."""
    match decision:
        case SelectBucket():
            return display.Intent.NEXT_BUCKET
        case CancelPlan():
            return display.Intent.CANCEL
        case AcknowledgeFaults():
            return display.Intent.ACKNOWLEDGE
        case Ignore():
            return display.Intent.NOTHING
        case _:
            return None
