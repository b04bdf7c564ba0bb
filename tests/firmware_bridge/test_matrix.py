"""Frames and how they are drawn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import MessageError
from firmware_bridge.fonts import LARGE, SMALL
from firmware_bridge.matrix import Bitmap, Canvas, Font, Frame
from firmware_bridge.messages import COLUMNS
from tests.firmware_bridge.pixels import lit

frames = st.lists(st.integers(0, 7), min_size=104, max_size=104).map(lambda v: Frame(bytes(v)))
FONTS = pytest.mark.parametrize("font", [SMALL, LARGE], ids=["small", "large"])
MUST_HAVE = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ+-−=%/.,:;!?()<>'↑↓€× "


def picture(canvas: Canvas) -> list[str]:
    return ["".join(".1234567"[level] for level in row) for row in canvas.frame().rows()]


@given(frames)
def test_a_frame_survives_packing_and_listing(frame: Frame) -> None:
    assert len(frame.packed()) == 52
    assert Frame.from_packed(frame.packed()) == frame
    assert Frame.from_rows(frame.rows()) == frame


def test_two_levels_share_a_byte_and_the_first_is_high() -> None:
    frame = lit((0, 0, 7), (1, 0, 2), (12, 7, 5))
    assert frame.packed()[0] == 0x72
    assert frame.packed()[-1] == 0x05
    assert frame.level(12, 7) == 5


@pytest.mark.parametrize("levels", [bytes(103), bytes(105), bytes(103) + b"\x08", b""])
def test_a_frame_of_another_size_or_level_is_refused(levels: bytes) -> None:
    with pytest.raises(MessageError):
        Frame(levels)


@pytest.mark.parametrize("rows", [[[0] * 13] * 7, [[0] * 12] * 8, [[0] * 13] * 7 + [[0]]])
def test_rows_of_another_size_are_refused(rows: list[list[int]]) -> None:
    with pytest.raises(MessageError):
        Frame.from_rows(rows)


@given(frames, st.integers(0, 7))
def test_dimming_keeps_lit_what_is_lit_and_dark_what_is_dark(frame: Frame, by: int) -> None:
    dimmed = frame.dimmed(by, 7)
    for before, after in zip(frame.levels, dimmed.levels, strict=True):
        assert after <= before
        assert (after > 0) is (before > 0 and by > 0)


@given(st.integers(-30, 30), st.integers(-30, 30), st.text(max_size=8))
def test_what_is_drawn_outside_is_cut_off(x: int, y: int, text: str) -> None:
    canvas = Canvas()
    canvas.text(x, y, text, SMALL)
    canvas.box(x, y, 5, 5)
    canvas.bar(x, y, 3.5)
    assert len(canvas.frame().levels) == 104


def test_a_canvas_can_start_from_a_frame_and_leaves_it_as_it_was() -> None:
    frame = lit((3, 3, 4))
    canvas = Canvas(frame)
    canvas.pixel(0, 0)
    assert frame.level(0, 0) == 0
    assert canvas.frame().level(3, 3) == 4


@FONTS
def test_a_font_has_what_a_plan_is_written_with(font: Font) -> None:
    assert set(MUST_HAVE) <= set(font.glyphs)


@FONTS
def test_all_bitmaps_of_a_font_have_its_height_and_differ(font: Font) -> None:
    assert {glyph.height for glyph in font.glyphs.values()} == {font.height}
    drawn = {character: (g.width, g.levels) for character, g in font.glyphs.items()}
    same = [(a, b) for a in drawn for b in drawn if a < b and drawn[a] == drawn[b]]
    allowed = {("-", "−"), ("-", "–"), ("–", "−")}
    assert set(same) <= allowed


@FONTS
@pytest.mark.parametrize(
    ("character", "drawn_as"), [("a", "A"), ("é", "E"), ("ü", "U"), ("ß", "?"), ("Å", "A")]
)
def test_a_character_without_a_bitmap_is_drawn_as_its_nearest(
    font: Font, character: str, drawn_as: str
) -> None:
    assert font.glyph(character) == font.glyphs[drawn_as]


def test_two_large_digits_fit_side_by_side() -> None:
    for tens in "0123456789":
        assert LARGE.width(tens + "0") <= COLUMNS


def test_text_is_drawn_where_it_was_told_to_be() -> None:
    canvas = Canvas()
    assert canvas.text(1, 2, "1%", SMALL, level=4) == 9
    assert picture(canvas) == [
        ".............",
        ".............",
        "..4..4.4.....",
        ".44....4.....",
        "..4...4......",
        "..4..4.......",
        ".444.4.4.....",
        ".............",
    ]


def test_a_bar_grows_upwards_and_its_top_is_a_fraction() -> None:
    canvas = Canvas()
    canvas.bar(2, 7, 2.5, width=2)
    assert picture(canvas)[4:] == [
        ".............",
        "..44.........",
        "..77.........",
        "..77.........",
    ]


def test_a_bitmap_drawn_dimmer_keeps_its_shades_lit() -> None:
    canvas = Canvas()
    canvas.bitmap(0, 0, Bitmap.from_art("#41."), level=4)
    assert picture(canvas)[0][:4] == "431."
