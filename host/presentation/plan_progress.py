"""What a person sees while a plan is made, proven and explained: on a terminal only.

It is drawn on standard error and gone when the work is done, so that the result stands alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, Task

Tell = Callable[[str, "float | None"], None]
"""Says what is being done now, and in at most how many seconds it will be done."""

REFRESHES_PER_S = 8


@contextmanager
def shown_progress(stream: TextIO) -> Iterator[Tell]:
    """Show what is being done and how long it has taken; nothing at all in a pipe."""
    if not stream.isatty():
        yield lambda _doing, _seconds: None
        return
    from rich.console import Console

    console = Console(file=stream, highlight=False, emoji=False, markup=False)
    if console.is_dumb_terminal or not console.is_terminal:
        yield lambda _doing, _seconds: None
        return
    with _progress(console) as progress:
        progress.add_task("planning", total=None)
        yield lambda doing, seconds: _turn_to(progress, doing, seconds)


def _turn_to(progress: Progress, doing: str, seconds: float | None) -> None:
    """Show another task: rich cannot take the end from one that has one."""
    for task in progress.task_ids:
        progress.remove_task(task)
    progress.add_task(doing, total=seconds)


def _progress(console: Console) -> Progress:
    """Make a progress line whose bar is the clock: the time is all that is known beforehand."""
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
