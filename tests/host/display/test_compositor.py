"""The picture of each state, and for how long it is shown."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.board_frames import stale_frame
from firmware_bridge.matrix import Frame
from host.display.compositor import (
    ANSWER_S,
    AWAKE_S,
    LAYERS,
    PAGE_RETURN_S,
    DisplayState,
    Fault,
    Intent,
    Layer,
    Light,
    Lighting,
    PairingView,
    Planning,
    PlanRecord,
    ReleasePreview,
    frame_at,
    next_change_s,
    picture_at,
)
from host.display.screens import with_degraded_mark
from tools.generators.display_legend_results import FIVE_STEPS, HELD, NOTHING, TEN_STEPS

NOW_S = 1000.0

# What brings each layer up, all at the same moment.
CAUSES: dict[Layer, dict[str, Any]] = {
    Layer.STALE: {"is_linked": False},
    Layer.PREVIEW: {"preview": ReleasePreview(Intent.CANCEL, NOW_S)},
    Layer.PAIRING: {"pairing": PairingView("204917", (), NOW_S, NOW_S + 120.0)},
    Layer.PLANNING: {"planning": Planning(NOW_S, 0.5)},
    Layer.ANSWER: {
        "result": FIVE_STEPS,
        "result_from_s": NOW_S,
        "answer_until_s": NOW_S + ANSWER_S,
        "faults": (Fault.CLOCK_IN_PAST,),
        "faults_since_s": NOW_S,
    },
    Layer.FAULT: {"faults": (Fault.CLOCK_IN_PAST,), "faults_since_s": NOW_S},
    Layer.CONFIG_REJECTED: {"config_rejected": "core.toml:3", "config_rejected_since_s": NOW_S},
    Layer.RESULT: {"result": FIVE_STEPS, "result_from_s": NOW_S},
    Layer.DEGRADED: {"is_degraded": True},
    Layer.BUCKET: {"bucket": "core", "bucket_since_s": NOW_S},
    Layer.IDLE: {},
}
TROUBLE = {Layer.ANSWER, Layer.FAULT, Layer.CONFIG_REJECTED}
MARKED = {Layer.ANSWER, Layer.RESULT, Layer.BUCKET}


def shown(state: DisplayState, now_s: float = NOW_S) -> Layer:
    return picture_at(state, now_s).layer


def state_of(*layers: Layer) -> DisplayState:
    changes = {name: value for layer in layers for name, value in CAUSES[layer].items()}
    return replace(DisplayState(), **changes)


def test_the_order_of_what_is_shown_is_the_promised_one() -> None:
    assert list(LAYERS) == [
        Layer.STALE,
        Layer.PREVIEW,
        Layer.PAIRING,
        Layer.PLANNING,
        Layer.ANSWER,
        Layer.FAULT,
        Layer.CONFIG_REJECTED,
        Layer.RESULT,
        Layer.DEGRADED,
        Layer.BUCKET,
        Layer.IDLE,
    ]
    assert list(CAUSES) == list(LAYERS)


@pytest.mark.parametrize("layer", CAUSES, ids=lambda layer: layer.value)
def test_a_layer_alone_is_shown(layer: Layer) -> None:
    assert shown(state_of(layer)) is layer


@pytest.mark.parametrize(
    ("higher", "lower"),
    list(itertools.combinations(CAUSES, 2)),
    ids=lambda layer: layer.value,
)
def test_the_higher_one_hides_the_lower_one(higher: Layer, lower: Layer) -> None:
    both = state_of(lower, higher)
    assert shown(both) is higher
    if not {higher, lower} & {Layer.DEGRADED}:
        assert frame_at(both, NOW_S) == frame_at(state_of(higher), NOW_S)


@pytest.mark.parametrize("layer", CAUSES, ids=lambda layer: layer.value)
def test_the_mark_of_a_degraded_planner_stands_over_results_and_names_only(layer: Layer) -> None:
    frame = frame_at(state_of(layer, Layer.DEGRADED), NOW_S)
    assert (with_degraded_mark(frame) == frame) == (layer in MARKED)


def test_every_shown_page_and_name_leaves_room_for_the_mark() -> None:
    for result in (FIVE_STEPS, TEN_STEPS, HELD, NOTHING):
        for page in range(11):
            state = DisplayState(result=result, page=page, is_degraded=True)
            for at_s in range(20):
                frame = frame_at(state, at_s / 2)
                corner = [frame.level(x, y) for x in (11, 12) for y in range(5)]
                assert corner == [0] * 5 + [7, 7, 0, 7, 0]


def test_without_a_link_a_mirror_shows_what_the_board_draws_by_itself() -> None:
    assert frame_at(DisplayState(is_linked=False), NOW_S) == stale_frame()


# --- what happens in time -----------------------------------------------------------------------


def test_a_new_bucket_tells_its_name_before_its_latest_result() -> None:
    state = DisplayState().with_bucket("satellite_a", NOW_S, FIVE_STEPS)
    assert shown(state) is Layer.BUCKET
    assert shown(state, state.result_from_s - 0.01) is Layer.BUCKET
    assert shown(state, state.result_from_s) is Layer.RESULT


def test_a_bucket_without_a_result_ends_in_the_heart() -> None:
    state = DisplayState().with_bucket("core", NOW_S)
    assert shown(state, NOW_S + 30) is Layer.IDLE


def test_a_plan_begins_goes_on_and_becomes_a_result() -> None:
    first = DisplayState(result=NOTHING).with_planning(NOW_S)
    further = first.with_planning(NOW_S + 1, 0.5)
    assert further.planning == Planning(NOW_S, 0.5)
    assert shown(further) is Layer.PLANNING
    assert shown(further.with_result(FIVE_STEPS, NOW_S + 2), NOW_S + 2) is Layer.RESULT
    assert shown(further.without_planning(), NOW_S + 2) is Layer.RESULT


def test_pages_go_from_the_summary_through_all_steps_and_round() -> None:
    state = DisplayState().with_result(FIVE_STEPS, NOW_S)
    pages = []
    for press in range(7):
        pages.append(state.shown_page(NOW_S + press))
        state = state.with_next_page(NOW_S + press)
    assert pages == [0, 1, 2, 3, 4, 5, 0]


def test_a_step_s_page_gives_way_to_the_summary_and_the_next_press_starts_at_the_first_step() -> (
    None
):
    summary = DisplayState().with_result(FIVE_STEPS, NOW_S)
    third = replace(summary, page=3)
    later_s = NOW_S + PAGE_RETURN_S
    assert frame_at(third, later_s) == frame_at(summary, NOW_S)
    assert third.with_next_page(later_s).page == 1


def test_a_next_page_without_a_result_changes_nothing() -> None:
    assert DisplayState().with_next_page(NOW_S) == DisplayState()


def test_the_next_page_of_a_held_plan_tells_its_reason_again() -> None:
    state = DisplayState().with_result(HELD, NOW_S)
    assert next_change_s(state, NOW_S + 300) is None
    assert next_change_s(state.with_next_page(NOW_S + 300), NOW_S + 300) is not None


@pytest.mark.parametrize("trouble", [Layer.FAULT, Layer.CONFIG_REJECTED], ids=str)
def test_who_presses_while_something_is_wrong_sees_the_plan_with_a_mark_and_then_the_trouble(
    trouble: Layer,
) -> None:
    state = state_of(trouble).with_planning(NOW_S)
    assert shown(state) is Layer.PLANNING
    state = state.with_result(FIVE_STEPS, NOW_S + 1.0)
    assert shown(state, NOW_S + 1.0) is Layer.ANSWER
    first = frame_at(state, NOW_S + 1.0)
    assert with_degraded_mark(first) == first
    turned = state.with_next_page(NOW_S + ANSWER_S)
    assert shown(turned, NOW_S + ANSWER_S + 1.0) is Layer.ANSWER
    for answered, until_s in ((state, NOW_S + 1.0 + ANSWER_S), (turned, NOW_S + 2 * ANSWER_S)):
        assert shown(answered, until_s - 0.1) is Layer.ANSWER
        change_s = next_change_s(answered, until_s - 0.1)
        assert change_s is not None
        assert change_s <= until_s
        assert shown(answered, until_s) is trouble


def test_trouble_that_begins_while_an_answer_is_shown_comes_at_once() -> None:
    answered = DisplayState().with_result(FIVE_STEPS, NOW_S)
    for troubled in (
        answered.with_faults((Fault.DATA_UNUSABLE,), NOW_S + 1),
        answered.with_config_rejected("core.toml:1", NOW_S + 1),
    ):
        assert shown(troubled, NOW_S + 1) in {Layer.FAULT, Layer.CONFIG_REJECTED}
        assert shown(troubled.with_next_page(NOW_S + 2), NOW_S + 2) is Layer.ANSWER


def test_trouble_that_ends_takes_no_answer_away_while_other_trouble_stays() -> None:
    both = DisplayState().with_faults((Fault.NO_PLAN_FOR_LONG, Fault.PRESS_LOST), NOW_S)
    answered = both.with_result(FIVE_STEPS, NOW_S + 1)
    one_fault = answered.with_faults((Fault.PRESS_LOST,), NOW_S + 3)
    assert shown(one_fault, NOW_S + 3) is Layer.ANSWER
    assert shown(one_fault, NOW_S + 1 + ANSWER_S) is Layer.FAULT
    another = one_fault.with_faults((Fault.NO_PLAN_FOR_LONG, Fault.PRESS_LOST), NOW_S + 4)
    assert shown(another, NOW_S + 4) is Layer.FAULT


def test_no_hourglass_is_shown_while_nothing_can_be_kept() -> None:
    state = DisplayState().with_planning(NOW_S).with_faults((Fault.CANNOT_WRITE,), NOW_S)
    assert shown(state) is Layer.FAULT
    assert shown(state.with_faults((Fault.CLOCK_IN_PAST,), NOW_S)) is Layer.PLANNING


def test_without_trouble_an_answer_is_just_the_result() -> None:
    state = DisplayState().with_planning(NOW_S).with_result(FIVE_STEPS, NOW_S)
    assert shown(state) is Layer.RESULT
    assert with_degraded_mark(frame_at(state, NOW_S)) != frame_at(state, NOW_S)


def test_the_same_faults_again_do_not_start_the_picture_again() -> None:
    state = DisplayState().with_faults((Fault.DATA_UNUSABLE, Fault.CANNOT_WRITE), NOW_S)
    assert state.faults == (Fault.CANNOT_WRITE, Fault.DATA_UNUSABLE)
    assert (
        state.with_faults((Fault.CANNOT_WRITE, Fault.DATA_UNUSABLE, Fault.DATA_UNUSABLE), NOW_S + 5)
        is state
    )
    assert shown(state.with_faults((), NOW_S + 6)) is Layer.IDLE


def test_the_same_rejected_configuration_again_does_not_start_the_picture_again() -> None:
    state = DisplayState().with_config_rejected("core.toml:3", NOW_S)
    assert state.with_config_rejected("core.toml:3", NOW_S + 5) is state
    assert state.with_config_rejected(None, NOW_S + 5).config_rejected is None


def test_several_faults_take_turns() -> None:
    state = DisplayState().with_faults((Fault.CANNOT_WRITE, Fault.DATA_UNUSABLE), NOW_S)
    alone = [
        frame_at(DisplayState().with_faults((fault,), NOW_S), NOW_S)
        for fault in (Fault.CANNOT_WRITE, Fault.DATA_UNUSABLE)
    ]
    frames = frames_until(state, NOW_S, NOW_S + 20)
    assert [frame for frame in frames if frame in alone][:2] == alone


# --- night --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("light", "dark"),
    [
        (Light.FULL, set()),
        (Light.DIM, set()),
        (Light.OFF, set(LAYERS) - {Layer.PREVIEW, Layer.PAIRING}),
        (
            Light.OFF_BUT_FAULTS,
            {*LAYERS} - {Layer.PREVIEW, Layer.PAIRING, Layer.STALE, *TROUBLE},
        ),
    ],
    ids=lambda value: value.value if isinstance(value, Light) else "",
)
def test_a_night_hides_what_it_should(light: Light, dark: set[Layer]) -> None:
    for layer in CAUSES:
        picture = picture_at(state_of(layer).with_lighting(Lighting(15, 3, light)), NOW_S)
        assert (picture.frame == Frame.blank()) == (layer in dark)
        assert picture.brightness == (0 if layer in dark else 15 if light is Light.FULL else 3)


def test_a_touch_lights_the_night_for_a_while_and_the_daemon_is_told_when_it_ends() -> None:
    night = DisplayState(result=NOTHING).with_lighting(Lighting(light=Light.OFF))
    assert next_change_s(night, NOW_S) is None
    touched = night.with_touch(NOW_S)
    assert picture_at(touched, NOW_S).frame == frame_at(DisplayState(result=NOTHING), NOW_S)
    assert next_change_s(touched, NOW_S) == NOW_S + AWAKE_S
    assert picture_at(touched, NOW_S + AWAKE_S).brightness == 0


# --- pairing ------------------------------------------------------------------------------------


def test_a_code_is_shown_until_its_window_closes_and_the_daemon_is_told_when_that_is() -> None:
    state = DisplayState(pairing=PairingView("204917", (), NOW_S, NOW_S + 120.0))
    assert shown(state, NOW_S + 119.9) is Layer.PAIRING
    assert state.is_pairing(NOW_S + 119.9)
    assert shown(state, NOW_S + 120.0) is Layer.IDLE
    assert not state.is_pairing(NOW_S + 120.0)
    change_s = next_change_s(state, NOW_S + 119.9)
    assert change_s is not None
    assert change_s <= NOW_S + 120.0
    assert shown(state.with_pairing(None)) is Layer.IDLE


# --- when it changes ----------------------------------------------------------------------------


def frames_until(state: DisplayState, now_s: float, until_s: float) -> list[Frame]:
    """Show a state as the daemon does: sleep from change to change."""
    frames = [frame_at(state, now_s)]
    at_s: float | None = now_s
    while at_s is not None and (at_s := next_change_s(state, at_s)) is not None and at_s < until_s:
        frames.append(frame_at(state, at_s))
    return frames


times = st.floats(0, 1e6) | st.floats(0, 200)
states = st.builds(
    DisplayState,
    bucket=st.sampled_from(["", "core", "satellite_a"]),
    bucket_since_s=times,
    planning=st.none() | st.builds(Planning, times, st.none() | st.floats(0, 1)),
    result=st.sampled_from([None, FIVE_STEPS, TEN_STEPS, HELD, NOTHING]),
    result_from_s=times,
    page=st.integers(0, 12),
    page_since_s=times,
    faults=st.sampled_from(
        [(), (Fault.CANNOT_WRITE,), (Fault.WORKER_DIED, Fault.NO_PLAN_FOR_LONG)]
    ),
    faults_since_s=times,
    config_rejected=st.sampled_from([None, "core.toml:12"]),
    config_rejected_since_s=times,
    is_degraded=st.booleans(),
    preview=st.none()
    | st.builds(
        ReleasePreview,
        st.sampled_from(Intent),
        times,
        st.none() | times,
        st.sampled_from(["", "b"]),
    ),
    pairing=st.none()
    | st.builds(
        PairingView, st.just("204917"), st.sampled_from([(), ("46A", "70F")]), times, times
    ),
    awake_until_s=times,
    lighting=st.builds(Lighting, light=st.sampled_from(Light)),
)


@given(states, times, st.floats(0, 1))
def test_a_picture_stands_until_its_next_change(
    state: DisplayState, now_s: float, share: float
) -> None:
    change_s = next_change_s(state, now_s)
    end_s = now_s + 500.0 if change_s is None else change_s - 1e-5
    assert change_s is None or change_s > now_s
    between_s = max(now_s, now_s + share * (end_s - now_s))
    assert picture_at(state, between_s) == picture_at(state, now_s)


@given(states, times)
def test_the_daemon_is_not_woken_more_often_than_a_text_moves(
    state: DisplayState, now_s: float
) -> None:
    wakes = 0
    at_s: float | None = now_s
    while at_s is not None and (at_s := next_change_s(state, at_s)) is not None:
        if at_s > now_s + 5:
            break
        wakes += 1
    assert wakes < 5 * 14 + 10


@pytest.mark.parametrize(
    "layer",
    [Layer.FAULT, Layer.CONFIG_REJECTED, Layer.DEGRADED],
    ids=lambda layer: layer.value,
)
def test_what_stands_for_days_comes_to_rest(layer: Layer) -> None:
    assert next_change_s(state_of(layer), NOW_S + 3600) is None


@pytest.mark.parametrize("result", [None, FIVE_STEPS, TEN_STEPS, HELD, NOTHING])
def test_what_an_owner_leaves_standing_changes_at_most_once_a_second(
    result: PlanRecord | None,
) -> None:
    state = DisplayState(result=result)
    at_s: float = 3600.0
    for _ in range(20):
        change_s = next_change_s(state, at_s)
        assert change_s is None or change_s - at_s >= 0.999 or at_s == 3600.0
        if change_s is None or math.isinf(change_s):
            break
        at_s = change_s
