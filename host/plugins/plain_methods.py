"""Makes a plugin's module one that the planner can call: plain methods, with the guard around them.

The planner calls plain functions only. A plugin may write `async def calculate`, and an
asynchronous generator. Each call then runs in an event loop of its own, to its end.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from host.plugins.description import BASES
from host.sandbox import left_threads
from planner_core.errors import ModuleContractError

if TYPE_CHECKING:
    from host.plugins.guard import SharedCodeGuard
    from planner_core.modules.module import AnyModule


@dataclass(frozen=True, slots=True)
class CodeHooks:
    """Called around every call of a plugin's module.

    Parameters
    ----------
    on_enter : callable taking a key
    on_leave : callable
    """

    on_enter: Callable[[str], None]
    on_leave: Callable[[], None]


@dataclass(frozen=True, slots=True)
class CodeWatch:
    """Checks and calls around every call of a plugin's module."""

    guard: SharedCodeGuard | None = None
    hooks: CodeHooks | None = None


def make_plain(
    module: AnyModule, guard: SharedCodeGuard | None = None, hooks: CodeHooks | None = None
) -> AnyModule:
    """Wrap the methods of a module, and return it.

    Parameters
    ----------
    module : Module
    guard : SharedCodeGuard, optional
        None: what the module changes in shared code stays changed.
    hooks : CodeHooks, optional
    """
    watch = CodeWatch(guard, hooks)
    _, methods = BASES[module.kind]
    for name in methods:
        method = getattr(module, name)
        # In the instance: the class may be frozen, or used by another module.
        vars(module)[name] = _plain(method, module.key, watch)
    return module


def _plain(method: Callable[..., Any], key: str, watch: CodeWatch) -> Callable[..., Any]:
    @functools.wraps(method)  # it also keeps the mark of `@cacheable`
    def call(*arguments: object, **named: object) -> Any:  # noqa: ANN401 - what the module returns
        with _watched(key, watch):
            result = method(*arguments, **named)
            if inspect.isawaitable(result):
                result = asyncio.run(_awaited(result))
        if hasattr(result, "__aiter__"):
            return _watched_items(_iterate(result), key, watch)
        return _watched_items(result, key, watch) if isinstance(result, Iterator) else result

    return call


async def _awaited(result: Any) -> Any:  # noqa: ANN401 - as above
    return await result


def _iterate(items: AsyncIterator[Any]) -> Iterator[Any]:
    """Iterate over an asynchronous generator, in an event loop of its own."""
    with asyncio.Runner() as runner:
        iterator = aiter(items)
        while True:
            try:
                yield runner.run(_awaited(anext(iterator)))
            except StopAsyncIteration:
                return


def _watched_items(items: Iterator[Any], key: str, watch: CodeWatch) -> Iterator[Any]:
    """Pass on the items; each one is a call of the module."""
    while True:
        with _watched(key, watch):
            try:
                item = next(items)
            except StopIteration:
                return
        yield item


@contextmanager
def _watched(key: str, watch: CodeWatch) -> Iterator[None]:
    """Watch one call: what it changes in shared code, and the threads that it leaves."""
    if watch.hooks is not None:
        watch.hooks.on_enter(key)
    try:
        with _guarded(key, watch.guard):
            yield
    finally:
        if watch.hooks is not None:
            watch.hooks.on_leave()


@contextmanager
def _guarded(key: str, guard: SharedCodeGuard | None) -> Iterator[None]:
    if guard is None:
        yield
        return
    threads = set(threading.enumerate())
    with guard.watch(key):
        yield
    names = left_threads(threads)
    if names:
        raise ModuleContractError(key, f"left a thread running ({names[0]})")
