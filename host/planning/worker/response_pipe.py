"""What the planner's process says to the daemon: a JSON object per line, on a pipe."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from typing import Final

EXIT_ORPHANED: Final = 3
SOON_S: Final = 0.05
WAITING_MAX: Final = 1_000
"""Lines that may wait: a module that says more makes the daemon hear it at once."""
ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=str)


class Answers:
    """The pipe to the daemon; if it is broken, there is nobody to work for.

    Every write wakes the daemon, and a plan says sixty things in a fifth of a second: what may come
    a little later comes together with what follows.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pipe = os.fstat(descriptor).st_ino
        self._lock = threading.Lock()
        self._waiting: list[str] = []
        self._has_some = threading.Event()
        self._is_closed = False

    def serve(self) -> None:
        """Send what waits, for ever, in a thread of its own."""
        while True:
            self._has_some.wait()
            time.sleep(SOON_S)
            self._has_some.clear()
            with self._lock:
                self._flush()

    def send(self, kind: str, content: object) -> None:
        """Send one line, after those that wait."""
        self._end_if_closed()
        line = ENCODER.encode({kind: content})
        with self._lock:
            self._waiting.append(line)
            self._flush()

    def send_soon(self, kind: str, content: object) -> None:
        """Send one line within SOON_S, before whatever is sent later."""
        self._end_if_closed()
        line = ENCODER.encode({kind: content})
        with self._lock:
            self._waiting.append(line)
            if len(self._waiting) >= WAITING_MAX:
                self._flush()
        if not self._has_some.is_set():
            self._has_some.set()

    def is_open(self) -> bool:
        """Tell whether the pipe is still there: a module may have closed whatever it found."""
        with contextlib.suppress(OSError):
            return os.fstat(self._descriptor).st_ino == self._pipe
        return False

    def close(self) -> None:
        """Say nothing any more; for a forked child, in which no thread goes on but this one."""
        self._is_closed = True
        self._lock = threading.Lock()
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    def _end_if_closed(self) -> None:
        """End a forked child; by now, what it opened itself may have the number of the pipe."""
        if self._is_closed:
            os._exit(EXIT_ORPHANED)

    def _flush(self) -> None:
        if not self._waiting:
            return
        text = "\n".join(self._waiting) + "\n"
        self._waiting.clear()
        left = memoryview(text.encode("utf-8", "replace"))
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError:
            os._exit(EXIT_ORPHANED)
