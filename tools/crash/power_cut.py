"""Every state of the disk that a power cut could leave, rebuilt from a recording.

At each moment everything that was synced is on disk. Of the rest any part may be, in any order: a
write missing, half, as zeros, or whole; a name old or new. Real file systems lose less, so a writer
that survives here survives there. The idea is from ALICE (Pillai et al., OSDI 2014).
"""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tools.crash.recording import Op, Recording, record
from tools.crash.writers import CrashReport, Writer, check_home, copy_home, make_home

CHOICES_MAX: Final = 256
"""States of one moment; of more than these, as many are drawn at random."""

Acknowledged = tuple[tuple[int, str], ...]
State = tuple[tuple[str, bytes | None], ...]


def cut_everywhere(
    root: Path, writer: Writer, *, prelude: str = "", is_first_enough: bool = False
) -> CrashReport:
    """Record a writer, then check every state of the disk that a power cut could leave.

    Parameters
    ----------
    root : Path
        A folder to work in.
    writer : Writer
    prelude : str
        Code that makes the writer naive.
    is_first_enough : bool
        Stop at the first failure.
    """
    root.mkdir(parents=True, exist_ok=True)
    before = make_home(root / "template")
    recording = record(writer.with_prelude(prelude), copy_home(root / "template", root / "home"))
    report = CrashReport()
    for acknowledged, state in states_of(recording):
        home = root / "state"
        put(state, home)
        check_home(home, before | dict(acknowledged), f"state {report.points}", report)
        shutil.rmtree(home)
        if is_first_enough and not report.is_clean:
            break
    return report


def states_of(recording: Recording) -> Iterator[tuple[Acknowledged, State]]:
    """Yield the possible states, each once, with the versions acknowledged before it."""
    states: set[tuple[Acknowledged, State]] = set()
    acknowledged: Acknowledged = ()
    for end in range(len(recording.ops) + 1):
        if end and recording.ops[end - 1].kind == "acknowledge":
            acknowledged = recording.ops[end - 1].acknowledged
        for choice in choices(recording.ops[:end]):
            disk = recording.before.copy()
            for op in choice:
                disk.apply(op)
            state = (acknowledged, tuple(disk.tree()))
            if state not in states:
                states.add(state)
                yield state


def choices(ops: Sequence[Op]) -> Iterator[list[Op]]:
    """Yield the operations that may have reached the disk."""
    synced_until: dict[int, int] = {}
    for at, op in enumerate(ops):
        if op.kind == "sync":
            synced_until[op.node] = at
    variants = [
        [[op]] if at < synced_until.get(op.node, -1) else outcomes(op)
        for at, op in enumerate(ops)
        if op.kind in {"write", "cut", "name"}
    ]
    n_choices = 1
    for outcome in variants:
        n_choices *= len(outcome)
    if n_choices <= CHOICES_MAX:
        combinations: Iterator[tuple[list[Op], ...]] = itertools.product(*variants)
    else:
        draw = random.Random(n_choices)  # noqa: S311 - not for secrets
        combinations = (tuple(map(draw.choice, variants)) for _ in range(CHOICES_MAX))
    for combination in combinations:
        yield [op for part in combination for op in part]


def outcomes(op: Op) -> list[list[Op]]:
    """Return the possible results of an operation that was not synced."""
    if op.kind != "write":
        return [[], [op]]
    half = Op("write", op.node, op.offset, op.data[: len(op.data) // 2])
    zeros = Op("write", op.node, op.offset, bytes(len(op.data)))
    return [[], [half], [zeros], [op]]


def put(state: State, folder: Path) -> None:
    """Write a state into a folder."""
    folder.mkdir()
    for name, data in state:
        if data is None:
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(data)


def state_on_disk(folder: Path) -> State:
    """Return the content of a folder as a state."""
    paths = sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).parts)
    return tuple(
        (str(path.relative_to(folder)), None if path.is_dir() else path.read_bytes())
        for path in paths
    )


def final_state(recording: Recording) -> State:
    """Return the state after all operations."""
    disk = recording.before.copy()
    for op in recording.ops:
        disk.apply(op)
    return tuple(disk.tree())
