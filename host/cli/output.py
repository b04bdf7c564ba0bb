"""Where a command's words go: results to standard output, everything else to standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from host.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TextIO

    from rich.console import Console


class Output:
    """The two streams of a command."""

    def __init__(self, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        self.stdout = stdout or sys.stdout
        self.stderr = stderr or sys.stderr

    @property
    def is_seen(self) -> bool:
        """Whether a person looks at standard output, rather than a program or a file."""
        return self.stdout.isatty()

    def line(self, text: str = "") -> None:
        """Print one line of the result."""
        print(text, file=self.stdout)

    def json(self, record: Mapping[str, object]) -> None:
        """Print the result for a program: one object, never with NaN in it."""
        import json

        self.line(json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False))

    def console(self) -> Console:
        """Return rich's console on standard output; no colours in a pipe or with NO_COLOR."""
        from rich.console import Console

        return Console(file=self.stdout, highlight=False, emoji=False, markup=False)

    def error(self, text: str) -> None:
        """Print one line that says what is wrong and what to do."""
        print(printable(text), file=self.stderr)

    def errors(self, lines: Iterable[str]) -> None:
        """Print each line that says what is wrong."""
        for line in lines:
            self.error(line)

    def error_block(self, text: str) -> None:
        """Print lines that were made printable already, such as an excerpt with a caret."""
        print(text, file=self.stderr)

    def is_forsaken(self) -> bool:
        """Whether nobody reads standard output any more: the other end of its pipe is closed."""
        import select

        asked = select.poll()
        try:
            asked.register(self.stdout.fileno(), 0)
        except (OSError, ValueError):  # no file behind it
            return False
        return any(events & select.POLLERR for _, events in asked.poll(0))

    def flush(self) -> None:
        """Make sure that what was printed arrives, or fail now."""
        self.stdout.flush()
        self.stderr.flush()
