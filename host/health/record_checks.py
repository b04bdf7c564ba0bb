"""The journal's chain of hashes, and the breakers' state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from host.files.journal import JOURNAL_NAME, JournalRecord, read_journal
from host.limits import HEALTH_JOURNAL_BYTES_MAX

if TYPE_CHECKING:
    from host.health.look import Findings, Look

JOURNALED: Final = "a record of the journal"


def check_journal(look: Look) -> Findings:
    """Find records that are gone, or not as they were written."""
    path = look.home.journal_dir / JOURNAL_NAME
    try:
        size = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return
    if size > HEALTH_JOURNAL_BYTES_MAX:
        what = f"{path}: {size / 1024**2:.0f} MB are too long for a quick look"
        yield look.found("check_failed", what, subject="journal")
        return

    def note(record: JournalRecord) -> None:
        known = look.evidence.get(JOURNALED, record.timestamp)
        look.evidence[JOURNALED] = max(known, record.timestamp)

    reading = read_journal(path, note)
    torn = 0 if look.is_locked else reading.bytes_cut  # a daemon may be in the middle of a line
    if reading.lines_damaged or reading.links_broken:
        what = (
            f"{path}: {reading.lines_damaged} lines damaged, {reading.links_broken} links of the"
            " chain broken"
        )
        yield look.found("journal_damaged", what, subject="journal")
    elif torn:
        what = f"{path}: the last {torn} bytes are no record, as a power cut leaves it"
        yield look.found("journal_tail_torn", what, subject="journal")
