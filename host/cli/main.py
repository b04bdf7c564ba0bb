"""The command `trader`: find the command, run it, and print errors as lines.

The arguments of a command are in `host/cli/arguments.py`, which also names the function that runs
it, in `host/cli/commands/`. To add a command, write both, and a line in COMMANDS. The module of a
command is imported only after its arguments are parsed: `trader --help` and a wrong command line
answer at once on a small board. So imports inside functions are deliberate here.
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
from host.cli.parser import LineParser, plain_docstring
from host.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    UsageError,
    did_you_mean,
    error_lines,
    error_to_json,
    exit_code_of,
    expected_errors,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import TextIO

    from host.errors import HostError
    from planner_core.errors import PlannerError


class Command(NamedTuple):
    """A row of `trader --help`."""

    name: str
    summary: str


COMMANDS = (
    Command("init", "write a home to edit; --demo: one with real prices"),
    Command("demo", "run a demo without a board"),
    Command("run", "serve the board: button, plan, matrix"),
    Command("plan", "say what to buy and sell next, and why"),
    Command("plans", "list the stored plans of a bucket, print one"),
    Command("health", "check the appliance, and say how to fix it"),
    Command("refuse", "plan without a trade you do not want"),
    Command("dismiss", "give up the plan you began to carry out"),
    Command("data", "accept a move of a price, show what is used"),
    Command("dry-run", "try a configuration without saving it"),
    Command("ab", "compare two configurations on today's state"),
    Command("config", "check, show, edit, compare and roll back"),
    Command("preset", "list, apply, save and share named configurations"),
    Command("backup", "save the home as one file, or restore it"),
    Command("modules", "list the planner's modules, show one"),
    Command("plugin", "write, check and list modules of your own"),
    Command("events", "show, verify and export the journal"),
    Command("metrics", "show the time and memory of plans"),
    Command("breakers", "show the modules that are left out for now"),
    Command("serve", "serve the HTTP API for programs"),
    Command("web", "show the address and certificate of the HTTP API"),
    Command("token", "add, list and revoke access to the HTTP API"),
    Command("pair", "give a device access to the HTTP API by a code"),
    Command("board", "inspect, test, trace and flash the board"),
    Command("service", "install the systemd service, show its state"),
)

JSON_LINES = (("run",), ("events", "tail"), ("board", "monitor"))
"""With `--json` these print lines of JSON, and errors only on standard error."""
HELP = "help"
"""`trader help plan` is `trader plan --help`."""

OUTPUT_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF)

EPILOG = """\
commands:
{commands}

exit codes:
  0 done    1 failed, or no plan could be made    2 wrong command line or configuration
  130 interrupted with Ctrl-C

`trader COMMAND --help` explains a command. This is advice; it sends no orders.
"""


def main(arguments: Sequence[str] | None = None, stdout: TextIO | None = None) -> int:
    """Run a command; return its exit code. `stdout` takes its result, by default `sys.stdout`."""
    if arguments is None:
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
    output = Output(stdout)
    try:
        try:
            return _run_or_refuse(list(arguments), output)
        finally:
            output.flush()  # here, where a closed pipe is handled
    except BrokenPipeError:
        _discard_output()  # the reader wants no more
        return EXIT_FAILED
    except OSError as error:
        # Errors of files have a name, and are handled where the files are used.
        if error.filename is not None or error.errno not in OUTPUT_ERRORS:
            raise
        _discard_output()
        output.error(f"trader: the output cannot be written: {error.strerror}")
        return EXIT_FAILED
    except KeyboardInterrupt:
        output.error("trader: interrupted")
        return EXIT_INTERRUPTED


def _discard_output() -> None:
    """Discard what Python flushes once more at its exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_streams() -> None:
    """Open /dev/null for a process that was started without standard streams."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            setattr(sys, name, os.fdopen(nowhere, "w", encoding="utf-8"))


def _run_or_refuse(arguments: list[str], output: Output) -> int:
    """Run a command; print an expected error as lines, and with `--json` as an object as well."""
    try:
        return _run(arguments, output)
    except expected_errors() as error:
        output.errors(error_lines(error))
        _print_refusal(arguments, error, output)
        return exit_code_of(error)
    except SystemExit as stopped:
        if isinstance(stopped.__cause__, UsageError):
            _print_refusal(arguments, stopped.__cause__, output)
        raise


def _print_refusal(arguments: list[str], error: HostError | PlannerError, output: Output) -> None:
    """Print why there is no result, where a program waits for one object."""
    # The name of a home may be that of a command.
    homes = {i + 1 for i, word in enumerate(arguments) if word == "--home"}
    words = [w for i, w in enumerate(arguments) if i not in homes and not w.startswith("-")]
    prints_lines = any(tuple(words[: len(name)]) == name for name in JSON_LINES)
    if "--json" in arguments and not prints_lines and not output.has_json:
        output.json(error_to_json(error))


def _run(arguments: list[str], output: Output) -> int:
    """Find the command, parse its arguments, run it."""
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
    from host.cli import arguments as command_arguments

    command = find_command(options.command)
    configure = command_arguments.CONFIGURE[command.name]
    own = LineParser(prog=f"trader {command.name}", description=plain_docstring(configure.__doc__))
    configure(own)
    own.parse_args(rest, namespace=options)
    if getattr(options, "runs_modules", False):
        from host.cli.home_option import open_home
        from host.cli.plugin_process import run_with_plugins

        writes = not getattr(options, "no_store", True)  # only `plan` has the option, and writes
        code = run_with_plugins(open_home(options.home), arguments, output, writes=writes)
        if code is not None:
            return code
    module, _, function = options.run.partition(".")
    run: Callable[[argparse.Namespace, Output], int] = getattr(
        import_module(f"host.cli.commands.{module}"), function
    )
    return run(options, output)


def find_command(name: str) -> Command:
    """Return the command of a name; raise UsageError with the nearest one."""
    names = [command.name for command in COMMANDS]
    if name in names:
        return COMMANDS[names.index(name)]
    hint = did_you_mean(name, names, otherwise=f"commands: {', '.join(names)}")
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
    """Parse the options before the command; return them, and the command's own arguments."""
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


# --- an unexpected error: one line, and the details in a file -------------------------------------


def report_crashes() -> None:
    """Replace Python's traceback on the terminal, unless `--debug` is given."""
    if "--debug" not in sys.argv:
        sys.excepthook = _report_crash


def _report_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    import traceback

    summary = " ".join(f"{kind.__name__}: {error}".split())[:200]
    text = "".join(traceback.format_exception(kind, error, trace))
    try:
        path = _write_crash(text)
    except OSError as problem:
        place = f"details could not be written: {problem.strerror}; run it again with --debug"
    else:
        place = f"details: {path}"
    sys.stderr.write(f"trader: unexpected error: {ascii(summary)[1:-1]} ({place})\n")


def _write_crash(text: str) -> str:
    """Write the details where only their owner can read them; they may contain amounts."""
    import platform
    import tempfile

    descriptor, path = tempfile.mkstemp(prefix="arduino-trader-crash-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
        file.write(f"command: {sys.argv!r}\npython: {platform.python_version()}\n\n{text}")
    return path
