"""The parser of every command line: errors of one line, and help with examples."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, NoReturn

from host.cli.examples import example_lines
from host.cli.output import Output
from host.errors import EXIT_USAGE, UsageError


def plain_docstring(docstring: str | None) -> str:
    """Return a docstring without its indent; `inspect` would be slow to import."""
    return "\n".join(line.removeprefix("    ") for line in (docstring or "").splitlines()).strip()


# argparse accepts another class for `add_subparsers`. That class has no public name (SLF001), and
# its type parameter exists only for type checkers.
class Actions(argparse._SubParsersAction):  # type: ignore[type-arg]  # noqa: SLF001
    """The actions of a command; the help of each begins with its line in the list."""

    def add_parser(self, name: str, **settings: Any) -> Any:  # noqa: ANN401 - argparse's own
        """Add an action."""
        summary = str(settings.get("help", ""))
        settings.setdefault("description", f"{summary[:1].upper()}{summary[1:]}.")
        return super().add_parser(name, **settings)


class LineParser(argparse.ArgumentParser):
    """A parser with errors of one line, and with the shared options."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - argparse's own
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **settings
        )
        self.register("action", "parsers", Actions)
        self._actions_named: Mapping[str, object] = {}
        add_shared_options(self)

    def add_subparsers(self, **settings: Any) -> Any:  # noqa: ANN401 - argparse's own
        """Add actions, and remember their names for the error about a missing one."""
        actions = super().add_subparsers(**settings)
        self._actions_named = actions.choices
        return actions

    def error(self, message: str) -> NoReturn:
        """Print the error and exit with 2."""
        if self._actions_named and message.endswith("required: ACTION"):
            message = f"which ACTION? {', '.join(self._actions_named)}"
        line = f"{self.prog}: {message} (see `{self.prog} --help`)"
        Output().error(line)
        # The cause is for `--json`: which options were given is not known here.
        raise SystemExit(EXIT_USAGE) from UsageError(line)

    def format_help(self) -> str:
        """Return the help, with the examples of this command or action at its end."""
        lines = example_lines(self.prog)
        examples = "\n".join(("", "examples:", *lines, "")) if lines else ""
        return super().format_help() + examples


def add_shared_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that are allowed before and after the name of a command."""
    shared = parser.add_argument_group("everywhere")
    shared.add_argument(
        "--home",
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="the home (default: $ARDUINO_TRADER_HOME, or ~/.arduino-trader)",
    )
    shared.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show the traceback of an unexpected error",
    )
