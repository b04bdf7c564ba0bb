"""The pictures of the states: tellable apart, also on a board that knows only on and off."""

from __future__ import annotations

import struct
import zlib
from itertools import combinations

import numpy as np
import pytest

from firmware_bridge.matrix import Canvas, Frame
from firmware_bridge.patterns import (
    config_rejected_frame,
    degraded_frame,
    fault_frame,
    heartbeat_frame,
    incompatible_frame,
    planning_frame,
    stale_frame,
    with_degraded_mark,
)
from firmware_bridge.render import encode_png, to_ansi, to_png, to_text

PICTURES = {
    "stale": stale_frame(),
    "incompatible": incompatible_frame(),
    "fault": fault_frame(12),
    "fault of one digit": fault_frame(7),
    "config rejected": config_rejected_frame(),
    "degraded": degraded_frame(),
    "planning": planning_frame(0.5, 0),
    "heartbeat": heartbeat_frame(5),
    "dark": Frame.blank(),
}


def on_a_yun(frame: Frame) -> list[bool]:
    return [level >= 4 for level in frame.levels]


@pytest.mark.parametrize(("one", "other"), list(combinations(PICTURES, 2)))
def test_no_two_states_look_alike_on_a_board_without_grey(one: str, other: str) -> None:
    pairs = zip(on_a_yun(PICTURES[one]), on_a_yun(PICTURES[other]), strict=True)
    assert sum(a is not b for a, b in pairs) >= 10


def test_every_fault_code_has_a_picture_of_its_own() -> None:
    assert len({fault_frame(code) for code in range(100)}) == 100


def test_planning_moves_and_progresses() -> None:
    assert len({planning_frame(0.3, step) for step in range(5)}) == 5
    assert planning_frame(0.3, 0) == planning_frame(0.3, 5)
    assert planning_frame(0.3, 0) != planning_frame(0.4, 0)


def test_the_heart_beats() -> None:
    assert len({heartbeat_frame(step) for step in range(10)}) == 6
    assert heartbeat_frame(0) == heartbeat_frame(10)


def test_the_degraded_mark_stands_apart_from_what_it_marks() -> None:
    canvas = Canvas()
    canvas.box(0, 0, 13, 8)
    marked = with_degraded_mark(canvas.frame())
    assert [marked.level(12, y) for y in range(5)] == [7, 7, 0, 7, 0]
    assert [marked.level(11, y) for y in range(6)] == [0, 0, 0, 0, 0, 7]


def test_plain_text_has_two_characters_per_pixel_and_no_escape() -> None:
    lines = to_text(fault_frame(7)).split("\n")
    assert [len(line) for line in lines] == [26] * 8
    assert "\x1b" not in "".join(lines)
    assert lines[0].startswith("##")


def test_coloured_text_ends_each_line_in_the_terminal_s_own_colour() -> None:
    lines = to_ansi(fault_frame(12)).split("\n")
    assert len(lines) == 8
    assert all(line.endswith("\x1b[0m") and line.count("●") == 13 for line in lines)


def pixels_of(png: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Read back a PNG as this package writes it."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        data, (crc,) = png[at + 8 : at + 8 + size], struct.unpack(">I", png[at + 8 + size :][:4])
        assert crc == zlib.crc32(kind + data)
        chunks[kind] = data
        at += size + 12
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert rest == [8, 2, 0, 0, 0]
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, 3)


def test_a_png_can_be_read_back_pixel_by_pixel() -> None:
    pixels = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
    assert (pixels_of(encode_png(pixels)) == pixels).all()


def test_a_picture_is_brightest_where_the_led_is_lit() -> None:
    pixels = pixels_of(to_png(Frame.blank().with_pixel(2, 1, 7))).astype(int).sum(axis=2)
    y, x = np.unravel_index(int(pixels.argmax()), pixels.shape)
    assert (int(x) - 18) // 28 == 2
    assert (int(y) - 18) // 28 == 1


def test_pictures_can_be_laid_out_in_rows() -> None:
    one = pixels_of(to_png(Frame.blank(), scale=0.5)).shape
    three = pixels_of(to_png(*[Frame.blank()] * 3, per_row=2, scale=0.5)).shape
    assert (three[0], three[1]) == (2 * one[0], 2 * one[1])
