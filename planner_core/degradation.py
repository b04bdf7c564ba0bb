"""Running a module so that its failure costs only its own contribution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from planner_core.errors import PlanningCancelledError
from planner_core.events import ModuleCompleted, ModuleFailed, ModuleOverran
from planner_core.module import AnyModule
from planner_core.plan import ModuleAttempt, ModuleStatus
from planner_core.runtime import Runtime

CallP = ParamSpec("CallP")
ResultT = TypeVar("ResultT")


class Attempts:
    """Calls modules, remembers how each fared, and tells the world."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._attempts: dict[str, ModuleAttempt] = {}

    @property
    def all(self) -> tuple[ModuleAttempt, ...]:
        """Every module's fate so far, in order of first call."""
        return tuple(self._attempts.values())

    def failed(self, keys: Sequence[str]) -> tuple[str, ...]:
        """Return those of the keys whose module was wanted and did not return a usable result."""
        fine = (ModuleStatus.OK, ModuleStatus.DISABLED)
        return tuple(
            key for key in keys if key in self._attempts and self._attempts[key].status not in fine
        )

    def disabled(self, key: str) -> None:
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
        started = self.runtime.monotonic()
        try:
            result = call(*args, **kwargs)
        except PlanningCancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; only it is lost
            self._record(module.key, operation, ModuleStatus.FAILED, started, _line(error))
            return ()
        elapsed = self.runtime.monotonic() - started
        budget = self.runtime.module_budget_s
        if budget is not None and elapsed > budget:
            message = f"took {elapsed:.2f} s of {budget:.2f} s"
            self._record(module.key, operation, ModuleStatus.TIMED_OUT, started, message)
            return ()
        self._record(module.key, operation, ModuleStatus.OK, started, "", len(result))
        return result

    def _record(
        self,
        key: str,
        operation: str,
        status: ModuleStatus,
        started: float,
        message: str,
        n_results: int = 0,
    ) -> None:
        elapsed = self.runtime.monotonic() - started
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
            self.runtime.tell(ModuleCompleted, **call, n_results=n_results)
        elif status is ModuleStatus.TIMED_OUT:
            budget = self.runtime.module_budget_s or 0.0
            self.runtime.tell(ModuleOverran, **call, budget_s=budget)
        else:
            self.runtime.tell(ModuleFailed, **call, error=message)


def _line(error: BaseException) -> str:
    """Return an error as one bounded line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
