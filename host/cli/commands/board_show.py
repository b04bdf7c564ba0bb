"""`trader board show`: the matrix, as the daemon draws it now."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from firmware_bridge.matrix import Frame
from firmware_bridge.render import to_ansi, to_text
from host.cli.home_option import open_home
from host.errors import EXIT_DONE
from host.operations.board_state import read_board_state

if TYPE_CHECKING:
    from host.cli.output import Output


def run(options: argparse.Namespace, output: Output) -> int:
    """Ask the daemon and draw."""
    state = asyncio.run(read_board_state(open_home(options.home)))
    if options.json:
        output.json(state)
        return EXIT_DONE
    frame = Frame.from_rows(state["pixels"])
    has_colours = output.is_terminal and not output.console().no_color
    output.line((to_ansi if has_colours else to_text)(frame).rstrip("\n"))
    linked = "on the board" if state["linked"] else "no board is linked"
    bucket = f", bucket {state['bucket_id']}" if state["bucket_id"] else ""
    output.line(f"{state['shows']}, brightness {state['brightness']}, {linked}{bucket}")
    return EXIT_DONE
