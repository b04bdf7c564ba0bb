"""Every state of the disk that a power cut could leave, rebuilt from a recording.

At each moment what was synced is on disk. Of the rest any part may be, in any order: a write not at
all, in half, as zeros, or whole; a name the old or the new one. This is more than most file systems
do, so what survives here survives there. The idea is that of ALICE (Pillai et al., OSDI 2014).
"""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tools.crash.recording import Op, Recording, record
from tools.crash.writers import Found, Writer, copied, judge, make_home

CHOICES_MAX: Final = 256
"""Of one moment; where there are more, so many are drawn."""

Promised = tuple[tuple[int, str], ...]
State = tuple[tuple[str, bytes | None], ...]


def cut_everywhere(
    root: Path, writer: Writer, *, prelude: str = "", is_first_enough: bool = False
) -> Found:
    """Record a writer, then look at every state of the disk that a power cut could leave.

    Parameters
    ----------
    root : Path
        A folder to work in.
    writer : Writer
    prelude : str
        What makes a naive writer of it.
    is_first_enough : bool
        Stop at the first broken promise.
    """
    root.mkdir(parents=True, exist_ok=True)
    before = make_home(root / "template")
    recording = record(writer.with_prelude(prelude), copied(root / "template", root / "home"))
    found = Found()
    for promised, state in states_of(recording):
        home = root / "state"
        put(state, home)
        judge(home, before | dict(promised), f"state {found.points}", found)
        shutil.rmtree(home)
        if is_first_enough and not found.is_clean:
            break
    return found


def states_of(recording: Recording) -> Iterator[tuple[Promised, State]]:
    """Yield the states that are possible, each once, with what had been promised."""
    seen: set[tuple[Promised, State]] = set()
    promised: Promised = ()
    for end in range(len(recording.ops) + 1):
        if end and recording.ops[end - 1].kind == "promise":
            promised = recording.ops[end - 1].promised
        for choice in choices(recording.ops[:end]):
            disk = recording.before.copy()
            for op in choice:
                disk.apply(op)
            found = (promised, tuple(disk.tree()))
            if found not in seen:
                seen.add(found)
                yield found


def choices(ops: Sequence[Op]) -> Iterator[list[Op]]:
    """Yield what may have come to the disk of what was asked."""
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
    """Return what may be left of something that was not synced."""
    if op.kind != "write":
        return [[], [op]]
    half = Op("write", op.node, op.offset, op.data[: len(op.data) // 2])
    zeros = Op("write", op.node, op.offset, bytes(len(op.data)))
    return [[], [half], [zeros], [op]]


def put(state: State, folder: Path) -> None:
    """Write a state to the disk that we have."""
    folder.mkdir()
    for name, data in state:
        if data is None:
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(data)


def state_on_disk(folder: Path) -> State:
    """Return what stands in a folder, as a state."""
    paths = sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).parts)
    return tuple(
        (str(path.relative_to(folder)), None if path.is_dir() else path.read_bytes())
        for path in paths
    )


def final_state(recording: Recording) -> State:
    """Return the state when all that was asked was done."""
    disk = recording.before.copy()
    for op in recording.ops:
        disk.apply(op)
    return tuple(disk.tree())
