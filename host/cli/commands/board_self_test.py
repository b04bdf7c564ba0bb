"""`trader board test`: the self-test of a board, with an operator at the keyboard."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
from typing import TYPE_CHECKING, Final

from host.board.connection import free_port
from host.board.self_test import Result, SelfTest
from host.cli.home_option import open_home
from host.errors import EXIT_DONE, EXIT_FAILED

if TYPE_CHECKING:
    import argparse

    from host.cli.output import Output

READ_BYTES: Final = 4096
NAME_WIDTH: Final = 18


def run(options: argparse.Namespace, output: Output) -> int:
    """Run the self-test and print its results."""
    port = free_port(options.port, open_home(options.home))
    keyboard = None if options.unattended else sys.stdin.fileno()
    operator = KeyboardOperator(output, keyboard, options.timeout)
    # Without an operator the buttons are skipped, unless a machine presses them: then --buttons.
    buttons = 0 if options.unattended and options.buttons is None else options.buttons
    self_test = SelfTest(port, operator, buttons=buttons, timeout_s=options.timeout)
    asyncio.run(self_test.run())
    assert self_test.board is not None
    # A check that only eyes can do has not passed without an answer.
    is_seen = options.unattended or not self_test.has(Result.NOT_SEEN)
    has_passed = is_seen and not self_test.has(Result.FAILED)
    if options.json:
        output.json(
            {
                "port": port.name,
                "board": self_test.board.board.name.lower(),
                "passed": has_passed,
                "steps": [
                    {"name": check.name, "result": check.result.value, "detail": check.detail}
                    for check in self_test.checks
                ],
                "link": self_test.statistics,
            }
        )
    else:
        for line in summary(self_test):
            output.line(line)
    return EXIT_DONE if has_passed else EXIT_FAILED


def summary(self_test: SelfTest) -> list[str]:
    """Return a line per check, and a last one with the result."""
    checks = self_test.checks
    lines = [
        f"{check.result.value:<8} {check.name:<{NAME_WIDTH}} {check.detail}".rstrip()
        for check in checks
    ]
    failed = [check.name for check in checks if check.result is Result.FAILED]
    n_not_seen = sum(check.result is Result.NOT_SEEN for check in checks)
    result = f"failed: {', '.join(failed)}" if failed else "nothing failed"
    if n_not_seen:
        result += f"; {n_not_seen} of {len(checks)} checks had no answer"
    return [*lines, "", result]


class KeyboardOperator:
    """The operator at the keyboard; does not answer without one, or after its end of file."""

    def __init__(self, output: Output, keyboard: int | None, timeout_s: float) -> None:
        self._output = output
        self._keyboard = keyboard
        self._timeout_s = timeout_s
        self._typed = b""

    def show(self, text: str) -> None:
        """Show a message on standard error."""
        self._output.error(text)

    async def ask(self, question: str) -> bool | None:
        """Return yes or no; None without an answer in time."""
        if self._keyboard is None:
            return None
        if os.isatty(self._keyboard):  # drop what was typed before the question
            termios.tcflush(self._keyboard, termios.TCIFLUSH)
            self._typed = b""
        self._output.error(f"{question} [Y/n]")
        try:
            async with asyncio.timeout(self._timeout_s):
                line = await self._line()
        except TimeoutError:
            return None
        return None if line is None else not line.strip().lower().startswith("n")

    async def _line(self) -> str | None:
        """Return the next line of input; None at its end."""
        assert self._keyboard is not None
        while b"\n" not in self._typed:
            await readable(self._keyboard)
            data = os.read(self._keyboard, READ_BYTES)
            if not data:
                self._keyboard = None
                return None
            self._typed += data
        line, _, self._typed = self._typed.partition(b"\n")
        return line.decode("utf-8", "replace")


async def readable(descriptor: int) -> None:
    """Wait until a descriptor is readable; a file, which cannot be waited for, always is."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(descriptor, ready.set)
    except PermissionError:
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
