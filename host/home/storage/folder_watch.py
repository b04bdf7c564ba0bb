"""Waiting for files of a folder to change, without looking again and again: Linux's inotify.

Editors write in place, or rename a new file over the old one; either is a change of the folder.
Where inotify is missing, or the folder itself, waiting is a slow look.
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
SLOW_LOOK_S: Final = 60.0
"""Network file systems tell nobody what other machines write."""
READ_BYTES: Final = 64 * 1024


class FolderWatch:
    """Tells that something in a folder changed; use it within `with`, in a running loop."""

    def __init__(self, folder: Path, slow_look_s: float = SLOW_LOOK_S) -> None:
        self._folder = folder
        self._slow_look_s = slow_look_s
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
        """Return once something changed and then nothing did for `quiet_s`, or it is time to look.

        It is time after `within_s`, and without that after the slow look's. A folder that never
        rests is looked at all the same.
        """
        if not await self._within(self._slow_look_s if within_s is None else within_s):
            return
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._slow_look_s
        while loop.time() < until_s:
            self._changed.clear()
            if not await self._within(quiet_s):
                return

    async def _within(self, wait_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._changed.wait()
            return True
        return False

    def _on_readable(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._descriptor, READ_BYTES)  # which file it was is found by looking
        self._changed.set()
