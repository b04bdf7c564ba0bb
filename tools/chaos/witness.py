"""Record the events of the daemon and the reports and pictures of the board."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from host.simulation.appliance import Record, SimulatedEvent

Rows = tuple[tuple[int, ...], ...]
BoardEdge = tuple[int, int]
"""Boot id and event id."""


@dataclass(slots=True)
class Witness:
    """Follows an appliance.

    Parameters
    ----------
    boot_id : int
        Id of the board's first boot.
    """

    boot_id: int
    daemon_events: list[SimulatedEvent] = field(default_factory=list)
    """Events of the daemon."""
    pictures: list[tuple[float, Rows]] = field(default_factory=list)
    edges: list[BoardEdge] = field(default_factory=list)
    acked: list[BoardEdge] = field(default_factory=list)

    def follow(self, event: SimulatedEvent) -> None:
        """Record an event."""
        if event.source == "daemon":
            self.daemon_events.append(event)
            return
        record = event.record
        if "levels" in record:
            rows = tuple(tuple(row) for row in record["levels"])
            self.pictures.append((event.at_s, rows))
        if event.kind == "reset":
            self.boot_id = int(record["boot_id"])
        elif event.kind == "edge":
            self.edges.append((self.boot_id, int(record["event_id"])))
        elif event.kind == "edge_acked":
            self.acked.append((self.boot_id, int(record["event_id"])))

    @property
    def waiting(self) -> set[BoardEdge]:
        """The edges that wait on the board."""
        return {edge for edge in self.edges if edge[0] == self.boot_id} - set(self.acked)

    def events_of(self, *kinds: str, since_s: float = 0.0) -> list[Record]:
        """Return the daemon's events of these kinds."""
        return [e.record for e in self.daemon_events if e.kind in kinds and e.at_s >= since_s]

    def saw(self, looks_like: Callable[[Rows], bool], since_s: float) -> bool:
        """Return whether the matrix showed such a picture."""
        return any(looks_like(rows) for at_s, rows in self.pictures if at_s >= since_s)
