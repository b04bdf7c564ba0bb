"""What became of every press: the part of the journal that makes presses exactly-once.

The promise is that a press the board was told is safe (acknowledged) is neither lost nor doubled,
whatever kills the daemon and whenever. The journal alone keeps it; nothing here has a file of its
own. The steps of a press, each a record, each durable before the next one begins:

1. ``ButtonEdge``: an edge arrived. Only then is it acknowledged. A down edge gets the trace id that
   everything after it carries.
2. A *verdict* on the edges of a gesture: ``PlanRequested``, ``PressJoined`` (a plan of the bucket
   is under way, its answer is the answer), ``BucketSelected``, ``PageTurned``, ``CancelRequested``,
   ``FaultAcknowledged``, ``PressExpired`` (arrived too late), ``PressDropped`` (edges are missing:
   the board restarted or lost some). Each names its edges. For everything but a plan the verdict
   *is* the effect: which bucket is selected is what the last ``BucketSelected`` says.
3. For a plan, its file, under the trace id.
4. The *answer*: ``PlanStored``, ``PlanFailed``, ``PlanCancelled`` or ``PlanExpired``.

What a kill -9 leaves, by where it strikes, and what the next start does:

- before 1 is on disk: the board was not told, keeps the edge and sends it again. Not lost.
- between 1 and the acknowledgement: the board sends the edge again. Its id is in the journal, so
  the link acknowledges it and does not tell it again. The journaled copy is acted on. Not doubled.
- between 1 and 2: edges without a verdict are fed to the gestures again, at the times they came.
  A press whose release is still on the board is completed by it.
- between 2 and 3: a request without an answer. Its plan has no file, so nothing was shown or kept:
  it is planned again under its trace id if it is still fresh, else it gets ``PlanExpired``.
- between 3 and 4: the file is there under the trace id. It gets its ``PlanStored`` and no second
  plan.
- after 4: nothing is left to do.

A plan may be begun before 2, at the release of a press that may still become a double one
(`daemon.head_start`). That is a guess that stands nowhere but in memory: it becomes the plan of
step 3 only after 2 is on disk, and is forgotten after any other verdict.

Only the daemon writes plans, and one daemon at a time holds the home's lock, so a worker that
outlives its daemon by a moment cannot add a second file.

Fresh means: younger than the 10 s after which a late press is not executed either. A person who
has waited longer has gone, or pressed again; a plan out of the blue would be worse than a visible
"expired". The age runs from the youngest press that waits for the answer, by the wall clock, since
no other clock survives a restart. A press that seems to come from the future (the clock was set
back) is not provably fresh and expires. Expired is not lost: it stands in the journal and is shown.
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
    """The journal's records about presses."""

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
    """A button edge that stands in the journal; `at` is when it happened, as far as is known."""

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

    def changed(self) -> link_events.ButtonEdge:
        """Return the edge as the link told it."""
        return link_events.ButtonEdge(self.edge_id, self.button, self.edge, self.t_ms, self.age_ms)


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A plan that was asked for and has no answer yet."""

    trace_id: str
    bucket_id: str
    pressed_at: datetime
    """When the youngest press that waits for it was made."""
    is_cancelled: bool = False


class PressLedger:
    """What the journal says of presses, kept up to date record by record.

    Attributes
    ----------
    last_edge : EdgeId, optional
        The newest edge; the link drops copies of it and of older ones of its boot.
    selected_bucket : str, optional
        What the last verdict about it says.
    config_versions : dict of int
        Per bucket, the last version that a record says is active.
    """

    def __init__(self) -> None:
        self.last_edge: EdgeId | None = None
        self.selected_bucket: str | None = None
        self._edges: dict[EdgeId, JournaledEdge] = {}
        self._requests: dict[str, OpenRequest] = {}
        self._lost: dict[int, int] = {}
        self._told_lost: dict[int, int] = {}
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

    def trace_of(self, changed: link_events.ButtonEdge) -> str | None:
        """Return the trace id of the press that a release ends; None for a press."""
        down = self._down_of(changed.button) if changed.edge is Edge.UP else None
        return down.trace_id if down is not None else None

    def newly_lost(self, boot_id: int, told: int) -> int:
        """Return how many lost edges are not in the journal yet.

        A link begins by telling all that a boot ever lost, which an earlier daemon may have
        recorded, and goes on with what is new.
        """
        self._told_lost[boot_id] = self._told_lost.get(boot_id, 0) + told
        return max(self._told_lost[boot_id] - self._lost.get(boot_id, 0), 0)

    def note(self, record: JournalRecord) -> None:
        """Take a record of the journal; records about other things change nothing."""
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
        """Return all of it as plain data, for a file of the journal to begin with."""
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
        """Stand where the files before this one ended; a state that was edited changes nothing."""
        if not isinstance(state, dict):
            return
        try:
            last_edge = None if state["last_edge"] is None else EdgeId(*state["last_edge"])
            edges = [_edge_of_state(found) for found in state["edges"]]
            requests = [
                OpenRequest(str(trace_id), str(bucket), datetime.fromisoformat(at), bool(is_off))
                for trace_id, bucket, at, is_off in state["requests"]
            ]
            lost = {int(boot_id): int(count) for boot_id, count in state["lost"]}
            versions = {str(name): int(found) for name, found in state["config_versions"].items()}
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
        # The release after a long hold belongs to a gesture that has its verdict already.
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
                record.trace_id, record.bucket_id, pressed_at
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
        """Return the last press of a button if it has no release yet."""
        for edge in reversed(self._edges.values()):
            if edge.button == button:
                return edge if edge.edge is Edge.DOWN else None
        return None


class Leftover(StrEnum):
    """What a start does with a request that has no answer."""

    CANCEL = "cancel"
    STORED = "stored"
    RUN = "run"
    EXPIRE = "expire"


def judge_leftover(
    request: OpenRequest,
    now: datetime,
    age_max_s: float,
    *,
    has_plan: bool,
) -> Leftover:
    """Decide about a request that a crash left open.

    Parameters
    ----------
    request : OpenRequest
    now : datetime, aware
    age_max_s : float
    has_plan : bool
        Whether its plan is on disk.
    """
    if has_plan:
        return Leftover.STORED
    if request.is_cancelled:
        return Leftover.CANCEL
    if is_fresh(request.pressed_at, now, age_max_s):
        return Leftover.RUN
    return Leftover.EXPIRE


def is_fresh(at: datetime, now: datetime, age_max_s: float) -> bool:
    """Tell whether a press is provably young enough; one from the future is not."""
    return timedelta() <= now - at <= timedelta(seconds=age_max_s)


def edge_event(changed: link_events.ButtonEdge, trace_id: str) -> ButtonEdge:
    """Return what has to be on disk before the edge is acknowledged."""
    return ButtonEdge(
        trace_id=trace_id,
        boot_id=changed.edge_id.boot_id,
        event_id=changed.edge_id.event_id,
        button=changed.button,
        edge=changed.edge.name.lower(),
        t_ms=changed.t_ms,
        age_ms=changed.age_ms,
    )


def edges_field(edges: Iterable[EdgeId]) -> tuple[tuple[int, int], ...]:
    """Return edges as a verdict names them."""
    return tuple((edge.boot_id, edge.event_id) for edge in edges)


def edge_ids(data: Mapping[str, object]) -> list[EdgeId]:
    """Return the edges that a verdict names; what is no edge is left out."""
    found = data.get("edges")
    pairs = found if isinstance(found, list | tuple) else ()
    return [EdgeId(*pair) for pair in pairs if _is_pair(pair)]


def _edge_state(edge: JournaledEdge) -> list[object]:
    boot_id, event_id = edge.edge_id
    times = [edge.t_ms, edge.age_ms, edge.journaled_at.isoformat()]
    return [boot_id, event_id, edge.button, edge.edge.name, *times, edge.trace_id]


def _edge_of_state(found: list[object]) -> JournaledEdge:
    """Return an edge of a state; ValueError, TypeError or KeyError when it is none."""
    boot_id, event_id, button, name, t_ms, age_ms, at, trace_id = found
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
    """Return the edge of a record; None for one that was edited into nonsense."""
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
