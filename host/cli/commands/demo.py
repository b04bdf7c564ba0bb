"""`trader demo`: the appliance without a board."""

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
from host.home.home import HOME_VARIABLE, create_home
from host.simulation.appliance import AVR_COMMAND, BOARD_COMMAND, Simulation
from host.simulation.avr_build import build_simulator
from host.simulation.terminal_board import Terminal, TerminalBoard
from host.simulation.view import Style, matrix_lines, plan_lines

if TYPE_CHECKING:
    from host.cli.output import Output
    from host.home.home import Home

HOLDS = "HELD"


def run(options: argparse.Namespace, output: Output) -> int:
    """Show the appliance, or press once."""
    board = BOARD_COMMAND
    if options.board == "avr":
        build_simulator()  # here, where an error can be printed
        board = AVR_COMMAND
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    with _home(options) as home, Simulation(home.root, board=board) as appliance:
        if options.once or options.json or not is_terminal:
            return press_once(appliance, output, as_json=options.json)
        return _show(appliance, home)


@contextmanager
def _home(options: argparse.Namespace) -> Iterator[Home]:
    """Yield the given home, or else a temporary demo home."""
    if options.home is not None or os.environ.get(HOME_VARIABLE):
        home = open_home(options.home)
        home.require_home()
        yield home
        return
    with tempfile.TemporaryDirectory(prefix="arduino-trader-demo-") as folder:
        yield create_home(Path(folder) / "home", demo=True).home


def press_once(appliance: Simulation, output: Output, *, as_json: bool) -> int:
    """Press the button; print the matrix and the plan."""
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
        output.line(f"\nfrom the press to this frame: {answer.press_to_frame_s:.2f} s")
    return EXIT_FAILED if answer.plan.get("outcome") == HOLDS else EXIT_DONE


def selected_bucket(home: Home) -> str:
    """Return the bucket that was selected last; empty at first."""
    try:
        return (home.state_dir / "selected_bucket").read_text("utf-8").strip()[:80]
    except (OSError, UnicodeDecodeError):
        return ""


def _show(appliance: Simulation, home: Home) -> int:
    """Draw the board until the user quits."""

    def read_plan(bucket_id: str, name: str) -> object:
        try:
            return json.loads((home.plans_dir(bucket_id) / name).read_bytes())
        except (OSError, ValueError):
            return None

    with Terminal(sys.stdin, sys.stdout) as terminal:
        TerminalBoard(appliance, terminal, read_plan, selected_bucket(home)).run()
    return EXIT_DONE
