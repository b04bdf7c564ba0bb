"""Results of calculators, kept for the next plan of exactly the same inputs.

A calculator is a pure function of the snapshot, the configuration and its parameters, so that is
the key: the digest of the first two, the third, and the module itself as an object, so that another
version of it, or a plugin that was loaded anew, never meets an old one's results. What failed is
not kept, and whatever a module had kept before it failed is forgotten: its next call is a real one.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final

from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext, context_digest
from planner_core.model.plan import Opportunity, Skip
from planner_core.modules.module import AnyModule, ModuleParameters

ENTRIES_MAX: Final = 128
RESULTS_MAX: Final = 50_000
"""Opportunities of all entries together: some 20 MB."""
TTL_S: Final = 3600.0
"""What nobody asked for in an hour was for another snapshot."""

Results = tuple[Opportunity | Skip, ...]


class CalculationCache:
    """Keeps results between plans; the least recently used go first.

    Parameters
    ----------
    monotonic : callable returning float, seconds
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._entries: OrderedDict[Hashable, tuple[float, Results]] = OrderedDict()
        self._n_results = 0
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> Results | None:
        """Return what is kept under a key; None when there is nothing, or it is too old."""
        self._clear_expired()
        entry = self._entries.get(key)
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return entry[1]

    def put(self, key: Hashable, results: Results) -> None:
        """Keep results, dropping others if there is no room."""
        self._drop(key)
        self._entries[key] = (self._monotonic() + TTL_S, results)
        self._n_results += len(results)
        while len(self._entries) > ENTRIES_MAX or self._n_results > RESULTS_MAX:
            self._drop(next(iter(self._entries)))

    def forget(self, module: AnyModule) -> None:
        """Drop everything that a module returned."""
        for key in [key for key in self._entries if isinstance(key, tuple) and key[0] is module]:
            self._drop(key)

    def _clear_expired(self) -> None:
        now_s = self._monotonic()
        for key in [key for key, (until_s, _) in self._entries.items() if now_s >= until_s]:
            self._drop(key)

    def _drop(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._n_results -= len(entry[1])


class RunMemory:
    """The cache as one run sees it; without a cache it remembers nothing.

    Parameters
    ----------
    cache : CalculationCache, optional
    context : PlanningContext
    config : PlannerConfig
    """

    def __init__(
        self, cache: CalculationCache | None, context: PlanningContext, config: PlannerConfig
    ) -> None:
        self._cache = cache
        self._inputs = "" if cache is None else inputs_digest(context, config)
        self._hits_before = cache.hits if cache else 0
        self._misses_before = cache.misses if cache else 0

    @property
    def hits(self) -> int:
        """Calls of this run that were answered from the cache."""
        return self._cache.hits - self._hits_before if self._cache else 0

    @property
    def misses(self) -> int:
        """Calls of this run that had to be made."""
        return self._cache.misses - self._misses_before if self._cache else 0

    def recall(self, module: AnyModule, parameters: ModuleParameters) -> Results | None:
        """Return what the module returned for the same inputs, if that is known."""
        return None if self._cache is None else self._cache.get(self._key(module, parameters))

    def keep(self, module: AnyModule, parameters: ModuleParameters, results: Results) -> None:
        """Keep what the module returned."""
        if self._cache is not None:
            self._cache.put(self._key(module, parameters), results)

    def forget(self, module: AnyModule) -> None:
        """Drop what a module returned that failed now."""
        if self._cache is not None:
            self._cache.forget(module)

    def _key(self, module: AnyModule, parameters: ModuleParameters) -> tuple[Any, ...]:
        version = module.metadata.version
        return module, module.key, version, parameters.model_dump_json(), self._inputs


def inputs_digest(context: PlanningContext, config: PlannerConfig) -> str:
    """Return a digest of all that calculators see besides their parameters."""
    whole = config.model_dump_json(serialize_as_any=True)
    return hashlib.sha256(f"{context_digest(context)} {whole}".encode()).hexdigest()
