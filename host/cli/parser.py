"""The parser of every command line: complaints of one line, and help with examples."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from host.cli.output import Output
from host.errors import EXIT_USAGE


# argparse lets what stands behind `add_subparsers` be replaced, but it has no public name (SLF001),
# and a parameter that only type checkers know.
class Actions(argparse._SubParsersAction):  # type: ignore[type-arg]  # noqa: SLF001
    """The actions of a command; each one's help begins with what the list says of it."""

    def add_parser(self, name: str, **settings: Any) -> Any:  # noqa: ANN401 - argparse's own
        """Add an action."""
        summary = str(settings.get("help", ""))
        settings.setdefault("description", f"{summary[:1].upper()}{summary[1:]}.")
        return super().add_parser(name, **settings)


class LineParser(argparse.ArgumentParser):
    """A parser whose complaint is one line, and that takes the shared options anywhere."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - argparse's own
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **settings
        )
        self.register("action", "parsers", Actions)
        self._actions_named: Mapping[str, object] = {}
        add_shared_options(self)

    def add_subparsers(self, **settings: Any) -> Any:  # noqa: ANN401 - argparse's own
        """Add actions, and remember them for the complaint that none was named."""
        actions = super().add_subparsers(**settings)
        self._actions_named = actions.choices
        return actions

    def error(self, message: str) -> NoReturn:
        """Complain and exit with 2."""
        if self._actions_named and message.endswith("required: ACTION"):
            message = f"which ACTION? {', '.join(self._actions_named)}"
        Output().error(f"{self.prog}: {message} (see `{self.prog} --help`)")
        sys.exit(EXIT_USAGE)

    def format_help(self) -> str:
        """Return the help, with the examples of this command or action at its end."""
        from host.cli.examples import example_lines

        lines = example_lines(self.prog)
        examples = "\n".join(("", "examples:", *lines, "")) if lines else ""
        return super().format_help() + examples


def add_shared_options(parser: argparse.ArgumentParser) -> None:
    """Add what may stand before and after the name of a command."""
    shared = parser.add_argument_group("everywhere")
    shared.add_argument(
        "--home",
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="another home than $ARDUINO_TRADER_HOME or ~/.arduino-trader",
    )
    shared.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show the traceback of an unexpected error",
    )
