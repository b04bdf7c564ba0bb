"""The state of every press, read from the journal: presses are executed exactly once.

A press that was acknowledged to the board is neither lost nor executed twice, whenever the daemon
is killed. The journal alone guarantees this; no other file is involved. Each step of a press is a
record, and each record is durable before the next step begins:

1. ``ButtonEdge``: an edge arrived. Only then is it acknowledged. A down edge gets the trace id of
   everything that follows from it.
2. A *verdict* on the edges of a gesture: ``PlanRequested``, ``PressJoined`` (a plan of the bucket
   is under way, and its answer is the answer), ``BucketSelected``, ``PageTurned``,
   ``CancelRequested``, ``FaultAcknowledged``, ``PressExpired`` (arrived too late),
   ``PressDropped`` (edges are missing: the board restarted or lost some). Each names its edges.
   For everything but a plan the verdict *is* the effect: the selected bucket is that of the last
   ``BucketSelected``.
3. For a plan, its file, under the trace id.
4. The *answer*: ``PlanStored``, ``PlanFailed``, ``PlanCancelled`` or ``PlanExpired``.

After a kill -9 the next start does this, depending on the moment:

- Before 1 is on disk: nothing. The board has no acknowledgement and sends the edge again.
- Between 1 and the acknowledgement: the board sends the edge again. Its id is in the journal, so
  the link acknowledges it and reports no second edge. The journaled copy is executed.
- Between 1 and 2: edges without a verdict are fed to the gestures again, at their own times. If
  the release of a press is still on the board, it completes the press.
- Between 2 and 3: a request without an answer. Its plan has no file, so nothing of it was shown.
  If it is still fresh it is planned again under its trace id, else it gets ``PlanExpired``.
- Between 3 and 4: the file is there under the trace id. It gets its ``PlanStored``, and no second
  plan is made.
- After 4: nothing is left to do.

A plan may begin before 2, at the release of a press that may still become a double one (see
`plan_service`). Such a plan is in memory only. It becomes the plan of step 3 after 2 is on
disk, and is discarded after any other verdict.

Only the daemon writes plans, and one daemon at a time holds the home's lock. So a worker that
outlives its daemon by a moment cannot add a second file.

A request is fresh while it is younger than the 10 s after which a late press is not executed
either. A person who has waited longer has left, or has pressed again; an unexpected plan would be
worse than a visible "expired". The age counts from the youngest press that waits for the answer,
by the time of day, since no other clock survives a restart. A press that seems to come from the
future (the clock was set back) is not fresh and expires. It is not lost: it is in the journal and
shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from firmware_bridge import events as link_events
from firmware_bridge.events import EdgeId
from firmware_bridge.messages import Edge
from host.telemetry.events import ButtonEdge
from host.telemetry.journal.reader import CONTINUED

if TYPE_CHECKING:
    from host.telemetry.journal.record import JournalRecord

CONFIGURATION_CHANGED: Final = "ConfigurationChanged"


class PressEvent(StrEnum):
    """The records about presses."""

    BUTTON_EDGE = "ButtonEdge"
    PLAN_REQUESTED = "PlanRequested"
    PRESS_JOINED = "PressJoined"
    BUCKET_SELECTED = "BucketSelected"
    PAGE_TURNED = "PageTurned"
    CANCEL_REQUESTED = "CancelRequested"
    FAULT_ACKNOWLEDGED = "FaultAcknowledged"
    PRESS_IGNORED = "PressIgnored"
    PRESS_EXPIRED = "PressExpired"
    PRESS_DROPPED = "PressDropped"
    PRESSES_LOST = "PressesLost"
    PLAN_STORED = "PlanStored"
    PLAN_FAILED = "PlanFailed"
    PLAN_CANCELLED = "PlanCancelled"
    PLAN_EXPIRED = "PlanExpired"


VERDICTS: Final = frozenset(
    {
        PressEvent.PLAN_REQUESTED,
        PressEvent.PRESS_JOINED,
        PressEvent.BUCKET_SELECTED,
        PressEvent.PAGE_TURNED,
        PressEvent.CANCEL_REQUESTED,
        PressEvent.FAULT_ACKNOWLEDGED,
        PressEvent.PRESS_IGNORED,
        PressEvent.PRESS_EXPIRED,
        PressEvent.PRESS_DROPPED,
    }
)
ANSWERS: Final = frozenset(
    {
        PressEvent.PLAN_STORED,
        PressEvent.PLAN_FAILED,
        PressEvent.PLAN_CANCELLED,
        PressEvent.PLAN_EXPIRED,
    }
)


@dataclass(frozen=True, slots=True)
class JournaledEdge:
    """A button edge in the journal; `at` is the best estimate of when it happened."""

    edge_id: EdgeId
    button: int
    edge: Edge
    t_ms: int
    age_ms: int
    journaled_at: datetime
    trace_id: str

    @property
    def at(self) -> datetime:
        """When the button moved, by the wall clock."""
        return self.journaled_at - timedelta(milliseconds=self.age_ms)

    def to_link_event(self) -> link_events.ButtonEdge:
        """Return the edge as an event of the link."""
        return link_events.ButtonEdge(self.edge_id, self.button, self.edge, self.t_ms, self.age_ms)


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request for a plan that has no answer yet."""

    trace_id: str
    bucket_id: str
    pressed_at: datetime
    """The time of the youngest press that waits for it."""
    is_cancelled: bool = False
    via: str = "press"
    """The way it was requested: press or api."""


class PressLog:
    """The presses of a journal, updated record by record.

    Attributes
    ----------
    last_edge : EdgeId, optional
        The newest edge. The link drops copies of it and of older ones of its boot.
    selected_bucket : str, optional
        The one of the last verdict about it.
    config_versions : dict of int
        Per bucket, the last version that a record names as active.
    """

    def __init__(self) -> None:
        self.last_edge: EdgeId | None = None
        self.selected_bucket: str | None = None
        self._edges: dict[EdgeId, JournaledEdge] = {}
        self._requests: dict[str, OpenRequest] = {}
        self._lost: dict[int, int] = {}
        self._reported_lost: dict[int, int] = {}
        self.config_versions: dict[str, int] = {}

    @property
    def open_edges(self) -> tuple[JournaledEdge, ...]:
        """Edges without a verdict, oldest first."""
        return tuple(self._edges.values())

    @property
    def open_requests(self) -> tuple[OpenRequest, ...]:
        """Requests without an answer, oldest first."""
        return tuple(self._requests.values())

    def edge(self, edge_id: EdgeId) -> JournaledEdge:
        """Return an edge that has no verdict yet."""
        return self._edges[edge_id]

    def trace_of(self, edge: link_events.ButtonEdge) -> str | None:
        """Return the trace id of the press that a release ends; None for a press."""
        down = self._down_of(edge.button) if edge.edge is Edge.UP else None
        return down.trace_id if down is not None else None

    def newly_lost(self, boot_id: int, n_reported: int) -> int:
        """Return how many lost edges are not in the journal yet.

        The first report of a link counts all edges that a boot ever lost; an earlier daemon may
        have recorded them. Later reports count new ones.
        """
        self._reported_lost[boot_id] = self._reported_lost.get(boot_id, 0) + n_reported
        return max(self._reported_lost[boot_id] - self._lost.get(boot_id, 0), 0)

    def note(self, record: JournalRecord) -> None:
        """Take a record of the journal; a record of another kind changes nothing."""
        if record.event_type == CONTINUED:
            self._restore(record.data.get("state"))
        elif record.event_type == PressEvent.BUTTON_EDGE:
            self._note_edge(record)
        elif record.event_type in VERDICTS:
            self._note_verdict(record)
        elif record.event_type in ANSWERS:
            self._requests.pop(record.trace_id, None)
        elif record.event_type == CONFIGURATION_CHANGED:
            version = record.data.get("version")
            if isinstance(version, int):
                self.config_versions[record.bucket_id] = version
        elif record.event_type == PressEvent.PRESSES_LOST:
            boot_id, lost = record.data.get("boot_id"), record.data.get("edges_lost")
            if isinstance(boot_id, int) and isinstance(lost, int):
                self._lost = {boot_id: self._lost.get(boot_id, 0) + lost}

    def state(self) -> dict[str, object]:
        """Return everything as plain data: the first record of a new journal file holds it."""
        return {
            "last_edge": None if self.last_edge is None else list(self.last_edge),
            "selected_bucket": self.selected_bucket,
            "edges": [_edge_state(edge) for edge in self._edges.values()],
            "requests": [
                [
                    request.trace_id,
                    request.bucket_id,
                    request.pressed_at.isoformat(),
                    request.is_cancelled,
                ]
                for request in self._requests.values()
            ],
            "lost": [[boot_id, lost] for boot_id, lost in self._lost.items()],
            "config_versions": dict(self.config_versions),
        }

    def _restore(self, state: object) -> None:
        """Take over the state of the files before this one; an invalid state changes nothing."""
        if not isinstance(state, dict):
            return
        try:
            last_edge = None if state["last_edge"] is None else EdgeId(*state["last_edge"])
            edges = [_edge_of_state(fields) for fields in state["edges"]]
            requests = [
                OpenRequest(
                    str(trace_id), str(bucket), datetime.fromisoformat(at), bool(is_off), *via[:1]
                )
                for trace_id, bucket, at, is_off, *via in state["requests"]
            ]
            lost = {int(boot_id): int(count) for boot_id, count in state["lost"]}
            versions = {
                str(name): int(version) for name, version in state["config_versions"].items()
            }
            selected = state["selected_bucket"]
        except (KeyError, TypeError, ValueError, AttributeError):
            return
        self.last_edge, self.selected_bucket = last_edge, selected
        self._edges = {edge.edge_id: edge for edge in edges}
        self._requests = {request.trace_id: request for request in requests}
        self._lost, self.config_versions = lost, versions

    def _note_edge(self, record: JournalRecord) -> None:
        edge = _edge_of(record)
        if edge is None:
            return
        self.last_edge = edge.edge_id
        # The release after a long hold belongs to a gesture that already has its verdict.
        if edge.edge is Edge.DOWN or self._down_of(edge.button) is not None:
            self._edges[edge.edge_id] = edge

    def _note_verdict(self, record: JournalRecord) -> None:
        pressed_at = record.timestamp
        for edge_id in edge_ids(record.data):
            edge = self._edges.pop(edge_id, None)
            if edge is not None:
                pressed_at = edge.at
        request = self._requests.get(record.trace_id)
        if record.event_type == PressEvent.PLAN_REQUESTED:
            self._requests[record.trace_id] = OpenRequest(
                record.trace_id,
                record.bucket_id,
                pressed_at,
                via=str(record.data.get("via", "press")),
            )
        elif record.event_type == PressEvent.BUCKET_SELECTED:
            self.selected_bucket = record.bucket_id
        elif request is not None and record.event_type == PressEvent.PRESS_JOINED:
            youngest = max(request.pressed_at, pressed_at)
            self._requests[record.trace_id] = replace(request, pressed_at=youngest)
        elif record.event_type == PressEvent.CANCEL_REQUESTED:
            self._cancel(str(record.data.get("cancels")))

    def _cancel(self, trace_id: str) -> None:
        request = self._requests.get(trace_id)
        if request is not None:
            self._requests[trace_id] = replace(request, is_cancelled=True)

    def _down_of(self, button: int) -> JournaledEdge | None:
        """Return the last down edge of a button if it has no release yet."""
        for edge in reversed(self._edges.values()):
            if edge.button == button:
                return edge if edge.edge is Edge.DOWN else None
        return None


class RecoveryAction(StrEnum):
    """Action for a request that has no answer at a start."""

    CANCEL = "cancel"
    STORED = "stored"
    RUN = "run"
    EXPIRE = "expire"


def decide_recovery(
    request: OpenRequest,
    now: datetime,
    age_max_s: float,
    *,
    has_plan: bool,
) -> RecoveryAction:
    """Return the action for a request that a crash left open.

    Parameters
    ----------
    request : OpenRequest
    now : datetime, aware
    age_max_s : float
    has_plan : bool
        Whether its plan is on disk.
    """
    if has_plan:
        return RecoveryAction.STORED
    if request.is_cancelled:
        return RecoveryAction.CANCEL
    if is_fresh(request.pressed_at, now, age_max_s):
        return RecoveryAction.RUN
    return RecoveryAction.EXPIRE


def is_fresh(at: datetime, now: datetime, age_max_s: float) -> bool:
    """Return whether a press is certainly young enough; one from the future is not."""
    return timedelta() <= now - at <= timedelta(seconds=age_max_s)


def edge_event(edge: link_events.ButtonEdge, trace_id: str) -> ButtonEdge:
    """Return the record that must be on disk before the edge is acknowledged."""
    return ButtonEdge(
        trace_id=trace_id,
        boot_id=edge.edge_id.boot_id,
        event_id=edge.edge_id.event_id,
        button=edge.button,
        edge=edge.edge.name.lower(),
        t_ms=edge.t_ms,
        age_ms=edge.age_ms,
    )


def edges_field(edges: Iterable[EdgeId]) -> tuple[tuple[int, int], ...]:
    """Return edges in the form of a verdict."""
    return tuple((edge.boot_id, edge.event_id) for edge in edges)


def edge_ids(data: Mapping[str, object]) -> list[EdgeId]:
    """Return the edges of a verdict, without invalid ones."""
    edges = data.get("edges")
    pairs = edges if isinstance(edges, list | tuple) else ()
    return [EdgeId(*pair) for pair in pairs if _is_pair(pair)]


def _edge_state(edge: JournaledEdge) -> list[object]:
    boot_id, event_id = edge.edge_id
    times = [edge.t_ms, edge.age_ms, edge.journaled_at.isoformat()]
    return [boot_id, event_id, edge.button, edge.edge.name, *times, edge.trace_id]


def _edge_of_state(fields: list[object]) -> JournaledEdge:
    """Return an edge of a state; ValueError, TypeError or KeyError when it is not valid."""
    boot_id, event_id, button, name, t_ms, age_ms, at, trace_id = fields
    numbers = [int(str(number)) for number in (boot_id, event_id, button, t_ms, age_ms)]
    return JournaledEdge(
        EdgeId(numbers[0], numbers[1]),
        numbers[2],
        Edge[str(name)],
        numbers[3],
        numbers[4],
        datetime.fromisoformat(str(at)),
        str(trace_id),
    )


def _is_pair(pair: object) -> bool:
    return isinstance(pair, list | tuple) and [type(part) for part in pair] == [int, int]


def _edge_of(record: JournalRecord) -> JournaledEdge | None:
    """Return the edge of a record; None when the record is not valid."""
    data = record.data
    numbers = [data.get(key) for key in ("boot_id", "event_id", "button", "t_ms", "age_ms")]
    name = str(data.get("edge")).upper()
    if name not in Edge.__members__ or not all(type(number) is int for number in numbers):
        return None
    boot_id, event_id, button, t_ms, age_ms = (int(str(number)) for number in numbers)
    edge_id = EdgeId(boot_id, event_id)
    return JournaledEdge(
        edge_id, button, Edge[name], t_ms, age_ms, record.timestamp, record.trace_id
    )
