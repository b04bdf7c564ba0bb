"""A health finding: one problem or note, with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class Level(StrEnum):
    """Severity of a finding."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Status(StrEnum):
    """Status of the appliance or of a bucket."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


class Blocks(StrEnum):
    """The effect of a finding on planning."""

    NOTHING = "nothing"
    PLAN = "plan"
    """No command can make a plan."""
    PRESS = "press"
    """A press of the button gives no plan; `trader plan` still might."""


RANK: Final = {Level.ERROR: 0, Level.WARNING: 1, Level.INFO: 2}


@dataclass(frozen=True, slots=True)
class HealthFinding:
    """One finding.

    Parameters
    ----------
    id : str
        Of the catalogue; it keeps its meaning.
    severity : Level
    what : str
        The problem, with the names and numbers of this case.
    action : str
        What to do about it.
    blocks : Blocks
    bucket_id : str
        Empty: it is about the appliance as a whole.
    subject : str
        The security, module or file, where there may be several.
    since : datetime, optional
        None: unknown.
    fix : str
        A command that fixes it without further input; empty: there is none.
    fault : int, optional
        Its number on the matrix.
    """

    id: str
    severity: Level
    what: str
    action: str
    blocks: Blocks = Blocks.NOTHING
    bucket_id: str = ""
    subject: str = ""
    since: datetime | None = None
    fix: str = ""
    fault: int | None = None

    @property
    def key(self) -> str:
        """Identity of the finding from one report to the next."""
        return f"{self.id}|{self.bucket_id}|{self.subject}"

    def to_json(self) -> dict[str, object]:
        """Return the finding as plain data."""
        return {
            "id": self.id,
            "severity": self.severity.value,
            "bucket_id": self.bucket_id or None,
            "subject": self.subject or None,
            "what": self.what,
            "action": self.action,
            "since": None if self.since is None else self.since.isoformat(timespec="seconds"),
            "fixable": bool(self.fix),
            "fix": self.fix or None,
            "blocks": self.blocks.value,
            "fault": self.fault,
        }


def status_of(findings: list[HealthFinding]) -> Status:
    """Return the status that findings add up to; notes do not count."""
    levels = {finding.severity for finding in findings}
    if Level.ERROR in levels:
        return Status.FAILED
    return Status.DEGRADED if Level.WARNING in levels else Status.OK


def in_order(findings: list[HealthFinding]) -> list[HealthFinding]:
    """Return findings, the worst first; then those of the appliance, then by bucket."""
    return sorted(findings, key=lambda f: (RANK[f.severity], f.bucket_id, f.id, f.subject))
