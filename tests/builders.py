"""Small, deterministic inputs for tests of the planner.

Every default is round, so that a test can be checked by hand: four securities worth 100 EUR each
on the last day, 100 units of each bought long ago at 80, and 10,000 EUR: a NAV of 50,000.
"""

# ruff: noqa: ANN401, ARG002 - overrides are of any type, and a stub need not use what it is given

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import numpy as np

from planner_core.config_api.config_loading import load_config
from planner_core.events import Event
from planner_core.market.state import PlanningState, assess, value
from planner_core.market.trade_sizing import price_trade
from planner_core.model.arrays import DateArray, FloatArray
from planner_core.model.candidates import Candidates, build_candidates, same_security_conflicts
from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Action, Opportunity
from planner_core.model.records import CashBalance, Security, Side, TaxLot
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.module import (
    Filter,
    ModuleMetadata,
    ModuleParameters,
    OpportunityCalculator,
    PatternGenerator,
    SequenceGenerator,
)
from planner_core.modules.registry import Registries
from planner_core.pipeline.candidate_stage import single_gains
from planner_core.runtime import Runtime
from planner_core.search.evaluator import Evaluator

AS_OF = date(2024, 6, 28)
"""A Friday."""
LONG_AGO = date(2022, 1, 3)
"""Old enough for every rule about the age of lots."""

MODULE_SECTIONS = (
    "opportunity_calculators",
    "pattern_generators",
    "sequence_generators",
    "filters",
)


def weekdays(n_days: int, last: date = AS_OF) -> DateArray:
    """The `n_days` weekdays up to and including `last`, oldest first."""
    end = np.busday_offset(np.datetime64(last, "D"), 0, roll="backward")
    days: DateArray = np.busday_offset(end, np.arange(1 - n_days, 1))
    return days


def days_ago(days: int) -> date:
    """A calendar day before AS_OF."""
    return AS_OF - timedelta(days=days)


def price_paths(
    n_days: int,
    last_prices: Sequence[float],
    *,
    seed: int = 1,
    drift: float = 0.0003,
    volatility: float = 0.01,
    common: float = 0.3,
) -> FloatArray:
    """Random walks that end exactly at `last_prices`; shape (n_days, n_securities).

    `common` is the share of each return's variance that all of them have in common.
    """
    generator = np.random.default_rng(seed)
    own = generator.standard_normal((n_days, len(last_prices)))
    shared = generator.standard_normal((n_days, 1))
    returns = drift + volatility * (np.sqrt(common) * shared + np.sqrt(1 - common) * own)
    logs = np.cumsum(returns, axis=0)
    paths: FloatArray = np.asarray(last_prices, dtype=np.float64) * np.exp(logs - logs[-1])
    return paths


def make_security(name: str = "AAA", **overrides: Any) -> Security:
    """A security in EUR, whole units, nothing else said about it."""
    return Security(**{"id": name, "name": name, "currency": "EUR", **overrides})


def make_securities(n: int, **overrides: Any) -> tuple[Security, ...]:
    """Securities AAA, BBB ... (S026 and so on after the alphabet), all alike."""
    names = [chr(65 + i) * 3 if i < 26 else f"S{i:03d}" for i in range(n)]
    return tuple(make_security(name, **overrides) for name in names)


def make_lot(security: str = "AAA", quantity: float = 100.0, **overrides: Any) -> TaxLot:
    """A lot that was bought long ago at 80."""
    return TaxLot(
        **{
            "security": security,
            "quantity": quantity,
            "unit_cost": 80.0,
            "acquired": LONG_AGO,
            **overrides,
        }
    )


def make_context(
    *,
    n_securities: int = 4,
    n_days: int = 400,
    last_prices: Sequence[float] | None = None,
    seed: int = 1,
    cash: float | tuple[CashBalance, ...] = 10_000.0,
    **overrides: Any,
) -> PlanningContext:
    """A context; `overrides` are its own fields.

    Without `lots`, 100 units of every security are held since LONG_AGO. `cash` may be an amount in
    EUR. Prices are seeded random walks ending at `last_prices` (100 each).
    """
    securities: tuple[Security, ...] = overrides.pop("securities", make_securities(n_securities))
    if last_prices is None:
        last_prices = [100.0] * len(securities)
    as_of: date = overrides.pop("as_of", AS_OF)
    prices = overrides.pop("prices", None)
    if prices is None:
        prices = price_paths(n_days, last_prices, seed=seed)
    fields: dict[str, Any] = {
        "bucket_id": "core",
        "as_of": as_of,
        "base_currency": "EUR",
        "securities": securities,
        "dates": weekdays(len(prices), as_of),
        "prices": np.array(prices, dtype=np.float64),
        "lots": tuple(make_lot(security.id) for security in securities),
        "cash": (CashBalance("EUR", cash),) if isinstance(cash, int | float) else cash,
    }
    return PlanningContext(**{**fields, **overrides})


def constant_rate(rate: float, n_days: int = 400) -> FloatArray:
    """An fx series that never moves."""
    return np.full(n_days, rate)


def make_config(registries: Registries | None = None, **overrides: Any) -> PlannerConfig:
    """A config from the keys of a TOML document; what is not named has its default.

    `make_config(max_plan_depth=2, costs={"tax_rate": 0.2}, filters={"diversity": False})`
    """
    return load_config(overrides, registries or builtin_registries())


def only(registries: Registries | None = None, **sections: Mapping[str, object]) -> dict[str, Any]:
    """Module sections with only these modules on; for `make_config(**only(...))`.

    `only(opportunity_calculators={"cash_raise": True}, pattern_generators={"single_best": True})`
    """
    registries = registries or builtin_registries()
    chosen: dict[str, Any] = {}
    for section in MODULE_SECTIONS:
        names = getattr(registries, section).names
        chosen[section] = {**dict.fromkeys(names, False), **sections.get(section, {})}
    return chosen


def make_state(
    context: PlanningContext | None = None, config: PlannerConfig | None = None
) -> PlanningState:
    """The state that modules see."""
    context = context or make_context()
    config = config or make_config()
    history, portfolio = value(context, config)
    return assess(context, config, history, portfolio)


def column_of(state: PlanningState, security: str) -> int:
    """The column of a security id."""
    return state.context.security_index()[security]


def make_opportunity(
    state: PlanningState, security: str, side: Side, notional: float, **overrides: Any
) -> Opportunity:
    """Make an opportunity that a test wants sized."""
    fields = {"security": column_of(state, security), "side": side, "notional": notional}
    return Opportunity(**{"reason": "the test wants it", **fields, **overrides})


def make_action(
    state: PlanningState,
    security: str,
    quantity: float,
    *,
    sources: tuple[str, ...] = ("opportunity_calculators.test",),
    mandatory: bool = False,
) -> Action:
    """A priced trade of a signed quantity; no limit is looked at."""
    side = Side.BUY if quantity > 0 else Side.SELL
    priced = price_trade(state, column_of(state, security), side, abs(quantity))
    clauses = ("the test wants it",)
    return replace(priced, sources=sources, clauses=clauses, mandatory=mandatory)


def make_candidates(state: PlanningState, actions: Sequence[Action]) -> Candidates:
    """Candidates with their gains alone; actions on one security exclude each other."""
    conflicts = same_security_conflicts(list(actions))
    blank = build_candidates(list(actions), np.zeros(len(actions)), conflicts)
    return build_candidates(list(actions), single_gains(Evaluator(state, blank)), conflicts)


def make_evaluator(state: PlanningState, actions: Sequence[Action]) -> Evaluator:
    """An evaluator over the actions; their ids are their places."""
    return Evaluator(state, make_candidates(state, actions))


class FakeClock:
    """A monotonic clock that moves only when told to, or by `tick_s` at every look."""

    def __init__(self, tick_s: float = 0.0) -> None:
        self.now_s = 0.0
        self.tick_s = tick_s

    def __call__(self) -> float:
        self.now_s += self.tick_s
        return self.now_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds


@dataclass
class Recorder:
    """An `emit` that keeps what it is told."""

    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def types(self) -> list[str]:
        """The names of the events, in order."""
        return [event.event_type for event in self.events]

    def of(self, event_type: str) -> list[Mapping[str, Any]]:
        """The payloads of all events of a type."""
        records = (event.to_record() for event in self.events)
        return [
            cast("Mapping[str, Any]", record["data"])
            for record in records
            if record["event_type"] == event_type
        ]


def make_runtime(*modules: Any, recorder: Recorder | None = None, **overrides: Any) -> Runtime:
    """A runtime with the shipped modules and the given ones, at a fixed time."""
    registries: Registries = overrides.pop("registries", builtin_registries()).copy()
    for module in modules:
        registries.register(module)
    return Runtime(
        **{
            "registries": registries,
            "emit": recorder or Recorder(),
            "now": lambda: datetime(2024, 6, 28, 12, tzinfo=UTC),
            "trace_id": "trace-1",
            **overrides,
        }
    )


def metadata(name: str, **overrides: Any) -> ModuleMetadata:
    """Metadata of a module made for a test."""
    return ModuleMetadata(
        **{"version": "1.0.0", "description": "a stub", "name": name, **overrides}
    )


# Stub modules: each does what the function it is given does, whatever its kind promises.


def stub_calculator(
    calculate: Callable[[PlanningState], Any], name: str = "stub"
) -> OpportunityCalculator[ModuleParameters]:
    """A calculator that returns `calculate(state)`."""

    class Stub(OpportunityCalculator[ModuleParameters]):
        parameters_model = ModuleParameters

        def calculate(self, state: PlanningState, parameters: ModuleParameters) -> Any:
            return calculate(state)

    Stub.metadata = metadata(name)
    return Stub()


def stub_pattern(
    generate: Callable[[Candidates], Any], name: str = "stub"
) -> PatternGenerator[ModuleParameters]:
    """A pattern generator that returns `generate(candidates)`."""

    class Stub(PatternGenerator[ModuleParameters]):
        parameters_model = ModuleParameters

        def generate(
            self, candidates: Candidates, state: PlanningState, parameters: ModuleParameters
        ) -> Any:
            return generate(candidates)

    Stub.metadata = metadata(name)
    return Stub()


def stub_sequence(
    generate: Callable[[Any], Iterator[Any]], name: str = "stub"
) -> SequenceGenerator[ModuleParameters]:
    """A sequence generator that yields from `generate(space)`."""

    class Stub(SequenceGenerator[ModuleParameters]):
        parameters_model = ModuleParameters

        def generate(
            self,
            space: Any,
            state: PlanningState,
            parameters: ModuleParameters,
        ) -> Any:
            return generate(space)

    Stub.metadata = metadata(name)
    return Stub()


def stub_filter(
    *,
    reject: Callable[[Candidates], Any] | None = None,
    conflicts: Callable[[Candidates], Any] | None = None,
    select: Callable[[Sequence[tuple[int, ...]]], Any] | None = None,
    name: str = "stub",
) -> Filter[ModuleParameters]:
    """A filter whose hooks return what the functions return."""

    class Stub(Filter[ModuleParameters]):
        parameters_model = ModuleParameters

        def reject(
            self, candidates: Candidates, state: PlanningState, parameters: ModuleParameters
        ) -> Any:
            return reject(candidates) if reject else {}

        def conflicts(
            self, candidates: Candidates, state: PlanningState, parameters: ModuleParameters
        ) -> Any:
            return conflicts(candidates) if conflicts else None

        def select_alternatives(
            self, ranked: Sequence[tuple[int, ...]], limit: int, parameters: ModuleParameters
        ) -> Any:
            return select(ranked) if select else None

    Stub.metadata = metadata(name)
    return Stub()
