"""See it work without a board: a virtual one is drawn here, and keys are its button.

Without --home everything happens in a demo home of its own, which is gone afterwards, so that your
own home is left alone. Space presses the button, q quits. With --once, or where there is no
terminal, the button is pressed once and the result is printed. With --board avr the board is a Yun
whose compiled firmware is executed; the keys move its pin, and what it sends to its LED drivers is
drawn.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from host.cli.home_option import open_home
from host.errors import EXIT_DONE, EXIT_FAILED

if TYPE_CHECKING:
    from host.cli.output import Output
    from host.home.home import Home
    from host.simulation.appliance import Simulation

HOLDS = "HELD"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--once", action="store_true", help="press once, print the result, end")
    parser.add_argument("--json", action="store_true", help="with --once: print one JSON object")
    parser.add_argument(
        "--board",
        choices=("virtual", "avr"),
        default="virtual",
        help="virtual: a board of software (default); avr: the Yun's firmware in a simulator",
    )


def run(options: argparse.Namespace, output: Output) -> int:
    """Show the appliance, or press once."""
    from host.simulation.appliance import AVR_COMMAND, BOARD_COMMAND, Simulation
    from host.simulation.avr_build import build_simulator

    board = BOARD_COMMAND
    if options.board == "avr":
        build_simulator()  # here, where what is missing can be said
        board = AVR_COMMAND
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    with _home(options) as home, Simulation(home.root, board=board) as appliance:
        if options.once or options.json or not is_terminal:
            return press_once(appliance, output, as_json=options.json)
        return _show(appliance, home)


@contextmanager
def _home(options: argparse.Namespace) -> Iterator[Home]:
    """Lend the home that was named, or else a demo home for a while."""
    from host.home.home import HOME_VARIABLE, create_home

    if options.home is not None or os.environ.get(HOME_VARIABLE):
        home = open_home(options.home)
        home.require_home()
        yield home
        return
    with tempfile.TemporaryDirectory(prefix="arduino-trader-demo-") as folder:
        yield create_home(Path(folder) / "home", demo=True).home


def press_once(appliance: Simulation, output: Output, *, as_json: bool) -> int:
    """Press the button and print what the matrix shows, and the plan."""
    from host.simulation.view import Style, matrix_lines, plan_lines

    appliance.press()
    answer = appliance.wait_for_answer()
    if as_json:
        output.json(
            {
                "plan": answer.plan,
                "frame": answer.frame,
                "press_to_frame_s": round(answer.press_to_frame_s, 4),
            }
        )
    else:
        style = Style(colours=sys.stdout.isatty() and "NO_COLOR" not in os.environ)
        for line in (*matrix_lines(answer.frame, style), "", *plan_lines(answer.plan, style)):
            output.line(line)
        output.line(f"\nfrom the press to this picture: {answer.press_to_frame_s:.2f} s")
    return EXIT_FAILED if answer.plan.get("outcome") == HOLDS else EXIT_DONE


def selected_bucket(home: Home) -> str:
    """Return the bucket that was selected when the home was last served; empty at first."""
    try:
        return (home.state_dir / "selected_bucket").read_text("utf-8").strip()[:80]
    except (OSError, UnicodeDecodeError):
        return ""


def _show(appliance: Simulation, home: Home) -> int:
    """Draw the board until the user quits."""
    from host.simulation.terminal_board import Terminal, TerminalBoard

    def read_plan(bucket_id: str, name: str) -> object:
        try:
            return json.loads((home.plans_dir(bucket_id) / name).read_bytes())
        except (OSError, ValueError):
            return None

    with Terminal(sys.stdin, sys.stdout) as terminal:
        TerminalBoard(appliance, terminal, read_plan, selected_bucket(home)).run()
    return EXIT_DONE
