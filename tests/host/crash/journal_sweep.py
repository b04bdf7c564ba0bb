"""Kill or fail a writer of the journal at every system call that touches the disk: strace.

The writer appends number after number, through several files and their removal. It retries failed
appends, as the daemon does, and prints each number once it is safe. Every printed number has to be
in the journal afterwards, once and in order, and the next writer has to continue a sound chain.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from host.telemetry.journal.journal import Journal, JournalLimits
from host.telemetry.journal.reader import HEAD_NAME
from host.telemetry.journal.record import JournalRecord
from host.telemetry.journal.verifier import verify_journal
from tests.host.journals import read_journal

SYSCALLS = (
    "fsync", "write", "rename", "unlink", "openat", "pwrite64", "close", "ftruncate", "truncate",
    "flock",
)  # fmt: skip
FAULTS = ("signal=SIGKILL", "error=EIO", "error=ENOSPC", "error=EINTR")
APPENDS = 14
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LIMITS = JournalLimits(file_bytes=900, total_bytes=4_200)

WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from host.errors import HostError
from host.telemetry.journal.journal import Journal, JournalLimits
from host.telemetry.journal.record import JournalRecord
home = Path(sys.argv[1])
{prelude}
Path(sys.argv[1] + '.start').touch()
journal = Journal(home / 'journal', home / 'state' / 'journal.head', limits={limits})
for number in range({appends}):
    record = JournalRecord('Counted', datetime.now(UTC), 'trace', 'core', {{'number': number}})
    for attempt in range(3):
        try:
            journal.append_now(record, durable=True)
        except (HostError, OSError):
            continue
        print(number, flush=True)
        break
"""
NAIVE = {
    "acknowledged before written": """
def late(self, data, *, durable):
    self._late = getattr(self, '_late', b'') + data
    if len(self._late) > 500:
        import os
        os.write(self._descriptor, self._late)
        self._late = b''
Journal._write = late
""",
    "removed before it is recorded": """
files_to_remove = Journal._files_to_remove
def naive(self):
    for path in files_to_remove(self):
        path.unlink()
    self._pending = [event for event in self._pending if event.event_type != 'JournalPruned']
    return []
Journal._files_to_remove = naive
""",
    "a failed write stays": """
import os
Journal._cut_failed_append = lambda self: None
def naive(self, data, *, durable):
    os.write(self._descriptor, data)
    os.fsync(self._descriptor)
Journal._write = naive
os.ftruncate = lambda descriptor, length: None
""",
}
"""Naive writers; the sweep has to catch each."""


@dataclass(slots=True)
class SweepReport:
    """The result of a sweep."""

    points: int = 0
    failures: list[str] = field(default_factory=list)


def sweep(
    root: Path, *, prelude: str = "", stride: int = 1, until_first: bool = False
) -> SweepReport:
    """Inject every fault at every `stride`-th call of every kind, or until the first failure."""
    report = SweepReport()
    for injection in injections(calls_of_writer(root / "counted", prelude), stride):
        if report.failures and until_first:
            break
        home = root / f"{report.points}"
        output = run(home, prelude, ["-e", f"inject={injection}", "-o", "/dev/null"])
        report.points += 1
        for problem in judge(home, [int(word) for word in output.split()]):
            report.failures.append(f"{injection}: {problem}")
    return report


def injections(calls: dict[str, tuple[int, int]], stride: int) -> Iterator[str]:
    """Yield the faults to inject; calls that write come first."""
    for syscall in SYSCALLS:
        for at in range(*calls.get(syscall, (0, 0)), stride):
            # A close that strace lets fail leaves the file open, which no kernel does.
            for fault in FAULTS[:1] if syscall == "close" else FAULTS:
                yield f"{syscall}:{fault}:when={at}"


def judge(home: Path, acknowledged: list[int]) -> list[str]:
    """Return the problems of the journal that a writer left, after the next writer."""
    problems = []
    journal = Journal(home / "journal", home / "state" / HEAD_NAME, limits=LIMITS)
    journal.open(lambda _record: None)
    journal.append_now(JournalRecord("Counted", NOW, data={"number": APPENDS}), durable=True)
    journal.close()
    numbers: list[int] = []

    def note(record: JournalRecord) -> None:
        if record.event_type == "Counted":
            numbers.append(int(str(record.data["number"])))

    read_journal(home / "journal", note)
    verification = verify_journal(home / "journal", home / "state" / HEAD_NAME)
    if not verification.is_sound:
        problems.append(f"not sound: {[str(damage) for damage in verification.damage]}")
    if numbers != sorted(set(numbers)):
        problems.append(f"doubled or out of order: {numbers}")
    first = numbers[0] if verification.pruned_through else 0
    lost = {number for number in acknowledged if number >= first} - set(numbers)
    if lost:
        problems.append(f"lost: {lost}, acknowledged {acknowledged}, there are {numbers}")
    if any(repair.data.get("records_lost") for repair in verification.repairs):
        problems.append("records that were safe are said to be lost")
    return problems


def calls_of_writer(home: Path, prelude: str) -> dict[str, tuple[int, int]]:
    """Return, per system call, the numbers of the calls from the first append to the end."""
    trace = home.with_suffix(".trace")
    trace.parent.mkdir(parents=True, exist_ok=True)
    run(home, prelude, ["-e", f"trace={','.join(SYSCALLS)}", "-o", str(trace)])
    counts = dict.fromkeys(SYSCALLS, 0)
    first: dict[str, int] = {}
    for line in trace.read_text(errors="replace").splitlines():
        match = re.match(r"(\w+)\(", line)
        if match is None or match[1] not in counts:
            continue
        counts[match[1]] += 1
        if ".start" in line:
            first = {name: number + 1 for name, number in counts.items()}
    assert first, "the writer did not begin"
    return {
        name: (first[name], counts[name] + 1) for name in SYSCALLS if counts[name] >= first[name]
    }


def run(home: Path, prelude: str, options: list[str]) -> str:
    """Run the writer under strace; return what it acknowledged."""
    code = WRITER.format(prelude=prelude, appends=APPENDS, limits=LIMITS)
    command = ["strace", "-qq", *options, sys.executable, "-S", "-B", "-c", code, str(home)]
    process = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return process.stdout
