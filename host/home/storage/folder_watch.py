"""Wait for files of a folder to change, by Linux's inotify instead of polling.

Editors write in place, or rename a new file over the old one; either is a change of the folder.
Where inotify or the folder is missing, the wait ends after a slow poll interval.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

IN_CLOSE_WRITE: Final = 0x8
IN_MOVED: Final = 0xC0
IN_DELETE: Final = 0x200
CHANGES: Final = IN_CLOSE_WRITE | IN_MOVED | IN_DELETE
SLOW_POLL_S: Final = 60.0
"""inotify misses what other machines write to a network file system."""
READ_BYTES: Final = 64 * 1024


class FolderWatch:
    """Changes of the files in a folder; use it within `with`, in a running loop."""

    def __init__(self, folder: Path, slow_poll_s: float = SLOW_POLL_S) -> None:
        self._folder = folder
        self._slow_poll_s = slow_poll_s
        self._descriptor = -1
        self._changed = asyncio.Event()

    def __enter__(self) -> Self:
        libc = ctypes.CDLL(None, use_errno=True)
        if hasattr(libc, "inotify_init1"):
            self._descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor >= 0:
            libc.inotify_add_watch(self._descriptor, os.fsencode(self._folder), CHANGES)
            asyncio.get_running_loop().add_reader(self._descriptor, self._on_readable)
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    async def change(self, quiet_s: float, within_s: float | None = None) -> None:
        """Return after a change and `quiet_s` without another, or when the wait is over.

        The wait for a change is `within_s`, by default the slow poll interval. In a folder that
        changes all the time the quiet is not waited for longer than that interval.
        """
        if not await self._changed_within(self._slow_poll_s if within_s is None else within_s):
            return
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._slow_poll_s
        while loop.time() < deadline_s:
            self._changed.clear()
            if not await self._changed_within(quiet_s):
                return

    async def _changed_within(self, wait_s: float) -> bool:
        try:
            async with asyncio.timeout(wait_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _on_readable(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._descriptor, READ_BYTES)  # the caller checks which file changed
        self._changed.set()
