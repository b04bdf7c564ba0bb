"""The note of the module that runs: what comes back is what was noted, or nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from host.planning.worker.current_module import (
    KEY_BYTES_MAX,
    NOTE,
    VARIABLE,
    Running,
    RunningNote,
    inherited_note,
    new_memory,
    read_note,
)


@pytest.fixture
def memory() -> Iterator[int]:
    descriptor = new_memory()
    yield descriptor
    os.close(descriptor)


def test_what_was_noted_is_read_and_gone_when_it_is_cleared(memory: int) -> None:
    note = RunningNote(memory)
    assert read_note(memory) == Running()
    before_s = time.monotonic()
    note.note("filters.budget")
    note.note("opportunity_calculators.value")
    found = read_note(memory)
    assert found.key == "opportunity_calculators.value"
    assert before_s <= found.since_s <= time.monotonic()
    note.clear()
    assert read_note(memory) == Running()


def test_a_key_is_cut_and_one_of_other_letters_is_told_all_the_same(memory: int) -> None:
    note = RunningNote(memory)
    note.note("k" * 1_000)
    assert read_note(memory).key == "k" * KEY_BYTES_MAX
    note.note("filters.größe")
    assert read_note(memory).key == "filters.gr??e"


@pytest.mark.parametrize(
    "junk",
    [b"", b"\xff" * 300, NOTE.pack(1.0, 60_000) + b"x" * 300, NOTE.pack(1.0, 2) + b"\x1b["],
)
def test_junk_blames_nobody(memory: int, junk: bytes) -> None:
    os.pwrite(memory, junk, 0)
    assert read_note(memory) == Running()


def test_whoever_writes_into_all_descriptors_cannot_change_the_note(memory: int) -> None:
    note = RunningNote(memory)
    note.note("filters.budget")
    with pytest.raises(PermissionError):
        os.write(memory, b'{"planned": 7}\n')
    with pytest.raises(PermissionError):
        os.ftruncate(memory, 0)
    assert read_note(memory).key == "filters.budget"


def test_a_process_that_was_left_no_note_or_closed_it_notes_nothing(memory: int) -> None:
    inherited_note({}).note("filters.budget")
    environment = {VARIABLE: str(os.dup(memory))}
    note = inherited_note(environment)
    assert environment == {}, "what modules start shall not find it"
    note.close()
    note.note("filters.budget")
    assert read_note(memory) == Running()
