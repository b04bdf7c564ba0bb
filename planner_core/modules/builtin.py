"""Registries of the modules that are shipped with the planner."""

from __future__ import annotations

from functools import cache

from planner_core.modules.filters import BUILTIN_FILTERS
from planner_core.modules.module import AnyModule
from planner_core.modules.opportunities import BUILTIN_OPPORTUNITIES
from planner_core.modules.patterns import BUILTIN_PATTERNS
from planner_core.modules.registry import Registries
from planner_core.modules.sequences import BUILTIN_SEQUENCES


@cache
def builtin_registries() -> Registries:
    """Return the registries that hold every module shipped with the planner."""
    registries = Registries()
    modules: tuple[AnyModule, ...] = (
        *BUILTIN_OPPORTUNITIES,
        *BUILTIN_PATTERNS,
        *BUILTIN_SEQUENCES,
        *BUILTIN_FILTERS,
    )
    for module in modules:
        registries.register(module)
    return registries
