"""The disk operations of a writer, in order, parsed from the output of strace.

write       bytes at an offset of a file
cut         a file to a length
name        a name in a folder leads to a file or folder, or to nothing
sync        all writes to a file, or the names in a folder, are on disk
acknowledge a version was acknowledged
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tools.crash.writers import Writer, parse_acknowledged, run_traced

RECORDED: Final = (
    "open", "openat", "creat", "write", "pwrite64", "writev", "fsync", "fdatasync", "rename",
    "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir",
    "truncate", "ftruncate", "symlink", "symlinkat", "lseek",
)  # fmt: skip
UNKNOWN: Final = frozenset({
    "open", "creat", "pwrite64", "writev", "renameat", "renameat2", "unlinkat", "mkdirat",
    "truncate", "symlink", "symlinkat",
})  # fmt: skip
LINE = re.compile(r"(\w+)\((.*)\) = (-?\d+)")
TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
NUMBER = re.compile(r"^(\d+)")
STDOUT: Final = 1
ROOT: Final = 0
"""The number of the home itself; every other file and folder gets the next one."""


@dataclass(frozen=True, slots=True)
class Op:
    """One operation; `node` is the file, or the folder that contains the name."""

    kind: str
    node: int
    offset: int = 0
    data: bytes = b""
    names: tuple[tuple[int, str, int | None], ...] = ()
    acknowledged: tuple[tuple[int, str], ...] = ()
    new_folder: int | None = None
    """The folder that the name leads to, if it is new."""


@dataclass(slots=True)
class Disk:
    """Files by number, folders as names of numbers."""

    files: dict[int, bytes] = field(default_factory=dict)
    folders: dict[int, dict[str, int]] = field(default_factory=dict)

    def copy(self) -> Disk:
        """Return an independent copy."""
        folders = {node: dict(names) for node, names in self.folders.items()}
        return Disk(dict(self.files), folders)

    def apply(self, op: Op) -> None:
        """Apply an operation."""
        if op.kind == "write":
            old = self.files.get(op.node, b"").ljust(op.offset, b"\0")
            self.files[op.node] = old[: op.offset] + op.data + old[op.offset + len(op.data) :]
        elif op.kind == "cut":
            self.files[op.node] = self.files.get(op.node, b"")[: op.offset].ljust(op.offset, b"\0")
        if op.new_folder is not None:
            self.folders.setdefault(op.new_folder, {})
        for folder, name, node in op.names:
            entries = self.folders.setdefault(folder, {})
            if node is None:
                entries.pop(name, None)
            else:
                entries[name] = node

    def tree(self, node: int = ROOT, prefix: str = "") -> Iterator[tuple[str, bytes | None]]:
        """Yield every path with its bytes; None for a folder."""
        for name, child in sorted(self.folders.get(node, {}).items()):
            if child in self.folders:
                yield prefix + name, None
                yield from self.tree(child, f"{prefix}{name}/")
            else:
                yield prefix + name, self.files.get(child, b"")


@dataclass(slots=True)
class Recording:
    """The home before, and the operations since."""

    before: Disk
    ops: list[Op]


def record(writer: Writer, home: Path) -> Recording:
    """Run a writer in a home, and return its disk operations."""
    before, numbers = _read_home(home)
    trace = home.with_suffix(".trace")
    options = ["-xx", "-s", "1000000", "-e", f"trace={','.join(RECORDED)}", "-o", str(trace)]
    run_traced(writer, home, options)
    reader = _Reader(home, before.copy(), numbers)
    for line in trace.read_text().splitlines():
        reader.take(line)
    return Recording(before, reader.ops)


def _read_home(home: Path) -> tuple[Disk, dict[str, int]]:
    """Return the home as a disk, and the number of each path."""
    disk, numbers = Disk(folders={ROOT: {}}), {str(home): ROOT}
    for path in sorted(home.rglob("*")):
        number = len(numbers)
        numbers[str(path)] = number
        disk.folders[numbers[str(path.parent)]][path.name] = number
        if path.is_dir():
            disk.folders[number] = {}
        else:
            disk.files[number] = path.read_bytes()
    return disk, numbers


class _Reader:
    """Turns lines into operations, and tracks open files."""

    def __init__(self, home: Path, live: Disk, numbers: dict[str, int]) -> None:
        self.ops: list[Op] = []
        self._home = str(home)
        self._live = live
        self._count = len(numbers)
        self._open: dict[int, tuple[int, int]] = {}
        self._output = ""

    def take(self, line: str) -> None:
        """Read one line; failed calls are ignored."""
        match = LINE.match(line)
        if match is None or int(match[3]) < 0:
            return
        call, arguments, result = match[1], match[2], int(match[3])
        texts = [bytes.fromhex(t.replace("\\x", "")) for t in TEXT.findall(arguments)]
        paths = [os.fsdecode(text) for text in texts]
        number = NUMBER.match(arguments)
        descriptor = int(number[1]) if number else -1
        if call == "write" and descriptor == STDOUT:
            self._acknowledge(texts[0][:result])
        elif call in {"openat", "rename", "link", "linkat", "unlink", "mkdir", "rmdir"}:
            if any(path.startswith(self._home) for path in paths):
                self._take_paths(call, [p for p in paths if p.startswith("/")], arguments, result)
            elif call == "openat":
                self._open.pop(result, None)
        elif descriptor in self._open:
            self._take_descriptor(call, descriptor, texts, (arguments, result))
        else:
            assert call not in UNKNOWN or self._home not in str(paths), f"{call}: not understood"

    def _acknowledge(self, data: bytes) -> None:
        self._output += data.decode()
        self._add(
            Op("acknowledge", ROOT, acknowledged=tuple(parse_acknowledged(self._output).items()))
        )

    def _take_paths(self, call: str, paths: list[str], arguments: str, result: int) -> None:
        if call == "openat":
            self._take_open(paths[0], arguments, result)
        elif call in {"link", "linkat"}:
            self._names((paths[1], self._node(paths[0])))
        elif call == "rename":
            self._names((paths[1], self._node(paths[0])), (paths[0], None))
        elif call == "mkdir":
            self._names((paths[0], self._count), new_folder=self._count)
            self._count += 1
        else:
            self._names((paths[0], None))

    def _take_open(self, path: str, flags: str, descriptor: int) -> None:
        node = self._node(path)
        if node is None:
            node, self._count = self._count, self._count + 1
            self._names((path, node))
        elif "O_TRUNC" in flags:
            self._add(Op("cut", node))
        end = len(self._live.files.get(node, b"")) if "O_APPEND" in flags else 0
        self._open[descriptor] = (node, end)

    def _take_descriptor(
        self, call: str, descriptor: int, texts: list[bytes], rest: tuple[str, int]
    ) -> None:
        node, at = self._open[descriptor]
        arguments, result = rest
        if call == "write":
            self._add(Op("write", node, at, texts[0][:result]))
            self._open[descriptor] = (node, at + result)
        elif call in {"fsync", "fdatasync"}:
            self._add(Op("sync", node))
        elif call == "ftruncate":
            self._add(Op("cut", node, int(arguments.rpartition(",")[2])))
        elif call == "lseek":
            self._open[descriptor] = (node, result)
        else:
            raise AssertionError(f"{call}: not understood")

    def _names(self, *names: tuple[str, int | None], new_folder: int | None = None) -> None:
        """Add names that change together, in the folder of the first one."""
        entries = []
        for path, node in names:
            parent, _, name = path.rpartition("/")
            folder = self._node(parent)
            assert folder is not None, path
            entries.append((folder, name, node))
        self._add(Op("name", entries[0][0], names=tuple(entries), new_folder=new_folder))

    def _node(self, path: str) -> int | None:
        """Return the number of the node at a path."""
        node = ROOT
        for name in path.removeprefix(self._home).strip("/").split("/"):
            if not name:
                continue
            child = self._live.folders.get(node, {}).get(name)
            if child is None:
                return None
            node = child
        return node

    def _add(self, op: Op) -> None:
        self.ops.append(op)
        self._live.apply(op)
