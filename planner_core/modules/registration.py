"""The four objects that the file of a module registers with.

    opportunity_registry.register(MyCalculator())

The planner's host reads such a file inside `collect_modules`, which takes what the file registers.
Outside of it, `register` only checks the module and returns it. So the same file can be imported in
its own test, and nothing that it does there changes the planner.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, Generic

from planner_core.errors import ModuleContractError
from planner_core.modules.module import (
    AnyModule,
    Filter,
    ModuleKind,
    OpportunityCalculator,
    PatternGenerator,
    SequenceGenerator,
)
from planner_core.modules.registry import ModuleT, Registry

MODULES_PER_FILE_MAX: Final = 32
"""More modules in one file are a mistake, such as a loop that registers."""

_collection: ContextVar[list[AnyModule] | None] = ContextVar("collection", default=None)


class Registration(Generic[ModuleT]):
    """Registers the modules of one kind; see above.

    Parameters
    ----------
    registry : Registry
        It checks the modules, and stays empty.
    """

    def __init__(self, registry: Registry[ModuleT]) -> None:
        self._registry = registry

    def register(self, module: ModuleT) -> ModuleT:
        """Check a module and register it; return it.

        Raises
        ------
        ModuleContractError
            If it is not of this kind, if its metadata or its parameters are wrong, or if the file
            has registered another module of its name.
        """
        self._registry.check(module)
        collection = _collection.get()
        if collection is not None:
            if any(other.key == module.key for other in collection):
                raise ModuleContractError(module.key, "is registered twice")
            if len(collection) >= MODULES_PER_FILE_MAX:
                raise ModuleContractError(
                    module.key, f"is one too many: a file has at most {MODULES_PER_FILE_MAX}"
                )
            collection.append(module)
        return module


opportunity_registry: Final = Registration[OpportunityCalculator[Any]](
    Registry(ModuleKind.OPPORTUNITY, OpportunityCalculator)
)
pattern_registry: Final = Registration[PatternGenerator[Any]](
    Registry(ModuleKind.PATTERN, PatternGenerator)
)
sequence_registry: Final = Registration[SequenceGenerator[Any]](
    Registry(ModuleKind.SEQUENCE, SequenceGenerator)
)
filter_registry: Final = Registration[Filter[Any]](Registry(ModuleKind.FILTER, Filter))


@contextmanager
def collect_modules() -> Iterator[list[AnyModule]]:
    """Collect what is registered inside the `with` block, in the list that it returns."""
    modules: list[AnyModule] = []
    token = _collection.set(modules)
    try:
        yield modules
    finally:
        _collection.reset(token)
