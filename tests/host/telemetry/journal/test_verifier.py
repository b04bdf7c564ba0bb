"""A quick look at the journal sees what a full one sees."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.telemetry.events import JournalRepaired
from host.telemetry.journal import verifier as journal_check
from host.telemetry.journal.journal import Journal, JournalLimits
from host.telemetry.journal.reader import HEAD_NAME
from host.telemetry.journal.record import JournalLine, JournalRecord
from host.telemetry.journal.record import decode as decode_line
from host.telemetry.journal.verifier import verify_journal
from tests.host.telemetry.journal.test_journal_files import verified

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LIMITS = JournalLimits(file_bytes=1_500, bytes_in_all=6_000)


def filled(home: Path, count: int) -> None:
    """Write records of several files, the youngest of which is not the last one."""
    journal = Journal(home / "journal", home / "state" / HEAD_NAME, limits=LIMITS, now=lambda: NOON)
    for number in range(count):
        at = NOON + timedelta(seconds=(number * 7) % 11, microseconds=number % 2)
        journal.append_now(JournalRecord("Counted", at, "t", "core", {"number": number}), True)
    repaired = JournalRepaired(timestamp=NOON, why="a test")
    journal.append_now(JournalRecord.of(repaired), True)
    journal.append_now(JournalRecord("Counted", NOON, "t", "core", {"number": count}), True)
    journal.close()


def test_a_sound_journal_is_not_parsed_and_all_is_known_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path, 60)
    found = verified(tmp_path)
    assert found.is_sound
    assert found.pruned_through > 0
    assert found.latest is not None
    assert found.latest > NOON
    assert [repair.data["why"] for repair in found.repairs] == ["a test"]
    parsed: list[bytes] = []

    def decode(line: bytes) -> JournalLine | None:
        parsed.append(line)
        return decode_line(line)

    monkeypatch.setattr(journal_check, "decode", decode)
    quick = verify_journal(tmp_path / "journal", tmp_path / "state" / HEAD_NAME, is_quick=True)
    assert quick == found
    told = [line for line in parsed if b'"Counted"' not in line]
    assert len(parsed) - len(told) <= found.files, (
        "the last of each file, and what tells of repairs"
    )
    assert len(parsed) < found.records / 2


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_happens_to_a_file_the_quick_look_sees_what_the_full_one_sees(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    home = tmp_path_factory.mktemp("home")
    filled(home, 30)
    path = data.draw(st.sampled_from(sorted((home / "journal").glob("*.jsonl"))))
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    lines = content.splitlines(keepends=True)
    row = data.draw(st.integers(0, len(lines) - 1))
    path.write_bytes(
        data.draw(
            st.sampled_from(
                [
                    content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :],
                    content[:at],
                    b"".join(lines[:row] + lines[row + 1 :]),
                    b"".join([*lines[:row], lines[row], *lines[row:]]),
                    b"".join([*lines[:row], b"junk\n", *lines[row:]]),
                ]
            )
        )
    )
    verified(home)
