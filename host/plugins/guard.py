"""Undoes what a plugin changes in code that it shares with the other modules.

A plugin runs in the process of the planner. If it replaced `numpy.sum`, every other module would
compute something else, and nobody would know why. So the functions and classes of numpy, of the
planner and of some modules of Python are compared after each of its calls, put back, and the call
is a failure.

This is against mistakes, and against libraries that patch others. It is no protection against a
plugin that wants to do harm: that has all rights of the process.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any, Final

import numpy as np

from planner_core.errors import ModuleContractError
from planner_core.model.module_metadata import ModuleKind
from planner_core.modules.builtin import builtin_registries

PACKAGES: Final = frozenset({"firmware_bridge", "host", "numpy", "planner_core"})
"""All of their modules that are loaded."""
STANDARD: Final = (
    "bisect", "builtins", "collections", "dataclasses", "functools", "heapq", "itertools", "json",
    "math", "operator", "os", "statistics", "threading", "time",
)  # fmt: skip
"""Modules of Python that the planner computes with, and those that its process needs to answer."""
NOTES: Final = frozenset({"__warningregistry__", "__builtins__", "__annotate__"})
"""Python itself adds these to a module."""
METHODS: Final = (FunctionType, classmethod, property, staticmethod)
"""Attributes of a class that are code. The others are left alone: pydantic completes its classes
when they are used."""
SHOWN: Final = 3

Attributes = dict[str, Any]


@dataclass(slots=True)
class _Snapshot:
    """The attributes of a module or class that are compared, and how many it has in all."""

    attributes: Attributes
    n_attributes: int

    def equals(self, now: Mapping[str, Any]) -> bool:
        """Compare by identity: an array that is compared by value is not a truth value."""
        if len(now) != self.n_attributes:
            return False
        get = now.get  # this runs for every name after every call of a plugin
        return all(get(name, _MISSING) is value for name, value in self.attributes.items())


class SharedCodeGuard:
    """The state of the shared code before any plugin was loaded."""

    def __init__(self) -> None:
        self._modules: dict[str, tuple[ModuleType, _Snapshot]] = {}
        self._classes: dict[type, _Snapshot] = {}
        self._instances: list[tuple[object, _Snapshot]] = []
        self._registered = {
            kind: builtin_registries().of_kind(kind).snapshot() for kind in ModuleKind
        }
        for module in builtin_registries().all_modules():
            state = dict(vars(module))
            self._instances.append((module, _Snapshot(state, len(state))))
        self._folder = _working_folder()
        self._recursion_limit = sys.getrecursionlimit()
        self.include_new()

    def include_new(self) -> None:
        """Add the modules that have been imported meanwhile."""
        for name, module in tuple(sys.modules.items()):
            is_guarded = name.partition(".")[0] in PACKAGES or name in STANDARD
            if is_guarded and name not in self._modules and isinstance(module, ModuleType):
                attributes = _attributes(name, module)
                self._modules[name] = module, _Snapshot(attributes, len(vars(module)))
                for value in vars(module).values():
                    if isinstance(value, type) and _is_python_class(value, name):
                        snapshot = _Snapshot(_code_of(value), len(vars(value)))
                        self._classes.setdefault(value, snapshot)

    @contextmanager
    def watch(self, key: str) -> Iterator[None]:
        """Run the block, then put back what it changed, and raise ModuleContractError for it."""
        changes: list[str] = []
        try:
            with warnings.catch_warnings(), np.errstate():
                yield
        finally:  # a failure of its own is reported, and what it changed is put back as well
            changes = self.restore()
        if changes:
            shown = ", ".join(changes[:SHOWN])
            more = f" and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
            raise ModuleContractError(key, f"changed {shown}{more}, which others use: undone")

    def restore(self) -> list[str]:
        """Put back what was changed; return the names."""
        changes: list[str] = []
        for name, (module, before) in self._modules.items():
            if sys.modules.get(name) is not module:
                sys.modules[name] = module
                changes.append(f"sys.modules[{name!r}]")
            if not before.equals(vars(module)):
                changes += _restore_module(name, module, before)
        for class_, before in self._classes.items():
            if not before.equals(vars(class_)):
                changes += _restore_class(class_, before)
        for instance, before in self._instances:
            if not before.equals(vars(instance)):
                vars(instance).clear()
                vars(instance).update(before.attributes)
                changes.append(type(instance).__name__)
        return changes + self._restore_process()

    def _restore_process(self) -> list[str]:
        """Put back settings of the process, and the modules that are registered."""
        changes = []
        if _working_folder() != self._folder and self._folder:
            os.chdir(self._folder)
            changes.append("the working directory")
        if sys.getrecursionlimit() != self._recursion_limit:
            sys.setrecursionlimit(self._recursion_limit)
            changes.append("the recursion limit")
        for kind, modules in self._registered.items():
            if builtin_registries().of_kind(kind).restore(modules):
                changes.append(f"the registry of {kind}")
        return changes


def _working_folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - to compare, and a folder that is gone has no Path
    except OSError:
        return ""


def _restore_module(name: str, module: ModuleType, before: _Snapshot) -> list[str]:
    now = vars(module)
    changes = []
    for attribute, value in before.attributes.items():
        if now.get(attribute, _MISSING) is not value:
            now[attribute] = value
            changes.append(f"{name}.{attribute}")
    for attribute in [key for key in _attributes(name, module) if key not in before.attributes]:
        value = now[attribute]
        is_submodule = (
            isinstance(value, ModuleType) and sys.modules.get(f"{name}.{attribute}") is value
        )
        if is_submodule or attribute in NOTES:
            before.attributes[attribute] = value
        else:  # a global hides a function of Python that has the same name
            del now[attribute]
            changes.append(f"{name}.{attribute}")
    before.n_attributes = len(now)
    return changes


def _attributes(name: str, module: ModuleType) -> Attributes:
    """Return what is compared: of Python's modules the code, as `time.tzname` changes by itself."""
    if name.partition(".")[0] in PACKAGES:
        return dict(vars(module))
    return {key: value for key, value in vars(module).items() if callable(value)}


def _restore_class(class_: type, before: _Snapshot) -> list[str]:
    now = _code_of(class_)
    changes = []
    for attribute in {**before.attributes, **now}:
        value = before.attributes.get(attribute, _MISSING)
        if now.get(attribute, _MISSING) is value:
            continue
        if value is _MISSING:
            type.__delattr__(class_, attribute)
        else:
            type.__setattr__(class_, attribute, value)
        changes.append(f"{class_.__name__}.{attribute}")
    before.n_attributes = len(vars(class_))
    return changes


_MISSING: Final = object()


def _is_python_class(value: type, module_name: str) -> bool:
    """Return whether the class was written in this module, in Python: others cannot be changed."""
    return value.__module__ == module_name and bool(value.__flags__ & _HEAP_TYPE)


_HEAP_TYPE: Final = 1 << 9
"""CPython's flag of a class whose attributes may be set."""


def _code_of(class_: type) -> Attributes:
    return {name: value for name, value in vars(class_).items() if isinstance(value, METHODS)}
