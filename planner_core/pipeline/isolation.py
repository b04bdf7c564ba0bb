"""Running a module so that its failure costs only its own contribution."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import ParamSpec, TypeVar

from planner_core.errors import PlanningCancelledError
from planner_core.events import (
    BreakerChanged,
    ModuleCompleted,
    ModuleFailed,
    ModuleOverran,
    ModuleSkipped,
)
from planner_core.model.circuit_breaker import BreakerState, Signal, Transition
from planner_core.model.plan import ModuleAttempt, ModuleStatus
from planner_core.modules.module import AnyModule
from planner_core.runtime import Runtime

CallP = ParamSpec("CallP")
ResultT = TypeVar("ResultT")
ItemT = TypeVar("ItemT")

VERDICTS = {
    ModuleStatus.OK: Signal.SUCCESS,
    ModuleStatus.FAILED: Signal.FAILURE,
    ModuleStatus.TIMED_OUT: Signal.FAILURE,
}
"""What a run says of a module to its breaker."""


class _OverrunError(Exception):
    """A module took longer than its budget."""


class ModuleRunner:
    """Calls modules, remembers how each fared, and tells the world."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._attempts: dict[str, ModuleAttempt] = {}
        self._admitted: dict[str, bool] = {}
        self._not_its_own_s = 0.0
        self._is_cancelled = False

    @property
    def attempts(self) -> tuple[ModuleAttempt, ...]:
        """Every module's fate so far, in order of first call."""
        return tuple(self._attempts.values())

    def failed(self, keys: Sequence[str]) -> tuple[str, ...]:
        """Return those of the keys whose module was wanted and did not return a usable result."""
        fine = (ModuleStatus.OK, ModuleStatus.DISABLED)
        return tuple(
            key for key in keys if key in self._attempts and self._attempts[key].status not in fine
        )

    def note_disabled(self, key: str) -> None:
        """Note that a module is switched off."""
        self._attempts[key] = ModuleAttempt(key, ModuleStatus.DISABLED)

    def run(
        self,
        module: AnyModule,
        operation: str,
        call: Callable[CallP, Sequence[ResultT]],
        *args: CallP.args,
        **kwargs: CallP.kwargs,
    ) -> Sequence[ResultT]:
        """Return what `call(*args)` returns; an empty tuple if it raises or overruns its budget.

        A module may be called more than once in a run: its times add up and a failure sticks.
        """

        def timed() -> Sequence[ResultT]:
            started = self.runtime.monotonic()
            result = call(*args, **kwargs)
            self._check_budget(self.runtime.monotonic() - started)
            return result

        result = self._contain(module.key, operation, timed)
        return () if result is None else result

    def run_stream(
        self,
        module: AnyModule,
        operation: str,
        generate: Callable[[], Iterable[ItemT]],
        take: Callable[[ItemT], int],
    ) -> None:
        """Hand what a module yields to `take`, item by item, until it ends, fails or dawdles.

        The budget is for each item, because between two of them whoever takes them may stop. What
        `take` does with one is not the module's time. What was taken before a failure stays taken.
        """

        def timed() -> Sequence[int]:
            return [take_timed(item) for item in self._within_budget(generate)]

        def take_timed(item: ItemT) -> int:
            started = self.runtime.monotonic()
            try:
                return take(item)
            except PlanningCancelledError:
                self._is_cancelled = True
                raise
            finally:
                self._not_its_own_s += self.runtime.monotonic() - started

        self._contain(module.key, operation, timed)

    def settle(self, *, completed: bool) -> None:
        """Give every breaker its verdict, once, at the end of a run.

        Of a run that was cut off only failures count: what went well might have failed later.
        """
        for key, attempt in self._attempts.items():
            if self._admitted.pop(key, False):
                signal = VERDICTS[attempt.status]
                if signal is Signal.SUCCESS and not completed:
                    signal = Signal.ABANDONED
                self._signal(key, signal, attempt.message)
        for key in [key for key, admitted in self._admitted.items() if admitted]:
            self._signal(key, Signal.ABANDONED, "")  # cut off in the middle of its only call
        self._admitted.clear()

    def _contain(
        self, key: str, operation: str, call: Callable[[], Sequence[ResultT]]
    ) -> Sequence[ResultT] | None:
        """Return what a call returns, None if the module is not called or of no use."""
        if not self._is_admitted(key):
            return None
        self.runtime.on_module_start(key, operation)
        self._not_its_own_s = 0.0
        started = self.runtime.monotonic()
        try:
            result = call()
        except _OverrunError as error:
            self._record(key, operation, ModuleStatus.TIMED_OUT, started, str(error))
            return None
        except BaseException as error:
            if self._ends_the_run(error):
                raise
            self._record(key, operation, ModuleStatus.FAILED, started, _line(error))
            return None
        self._record(key, operation, ModuleStatus.OK, started, "", len(result))
        return result

    def _ends_the_run(self, error: BaseException) -> bool:
        """Tell an end that somebody asked for from a module that only says so.

        No module sees the runtime: only who takes what one yields can know of a cancellation. And
        `sys.exit()` in a module does not end the planner.
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
        """Ask the breaker at the first call of a run; the answer holds for all of it."""
        if key not in self._admitted:
            reason = self._reason_to_skip(key)
            self._admitted[key] = reason is None
            if reason is not None:
                self._attempts[key] = ModuleAttempt(key, ModuleStatus.SKIPPED_OPEN, 0.0, reason)
                self.runtime.publish(ModuleSkipped, key=key, reason=reason)
        return self._admitted[key]

    def _reason_to_skip(self, key: str) -> str | None:
        if key in self.runtime.excluded_modules:
            return self.runtime.excluded_modules[key]
        breakers = self.runtime.breakers
        if breakers is None:
            return None
        admitted, transition = breakers.admit(key)
        self._tell(transition)
        return None if admitted else skip_reason(key, self.runtime)

    def _signal(self, key: str, signal: Signal, reason: str) -> None:
        if self.runtime.breakers is not None:
            self._tell(self.runtime.breakers.signal(key, signal, reason))

    def _tell(self, transition: Transition | None) -> None:
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
        elapsed = max(0.0, self.runtime.monotonic() - started - self._not_its_own_s)
        known = self._attempts.get(key)
        total = elapsed + (known.elapsed_s if known else 0.0)
        sticks = known is not None and known.status is not ModuleStatus.OK
        self._attempts[key] = (
            ModuleAttempt(key, known.status, total, known.message)
            if known is not None and sticks
            else ModuleAttempt(key, status, total, message)
        )
        call = {"key": key, "operation": operation, "elapsed_s": elapsed}
        if status is ModuleStatus.OK:
            self.runtime.publish(ModuleCompleted, **call, n_results=n_results)
        elif status is ModuleStatus.TIMED_OUT:
            budget = self.runtime.module_budget_s or 0.0
            self.runtime.publish(ModuleOverran, **call, budget_s=budget)
        else:
            self.runtime.publish(ModuleFailed, **call, error=message)


def why_none_calculated(keys: Sequence[str], runner: ModuleRunner) -> str:
    """Return why no calculator had a say: whom breakers leave out for how long, and who failed.

    Short names, as all are of one kind; those that wait as long are named together.
    """
    fates = {attempt.key: attempt.status for attempt in runner.attempts}
    waiting: dict[str, list[str]] = {}
    failed = []
    for key in keys:
        name = key.rpartition(".")[2]
        if fates.get(key) is ModuleStatus.SKIPPED_OPEN:
            waiting.setdefault(_how_long(key, runner.runtime), []).append(name)
        else:
            failed.append(name)
    if not waiting:
        return "every opportunity calculator failed; the events say how"
    told = [f"{', '.join(names)} {how_long}" for how_long, names in waiting.items()]
    also = f"; failed just now: {', '.join(failed)}" if failed else ""
    return (
        f"no opportunity calculator may run: breakers leave out {'; '.join(told)}{also}"
        " (`trader breakers` says why, `trader breakers reset all` lets them try at once)"
    )


def _how_long(key: str, runtime: Runtime) -> str:
    """Return for how long a module is left out."""
    if key in runtime.excluded_modules or runtime.breakers is None:
        return "for this plan"
    wait_s = runtime.breakers.wait_s(key)
    return "until they are reset" if wait_s is None else f"for {_minutes(wait_s)} more min"


def _minutes(seconds: float) -> int:
    """Return whole minutes to wait: not one too few, nor none."""
    return max(1, math.ceil(seconds / 60))


def skip_reason(key: str, runtime: Runtime) -> str:
    """Return why an open breaker keeps a module out, and what to do about it."""
    assert runtime.breakers is not None
    breaker = runtime.breakers.of(key)
    if breaker.state is BreakerState.DISABLED:
        return f"switched off by hand (trader breakers reset {key})"
    wait_s = runtime.breakers.wait_s(key) or 0.0
    failure = f"after: {breaker.reason}" if breaker.reason else "after failures"
    return f"left alone for {_minutes(wait_s)} more min, {failure} (trader breakers)"


def _line(error: BaseException) -> str:
    """Return an error as one bounded line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
