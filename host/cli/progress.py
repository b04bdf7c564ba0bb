"""The progress of a long command on a terminal, and Ctrl-C as a request to stop.

Progress is drawn on standard error and removed at the end, so that only the result remains.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, Task

ShowProgress = Callable[[str, "float | None"], None]
"""Shows the current activity, and in at most how many seconds it ends."""

REFRESHES_PER_S = 8


@contextmanager
def show_progress(stream: TextIO) -> Iterator[ShowProgress]:
    """Show the current activity and its elapsed time; nothing without a terminal."""
    if not stream.isatty():
        yield lambda _activity, _seconds: None
        return
    from rich.console import Console  # rich is slow to import: only for a terminal

    console = Console(file=stream, highlight=False, emoji=False, markup=False)
    if console.is_dumb_terminal or not console.is_terminal:
        yield lambda _activity, _seconds: None
        return
    with _progress(console) as progress:
        progress.add_task("planning", total=None)
        yield lambda activity, seconds: _replace_task(progress, activity, seconds)


def _replace_task(progress: Progress, activity: str, seconds: float | None) -> None:
    """Show another task: rich cannot remove the end from a task that has one."""
    for task in progress.task_ids:
        progress.remove_task(task)
    progress.add_task(activity, total=seconds)


def _progress(console: Console) -> Progress:
    """Return a progress line whose bar is the clock: only the time limit is known beforehand."""
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    class ClockBar(BarColumn):
        def render(self, task: Task) -> ProgressBar:
            return ProgressBar(
                total=task.total,
                completed=min(task.elapsed or 0.0, task.total or 0.0),
                width=24,
                pulse=task.total is None,
                animation_time=task.get_time(),
            )

    class Seconds(ProgressColumn):
        def render(self, task: Task) -> Text:
            text = f"{task.elapsed or 0.0:.0f} s"
            return Text(text if task.total is None else f"{text} of {task.total:g} s at most")

    return Progress(
        TextColumn("{task.description}"),
        ClockBar(),
        Seconds(),
        console=console,
        transient=True,
        refresh_per_second=REFRESHES_PER_S,
    )


@contextmanager
def first_interrupt_requests() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether Ctrl-C was pressed; a second Ctrl-C interrupts.

    Only Python's main thread may handle signals: elsewhere Ctrl-C works as usual.
    """
    is_requested = False
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def request(_signal: int, _frame: FrameType | None) -> None:
        nonlocal is_requested
        is_requested = True
        signal.signal(signal.SIGINT, before)

    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, request)
    try:
        yield lambda: is_requested
    finally:
        signal.signal(signal.SIGINT, before)
