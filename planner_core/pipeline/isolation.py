"""Run a module so that its failure costs only its own contribution.

A module may raise, overrun its budget, break its contract or call `sys.exit()`. For `ModuleRunner`
each of these is a call without a result. It asks the module's circuit breaker first, times the
call, and publishes how it ended. At the end of a run, every breaker gets one signal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import ParamSpec, TypeVar

from planner_core.errors import PlanningCancelledError
from planner_core.events import (
    BreakerChanged,
    CacheConsulted,
    ModuleCompleted,
    ModuleFailed,
    ModuleOverran,
    ModuleSkipped,
)
from planner_core.market.state import PlanningState
from planner_core.model.circuit_breaker import BreakerState, Signal, Transition
from planner_core.model.config import PlannerConfig
from planner_core.model.plan import ModuleAttempt, ModuleStatus
from planner_core.modules.cache import RunCache
from planner_core.modules.module import AnyModule, ModuleKind
from planner_core.runtime import Runtime

CallP = ParamSpec("CallP")
ResultT = TypeVar("ResultT")
ItemT = TypeVar("ItemT")

SIGNAL_OF_STATUS = {
    ModuleStatus.OK: Signal.SUCCESS,
    ModuleStatus.FAILED: Signal.FAILURE,
    ModuleStatus.TIMED_OUT: Signal.FAILURE,
}
"""Signal to a module's breaker after a run."""
MESSAGE_LENGTH_MAX = 300


class _OverrunError(Exception):
    """A module took longer than its budget."""


class ModuleRunner:
    """Calls the modules of one run and records how each call ended.

    Parameters
    ----------
    runtime : Runtime
        Its clock, budgets, breakers and event channel.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._attempts: dict[str, ModuleAttempt] = {}
        self._admitted: dict[str, bool] = {}
        self._cache: RunCache | None = None
        self._consumer_s = 0.0
        """Time within the current call that was spent outside the module."""
        self._is_cancelled = False

    @property
    def attempts(self) -> tuple[ModuleAttempt, ...]:
        """How each module ended so far, in order of first call."""
        return tuple(self._attempts.values())

    def failed(self, keys: Sequence[str]) -> tuple[str, ...]:
        """Return the keys of enabled modules that did not return a usable result."""
        fine = (ModuleStatus.OK, ModuleStatus.DISABLED)
        return tuple(
            key for key in keys if key in self._attempts and self._attempts[key].status not in fine
        )

    def cache_of(self, state: PlanningState) -> RunCache:
        """Return the cache with the inputs of this run; `state` is the same in every call."""
        if self._cache is None:
            self._cache = RunCache(self.runtime.cache, state)
        return self._cache

    def note_unused(self, config: PlannerConfig) -> None:
        """Record the modules that are switched off or absent, so that the plan can list them."""
        for kind in ModuleKind:
            for name in config.disabled(kind):
                key = f"{kind}.{name}"
                self._attempts[key] = ModuleAttempt(key, ModuleStatus.DISABLED)
        for key, reason in config.absent_modules.items():
            self._skip(key, reason)

    def run(
        self,
        module: AnyModule,
        operation: str,
        call: Callable[CallP, Sequence[ResultT]],
        *args: CallP.args,
        **kwargs: CallP.kwargs,
    ) -> Sequence[ResultT]:
        """Return the result of `call(*args)`; an empty tuple if it raises or overruns its budget.

        A module may be called more than once in a run: its times add up and a failure sticks.
        """

        def timed() -> Sequence[ResultT]:
            started = self.runtime.monotonic()
            result = call(*args, **kwargs)
            self._check_budget(self.runtime.monotonic() - started)
            return result

        result = self._isolate(module.key, operation, timed)
        if result is None and self.runtime.cache is not None:
            self.runtime.cache.discard(module)  # its next call has to be a real one
        return () if result is None else result

    def run_stream(
        self,
        module: AnyModule,
        operation: str,
        generate: Callable[[], Iterable[ItemT]],
        consume: Callable[[ItemT], int],
    ) -> None:
        """Pass each item that a module yields to `consume`, until it ends, fails or overruns.

        The budget is for each item, because the consumer may stop between two of them. Time spent
        in `consume` does not count as the module's. Items consumed before a failure stay consumed.
        """

        def timed() -> Sequence[int]:
            return [consume_timed(item) for item in self._within_budget(generate)]

        def consume_timed(item: ItemT) -> int:
            started = self.runtime.monotonic()
            try:
                return consume(item)
            except PlanningCancelledError:
                self._is_cancelled = True
                raise
            finally:
                self._consumer_s += self.runtime.monotonic() - started

        self._isolate(module.key, operation, timed)

    def settle(self, *, completed: bool) -> None:
        """Send every breaker its one signal, at the end of a run, and publish the cache's use.

        After a run that was cut short only failures count: a success might have failed later.
        """
        if self.runtime.cache is not None and self._cache is not None:
            self.runtime.publish(CacheConsulted, hits=self._cache.hits, misses=self._cache.misses)
        for key, attempt in self._attempts.items():
            if self._admitted.pop(key, False):
                signal = SIGNAL_OF_STATUS[attempt.status]
                if signal is Signal.SUCCESS and not completed:
                    signal = Signal.ABANDONED
                self._signal(key, signal, attempt.message)
        # Admitted but without an attempt: the run ended in the middle of the module's only call.
        for key in [key for key, admitted in self._admitted.items() if admitted]:
            self._signal(key, Signal.ABANDONED, "")
        self._admitted.clear()

    def _isolate(
        self, key: str, operation: str, call: Callable[[], Sequence[ResultT]]
    ) -> Sequence[ResultT] | None:
        """Return the result of a call; None if the module is skipped, fails or overruns."""
        if not self._is_admitted(key):
            return None
        self.runtime.on_module_start(key, operation)
        self._consumer_s = 0.0
        started = self.runtime.monotonic()
        try:
            result = call()
        except _OverrunError as error:
            self._record(key, operation, ModuleStatus.TIMED_OUT, started, str(error))
            return None
        except BaseException as error:
            if self._ends_the_run(error):
                raise
            self._record(key, operation, ModuleStatus.FAILED, started, _one_line(error))
            return None
        self._record(key, operation, ModuleStatus.OK, started, "", len(result))
        return result

    def _ends_the_run(self, error: BaseException) -> bool:
        """Return whether an exception ends the whole run instead of this module's call.

        A module has no access to the runtime, so only a consumer of its stream can have noticed a
        real cancellation. `sys.exit()` or a PlanningCancelledError raised in a module is a failure.
        """
        return self._is_cancelled or isinstance(error, KeyboardInterrupt)

    def _within_budget(self, generate: Callable[[], Iterable[ItemT]]) -> Iterator[ItemT]:
        started = self.runtime.monotonic()
        for item in generate():
            self._check_budget(self.runtime.monotonic() - started)
            yield item
            started = self.runtime.monotonic()
        self._check_budget(self.runtime.monotonic() - started)

    def _check_budget(self, elapsed_s: float) -> None:
        budget_s = self.runtime.module_budget_s
        if budget_s is not None and elapsed_s > budget_s:
            raise _OverrunError(f"took {elapsed_s:.2f} s of {budget_s:.2f} s")

    def _is_admitted(self, key: str) -> bool:
        """Return whether a module may be called; decided once for the whole run."""
        if key not in self._admitted:
            reason = self._reason_to_skip(key)
            self._admitted[key] = reason is None
            if reason is not None:
                self._skip(key, reason)
        return self._admitted[key]

    def _skip(self, key: str, reason: str) -> None:
        self._attempts[key] = ModuleAttempt(key, ModuleStatus.SKIPPED_OPEN, 0.0, reason)
        self.runtime.publish(ModuleSkipped, key=key, reason=reason)

    def _reason_to_skip(self, key: str) -> str | None:
        if key in self.runtime.excluded_modules:
            return self.runtime.excluded_modules[key]
        breakers = self.runtime.breakers
        if breakers is None:
            return None
        admitted, transition = breakers.admit(key)
        self._publish_transition(transition)
        return None if admitted else skip_reason(key, self.runtime)

    def _signal(self, key: str, signal: Signal, reason: str) -> None:
        if self.runtime.breakers is not None:
            self._publish_transition(self.runtime.breakers.signal(key, signal, reason))

    def _publish_transition(self, transition: Transition | None) -> None:
        if transition is None or self.runtime.breakers is None:
            return
        after = transition.after
        waits = after.state is not BreakerState.CLOSED
        self.runtime.publish(
            BreakerChanged,
            key=after.key,
            before=transition.before.state.value,
            after=after.state.value,
            reason=after.reason,
            retry_after_s=self.runtime.breakers.wait_s(after.key) if waits else None,
        )

    def _record(
        self,
        key: str,
        operation: str,
        status: ModuleStatus,
        started: float,
        message: str,
        n_results: int = 0,
    ) -> None:
        elapsed = max(0.0, self.runtime.monotonic() - started - self._consumer_s)
        earlier = self._attempts.get(key)
        total = elapsed + (earlier.elapsed_s if earlier else 0.0)
        attempt = ModuleAttempt(key, status, total, message)
        if earlier is not None and earlier.status is not ModuleStatus.OK:
            # The first failure of a run is the one to report.
            attempt = replace(earlier, elapsed_s=total)
        self._attempts[key] = attempt
        call = {"key": key, "operation": operation, "elapsed_s": elapsed}
        if status is ModuleStatus.OK:
            self.runtime.publish(ModuleCompleted, **call, n_results=n_results)
        elif status is ModuleStatus.TIMED_OUT:
            budget = self.runtime.module_budget_s or 0.0
            self.runtime.publish(ModuleOverran, **call, budget_s=budget)
        else:
            self.runtime.publish(ModuleFailed, **call, error=message)


def minutes_left(seconds: float) -> str:
    """Return a time to wait as "5 more minutes", rounded up and at least 1."""
    minutes = max(1, math.ceil(seconds / 60))
    return "1 more minute" if minutes == 1 else f"{minutes} more minutes"


def skip_reason(key: str, runtime: Runtime) -> str:
    """Return why a module's breaker skips it, and what the owner can do about it."""
    assert runtime.breakers is not None
    breaker = runtime.breakers.of(key)
    if breaker.state is BreakerState.DISABLED:
        return f"switched off by hand (`trader breakers reset {key}` switches it on)"
    wait_s = runtime.breakers.wait_s(key) or 0.0
    failure = f": {breaker.reason}" if breaker.reason else " after failures"
    return f"skipped for {minutes_left(wait_s)}{failure} (see `trader breakers`)"


def _one_line(error: BaseException) -> str:
    """Return an error as one line of bounded length."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:MESSAGE_LENGTH_MAX]
