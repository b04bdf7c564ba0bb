"""Write a home: commented files to edit, or with --demo real prices and two invented portfolios.

What is there already is left alone, so it can be run again.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from host.cli.home_option import home_option, open_home
from host.errors import EXIT_DONE

if TYPE_CHECKING:
    from host.cli.output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--demo", action="store_true", help="with real daily prices and two invented portfolios"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace, output: Output) -> int:
    """Write what is missing, and say what comes next."""
    from host.home.home import create_home

    home = open_home(options.home)
    created = create_home(home.root, demo=options.demo)
    if options.json:
        output.json(
            {
                "home": str(home.root),
                "demo": options.demo,
                "written": [str(path.relative_to(home.root)) for path in created.written],
                "kept": [str(path.relative_to(home.root)) for path in created.existing],
            }
        )
        return EXIT_DONE
    written, kept = len(created.written), len(created.existing)
    there = f", {kept} were there and were left alone" if kept else ""
    output.line(f"{home.root}: {written} files written{there}.")
    option = home_option(options.home)
    if options.demo:
        output.line(f"Next: trader plan core{option}")
    else:
        output.line(f"Next: edit {home.root / 'portfolios' / 'core.toml'} and market/prices.csv,")
        output.line(f"then: trader plan core{option}")
    return EXIT_DONE
