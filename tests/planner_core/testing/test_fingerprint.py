"""Digests by path: every change is named, and reading changes nothing."""

# ruff: noqa: ANN401 - of any type

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pytest

from planner_core.testing.fingerprint import changed_paths, fingerprint
from planner_core.testing.sample_states import sample_inputs


@dataclass
class Holder:
    values: Any = field(default_factory=lambda: np.arange(3.0))
    names: dict[str, Any] = field(default_factory=lambda: {"a": 1})
    parts: list[Any] = field(default_factory=lambda: [np.zeros(1), [1, 2]])

    @cached_property
    def total(self) -> Any:
        return np.array([self.values.sum()])


def set_value(holder: Holder) -> None:
    holder.values[0] = 9


def set_name(holder: Holder) -> None:
    holder.names["b"] = 2


def set_part(holder: Holder) -> None:
    holder.parts[1].append(3)


def set_cached(holder: Holder) -> None:
    holder.total[0] = -1


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (set_value, "holder.values"),
        (set_name, "holder.names['b']"),
        (set_part, "holder.parts[1]"),
        (set_cached, "holder.total"),
    ],
)
def test_a_change_is_named_by_its_path(change: Any, path: str) -> None:
    holder = Holder()
    before = fingerprint(holder, "holder")
    assert changed_paths(before, fingerprint(holder, "holder")) == []
    change(holder)
    assert changed_paths(before, fingerprint(holder, "holder")) == [path]


def test_a_set_has_one_digest_whatever_its_order() -> None:
    first = fingerprint({"x": {"a", "b", "c"}}, "s")
    assert first == fingerprint({"x": {"c", "b", "a"}}, "s")


def test_equal_states_have_equal_digests_and_reading_one_changes_nothing() -> None:
    first, second = sample_inputs("rich"), sample_inputs("rich", 1)
    assert first.state is not second.state
    before = fingerprint(first.state, "state")
    assert before == fingerprint(second.state, "state")
    assert first.state.quality.size == 8
    assert changed_paths(before, fingerprint(first.state, "state")) == []


def test_something_that_contains_itself_ends() -> None:
    loop: list[Any] = [[]]
    loop[0].append(loop)
    assert fingerprint(loop, "loop")
