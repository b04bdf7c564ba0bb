"""The monitor state round-trips, and nonsense in its file is unknown."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.display.faults import Fault
from host.errors import StorageError
from host.health import monitor_state
from host.health.monitor_state import (
    MONITOR_STATE_NAME,
    ClockJump,
    MonitorState,
    read_monitor_state,
    write_monitor_state,
)
from host.health.preallocated_file import (
    PREALLOCATED_BYTES,
    PREALLOCATED_NAME,
    preallocate,
    read_preallocated,
    write_preallocated,
)

times = st.datetimes(
    datetime(1970, 1, 2),  # noqa: DTZ001 - the time zone is added below
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000))
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
names = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)
states = st.builds(
    MonitorState,
    saved_at=st.none() | times,
    started_at=st.none() | times,
    stopped_at=st.none() | times,
    pid=st.integers(0, 2**31),
    bucket_id=names,
    is_linked=st.booleans(),
    link_since=st.none() | times,
    port=st.text(max_size=30),
    is_worker_running=st.booleans(),
    worker_restarts=st.integers(0, 10_000),
    faults=st.dictionaries(st.sampled_from(Fault), times),
    watched=st.dictionaries(names, times, max_size=3),
    clock_jump=st.none() | st.builds(ClockJump, times, st.floats(-1e9, 1e9)),
    findings=st.dictionaries(st.text(max_size=30), times, max_size=3),
    incidents=st.dictionaries(st.text(max_size=30), times, max_size=3),
    boot_id=st.text(max_size=40),
    clock_offset_s=st.floats(-1e11, 1e11),
)


@given(states)
def test_a_state_round_trips(tmp_path_factory: Any, state: MonitorState) -> None:  # noqa: ANN401
    folder: Path = tmp_path_factory.getbasetemp()
    write_monitor_state(folder, state)
    assert read_monitor_state(folder) == state


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
keys = sorted(MonitorState().to_json())


@given(st.dictionaries(st.sampled_from(keys), json_values))
def test_odd_content_is_unknown_and_not_an_error(
    tmp_path_factory: Any,  # noqa: ANN401
    content: dict[str, object],
) -> None:
    folder: Path = tmp_path_factory.getbasetemp()
    (folder / MONITOR_STATE_NAME).write_text(json.dumps({**content, "schema_version": 1}), "utf-8")
    state = read_monitor_state(folder)
    assert isinstance(state, MonitorState)
    json.dumps(state.to_json())


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema_version": 2}', "[" * 50_000])
def test_a_file_that_is_not_a_state_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MONITOR_STATE_NAME).write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r".+"):
        read_monitor_state(tmp_path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / MONITOR_STATE_NAME).write_text(
        '{"schema_version": 1' + " " * 300_000 + "}", "utf-8"
    )
    with pytest.raises(ValueError, match="larger than"):
        read_monitor_state(tmp_path)


def test_no_file_is_no_state(tmp_path: Path) -> None:
    assert read_monitor_state(tmp_path) is None


FULL = StorageError("the disk is full")


def refuse(_path: Path, _data: bytes) -> None:
    raise FULL


def test_a_full_disk_uses_the_preallocated_file_until_there_is_space_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preallocate(tmp_path)
    before, full, after = (MonitorState(pid=pid, findings={"a||": NOON}) for pid in (1, 2, 3))
    write_monitor_state(tmp_path, before)
    with monkeypatch.context() as disk:
        disk.setattr(monitor_state, "write_atomic", refuse)
        with pytest.raises(StorageError):
            write_monitor_state(tmp_path, full)
    assert read_monitor_state(tmp_path) == replace(full, findings={})
    write_monitor_state(tmp_path, after)
    assert read_monitor_state(tmp_path) == after
    assert (tmp_path / PREALLOCATED_NAME).stat().st_size == PREALLOCATED_BYTES


@pytest.mark.parametrize("data", [b"", b" " * PREALLOCATED_BYTES, b"x" * 70, b"0" * 64 + b"{}"])
def test_a_preallocated_file_that_is_blank_or_torn_is_ignored(tmp_path: Path, data: bytes) -> None:
    write_monitor_state(tmp_path, MonitorState(pid=5))
    (tmp_path / PREALLOCATED_NAME).write_bytes(data)
    assert read_monitor_state(tmp_path) == MonitorState(pid=5)


def test_a_preallocated_file_takes_no_more_than_its_size(tmp_path: Path) -> None:
    assert not write_preallocated(tmp_path, b"{}")
    preallocate(tmp_path)
    assert write_preallocated(tmp_path, b"{}")
    assert not write_preallocated(tmp_path, b"x" * PREALLOCATED_BYTES)
    assert read_preallocated(tmp_path) == b"{}"


def test_a_preallocated_file_that_cannot_be_blanked_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preallocate(tmp_path)
    write_preallocated(tmp_path, json.dumps(MonitorState(pid=1).to_json()).encode())
    monkeypatch.setattr(monitor_state, "write_preallocated", lambda _folder, _data: False)
    write_monitor_state(tmp_path, MonitorState(pid=2))
    assert read_monitor_state(tmp_path) == MonitorState(pid=2)


def test_a_pipe_in_place_of_the_preallocated_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / PREALLOCATED_NAME)
    write_monitor_state(tmp_path, MonitorState(pid=5))
    assert read_monitor_state(tmp_path) == MonitorState(pid=5)
    assert not write_preallocated(tmp_path, b"{}")


def test_faults_keep_the_names_that_homes_hold(tmp_path: Path) -> None:
    state = MonitorState(faults={Fault.CANNOT_WRITE: NOON})
    assert list(state.to_json()["faults"]) == ["STORAGE"]  # type: ignore[call-overload]
    write_monitor_state(tmp_path, state)
    assert read_monitor_state(tmp_path) == state
