"""A quick verification gives the result of a full one."""

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
LIMITS = JournalLimits(file_bytes=1_500, total_bytes=6_000)


def filled(home: Path, count: int) -> None:
    """Write records into several files; the latest time is not that of the last record."""
    journal = Journal(home / "journal", home / "state" / HEAD_NAME, limits=LIMITS, now=lambda: NOON)
    for number in range(count):
        at = NOON + timedelta(seconds=(number * 7) % 11, microseconds=number % 2)
        journal.append_now(
            JournalRecord("Counted", at, "t", "core", {"number": number}), durable=True
        )
    repaired = JournalRepaired(timestamp=NOON, why="a test")
    journal.append_now(JournalRecord.of(repaired), durable=True)
    journal.append_now(JournalRecord("Counted", NOON, "t", "core", {"number": count}), durable=True)
    journal.close()


def test_a_sound_journal_is_verified_without_parsing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path, 60)
    verification = verified(tmp_path)
    assert verification.is_sound
    assert verification.pruned_through > 0
    assert verification.latest is not None
    assert verification.latest > NOON
    assert [repair.data["why"] for repair in verification.repairs] == ["a test"]
    parsed: list[bytes] = []

    def decode(line: bytes) -> JournalLine | None:
        parsed.append(line)
        return decode_line(line)

    monkeypatch.setattr(journal_check, "decode", decode)
    quick = verify_journal(tmp_path / "journal", tmp_path / "state" / HEAD_NAME, is_quick=True)
    assert quick == verification
    parsed_always = [line for line in parsed if b'"Counted"' not in line]
    assert len(parsed) - len(parsed_always) <= verification.files, (
        "the last of each file, and records of repairs"
    )
    assert len(parsed) < verification.records / 2


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_damage_gives_the_same_result_quickly_and_in_full(
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
