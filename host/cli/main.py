"""The command `trader`: finds the command, runs it, and turns what fails into a line.

A command is one module with two functions: `configure(parser)` adds its arguments, and
`run(options, output)` does the work and returns the exit code. To add one, write
`host/cli/commands/NAME.py` and a line in COMMANDS. Only the module of the command that is asked for
gets imported, so that `trader --help` answers at once on a small board.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from host.cli.output import Output
from host.cli.parser import LineParser
from host.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    UsageError,
    did_you_mean,
    error_lines,
    exit_code_of,
    expected_errors,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Command(NamedTuple):
    """A row of `trader --help`."""

    name: str
    summary: str
    module: str


COMMANDS = (
    Command("init", "write a home to edit; --demo: one with real prices", "init"),
    Command("demo", "see it work without a board: button and matrix here", "demo"),
    Command("run", "serve the board: button, plan, matrix", "run"),
    Command("plan", "say what to buy and sell next, and why", "plan"),
    Command("health", "what is wrong, since when, what to do", "health"),
    Command("refuse", "plan without a trade you do not want", "refuse"),
    Command("dismiss", "give up the plan you began to carry out", "dismiss"),
    Command("dry-run", "try a configuration: what it loads and counts", "dry_run"),
    Command("config", "check, show, edit, compare and roll back", "config"),
    Command("preset", "named configurations: list, apply, save, pass on", "preset"),
    Command("backup", "the home as one file: create, verify, restore", "backup"),
    Command("modules", "list the planner's modules, show one", "modules"),
    Command("events", "what happened: tail, verify, export", "events"),
    Command("metrics", "what plans cost: time, sequences, memory", "metrics"),
    Command("breakers", "modules that are left out for now", "breakers"),
    Command("board", "ask the board what it is", "board"),
    Command("service", "set up and look at the systemd service", "service"),
)

HELP = "help"
"""What people try first: `trader help plan` is `trader plan --help`."""

OUTPUT_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF)

EPILOG = """\
commands:
{commands}

exit codes:
  0 done    1 failed, or no plan could be made    2 wrong command line or configuration
  130 interrupted with Ctrl-C

`trader COMMAND --help` says more, with examples. This is advice; it sends no orders.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    if arguments is None:
        from host.cli.crash_report import report_crashes

        report_crashes()
        arguments = sys.argv[1:]
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # a terminal without UTF-8 gets "?" rather than a traceback
            reconfigure(errors="replace")
    for library in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        # Our matrices are small: threads cost more than they bring (2.5 times the time of a proof
        # on two busy cores), and each one takes memory. numpy reads this when it is imported.
        os.environ.setdefault(library, "1")
    output = Output()
    try:
        try:
            return _run(list(arguments), output)
        finally:
            output.flush()  # here, where a reader that went away can be dealt with
    except BrokenPipeError:
        _forget_output()  # whoever read it has seen enough
        return EXIT_FAILED
    except OSError as error:
        # Files of ours have a name in their errors, and are answered where they are used.
        if error.filename is not None or error.errno not in OUTPUT_ERRORS:
            raise
        _forget_output()
        output.error(f"trader: the output cannot be written: {error.strerror}")
        return EXIT_FAILED
    except KeyboardInterrupt:
        output.error("trader: interrupted")
        return EXIT_INTERRUPTED


def _forget_output() -> None:
    """Let what Python flushes once more at the exit go into nothing."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_streams() -> None:
    """Make a place for the words of a process that was started without standard streams."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            setattr(sys, name, os.fdopen(nowhere, "w", encoding="utf-8"))


def _run(arguments: list[str], output: Output) -> int:
    """Find the command, let it read its own arguments, run it."""
    parser = _main_parser()
    options, rest = _split(parser, arguments)
    if options.command is None:
        parser.print_help(sys.stderr)
        return EXIT_USAGE
    if options.command == HELP:
        if not rest:
            parser.print_help()
            return EXIT_DONE
        options.command, rest = rest[0], [*rest[1:], "--help"]
    try:
        command = find_command(options.command)
        module = import_module(f"host.cli.commands.{command.module}")
        own = LineParser(
            prog=f"trader {command.name}",
            description=module.__doc__,
        )
        own.set_defaults(run=getattr(module, "run", None))
        module.configure(own)
        own.parse_args(rest, namespace=options)
        run: Callable[[argparse.Namespace, Output], int] = options.run
        return run(options, output)
    except expected_errors() as error:
        output.errors(error_lines(error))
        return exit_code_of(error)


def find_command(name: str) -> Command:
    """Return the command of a name, or raise with the nearest one."""
    names = [command.name for command in COMMANDS]
    if name in names:
        return COMMANDS[names.index(name)]
    hint = did_you_mean(name, names, otherwise=f"there are: {', '.join(names)}")
    raise UsageError(f"trader: no command `{name}` ({hint})")


def _main_parser() -> LineParser:
    width = max(len(command.name) for command in COMMANDS)
    rows = "\n".join(f"  {command.name:<{width}}  {command.summary}" for command in COMMANDS)
    parser = LineParser(
        prog="trader",
        usage="trader [--home DIR] COMMAND ...",
        description="Plans the next trades of a portfolio, for an Arduino-class board.",
        epilog=EPILOG.format(commands=rows),
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    return parser


def _split(parser: LineParser, arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Read the options before the command; return them, and what belongs to the command."""
    at = 0
    while at < len(arguments) and arguments[at].startswith("-"):
        at += 2 if arguments[at] == "--home" else 1
    options = parser.parse_args(
        arguments[:at], namespace=argparse.Namespace(home=None, debug=False, command=None)
    )
    if options.version:
        from host.version import version

        Output().line(f"trader {version()}")
        sys.exit(EXIT_DONE)
    if at < len(arguments):
        options.command = arguments[at]
    return options, arguments[at + 1 :]
