"""Cache of modules' results for the next plan of exactly the same inputs.

Only methods that are marked `@cacheable(ttl=60)` take part. They are functions of the snapshot, the
configuration and their parameters, patterns and filters also of the candidates. So these make the
key, together with the version and the module object itself: a plugin that was loaded again never
gets the results of the old one. Failures are not cached. A failure also discards the module's
earlier results, so its next call is a real one.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import BaseModel

from planner_core.market.state import PlanningState
from planner_core.model.candidates import Candidates
from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext, context_digest
from planner_core.modules.cacheable import cache_ttl_s
from planner_core.modules.module import AnyModule, ModuleParameters

ResultT = TypeVar("ResultT")

ENTRIES_MAX: Final = 128
RESULTS_MAX: Final = 50_000
"""Opportunities, skips, sets and rejections of all entries together: about 20 MB."""


@dataclass(frozen=True, slots=True)
class RunInputs:
    """The snapshot and the configuration of a run, as a part of keys.

    Digests find an entry. The configuration is compared as well: a plugin's parameter may print
    less than it is, as a secret does.
    """

    digest: str
    config: PlannerConfig = field(hash=False)


class Entry(NamedTuple):
    """Results of a module; it is held here, so that no other object can take its place in memory.

    For modules are compared by identity, whatever `==` means to them.
    """

    module: AnyModule | None
    until_s: float
    results: tuple[Any, ...]


class CalculationCache:
    """Results between plans; the least recently used are dropped first.

    Parameters
    ----------
    monotonic : callable returning float, seconds
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._entries: OrderedDict[Hashable, Entry] = OrderedDict()
        self._n_results = 0
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> tuple[Any, ...] | None:
        """Return the results of a key; None when there are none, or they are too old."""
        self.clear_expired()
        entry = self._entries.get(key)
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return entry.results

    def store(
        self,
        key: Hashable,
        results: tuple[Any, ...],
        ttl_s: float,
        module: AnyModule | None = None,
    ) -> None:
        """Add results; drop the least recently used ones if there is no room."""
        self._drop(key)
        self._entries[key] = Entry(module, self._monotonic() + ttl_s, results)
        self._n_results += len(results)
        while len(self._entries) > ENTRIES_MAX or self._n_results > RESULTS_MAX:
            self._drop(next(iter(self._entries)))

    def discard(self, module: AnyModule) -> None:
        """Drop all results of a module."""
        for key in [key for key, entry in self._entries.items() if entry.module is module]:
            self._drop(key)

    def clear_expired(self) -> None:
        """Drop all results whose time is over."""
        now_s = self._monotonic()
        for key in [key for key, entry in self._entries.items() if now_s >= entry.until_s]:
            self._drop(key)

    def _drop(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._n_results -= len(entry.results)


class RunCache:
    """The cache with the inputs of one run; every call is made if the run has no cache.

    Parameters
    ----------
    cache : CalculationCache, optional
    state : PlanningState
    """

    def __init__(self, cache: CalculationCache | None, state: PlanningState) -> None:
        self._cache = cache
        self._state = state
        self._inputs: RunInputs | None = None
        self._candidates: tuple[Candidates, str] | None = None
        self.hits = 0
        self.misses = 0
        if cache is not None:
            cache.clear_expired()

    def results(
        self,
        module: AnyModule,
        operation: str,
        parameters: ModuleParameters,
        call: Callable[[], tuple[ResultT, ...]],
        candidates: Candidates | None = None,
    ) -> tuple[ResultT, ...]:
        """Return the results for the same inputs from the cache, or those of `call()`."""
        ttl_s = cache_ttl_s(module, operation)
        if self._cache is None or ttl_s is None:
            return call()
        key = self._key(module, operation, parameters, candidates)
        cached = self._cache.get(key)
        if cached is not None:
            self.hits += 1
            return cached
        self.misses += 1
        results = call()
        self._cache.store(key, results, ttl_s, module)
        return results

    def _key(
        self,
        module: AnyModule,
        operation: str,
        parameters: ModuleParameters,
        candidates: Candidates | None,
    ) -> Hashable:
        if self._inputs is None:
            context, config = self._state.context, self._state.config
            self._inputs = RunInputs(inputs_digest(context, config), config)
        return (
            id(module),
            module.metadata.version,
            operation,
            settings_text(parameters),
            self._inputs,
            "" if candidates is None else self._digest_of(candidates),
        )

    def _digest_of(self, candidates: Candidates) -> str:
        """Return the digest of candidates; computed once, because several modules get the same."""
        if self._candidates is None or self._candidates[0] is not candidates:
            self._candidates = candidates, candidates_digest(candidates)
        return self._candidates[1]


def inputs_digest(context: PlanningContext, config: PlannerConfig) -> str:
    """Return a digest of everything that modules see besides parameters and candidates."""
    return hashlib.sha256(f"{context_digest(context)} {settings_text(config)}".encode()).hexdigest()


def settings_text(settings: BaseModel) -> str:
    """Return all values of a configuration or of parameters, and which of them were written.

    A limit that was written is another one than the same value by default: the reasons say so, and
    some defaults give way.
    """
    # A plugin may declare a type that JSON lacks: its `repr` may cause a miss, and no false hit.
    values = settings.model_dump_json(serialize_as_any=True, fallback=repr)
    return f"{type(settings).__qualname__} {values} {list(_written(settings))}"


def _written(settings: object) -> Iterator[Sequence[str]]:
    """Yield the keys that were written, section by section."""
    if isinstance(settings, BaseModel):
        yield sorted(settings.model_fields_set)
        for name in type(settings).model_fields:
            yield from _written(getattr(settings, name))
    elif isinstance(settings, Mapping):
        for entry in settings.values():
            yield from _written(entry)


def candidates_digest(candidates: Candidates) -> str:
    """Return a digest of all candidates, with their gains and conflicts."""
    digest = hashlib.sha256(repr(candidates.actions).encode())
    digest.update(candidates.gain.tobytes())
    digest.update(candidates.conflicts.tobytes())
    return digest.hexdigest()
