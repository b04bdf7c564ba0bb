"""Run a command of ours and write down which functions it enters, in which files, and when.

python tools/trips_tracer.py REPORT ROOT MODULE:FUNCTION [ARGUMENT ...]

This file runs inside the process that is measured. It therefore needs only the standard library,
and imports nothing of the tree below ROOT before it starts the command. It calls FUNCTION as the
script `trader` does, and writes the report when the command ends.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import CodeType, FrameType
from typing import Final

FOLDERS: Final = ("configs", "firmware_bridge", "host", "planner_core")
"""Our files are the Python files below these folders of the root."""
COMPREHENSIONS: Final = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
MS_PER_S: Final = 1000

Key = tuple[str, str]
"""A file below the root, and the qualified name of a function in it."""


class Tracer:
    """Notes the functions that are entered below a root, on every thread.

    A coroutine or generator that goes on after a wait is entered again. The code of a module or of
    a class body is not a function, and neither is a comprehension directly in one: they run when a
    file is imported.

    Parameters
    ----------
    root : str
        The folder that holds our folders.
    """

    def __init__(self, root: str) -> None:
        self.entries: dict[Key, list[int]] = {}
        """The times at which each function was entered, ms of the monotonic clock, ascending."""
        self._root = os.path.realpath(root) + os.sep
        self._folders = tuple(self._root + folder + os.sep for folder in FOLDERS)
        # By identity, because code objects of two files are equal when their text and lines are.
        # Each one stays referenced here, so that no other code object gets its identity.
        self._codes: dict[int, tuple[CodeType, list[int] | None]] = {}

    def start(self) -> None:
        """Begin to note what is entered."""
        if sys.version_info >= (3, 12):
            monitoring, tool = sys.monitoring, sys.monitoring.PROFILER_ID
            events = monitoring.events

            def enter(code: CodeType, _offset: int) -> object:
                # What does not count is never reported again: the command runs faster.
                return None if self.note(code) else monitoring.DISABLE

            def throw(code: CodeType, _offset: int, _error: BaseException) -> None:
                self.note(code)

            monitoring.use_tool_id(tool, "trips")
            monitoring.register_callback(tool, events.PY_START, enter)
            monitoring.register_callback(tool, events.PY_RESUME, enter)
            monitoring.register_callback(tool, events.PY_THROW, throw)
            monitoring.set_events(tool, events.PY_START | events.PY_RESUME | events.PY_THROW)
        else:

            def profile(frame: FrameType, event: str, _argument: object) -> None:
                if event == "call":  # also where a coroutine goes on
                    self.note(frame.f_code)

            threading.setprofile(profile)
            sys.setprofile(profile)

    def stop(self) -> None:
        """End it."""
        if sys.version_info >= (3, 12):
            sys.monitoring.set_events(sys.monitoring.PROFILER_ID, 0)
            sys.monitoring.free_tool_id(sys.monitoring.PROFILER_ID)
        else:
            sys.setprofile(None)
            threading.setprofile(None)

    def report(self) -> list[tuple[str, str, list[int]]]:
        """Return each file and function with the times at which it was entered."""
        return [(file, function, times) for (file, function), times in self.entries.copy().items()]

    def note(self, code: CodeType) -> bool:
        """Note that a function is entered; return whether it is one that counts."""
        entry = self._codes.get(id(code))
        if entry is None:
            entry = self._codes[id(code)] = (code, self._times_of(code))
        times = entry[1]
        if times is None:
            return False
        now_ms = int(time.monotonic() * MS_PER_S)
        if not times or times[-1] != now_ms:
            times.append(now_ms)
        return True

    def _times_of(self, code: CodeType) -> list[int] | None:
        """Return the list for the times of a function; None for code that does not count."""
        is_function = code.co_flags & inspect.CO_OPTIMIZED  # modules and class bodies are without
        is_import = code.co_name in COMPREHENSIONS and "<locals>" not in code.co_qualname
        if not is_function or is_import:
            return None
        path = os.path.realpath(code.co_filename)
        if not path.startswith(self._folders):
            return None
        file = path.removeprefix(self._root).replace(os.sep, "/")
        return self.entries.setdefault((file, code.co_qualname), [])


def main(arguments: Sequence[str]) -> int:
    """Run the command and write the report, whatever becomes of the command."""
    report, root, entry_point, *rest = arguments
    module, _, function = entry_point.partition(":")
    command: Callable[[], int] = getattr(importlib.import_module(module), function)
    sys.argv = ["trader", *rest]
    tracer = Tracer(root)
    tracer.start()
    try:
        return command()
    finally:
        tracer.stop()
        with open(report, "w", encoding="utf-8") as file:  # noqa: PTH123 - no further imports
            json.dump(tracer.report(), file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
