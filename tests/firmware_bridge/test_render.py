"""Frames for people without a board: as text and as PNG."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from firmware_bridge.matrix import Frame
from firmware_bridge.render import encode_png, to_ansi, to_png, to_text
from tests.firmware_bridge.pixels import lit
from tests.firmware_bridge.sample_frames import numbered_frame


def test_plain_text_has_two_characters_per_pixel_and_no_escape() -> None:
    lines = to_text(numbered_frame(7)).split("\n")
    assert [len(line) for line in lines] == [26] * 8
    assert "\x1b" not in "".join(lines)
    assert lines[0].startswith("##")


def test_coloured_text_ends_each_line_in_the_terminal_s_own_colour() -> None:
    lines = to_ansi(numbered_frame(12)).split("\n")
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
    pixels = pixels_of(to_png(lit((2, 1, 7)))).astype(int).sum(axis=2)
    y, x = np.unravel_index(int(pixels.argmax()), pixels.shape)
    assert (int(x) - 18) // 28 == 2
    assert (int(y) - 18) // 28 == 1


def test_pictures_can_be_laid_out_in_rows() -> None:
    one = pixels_of(to_png(Frame.blank(), scale=0.5)).shape
    three = pixels_of(to_png(*[Frame.blank()] * 3, per_row=2, scale=0.5)).shape
    assert (three[0], three[1]) == (2 * one[0], 2 * one[1])
