"""The pictures themselves: pinned, told apart, and legible where LEDs are only on or off."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from firmware_bridge.fonts import SMALL
from firmware_bridge.matrix import Frame
from firmware_bridge.messages import COLUMNS
from host.display.animation import ScrollingText
from host.display.compositor import (
    DisplayState,
    Fault,
    Intent,
    PairingView,
    Planning,
    ReleasePreview,
    frame_at,
    next_change_s,
)
from host.display.faults import SCROLL_TEXTS
from host.display.labels import reason, steps
from tests.host.pixel_art import art
from tools.generators.display_frames import LegendEntry, on_off
from tools.generators.display_legend import sections
from tools.generators.display_legend_results import (
    FIVE_STEPS,
    HELD,
    NOTHING,
    TARGETED,
    TEN_STEPS,
    sample_plan,
)

FIVE = DisplayState(result=FIVE_STEPS)


def played(state: DisplayState, from_s: float, until_s: float) -> list[Frame]:
    frames, at_s = [frame_at(state, from_s)], next_change_s(state, from_s)
    while at_s is not None and at_s < until_s:
        frames.append(frame_at(state, at_s))
        at_s = next_change_s(state, at_s)
    return frames


def test_a_summary_is_the_count_and_arrows_as_long_as_what_is_bought_and_sold() -> None:
    assert art(frame_at(FIVE, 0.0)) == [
        "###........4.",
        "#..........4.",
        "#......4...4.",
        "###...444..4.",
        "..#....4...4.",
        "..#....4...4.",
        "###....4..444",
        ".......4...4.",
    ]


def test_in_turn_a_summary_is_the_gain_on_a_step_up() -> None:
    assert art(frame_at(FIVE, 4.0)) == [
        ".#....###.4.4",
        "##....#.....4",
        ".#....###..4.",
        ".#....#.#.4..",
        "###.#.###.4.4",
        ".............",
        "......4444444",
        "4444444......",
    ]
    assert frame_at(FIVE, 7.0) == frame_at(FIVE, 0.0)


def test_with_targets_a_summary_is_the_distance_before_and_after() -> None:
    state = DisplayState(result=TARGETED)
    assert art(frame_at(state, 4.0)) == [
        "###....#..#.#",
        "#.....##....#",
        "###....#...#.",
        "#.#....#..#..",
        "###.#.###.#.#",
        ".............",
        "#############",
        "444..........",
    ]
    assert art(frame_at(state, 6.0)) == [
        "#....#....###",
        ".#..##......#",
        "..#..#....###",
        ".#...#....#..",
        "#...###.#.###",
        ".............",
        "4444444444444",
        "###..........",
    ]
    assert frame_at(state, 8.0) == frame_at(state, 0.0)


def test_a_loss_stands_on_a_step_down() -> None:
    loss = DisplayState(result=sample_plan(("sell", 5, "GE", 900), gain=-0.004))
    assert art(frame_at(loss, 4.0)) == [
        "......#.#.4.4",
        "......#.#...4",
        "###...###..4.",
        "........#.4..",
        "....#...#.4.4",
        ".............",
        "4444444......",
        "......4444444",
    ]


def test_ten_steps_stand_alone_and_the_arrows_follow() -> None:
    ten = DisplayState(result=TEN_STEPS)
    assert art(frame_at(ten, 0.0)) == [
        "....#..###...",
        "...##..#.#...",
        "....#..#.#...",
        "....#..#.#...",
        "....#..#.#...",
        "....#..#.#...",
        "...###.###...",
        ".............",
    ]
    assert art(frame_at(ten, 2.0)) == [
        "....4..444...",
        "...444..4....",
        "....4........",
        "....4........",
        "....4........",
        "....4........",
        "....4........",
        "....4........",
    ]


def test_a_step_is_an_arrow_and_its_number() -> None:
    assert art(frame_at(replace(FIVE, page=1), 0.0)) == [
        "..#.....#....",
        "..#....##....",
        "..#.....#....",
        "..#.....#....",
        "#####...#....",
        ".###....#....",
        "..#....###...",
        ".............",
    ]


def test_after_that_a_step_is_a_text_over_its_side_and_its_place() -> None:
    assert art(frame_at(replace(FIVE, page=4), 1.6)) == [
        "##..#.#.#.#..",
        "#.#.#.#.#.#..",
        "##..#.#..#...",
        "#.#.#.#..#...",
        "##..###..#...",
        ".............",
        ".#...........",
        "###.....222#2",
    ]


def test_nothing_to_do_is_a_check_mark() -> None:
    assert art(frame_at(DisplayState(result=NOTHING), 0.0)) == [
        ".........#...",
        "........##...",
        ".......##....",
        "..#...##.....",
        "..##.##......",
        "...###.......",
        "....#........",
        ".............",
    ]


def test_a_held_plan_is_a_no_entry_sign() -> None:
    assert art(frame_at(DisplayState(result=HELD), 0.0)) == [
        "....####.....",
        "...######....",
        "..########...",
        "..#......#...",
        "..#......#...",
        "..########...",
        "...######....",
        "....####.....",
    ]


def test_a_fault_is_a_cross_and_its_number() -> None:
    assert art(frame_at(DisplayState(faults=(Fault.CANNOT_WRITE,)), 0.0)) == [
        "#...#...#####",
        "##.##......#.",
        ".###......#..",
        "..#........#.",
        ".###........#",
        "##.##...#...#",
        "#...#....###.",
        ".............",
    ]


def test_a_refused_configuration_is_a_page_and_a_cross() -> None:
    assert art(frame_at(DisplayState(config_rejected="core.toml:3"), 0.0)) == [
        "4444.........",
        "4..44........",
        "4...44..#...#",
        "4.44.4...#.#.",
        "4....4....#..",
        "4.44.4...#.#.",
        "4....4..#...#",
        "444444.......",
    ]


def test_pairing_is_a_key_and_then_the_code_in_two_groups() -> None:
    state = DisplayState(pairing=PairingView("204917", (), 0.0, 120.0))
    assert art(frame_at(state, 0.0)) == [
        ".............",
        ".##..........",
        "#..#.........",
        "#..##########",
        "#..#......#.#",
        ".##.......#.#",
        ".............",
        ".............",
    ]
    assert art(frame_at(state, 1.2)) == [
        ".###.###.#.#.",
        "...#.#.#.#.#.",
        "...#.#.#.#.#.",
        ".###.#.#.###.",
        ".#...#.#...#.",
        ".#...#.#...#.",
        ".###.###...#.",
        ".............",
    ]
    assert played(state, 0.0, 6.2) == played(state, 12.4, 18.6), "again and again"


def test_the_fingerprint_follows_in_groups_over_dots_that_count_them() -> None:
    groups = ("46A", "70F", "462", "A44", "EED", "F78")
    state = DisplayState(pairing=PairingView("204917", groups, 0.0, 120.0))
    assert art(frame_at(state, 12.4 + 1.2)) == [
        ".#.#.###..#..",
        ".#.#.#...#.#.",
        ".###.###.###.",
        "...#.#.#.#.#.",
        "...#.###.#.#.",
        ".............",
        ".............",
        ".#.2.2.2.2.2.",
    ]
    frames = played(state, 12.4, 28.5)
    assert len(set(frames)) == 7, "a lock and six groups"


def test_planning_is_an_hourglass_over_a_row_that_fills() -> None:
    assert art(frame_at(DisplayState(planning=Planning(0.0, 0.5)), 0.0)) == [
        "....#####....",
        "....#333#....",
        ".....#3#.....",
        ".....#.#.....",
        "....#...#....",
        "....#####....",
        ".............",
        "######4111111",
    ]


def test_the_mark_of_a_degraded_planner_stands_beside_a_summary_that_makes_room() -> None:
    assert art(frame_at(replace(FIVE, is_degraded=True), 0.0)) == [
        "###......4..#",
        "#........4..#",
        "#....4...4...",
        "###.444..4..#",
        "..#..4...4...",
        "..#..4...4...",
        "###..4..444..",
        ".....4...4...",
    ]


def test_a_preview_names_the_next_bucket_over_a_row_that_fills_while_the_button_is_down() -> None:
    state = DisplayState(preview=ReleasePreview(Intent.NEXT_BUCKET, 10.0, 13.5, "b2"))
    assert art(frame_at(state, 12.0)) == [
        "4....##..###.",
        ".4...#.#...#.",
        "..4..##..###.",
        ".4...#.#.#...",
        "4....##..###.",
        ".............",
        ".............",
        "########.....",
    ]
    assert art(frame_at(state, 13.5))[-1] == "#" * 13


# --- told apart ---------------------------------------------------------------------------------

ENTRIES = [entry for section in sections() for entry in section.entries]


def test_the_words_of_a_fault_are_not_those_of_a_plan_that_is_held() -> None:
    titles = {entry.title.lower() for entry in ENTRIES}
    assert titles.isdisjoint(SCROLL_TEXTS.values())


def test_no_two_patterns_look_the_same_even_where_leds_are_only_on_or_off() -> None:
    first = {entry.name: on_off(brightest(entry.frames)) for entry in ENTRIES}
    same = [
        {one, other}
        for one, other in itertools.combinations(first, 2)
        if first[one] == first[other]
    ]
    assert same == []


def brightest(frames: tuple[Frame, ...]) -> Frame:
    """Return the first frame, or for what breathes the brightest one."""
    return max(frames, key=lambda frame: max(on_off(frame).levels))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_picture_of_the_legend_can_be_read_where_leds_are_only_on_or_off(
    entry: LegendEntry,
) -> None:
    frames = entry.frames
    assert sum(map(bool, on_off(brightest(frames)).levels)) >= 7


def test_the_legend_names_each_picture_once_and_explains_every_fault() -> None:
    names = [entry.name for entry in ENTRIES]
    assert len(set(names)) == len(names)
    assert set(SCROLL_TEXTS) == set(Fault)
    assert all(entry.meaning and entry.action for entry in ENTRIES)


def test_every_intent_and_every_fault_has_a_picture_of_its_own() -> None:
    previews = {
        frame_at(DisplayState(preview=ReleasePreview(intent, 0.0, None, "core")), 0.0)
        for intent in Intent
    }
    faults = {on_off(frame_at(DisplayState(faults=(fault,)), 0.0)) for fault in Fault}
    assert (len(previews), len(faults)) == (len(Intent), len(Fault))


# --- moving texts -------------------------------------------------------------------------------


def readable_columns(frames: list[Frame], line: ScrollingText) -> set[int]:
    """Return which columns of a text were shown, found by laying the text under each window."""
    width = line.right - line.left
    pictures = [line.over(Frame.blank(), moved) for moved in range(max(line.overhang, 0) + 1)]
    rows = range(line.y, line.y + line.font.height)
    columns: set[int] = set()
    for frame in frames:
        for moved, picture in enumerate(pictures):
            if all(
                frame.level(x, y) == picture.level(x, y)
                for x in range(line.left, line.right)
                for y in rows
            ):
                columns |= set(range(moved, moved + width))
    return columns


@pytest.mark.parametrize("right", [COLUMNS, COLUMNS - 2])
def test_a_text_shows_all_its_columns_rests_at_both_ends_and_returns(right: int) -> None:
    state = DisplayState(result=FIVE_STEPS, page=1, is_degraded=right < COLUMNS)
    line = ScrollingText(steps(FIVE_STEPS)[0].text, SMALL, 0, 0, right)
    frames = played(state, 1.6, 60.0)
    assert readable_columns(frames, line) == set(range(SMALL.width(line.text)))
    assert frames.count(frames[0]) >= 2
    assert next_change_s(state, 1.6) == pytest.approx(1.6 + 0.9)


def test_a_text_moves_one_column_at_a_time() -> None:
    line = ScrollingText(steps(FIVE_STEPS)[0].text, SMALL, 0)
    state = replace(FIVE, page=1)
    one_round = played(state, 1.6, 1.6 + 0.9 + 0.09 * line.overhang)
    shown = [
        ScrollingText(line.text, SMALL, 0).over(Frame.blank(), n) for n in range(line.overhang + 1)
    ]
    assert [art(frame)[:5] for frame in one_round] == [art(frame)[:5] for frame in shown]


def test_after_three_rounds_a_step_rests_with_its_arrow() -> None:
    state = replace(FIVE, page=1, page_since_s=0.0)
    last = played(state, 0.0, 89.0)[-1]
    assert last == frame_at(state, 0.0)


def test_the_reason_of_a_held_plan_can_be_read_to_its_end() -> None:
    frames = played(DisplayState(result=HELD), 0.0, 60.0)
    line = ScrollingText(reason(HELD).upper(), SMALL, 1)
    assert readable_columns(frames, line) == set(range(SMALL.width(line.text)))


def test_the_name_of_a_bucket_passes_twice_if_it_does_not_fit_and_stands_if_it_does() -> None:
    long = played(DisplayState(bucket="satellite_a"), 0.0, 30.0)
    line = ScrollingText("SATELLITE_A", SMALL, 1)
    assert readable_columns(long, line) == set(range(SMALL.width(line.text)))
    assert long.count(long[0]) == 2
    short = DisplayState(bucket="b2")
    assert next_change_s(short, 0.0) == 3.0


def test_a_next_bucket_s_name_has_passed_when_the_button_was_held_long_enough() -> None:
    state = DisplayState(preview=ReleasePreview(Intent.NEXT_BUCKET, 0.0, 3.5, "satellite_a"))
    line = ScrollingText("SATELLITE_A", SMALL, 0, 5)
    assert readable_columns(played(state, 0.0, 3.6), line) == set(range(SMALL.width(line.text)))
