"""The output of a command: results on standard output, everything else on standard error."""

from __future__ import annotations

import select
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
        self.has_json = False

    @property
    def is_terminal(self) -> bool:
        """True if standard output is a terminal, not a program or a file."""
        return self.stdout.isatty()

    def line(self, text: str = "") -> None:
        """Print one line of the result."""
        print(text, file=self.stdout)

    def json(self, record: Mapping[str, object]) -> None:
        """Print the result as one JSON object with its schema version, without NaN."""
        from host.json_record import json_text  # not for `--help`: start-up time

        self.has_json = True
        self.line(json_text(record))

    def document(self, document: Mapping[str, object]) -> None:
        """Print JSON whose keys others define, such as a JSON Schema."""
        import json

        self.line(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))

    def console(self) -> Console:
        """Return rich's console on standard output; no colours in a pipe or with NO_COLOR."""
        from rich.console import Console  # slow to import: only where it is used

        return Console(file=self.stdout, highlight=False, emoji=False, markup=False)

    def error(self, text: str) -> None:
        """Print one line on standard error."""
        print(printable(text), file=self.stderr)

    def errors(self, lines: Iterable[str]) -> None:
        """Print lines on standard error."""
        for line in lines:
            self.error(line)

    def error_block(self, text: str) -> None:
        """Print text that is printable already, such as an excerpt with a caret."""
        print(text, file=self.stderr)

    def is_closed(self) -> bool:
        """Return whether the reader of standard output has closed its end of the pipe."""
        poll = select.poll()
        try:
            poll.register(self.stdout.fileno(), 0)
        except (OSError, ValueError):  # not a real file
            return False
        return any(events & select.POLLERR for _, events in poll.poll(0))

    def flush(self) -> None:
        """Flush both streams, so that an error is raised now."""
        self.stdout.flush()
        self.stderr.flush()
