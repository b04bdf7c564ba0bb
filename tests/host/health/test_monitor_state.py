"""What the daemon remembers comes back as it was, and nonsense in the file is not believed."""

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
from host.health import monitor_state as memory_module
from host.health.monitor_state import MEMORY_NAME, ClockJump, Memory, read_memory, write_memory
from host.health.preallocated_file import (
    RESERVE_BYTES,
    RESERVE_NAME,
    make_reserve,
    read_reserve,
    write_reserve,
)

times = st.datetimes(
    datetime(1970, 1, 2),  # noqa: DTZ001 - the time zone is added below
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000))
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
names = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)
memories = st.builds(
    Memory,
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


@given(memories)
def test_a_memory_comes_back_as_it_was(tmp_path_factory: Any, memory: Memory) -> None:  # noqa: ANN401
    folder: Path = tmp_path_factory.getbasetemp()
    write_memory(folder, memory)
    assert read_memory(folder) == memory


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
keys = sorted(Memory().to_json())


@given(st.dictionaries(st.sampled_from(keys), json_values))
def test_odd_content_is_not_known_rather_than_an_error(
    tmp_path_factory: Any,  # noqa: ANN401
    content: dict[str, object],
) -> None:
    folder: Path = tmp_path_factory.getbasetemp()
    (folder / MEMORY_NAME).write_text(json.dumps({**content, "schema_version": 1}), "utf-8")
    found = read_memory(folder)
    assert isinstance(found, Memory)
    json.dumps(found.to_json())


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema_version": 2}', "[" * 50_000])
def test_a_file_that_is_no_memory_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MEMORY_NAME).write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r".+"):
        read_memory(tmp_path)


def test_a_file_beyond_all_measure_is_not_read(tmp_path: Path) -> None:
    (tmp_path / MEMORY_NAME).write_text('{"schema_version": 1' + " " * 300_000 + "}", "utf-8")
    with pytest.raises(ValueError, match="larger than"):
        read_memory(tmp_path)


def test_no_file_is_no_memory(tmp_path: Path) -> None:
    assert read_memory(tmp_path) is None


def test_only_the_time_of_writing_does_not_make_a_memory_another_one() -> None:
    now = datetime.now(UTC)
    assert not Memory(saved_at=now).differs_from(Memory())
    assert Memory(saved_at=now, is_linked=True).differs_from(Memory(saved_at=now))


FULL = StorageError("the disk is full")


def refuse(_path: Path, _data: bytes) -> None:
    raise FULL


def test_on_a_full_disk_the_memory_is_kept_in_place_until_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_reserve(tmp_path)
    before, full, after = (Memory(pid=pid, findings={"a||": NOON}) for pid in (1, 2, 3))
    write_memory(tmp_path, before)
    with monkeypatch.context() as disk:
        disk.setattr(memory_module, "write_atomic", refuse)
        with pytest.raises(StorageError):
            write_memory(tmp_path, full)
    assert read_memory(tmp_path) == replace(full, findings={})
    write_memory(tmp_path, after)
    assert read_memory(tmp_path) == after
    assert (tmp_path / RESERVE_NAME).stat().st_size == RESERVE_BYTES


@pytest.mark.parametrize("data", [b"", b" " * RESERVE_BYTES, b"x" * 70, b"0" * 64 + b"{}"])
def test_a_reserve_that_is_blank_or_torn_is_not_believed(tmp_path: Path, data: bytes) -> None:
    write_memory(tmp_path, Memory(pid=5))
    (tmp_path / RESERVE_NAME).write_bytes(data)
    assert read_memory(tmp_path) == Memory(pid=5)


def test_a_reserve_takes_no_more_than_its_room_and_none_that_is_missing(tmp_path: Path) -> None:
    assert not write_reserve(tmp_path, b"{}")
    make_reserve(tmp_path)
    assert write_reserve(tmp_path, b"{}")
    assert not write_reserve(tmp_path, b"x" * RESERVE_BYTES)
    assert read_reserve(tmp_path) == b"{}"


def test_a_reserve_that_cannot_be_blanked_does_not_hide_what_is_younger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_reserve(tmp_path)
    write_reserve(tmp_path, json.dumps(Memory(pid=1).to_json()).encode())
    monkeypatch.setattr(memory_module, "write_reserve", lambda _folder, _data: False)
    write_memory(tmp_path, Memory(pid=2))
    assert read_memory(tmp_path) == Memory(pid=2)


def test_nobody_waits_for_a_pipe_in_the_place_of_the_reserve(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / RESERVE_NAME)
    write_memory(tmp_path, Memory(pid=5))
    assert read_memory(tmp_path) == Memory(pid=5)
    assert not write_reserve(tmp_path, b"{}")
