"""Modules with plain and asynchronous methods, and what is watched around their calls."""

# ruff: noqa: ANN401 - a module of a test returns anything
from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host.plugins.guard import SharedCodeGuard
from host.plugins.plain_methods import CodeHooks, make_plain
from planner_core.errors import ModuleContractError
from planner_core.market import objective
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.cacheable import cache_ttl_s, cacheable
from planner_core.modules.module import ModuleParameters, SequenceGenerator
from tests.builders import metadata, stub_calculator, stub_filter, stub_pattern


class Blocks(SequenceGenerator[ModuleParameters]):
    metadata = metadata("blocks")
    parameters_model = ModuleParameters

    async def generate(self, space: Any, *_: Any) -> AsyncIterator[Any]:  # type: ignore[override]
        for number in range(space):
            await asyncio.sleep(0)
            yield number


def test_an_asynchronous_method_is_called_like_a_plain_one() -> None:
    async def calculate(state: Any) -> list[Any]:
        await asyncio.sleep(0)
        return [state]

    module: Any = make_plain(stub_calculator(calculate))
    assert module.calculate("state", None) == ["state"]


def test_an_asynchronous_generator_is_iterated_block_by_block() -> None:
    module: Any = make_plain(Blocks())
    blocks = module.generate(3, None, None)
    assert isinstance(blocks, Iterator)
    assert list(blocks) == [0, 1, 2]
    assert list(module.generate(0, None, None)) == []


def test_plain_methods_and_the_methods_that_a_filter_does_not_have_stay_as_they_are() -> None:
    pattern: Any = make_plain(stub_pattern(lambda _: [(0,)]))
    assert pattern.generate(None, None, None) == [(0,)]
    module: Any = make_plain(stub_filter())
    assert module.conflicts(None, None, None) is None


def test_an_error_is_that_of_the_module() -> None:
    async def calculate(_state: Any) -> list[Any]:
        raise KeyError("mine")

    module: Any = make_plain(stub_calculator(calculate), SharedCodeGuard())
    with pytest.raises(KeyError, match="mine"):
        module.calculate(None, None)


def test_the_mark_of_cacheable_stays() -> None:
    class Marked(type(stub_calculator(lambda _: []))):  # type: ignore[misc]
        @cacheable(ttl=60)
        def calculate(self, *_: Any) -> list[Any]:
            return []

    assert cache_ttl_s(make_plain(Marked()), "calculate") == 60.0


def test_the_hooks_see_every_call_and_every_block() -> None:
    calls: list[str] = []
    hooks = CodeHooks(calls.append, lambda: calls.append("left"))
    module: Any = make_plain(Blocks(), None, hooks)
    list(module.generate(2, None, None))
    assert calls == ["sequence_generators.blocks", "left"] * (1 + 3)  # the last one has no block


def sum_is_none(_state: Any) -> list[Any]:
    np.sum = None  # type: ignore[assignment]
    return []


def terms_is_none(_state: Any) -> list[Any]:
    objective.Objective.terms = None  # type: ignore[assignment,method-assign]
    return []


def a_builtin_is_hidden(_state: Any) -> list[Any]:
    objective.len = None  # type: ignore[attr-defined]
    return []


def a_module_is_broken(_state: Any) -> list[Any]:
    next(iter(builtin_registries().all_modules())).calculate = None  # type: ignore[attr-defined]
    return []


def the_folder_is_changed(_state: Any) -> list[Any]:
    os.chdir("/")
    return []


def a_module_is_removed(_state: Any) -> list[Any]:
    builtin_registries().filters.remove("diversity")
    return []


@pytest.mark.parametrize(
    ("misdeed", "name"),
    [
        (sum_is_none, "numpy.sum"),
        (terms_is_none, "Objective.terms"),
        (a_builtin_is_hidden, "planner_core.market.objective.len"),
        (a_module_is_broken, "ProfitTaking"),
        (a_module_is_removed, "the registry of filters"),
        (the_folder_is_changed, "the working directory"),
    ],
)
def test_shared_code_that_a_call_changes_is_put_back_and_the_call_fails(
    misdeed: Any, name: str
) -> None:
    folder = Path.cwd()
    module: Any = make_plain(stub_calculator(misdeed), SharedCodeGuard())
    with pytest.raises(ModuleContractError, match=f"changed {name}"):
        module.calculate(None, None)
    assert Path.cwd() == folder
    assert np.sum([1, 2]) == 3
    assert objective.Objective.terms is not None
    assert "len" not in vars(objective)
    assert "diversity" in builtin_registries().filters
    first: Any = next(iter(builtin_registries().all_modules()))
    assert first.calculate is not None


def test_shared_code_is_put_back_too_when_the_call_fails_by_itself() -> None:
    def calculate(_state: Any) -> list[Any]:
        sum_is_none(None)
        raise ValueError("after it")

    module: Any = make_plain(stub_calculator(calculate), SharedCodeGuard())
    with pytest.raises(ValueError, match="after it"):
        module.calculate(None, None)
    assert np.sum([1, 2]) == 3


def test_between_two_blocks_others_never_see_a_change() -> None:
    class Patching(Blocks):
        def generate(self, *_: Any) -> Iterator[Any]:  # type: ignore[override]
            yield 1
            sum_is_none(None)
            yield 2

    blocks = make_plain(Patching(), SharedCodeGuard()).generate(None, None, None)  # type: ignore[attr-defined]
    assert next(blocks) == 1
    with pytest.raises(ModuleContractError, match=r"changed numpy\.sum"):
        next(blocks)
    assert np.sum([1, 2]) == 3


def test_the_settings_of_warnings_and_of_numpy_s_errors_stay() -> None:
    def calculate(_state: Any) -> list[Any]:
        np.seterr(all="raise")
        return []

    before = np.geterr()
    make_plain(stub_calculator(calculate), SharedCodeGuard()).calculate(None, None)  # type: ignore[attr-defined]
    assert np.geterr() == before


def test_a_call_that_leaves_a_thread_fails_and_one_that_waits_for_it_does_not() -> None:
    end = threading.Event()

    def leave(_state: Any) -> list[Any]:
        threading.Thread(target=end.wait, name="mine").start()
        return []

    def wait(_state: Any) -> list[Any]:
        thread = threading.Thread(target=time.sleep, args=(0.01,))
        thread.start()
        thread.join()
        return []

    guard = SharedCodeGuard()
    with pytest.raises(ModuleContractError, match=r"left a thread running \(mine\)"):
        make_plain(stub_calculator(leave), guard).calculate(None, None)  # type: ignore[attr-defined]
    end.set()
    assert make_plain(stub_calculator(wait), guard).calculate(None, None) == []  # type: ignore[attr-defined]
