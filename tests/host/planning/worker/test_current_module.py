"""The shared memory of the module that runs: it holds what was written, or nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from host.planning.worker.current_module import (
    HEADER,
    KEY_BYTES_MAX,
    VARIABLE,
    CurrentModule,
    CurrentModuleWriter,
    create_memory,
    inherit_writer,
    read_current_module,
)


@pytest.fixture
def memory() -> Iterator[int]:
    descriptor = create_memory()
    yield descriptor
    os.close(descriptor)


def test_the_last_key_is_read_until_it_is_cleared(memory: int) -> None:
    writer = CurrentModuleWriter(memory)
    assert read_current_module(memory) == CurrentModule()
    before_s = time.monotonic()
    writer.write("filters.budget")
    writer.write("opportunity_calculators.value")
    module = read_current_module(memory)
    assert module.key == "opportunity_calculators.value"
    assert before_s <= module.start_s <= time.monotonic()
    writer.clear()
    assert read_current_module(memory) == CurrentModule()


def test_a_long_key_is_cut_and_other_letters_are_replaced(memory: int) -> None:
    writer = CurrentModuleWriter(memory)
    writer.write("k" * 1_000)
    assert read_current_module(memory).key == "k" * KEY_BYTES_MAX
    writer.write("filters.größe")
    assert read_current_module(memory).key == "filters.gr??e"


@pytest.mark.parametrize(
    "junk",
    [b"", b"\xff" * 300, HEADER.pack(1.0, 60_000) + b"x" * 300, HEADER.pack(1.0, 2) + b"\x1b["],
)
def test_invalid_content_names_no_module(memory: int, junk: bytes) -> None:
    os.pwrite(memory, junk, 0)
    assert read_current_module(memory) == CurrentModule()


def test_a_write_to_the_descriptor_cannot_change_the_key(memory: int) -> None:
    writer = CurrentModuleWriter(memory)
    writer.write("filters.budget")
    with pytest.raises(PermissionError):
        os.write(memory, b'{"planned": 7}\n')
    with pytest.raises(PermissionError):
        os.ftruncate(memory, 0)
    assert read_current_module(memory).key == "filters.budget"


def test_a_writer_without_memory_or_closed_writes_nothing(memory: int) -> None:
    inherit_writer({}).write("filters.budget")
    environment = {VARIABLE: str(os.dup(memory))}
    writer = inherit_writer(environment)
    assert environment == {}, "the children of modules must not inherit it"
    writer.close()
    writer.write("filters.budget")
    assert read_current_module(memory) == CurrentModule()
