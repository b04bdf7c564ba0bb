"""Kill or fail a writer at every system call that touches the disk, one after the other: strace.

The writer is a small process that commits version after version and prints each number once it is
acknowledged. What it printed has to be there afterwards, whole; what is there has to be whole.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from host.configuration.history import ConfigHistory

SYSCALLS = ("openat", "write", "fsync", "close", "link", "linkat", "rename", "unlink", "flock")
FAULTS = ("signal=SIGKILL", "error=EIO", "error=ENOSPC", "error=EINTR")
COMMITS = 2

WRITER = """
import sys
from pathlib import Path
from host.configuration.history import ConfigHistory
from host.errors import HostError
from host.files.atomic_file import FILE_MODE
history = ConfigHistory(Path(sys.argv[1]))
{prelude}
Path(sys.argv[1] + '.start').touch()
for number in range({commits}):
    try:
        meta = history.commit(b'max_plan_depth = %d\\n' % (number + 1), reason='sweep')
    except (HostError, OSError):
        continue
    print(meta.version, meta.sha256, flush=True)
"""
NAIVE = """
import os
import host.configuration.history as h
def naive(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('wb') as file:
        for at in range(0, len(data), 64):
            file.write(data[at:at + 64]); file.flush()
    return True
h.write_new = h.write_atomic = naive
"""
"""A writer as most are: in place, in pieces, without fsync."""


@dataclass(slots=True)
class Swept:
    """What a sweep found."""

    points: int = 0
    lost_acknowledged: int = 0
    torn: int = 0
    unrecovered: int = 0
    failures: list[str] = field(default_factory=list)


def sweep(root: Path, *, prelude: str = "", stride: int = 1) -> Swept:
    """Inject every fault at every `stride`-th call of every kind."""
    found = Swept()
    counts = calls_of_writer(root / "counted", prelude)
    for syscall, calls in counts.items():
        for at in range(*calls, stride):
            for fault in FAULTS:
                inject(root / f"{found.points}", f"{syscall}:{fault}:when={at}", prelude, found)
    return found


def calls_of_writer(folder: Path, prelude: str) -> dict[str, tuple[int, int]]:
    """Return, per system call, the numbers of the calls from the first commit to its end."""
    trace = folder.with_suffix(".trace")
    trace.parent.mkdir(parents=True, exist_ok=True)
    run(folder, prelude, ["-e", f"trace={','.join(SYSCALLS)}", "-o", str(trace)])
    seen = dict.fromkeys(SYSCALLS, 0)
    first: dict[str, int] = {}
    for line in trace.read_text(errors="replace").splitlines():
        match = re.match(r"(\w+)\(", line)
        if match is None or match[1] not in seen:
            continue
        seen[match[1]] += 1
        if ".start" in line:
            first = {name: number + 1 for name, number in seen.items()}
    assert first, "the writer did not begin"
    ran = [name for name in SYSCALLS if seen[name] >= first[name]]
    return {name: (first[name], seen[name] + 1) for name in ran}


def inject(folder: Path, injection: str, prelude: str, found: Swept) -> None:
    """Run the writer with one fault, then judge what it left."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    said = run(folder, prelude, ["-e", f"inject={injection}", "-o", "/dev/null"])
    found.points += 1
    acknowledged = [line.split() for line in said.splitlines() if len(line.split()) == 2]
    history = ConfigHistory(folder)
    problems = history.problems() if folder.is_dir() else []
    if any("damaged" in problem and "HEAD" not in problem for problem in problems):
        found.torn += 1
        found.failures.append(f"{injection}: torn: {problems}")
    held = {s.meta.version: s.meta.sha256 for s in history.newest_first()}
    if any(held.get(int(number)) != digest for number, digest in acknowledged):
        found.lost_acknowledged += 1
        found.failures.append(f"{injection}: lost: {acknowledged} of {held}")
    recovered = history.recover()
    next_one = history.commit(b"max_plan_depth = 9\n", reason="after")
    active = history.active()
    if history.problems() or active is None or active.meta != next_one:
        found.unrecovered += 1
        found.failures.append(f"{injection}: unrecovered: {recovered}")


def run(folder: Path, prelude: str, options: list[str]) -> str:
    """Run the writer under strace; return what it acknowledged."""
    code = WRITER.format(prelude=prelude, commits=COMMITS)
    command = ["strace", "-qq", *options, sys.executable, "-S", "-B", "-c", code, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout
