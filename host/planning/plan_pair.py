"""Today's plans of a bucket by two configurations, from one state of its files; nothing is written.

Both run alike: the same day, the same budget, breakers that start alike, no proof. A proof may find
a better set or not, by how busy the machine is, so the answer could depend on who runs first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from host.errors import HostError
from host.home.portfolio.portfolio_file import read_portfolio
from host.home.storage.atomic_file import file_signature
from host.planning.breaker_store import BreakerStore
from host.planning.plan_run import PlannedRun, Planner, RunOptions, make_plan
from planner_core.errors import PlanningCancelledError
from planner_core.events import PlanningCompleted
from planner_core.explain.comparison import Contender
from planner_core.model.plan import Outcome
from planner_core.planner import plan as plan_context
from planner_core.runtime import never

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from host.home.config.load import LoadedConfig
    from host.home.home import Home
    from planner_core.events import Event
    from planner_core.modules.registry import Registries

BUDGET_S: Final = 20.0
"""Of each plan, as in a dry run: both together stay within a minute."""
READS_MAX: Final = 3
"""Somebody who saves a file in between does so once, not three times."""
CRASH_LENGTH_MAX: Final = 300


class FilesChangedError(HostError):
    """The files of the home changed while two plans were made from them."""

    code = "files_changed"


@dataclass(frozen=True, slots=True)
class PairOptions:
    """Options that both plans share.

    Parameters
    ----------
    invest : float, base currency
    buy_only : bool
    on_start : callable taking an index
        Called before each plan with 0 or 1.
    is_cancelled : callable returning bool
    planner : callable
        Another one than `planner_core.planner.plan`, for tests.
    """

    invest: float = 0.0
    buy_only: bool = False
    on_start: Callable[[int], None] = lambda _: None
    is_cancelled: Callable[[], bool] = never
    planner: Planner = plan_context


@dataclass(frozen=True, slots=True)
class PairConfig:
    """A configuration to plan with, and the modules that it may name."""

    loaded: LoadedConfig
    registries: Registries | None = None


@dataclass(frozen=True, slots=True)
class SideRun:
    """A plan, or why there is none.

    Parameters
    ----------
    run : PlannedRun, optional
        None when the planner ended with an error.
    crash : str
        That error; empty without one.
    planner_s : float
        Seconds of the planner; reading files does not count.
    """

    run: PlannedRun | None
    crash: str = ""
    planner_s: float = 0.0

    @property
    def contender(self) -> Contender | None:
        """The plan with what it was made from; None without a plan."""
        run = self.run
        if run is None or run.context is None or run.plan.outcome is Outcome.HELD:
            return None
        return Contender(run.context, run.config.config, run.plan)


def plan_pair(
    home: Home,
    bucket_id: str,
    configs: Mapping[int, PairConfig],
    options: PairOptions | None = None,
) -> dict[int, SideRun]:
    """Plan with each configuration.

    Parameters
    ----------
    home : Home
    bucket_id : str
    configs : mapping of int to PairConfig
        At most two; one that is not valid is left out.
    options : PairOptions, optional

    Raises
    ------
    HomeError, PortfolioFileError
        When there is no such bucket, or its portfolio is wrong.
    FilesChangedError
        When the files do not stay the same.
    PlanningCancelledError
        When `is_cancelled` returned True.
    """
    options = options or PairOptions()
    for _ in range(READS_MAX):
        before = _files_of(home, bucket_id)
        # Midnight between the two plans must not make two days of it.
        as_of = read_portfolio(home.portfolio_file(bucket_id)).as_of
        runs = {}
        for index, config in configs.items():
            options.on_start(index)
            runs[index] = _run_side(home, bucket_id, config, as_of, options)
        if _files_of(home, bucket_id) == before:
            return runs
    raise FilesChangedError(
        f"{home.root}: the files of {bucket_id} change while they are read (try again later)"
    )


def _run_side(
    home: Home, bucket_id: str, config: PairConfig, as_of: date, options: PairOptions
) -> SideRun:
    elapsed_s = 0.0

    def on_event(event: Event) -> None:
        nonlocal elapsed_s
        if isinstance(event, PlanningCompleted):
            elapsed_s = event.elapsed_s

    run_options = RunOptions(
        as_of=as_of,
        budget_s=BUDGET_S,
        module_budget_s=BUDGET_S,
        proof_s=None,
        invest=options.invest,
        buy_only=options.buy_only,
        # Of its own: a module that fails in one plan must not be left out of the other.
        breakers=BreakerStore(home, read_only=True),
        registries=config.registries,
        emit=on_event,
        is_cancelled=options.is_cancelled,
        planner=options.planner,
        load_config=lambda *_: config.loaded,
    )
    try:
        run = make_plan(home, bucket_id, run_options)
    except (HostError, PlanningCancelledError):
        raise  # of the home, not of this side
    except Exception as error:  # noqa: BLE001 - a side that crashes is an answer
        line = " ".join(f"{type(error).__name__}: {error}".split())
        return SideRun(None, line[:CRASH_LENGTH_MAX])
    return SideRun(run, planner_s=elapsed_s)


def _files_of(home: Home, bucket_id: str) -> dict[Path, tuple[int, ...] | None]:
    """Return what changes when somebody saves a file that plans are made from."""
    paths = [home.advice_file(bucket_id)]
    for folder in (home.portfolios_dir, home.market_dir):
        paths += sorted(folder.glob("*"))
    return {path: file_signature(path) for path in paths}
