"""Kill or fail a writer at every system call that touches its home, one after the other: strace."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tools.crash.writers import (
    Found,
    Writer,
    acknowledged,
    copied,
    judge,
    make_home,
    run_traced,
)

SYSCALLS: Final = (
    "openat", "write", "fsync", "close", "link", "linkat", "rename", "unlink", "flock", "mkdir",
)  # fmt: skip
FAULTS: Final = ("signal=SIGKILL", "error=EIO", "error=ENOSPC", "error=EINTR")
CALL = re.compile(r"(\w+)\(")


def sweep(root: Path, writer: Writer, *, stride: int = 1, prelude: str = "") -> Found:
    """Inject every fault at every `stride`-th call of every kind, in a fresh home each."""
    root.mkdir(parents=True, exist_ok=True)
    found = Found()
    template = root / "template"
    before = make_home(template)
    changed = writer.with_prelude(prelude)
    for injection in list(injections(root, template, changed))[::stride]:
        home = copied(template, root / "home")
        said = run_traced(changed, home, ["-e", f"inject={injection}", "-o", "/dev/null"])
        judge(home, before | acknowledged(said), injection, found)
        shutil.rmtree(home)
    return found


def injections(root: Path, template: Path, writer: Writer) -> Iterator[str]:
    """Yield every fault at every call, and the full disk from every write on."""
    for name, numbers in calls_in_home(root, template, writer).items():
        for number in numbers:
            for fault in FAULTS:
                yield f"{name}:{fault}:when={number}"
            if name in {"write", "mkdir"}:
                yield f"{name}:error=ENOSPC:when={number}+"


def calls_in_home(root: Path, template: Path, writer: Writer) -> dict[str, list[int]]:
    """Return, per system call, which of its calls by number have to do with the home."""
    home, trace = copied(template, root / "home"), root / "trace"
    run_traced(writer, home, ["-e", f"trace={','.join(SYSCALLS)}", "-o", str(trace)])
    shutil.rmtree(home)
    seen = dict.fromkeys(SYSCALLS, 0)
    found: dict[str, list[int]] = {}
    for line in trace.read_text(errors="replace").splitlines():
        match = CALL.match(line)
        if match is None or match[1] not in seen:
            continue
        seen[match[1]] += 1
        if str(home) in line:
            found.setdefault(match[1], []).append(seen[match[1]])
    assert found, "the writer did not come to its home"
    return found
