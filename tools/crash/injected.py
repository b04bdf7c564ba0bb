"""Kill or fail a writer at each system call that touches its home, by strace."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tools.crash.writers import (
    CrashReport,
    Writer,
    check_home,
    copy_home,
    make_home,
    parse_acknowledged,
    run_traced,
)

SYSCALLS: Final = (
    "openat", "write", "fsync", "close", "link", "linkat", "rename", "unlink", "flock", "mkdir",
)  # fmt: skip
FAULTS: Final = ("signal=SIGKILL", "error=EIO", "error=ENOSPC", "error=EINTR")
CALL = re.compile(r"(\w+)\(")


def sweep(root: Path, writer: Writer, *, stride: int = 1, prelude: str = "") -> CrashReport:
    """Inject every fault at every `stride`-th call of every kind, in a fresh home each."""
    root.mkdir(parents=True, exist_ok=True)
    report = CrashReport()
    template = root / "template"
    before = make_home(template)
    changed = writer.with_prelude(prelude)
    for injection in list(injections(root, template, changed))[::stride]:
        home = copy_home(template, root / "home")
        output = run_traced(changed, home, ["-e", f"inject={injection}", "-o", "/dev/null"])
        check_home(home, before | parse_acknowledged(output), injection, report)
        shutil.rmtree(home)
    return report


def injections(root: Path, template: Path, writer: Writer) -> Iterator[str]:
    """Yield every fault at every call, and a disk that is full from each write on."""
    for name, numbers in calls_in_home(root, template, writer).items():
        for number in numbers:
            for fault in FAULTS:
                yield f"{name}:{fault}:when={number}"
            if name in {"write", "mkdir"}:
                yield f"{name}:error=ENOSPC:when={number}+"


def calls_in_home(root: Path, template: Path, writer: Writer) -> dict[str, list[int]]:
    """Return, per system call, the numbers of its calls that touch the home."""
    home, trace = copy_home(template, root / "home"), root / "trace"
    run_traced(writer, home, ["-e", f"trace={','.join(SYSCALLS)}", "-o", str(trace)])
    shutil.rmtree(home)
    counts = dict.fromkeys(SYSCALLS, 0)
    calls: dict[str, list[int]] = {}
    for line in trace.read_text(errors="replace").splitlines():
        match = CALL.match(line)
        if match is None or match[1] not in counts:
            continue
        counts[match[1]] += 1
        if str(home) in line:
            calls.setdefault(match[1], []).append(counts[match[1]])
    assert calls, "the writer did not touch its home"
    return calls
