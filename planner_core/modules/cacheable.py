"""`@cacheable`: a module's author declares that a result depends on nothing but the arguments.

    class MyCalculator(OpportunityCalculator[MyParameters]):
        @cacheable(ttl=60)
        def calculate(self, state, parameters): ...

The mark says how long a result may be used for the same inputs. `modules/cache.py` has the key. A
method of a subclass that replaces a marked one is not marked: its author has to say so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from planner_core.errors import ModuleContractError

MethodT = TypeVar("MethodT", bound=Callable[..., Any])

CACHEABLE_METHODS: Final = ("calculate", "generate", "reject")
"""Their results are small and cannot be changed; the matrix of `conflicts` is neither."""
TTL_MAX_S: Final = 86_400.0
"""A day: no snapshot is older."""
CALCULATOR_TTL_S: Final = 3600.0
"""For the shipped calculators: after an hour, a quote has usually changed the snapshot."""
_MARK: Final = "cacheable_ttl_s"


def cacheable(ttl: float) -> Callable[[MethodT], MethodT]:
    """Mark a method of a module whose results may be used again for the same inputs.

    Parameters
    ----------
    ttl : float, seconds
        Results are not used for longer than this; above 0, at most a day.

    Raises
    ------
    ModuleContractError
        When the module is imported, if the time or the method is not allowed.
    """
    ttl_s = _checked_ttl(ttl)

    def mark(method: MethodT) -> MethodT:
        if getattr(method, "__name__", None) not in CACHEABLE_METHODS or isinstance(method, type):
            raise ModuleContractError(
                getattr(method, "__qualname__", repr(method)[:80]),
                f"@cacheable is for the methods {', '.join(CACHEABLE_METHODS)} of a module",
            )
        setattr(method, _MARK, ttl_s)
        return method

    return mark


def _checked_ttl(ttl: object) -> float:
    if callable(ttl):
        raise ModuleContractError(
            getattr(ttl, "__qualname__", "@cacheable"),
            "@cacheable needs a time in seconds: write @cacheable(ttl=60)",
        )
    if isinstance(ttl, int | float) and not isinstance(ttl, bool) and 0 < ttl <= TTL_MAX_S:
        return float(ttl)  # not NaN
    raise ModuleContractError(
        "@cacheable",
        f"ttl is a number of seconds above 0, at most {TTL_MAX_S:.0f}, found {ttl!r:.80}",
    )


def cache_ttl_s(module: object, operation: str) -> float | None:
    """Return for how many seconds a method's results may be used again; None: not at all."""
    ttl_s: float | None = getattr(getattr(module, operation, None), _MARK, None)
    return ttl_s
