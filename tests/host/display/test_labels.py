"""A plan in a few words for the matrix, whatever is in the plan."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.fonts import SMALL
from firmware_bridge.matrix import Frame
from host.display.compositor import DisplayState, frame_at, next_change_s
from host.display.labels import (
    PlanRecord,
    distances,
    gain,
    outcome,
    short_amount,
    short_distance,
    short_gain,
    short_quantity,
    shortened,
    steps,
)
from host.display.screens import distance_frame, page_count
from host.planning.plan_json import plan_to_json
from tests.host.pixel_art import art
from tests.host.sample_plans import held, nothing_to_do, planned


@pytest.mark.parametrize(
    ("value", "two", "one"),
    [
        (None, "?", "?"),
        (0.0, "0%", "0%"),
        (0.00004, "0%", "0%"),
        (0.0005, ".05%", ".1%"),
        (0.0087, ".87%", ".9%"),
        (0.00996, "1.0%", "1%"),
        (0.0163, "1.6%", "2%"),
        (0.0997, "10%", "10%"),
        (0.5, "50%", "50%"),
        (0.9951, ">99", ">99"),
        (1e300, ">99", ">99"),
        (-0.0041, "-.41%", "-.4%"),
        (-0.016, "-1.6%", "-2%"),
        (-1e-9, "0%", "0%"),
        (-7.0, "-99", "-99"),
    ],
)
def test_a_gain_is_written_in_percent_with_two_digits_or_one(
    value: float | None, two: str, one: str
) -> None:
    assert "".join(short_gain(value)) == two
    assert "".join(short_gain(value, 1)) == one


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (51.0, "51"),
        (100.0, "100"),
        (999_999.0, "999999"),
        (1.5, "1.5"),
        (0.000123, "0.000123"),
        (1e-9, "1E-09"),
        (1e6, "1.0M"),
        (999_999.9999, "999999.9999"),
        (None, "?"),
    ],
)
def test_a_quantity_is_exact_while_it_can_be_read(value: float | None, text: str) -> None:
    assert short_quantity(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (999.4, "999"),
        (999.6, "1.0K"),
        (7_140.0, "7.1K"),
        (9_951.0, "10K"),
        (312_000.0, "312K"),
        (999_951.0, "1.0M"),
        (1.25e6, "1.2M"),
        (3e13, "30T"),
        (1e15, "1E15"),
        (None, "?"),
    ],
)
def test_an_amount_has_two_digits_or_three(value: float | None, text: str) -> None:
    assert short_amount(value) == text


def test_a_long_text_is_cut_and_says_so_and_an_empty_one_is_a_question_mark() -> None:
    assert shortened("a b\n  c", 16) == "a b c"
    assert shortened("x" * 20, 16) == "x" * 14 + ".."
    assert [shortened(text, 16) for text in ("", "  ", None, 7)] == ["?"] * 4


def test_the_plans_that_the_planner_makes_are_understood() -> None:
    record = plan_to_json(planned(), 1, None)
    assert [step.text for step in steps(record)] == [
        "SELL 10 XOM 1.0K USD",
        "BUY 10 SHEL.L 1.0K USD",
    ]
    assert gain(record) is not None
    assert outcome(plan_to_json(held(), 1, None)) == "HELD"
    assert outcome(plan_to_json(nothing_to_do(), 1, None)) == "NOTHING_TO_DO"


def test_a_record_that_is_no_plan_is_shown_as_held_without_a_known_reason() -> None:
    assert outcome({}) == "HELD"
    assert page_count({}) == 1


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
odd_steps = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "side": st.sampled_from(["buy", "sell"]) | anything,
            "security": st.text(max_size=80) | anything,
            "quantity": st.floats() | st.integers() | anything,
            "value": st.floats() | st.integers(-(10**400), 10**400) | anything,
        },
    )
    | anything,
    max_size=12,
)
odd_plans = st.fixed_dictionaries(
    {"outcome": st.sampled_from(["PLANNED", "PLANNED", "HELD", "NOTHING_TO_DO"]) | anything},
    optional={
        "steps": odd_steps | anything,
        "score": st.fixed_dictionaries({"gain": st.floats() | anything}) | anything,
        "metrics": st.fixed_dictionaries(
            {
                "distance": st.fixed_dictionaries({"before": st.floats(), "after": st.floats()})
                | anything
            }
        )
        | anything,
        "reason": st.text() | anything,
        "currency": st.text(max_size=5) | anything,
    },
)


@given(odd_plans, st.integers(0, 12), st.booleans(), st.floats(0, 80))
def test_any_record_gives_a_picture_on_every_page_and_never_raises(
    record: PlanRecord, page: int, degraded: bool, now_s: float
) -> None:
    state = DisplayState(result=record, page=page, is_degraded=degraded)
    assert frame_at(state, now_s) != Frame.blank() or page
    next_s = next_change_s(state, now_s)
    assert next_s is None or isinstance(frame_at(state, next_s), Frame)
    assert state.with_next_page(now_s).page < page_count(record) <= 11


@given(st.floats())
def test_any_gain_fits_the_matrix_and_the_room_beside_a_mark(value: float) -> None:
    number, _ = short_gain(gain({"score": {"gain": value}}), 1)
    assert SMALL.width(number) <= 11


@pytest.mark.parametrize(
    ("value", "two", "one"),
    [
        (0.061, "6.1", "6"),
        (0.0124, "1.2", "1"),
        (0.0, "0.0", "0"),
        (0.0994, "9.9", "10"),
        (0.0995, "10", "10"),
        (0.637, "64", "64"),
        (0.995, "99", "99"),
        (1e300, "99", "99"),
    ],
)
def test_a_distance_is_written_in_percent_with_two_digits_or_one(
    value: float, two: str, one: str
) -> None:
    assert short_distance(value) == two
    assert short_distance(value, 1) == one


def test_distances_are_those_of_a_plan_with_targets() -> None:
    before, after = {"distance": 0.3}, {"distance": 0.1}
    record = plan_to_json(planned(metrics_before=before, metrics_after=after), 1, None)
    assert distances(record) == (0.3, 0.1)
    assert distances(plan_to_json(planned(), 1, None)) is None


@pytest.mark.parametrize("odd", [None, {}, {"before": 0.1}, {"before": 0.1, "after": -0.1}, 3])
def test_what_is_no_distance_is_none(odd: object) -> None:
    assert distances({"metrics": {"distance": odd}}) is None


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.booleans(), st.sampled_from([11, 13]))
def test_any_distance_fits_the_matrix_and_the_room_beside_a_mark(
    before: float, after: float, shows_after: bool, right: int
) -> None:
    frame = distance_frame(before, after, right, shows_after=shows_after)
    rows = art(frame)
    assert all(set(row[right:]) <= {"."} for row in rows[:5])
    # What is farther away has the longer bar, and what is not zero has one.
    upper, lower = (len(row.rstrip(".")) for row in rows[6:])
    assert (upper - lower) * (before - after) >= 0
    assert (upper > 0, lower > 0) == (before > 0, after > 0)
