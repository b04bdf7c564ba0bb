"""Checks of the home folder: its permissions, its disk, and the memory of the computer."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.home.storage.atomic_file import MEBIBYTE, NOT_PERMITTED, find_write_problem
from host.limits import (
    DISK_FREE_LOW_BYTES,
    HEALTH_ENTRIES_MAX,
    MEMORY_FREE_LOW_BYTES,
)

if TYPE_CHECKING:
    from host.health.probe import Findings, HealthProbe

WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
MEMINFO: Final = Path("/proc/meminfo")
SHOWN: Final = 3
AS_THE_OWNER: Final = "Run it as the owner of the home, or fix the owner with `chown -R`."


def check_home(probe: HealthProbe) -> Findings:
    """Find a home that is missing or empty."""
    root = probe.home.root
    try:
        exists = root.is_dir()
        next(root.iterdir() if exists else iter(()), None)  # raises if it cannot be read
    except OSError as error:
        yield probe.finding("home_missing", f"{root}: cannot be read ({error.strerror})")
        return
    if not exists:
        yield probe.finding("home_missing", f"{root}: no trader home found here")
    elif not probe.home.bucket_ids():
        yield probe.finding("no_bucket", f"{probe.home.portfolios_dir}: contains no portfolio")


def check_permissions(probe: HealthProbe) -> Findings:
    """Find files that other users can change, or own."""
    writable_by_others, foreign = [], []
    for path in _walk(probe.home.root):
        try:
            status = path.lstat()
        except OSError:
            continue
        if stat.S_ISLNK(status.st_mode):
            continue  # the mode of a link has no effect
        if status.st_mode & WRITABLE_BY_OTHERS and not status.st_mode & stat.S_ISVTX:
            writable_by_others.append(path)
        if status.st_uid != os.geteuid():
            foreign.append(path)
    if writable_by_others:
        what = f"others may write to {_first(writable_by_others)}"
        yield probe.finding("home_open_to_others", what)
    if foreign:
        yield probe.finding(
            "home_of_another", f"not owned by user {os.geteuid()}: {_first(foreign)}"
        )


def check_disk(probe: HealthProbe) -> Findings:
    """Find a disk that takes no writes, or is nearly full."""
    root = probe.home.root
    if not root.is_dir():
        return
    why = find_write_problem(root)
    if why is not None:
        finding = probe.finding("cannot_write", f"{root}: {why}")
        yield replace(finding, action=AS_THE_OWNER) if why == NOT_PERMITTED else finding
        return
    disk = os.statvfs(root)
    free = disk.f_bavail * disk.f_frsize
    if free < DISK_FREE_LOW_BYTES:
        yield probe.finding("disk_low", f"{root}: {free / MEBIBYTE:.0f} MB are free")


def check_memory(probe: HealthProbe) -> Findings:
    """Find too little memory for the planner's process."""
    free = available_memory_bytes()
    if free is not None and free < MEMORY_FREE_LOW_BYTES:
        yield probe.finding("memory_low", f"{free / MEBIBYTE:.0f} MB of memory are available")


def available_memory_bytes(meminfo: Path = MEMINFO) -> int | None:
    """Return the memory that a new process may use; None where the system does not report it."""
    try:
        for line in meminfo.read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    return None


def _walk(root: Path) -> Iterator[Path]:
    """Yield the home, its entries and theirs, up to a limit."""
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


def _first(paths: list[Path]) -> str:
    names = ", ".join(str(path) for path in sorted(paths)[:SHOWN])
    more = len(paths) - SHOWN
    return names if more <= 0 else f"{names} and {more} more"
