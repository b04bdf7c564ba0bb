"""Cache of results of calculators for the next plan of exactly the same inputs.

A calculator is a pure function of the snapshot, the configuration and its parameters. So the key is
the digest of the first two, the parameters, and the module object itself: another version, or a
plugin that was loaded again, never gets an old one's results. Failures are not cached. A failure
also discards the module's earlier results, so its next call is a real one.
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
"""Opportunities and skips of all entries together: about 20 MB."""
TTL_S: Final = 3600.0
"""After an hour without use, the snapshot has changed."""

Results = tuple[Opportunity | Skip, ...]


class CalculationCache:
    """Results between plans; the least recently used are dropped first.

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
        """Return the results of a key; None when there are none, or they are too old."""
        self._clear_expired()
        entry = self._entries.get(key)
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return entry[1]

    def store(self, key: Hashable, results: Results) -> None:
        """Add results; drop the least recently used ones if there is no room."""
        self._drop(key)
        self._entries[key] = (self._monotonic() + TTL_S, results)
        self._n_results += len(results)
        while len(self._entries) > ENTRIES_MAX or self._n_results > RESULTS_MAX:
            self._drop(next(iter(self._entries)))

    def discard(self, module: AnyModule) -> None:
        """Drop all results of a module."""
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


class RunCache:
    """The cache with the inputs of one run; empty when the run has no cache.

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
        """Calls of this run whose result was in the cache."""
        return self._cache.hits - self._hits_before if self._cache else 0

    @property
    def misses(self) -> int:
        """Calls of this run that were made."""
        return self._cache.misses - self._misses_before if self._cache else 0

    def get(self, module: AnyModule, parameters: ModuleParameters) -> Results | None:
        """Return the module's results for the same inputs; None if there are none."""
        return None if self._cache is None else self._cache.get(self._key(module, parameters))

    def store(self, module: AnyModule, parameters: ModuleParameters, results: Results) -> None:
        """Add the module's results."""
        if self._cache is not None:
            self._cache.store(self._key(module, parameters), results)

    def discard(self, module: AnyModule) -> None:
        """Drop all results of a module that failed."""
        if self._cache is not None:
            self._cache.discard(module)

    def _key(self, module: AnyModule, parameters: ModuleParameters) -> tuple[Any, ...]:
        version = module.metadata.version
        return module, module.key, version, parameters.model_dump_json(), self._inputs


def inputs_digest(context: PlanningContext, config: PlannerConfig) -> str:
    """Return a digest of everything that calculators see besides their parameters."""
    settings = config.model_dump_json(serialize_as_any=True)
    return hashlib.sha256(f"{context_digest(context)} {settings}".encode()).hexdigest()
