"""`trader init`: write a home."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from host.cli.home_option import home_option, open_home
from host.errors import EXIT_DONE
from host.home.home import create_home

if TYPE_CHECKING:
    from host.cli.output import Output


def run(options: argparse.Namespace, output: Output) -> int:
    """Write the missing files, and print the next step."""
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
    n_written, n_kept = len(created.written), len(created.existing)
    unchanged = f", {n_kept} existing not changed" if n_kept else ""
    output.line(f"{home.root}: {n_written} files written{unchanged}.")
    option = home_option(options.home)
    if options.demo:
        output.line(f"Next: trader plan core{option}")
    else:
        output.line(f"Next: edit {home.root / 'portfolios' / 'core.toml'} and market/prices.csv,")
        output.line("and give each security a target: without any, a plan follows past returns;")
        output.line(f"then: trader plan core{option}")
    return EXIT_DONE
