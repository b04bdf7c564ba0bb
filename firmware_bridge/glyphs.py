"""Icons for the matrix, drawn as text: ``.`` dark, ``#`` bright, ``1`` to ``6`` in between."""

from __future__ import annotations

from typing import Final

from firmware_bridge.matrix import Bitmap

CHECK: Final = Bitmap.from_art(
    ".......#",
    "......##",
    ".....##.",
    "#...##..",
    "##.##...",
    ".###....",
    "..#.....",
)
CROSS: Final = Bitmap.from_art(
    "#...#",
    "##.##",
    ".###.",
    "..#..",
    ".###.",
    "##.##",
    "#...#",
)
CROSS_SMALL: Final = Bitmap.from_art(
    "#...#",
    ".#.#.",
    "..#..",
    ".#.#.",
    "#...#",
)
PAGE: Final = Bitmap.from_art(
    "4444..",
    "4..44.",
    "4...44",
    "4.44.4",
    "4....4",
    "4.44.4",
    "4....4",
    "444444",
)
WARNING: Final = Bitmap.from_art(
    ".....4.....",
    "....4.4....",
    "...4...4...",
    "...4.#.4...",
    "..4..#..4..",
    ".4...#...4.",
    ".4.......4.",
    "4444.#.4444",
)
WARNING_MARK: Final = Bitmap.from_art("#", "#", ".", "#")
KEY: Final = Bitmap.from_art(
    ".##..........",
    "#..#.........",
    "#..##########",
    "#..#......#.#",
    ".##.......#.#",
)
LOCK: Final = Bitmap.from_art(
    "..###..",
    ".#...#.",
    ".#...#.",
    "#######",
    "###.###",
    "###.###",
    "#######",
)
PLUG: Final = Bitmap.from_art(
    "..###...",
    "..#####.",
    "44###...",
    "44###...",
    "..#####.",
    "..###...",
)
SOCKET: Final = Bitmap.from_art(
    "###.",
    "..#.",
    "####",
    "####",
    "..#.",
    "###.",
)
HEART_SMALL: Final = Bitmap.from_art(
    ".#.#.",
    "#####",
    ".###.",
    "..#..",
)
HOURGLASS: Final = Bitmap.from_art(
    "#####",
    "#...#",
    ".#.#.",
    ".#.#.",
    "#...#",
    "#####",
)
ARROW_UP: Final = Bitmap.from_art(
    "..#..",
    ".###.",
    "#####",
    "..#..",
    "..#..",
    "..#..",
    "..#..",
)
ARROW_DOWN: Final = Bitmap(5, b"".join(ARROW_UP.levels[at : at + 5] for at in range(30, -1, -5)))
