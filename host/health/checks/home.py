"""The home, its rights, the disk under it and the memory around it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.limits import (
    DISK_FREE_LOW_BYTES,
    DISK_FREE_MIN_BYTES,
    HEALTH_ENTRIES_MAX,
    MEMORY_FREE_LOW_BYTES,
)

if TYPE_CHECKING:
    from host.health.probe import Findings, Look

WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
INODES_MIN: Final = 64
MEBIBYTE: Final = 1024 * 1024
MEMINFO: Final = Path("/proc/meminfo")
SHOWN: Final = 3
NOT_OURS: Final = "this user may not write to it"
AS_THE_OWNER: Final = "Run it as the owner of the home, or correct the owner with `chown -R`."


def check_home(look: Look) -> Findings:
    """Find a home that is missing or empty."""
    root = look.home.root
    try:
        is_there = root.is_dir()
        next(root.iterdir() if is_there else iter(()), None)  # may it be read?
    except OSError as error:
        yield look.found("home_missing", f"{root}: cannot be read ({error.strerror})")
        return
    if not is_there:
        yield look.found("home_missing", f"{root}: there is no home here")
    elif not look.home.bucket_ids():
        yield look.found("no_bucket", f"{look.home.portfolios_dir}: there is no portfolio in it")


def check_rights(look: Look) -> Findings:
    """Find what others may change, or own."""
    open_paths, foreign = [], []
    for path in _looked_at(look.home.root):
        try:
            found = path.lstat()
        except OSError:
            continue
        if stat.S_ISLNK(found.st_mode):
            continue  # its own mode says nothing
        if found.st_mode & WRITABLE_BY_OTHERS and not found.st_mode & stat.S_ISVTX:
            open_paths.append(path)
        if found.st_uid != os.geteuid():
            foreign.append(path)
    if open_paths:
        yield look.found("home_open_to_others", f"others may write to {_some(open_paths)}")
    if foreign:
        yield look.found("home_of_another", f"not owned by user {os.geteuid()}: {_some(foreign)}")


def check_disk(look: Look) -> Findings:
    """Find a disk that keeps nothing, or soon will."""
    root = look.home.root
    if not root.is_dir():
        return
    why = why_nothing_is_kept(root)
    if why is not None:
        told = look.found("cannot_write", f"{root}: {why}")
        yield replace(told, action=AS_THE_OWNER) if why == NOT_OURS else told
        return
    found = os.statvfs(root)
    free = found.f_bavail * found.f_frsize
    if free < DISK_FREE_LOW_BYTES:
        yield look.found("disk_low", f"{root}: {free / MEBIBYTE:.0f} MB are free")


def why_nothing_is_kept(root: Path) -> str | None:
    """Return why nothing can be written below a folder, as far as that is seen without writing.

    Raises
    ------
    OSError
        When the folder is gone, or the disk does not answer.
    """
    found = os.statvfs(root)
    if found.f_flag & os.ST_RDONLY:
        return "the file system is read-only"
    if not os.access(root, os.W_OK | os.X_OK):
        return NOT_OURS
    free = found.f_bavail * found.f_frsize
    inodes = found.f_favail if found.f_files else INODES_MIN  # some file systems do not count them
    if free < DISK_FREE_MIN_BYTES or inodes < INODES_MIN:
        return f"{free / MEBIBYTE:.1f} MB and {inodes} files are free"
    return None


def check_memory(look: Look) -> Findings:
    """Find too little memory for the planner's process."""
    free = available_memory_bytes()
    if free is not None and free < MEMORY_FREE_LOW_BYTES:
        yield look.found("memory_low", f"{free / MEBIBYTE:.0f} MB of memory are available")


def available_memory_bytes(meminfo: Path = MEMINFO) -> int | None:
    """Return what the system says a new process may take; None where it does not say."""
    try:
        for line in meminfo.read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    return None


def _looked_at(root: Path) -> Iterator[Path]:
    """Yield the home, what is in it and in its folders; no deeper, and not without end."""
    count = 0
    waiting = [(root, 0)]
    while waiting:
        path, depth = waiting.pop()
        yield path
        count += 1
        if depth > 1 or path.is_symlink() or not path.is_dir():
            continue
        try:
            for entry in path.iterdir():
                if count + len(waiting) >= HEALTH_ENTRIES_MAX:
                    break
                waiting.append((entry, depth + 1))
        except OSError:
            continue


def _some(paths: list[Path]) -> str:
    names = ", ".join(str(path) for path in sorted(paths)[:SHOWN])
    more = len(paths) - SHOWN
    return names if more <= 0 else f"{names} and {more} more"
