"""docs/display.md and its pictures, from the legend that the host draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from firmware_bridge.render import to_png
from host.display.faults import SCROLL_TEXTS
from host.health.catalogue import CATALOGUE
from tools.generators.display_frames import LegendEntry, LegendSection, on_off
from tools.generators.display_legend import sections

FOLDER = "docs/display"
SCALE = 0.5

HEAD = """\
# The display

The pictures of the matrix, the most important first: each picture hides those below it here.
Generated from `tools/generators/display_legend.py` by `python tools/generate.py`, with the code
that draws on the board.

Each picture has two rows. Above: the matrix of an Uno Q, with 8 levels. Below: the same on a Yun,
whose LEDs are only on or off (on from level 4). A moving picture is a strip, to be read from left
to right. The pictures come from the code, not from a camera: none was taken of a physical board.

By night the matrix can be dimmed or dark. A dark matrix can still show faults and refused
configurations. A press lights it for a minute, and plans as by day. If it stays dark even then,
check the power supply: a running board always shows something, with a host or without one. The
hours of the night are set in `device.toml`, see [board.md](board.md#by-night).
"""


def display_markdown() -> str:
    """Return docs/display.md."""
    return "\n".join([HEAD, *(line for part in sections() for line in _section(part))])


def display_pictures() -> dict[str, Callable[[], bytes]]:
    """Return the function that draws each picture, by its path below the root."""
    return {
        f"{FOLDER}/{entry.name}.png": _painter(entry)
        for part in sections()
        for entry in part.entries
    }


def _painter(entry: LegendEntry) -> Callable[[], bytes]:
    """Return the function that draws an entry: with levels, and below that on or off."""
    frames = entry.frames

    def paint() -> bytes:
        return to_png(*frames, *map(on_off, frames), per_row=len(frames), scale=SCALE)

    return paint


def _section(part: LegendSection) -> Iterator[str]:
    yield f"## {part.title}\n"
    if part.text:
        yield f"{part.text}\n"
    for entry in part.entries:
        yield f"### {entry.title}\n"
        yield f"![{entry.title}](display/{entry.name}.png)\n"
        yield f"{entry.meaning}\n"
        yield f"**What to do:** {entry.action}\n"
    if any(entry.name == "fault" for entry in part.entries):
        yield "### The numbers of faults\n"
        yield "| number | scrolls | means | what to do |\n|---|---|---|---|"
        for fault, text in SCROLL_TEXTS.items():
            kind = CATALOGUE[fault.finding_id]
            action = kind.action.format(bucket="BUCKET", home="HOME")
            yield f"| {fault.value} | {text.upper()} | {kind.meaning} | {action} |"
        yield ""
