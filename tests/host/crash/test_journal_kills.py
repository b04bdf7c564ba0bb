"""kill -9 of writers that share a journal: each acknowledged record is there once, in a chain."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from host.telemetry.journal.reader import HEAD_NAME
from host.telemetry.journal.record import JournalRecord
from host.telemetry.journal.verifier import verify_journal
from tests.host.journals import read_journal

WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from host.telemetry.journal.journal import Journal, JournalLimits
from host.telemetry.journal.record import JournalRecord
home, name = Path(sys.argv[1]), sys.argv[2]
limits = JournalLimits(file_bytes=4_000, total_bytes=10**9)
journal = Journal(home / 'journal', home / 'state' / 'journal.head', limits=limits)
for number in range(100_000):
    record = JournalRecord('Counted', datetime.now(UTC), name, '', {'number': number})
    journal.append_now(record, durable=number % 3 != 0)
    if number % 3:
        print(number, flush=True)
"""


def kill_writers(home: Path, seed: int, rounds: int) -> tuple[Counter[tuple[str, int]], int]:
    """Kill pairs of writers; return the acknowledged records, and the number of kills."""
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    acknowledged: Counter[tuple[str, int]] = Counter()
    kills = 0
    for number in range(rounds):
        writers = {
            name: subprocess.Popen(
                [sys.executable, "-S", "-B", "-c", WRITER, str(home), name],
                stdout=subprocess.PIPE,
                text=True,
            )
            for name in (f"{number}-a", f"{number}-b")
        }
        for writer in writers.values():
            assert writer.stdout is not None
            writer.stdout.readline()  # it is at work
        for name, writer in writers.items():
            time.sleep(rng.uniform(0.0, 0.03))
            writer.kill()
            output, _ = writer.communicate()
            kills += 1
            # The last line may be torn: without its line feed it is not acknowledged.
            acknowledged.update((name, int(line)) for line in output.split("\n")[:-1])
    return acknowledged, kills


def judge(home: Path, acknowledged: Counter[tuple[str, int]]) -> None:
    counts: Counter[tuple[str, int]] = Counter()

    def note(record: JournalRecord) -> None:
        if record.event_type == "Counted":
            counts[record.trace_id, int(str(record.data["number"]))] += 1

    read_journal(home / "journal", note)
    verified = verify_journal(home / "journal", home / "state" / HEAD_NAME)
    damage_left = [damage for damage in verified.damage if damage.kind != "unfinished"]
    assert damage_left == [], "a last line that the last kill tore is all that may be wrong"
    assert not any(repair.data["records_lost"] for repair in verified.repairs)
    assert not acknowledged - counts, "acknowledged and lost"
    assert set(counts.values()) == {1}, "doubled"


def test_writers_that_are_killed_side_by_side_lose_nothing_they_acknowledged(
    tmp_path: Path,
) -> None:
    acknowledged, kills = kill_writers(tmp_path, seed=1, rounds=4)
    assert (kills, len(acknowledged) > kills) == (8, True)
    judge(tmp_path, acknowledged)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
def test_many_writers_that_are_killed_lose_nothing_they_acknowledged(
    tmp_path: Path, seed: int
) -> None:
    acknowledged, _ = kill_writers(tmp_path, seed, rounds=50)
    judge(tmp_path, acknowledged)
