"""`trader board test`: the guided walk of `host.board.self_test`, with a person at the keyboard."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
from typing import TYPE_CHECKING, Final

from host.board.connection import free_port
from host.board.self_test import Result, Walk
from host.cli.home_option import open_home
from host.errors import EXIT_DONE, EXIT_FAILED

if TYPE_CHECKING:
    import argparse

    from host.cli.output import Output

READ_BYTES: Final = 4096
NAME_WIDTH: Final = 18


def test(options: argparse.Namespace, output: Output) -> int:
    """Walk through the board and sum up."""
    port = free_port(options.port, open_home(options.home))
    person = Person(output, None if options.unattended else sys.stdin.fileno(), options.timeout)
    # Where nobody is, nobody presses; who has a machine that does, says for how many.
    buttons = 0 if options.unattended and options.buttons is None else options.buttons
    walk = Walk(port, person, buttons=buttons, timeout_s=options.timeout)
    asyncio.run(walk.run())
    assert walk.board is not None
    # Who asks for a look and gets none has not tested what only eyes can see.
    is_seen = options.unattended or not walk.has(Result.UNSEEN)
    has_passed = is_seen and not walk.has(Result.FAILED)
    if options.json:
        output.json(
            {
                "port": port.name,
                "board": walk.board.board.name.lower(),
                "passed": has_passed,
                "steps": [
                    {"name": step.name, "result": step.result.value, "detail": step.detail}
                    for step in walk.steps
                ],
                "link": walk.statistics,
            }
        )
    else:
        for line in summary(walk):
            output.line(line)
    return EXIT_DONE if has_passed else EXIT_FAILED


def summary(walk: Walk) -> list[str]:
    """Return a line per step, and one that sums up."""
    lines = [
        f"{step.result.value:<8} {step.name:<{NAME_WIDTH}} {step.detail}".rstrip()
        for step in walk.steps
    ]
    failed = [step.name for step in walk.steps if step.result is Result.FAILED]
    unseen = sum(step.result is Result.UNSEEN for step in walk.steps)
    said = f"failed: {', '.join(failed)}" if failed else "nothing failed"
    if unseen:
        said += f"; nobody looked at {unseen} of {len(walk.steps)} steps"
    return [*lines, "", said]


class Person:
    """Somebody at the keyboard; nobody where there is none, or once it has ended."""

    def __init__(self, output: Output, keyboard: int | None, timeout_s: float) -> None:
        self._output = output
        self._keyboard = keyboard
        self._timeout_s = timeout_s
        self._typed = b""

    def tell(self, text: str) -> None:
        """Say something, apart from the result."""
        self._output.error(text)

    async def ask(self, question: str) -> bool | None:
        """Return yes or no; None when nobody answers in time."""
        if self._keyboard is None:
            return None
        if os.isatty(self._keyboard):  # what was typed before the question is no answer to it
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
        """Return the next line that is typed; None at the end of the input."""
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
    """Wait until there is something to read; a file, which cannot be waited for, has it at once."""
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
