"""Small, deterministic inputs for tests of the planner.

Every default is round, so that a test can be checked by hand: four securities worth 100 EUR each
on the last day, 100 units of each bought long ago at 80, and 10,000 EUR: a NAV of 50,000.
"""

# ruff: noqa: ANN401, ARG002 - overrides are of any type, and a stub need not use what it is given

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np

from planner_core.config_api.config_loading import load_config
from planner_core.events import Event
from planner_core.market.state import PlanningState, assess, value
from planner_core.market.trade_sizing import price_trade
from planner_core.model.candidates import Candidates, build_candidates, same_security_conflicts
from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Action, Opportunity
from planner_core.model.records import Side
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
from planner_core.testing.sample_contexts import (
    AS_OF,
    LONG_AGO,
    constant_rate,
    days_ago,
    make_context,
    make_lot,
    make_securities,
    make_security,
    price_paths,
    weekdays,
)

__all__ = [
    "AS_OF",
    "LONG_AGO",
    "FakeClock",
    "Recorder",
    "column_of",
    "constant_rate",
    "days_ago",
    "make_action",
    "make_candidates",
    "make_config",
    "make_context",
    "make_evaluator",
    "make_lot",
    "make_opportunity",
    "make_runtime",
    "make_securities",
    "make_security",
    "make_state",
    "metadata",
    "only",
    "price_paths",
    "stub_calculator",
    "stub_filter",
    "stub_pattern",
    "stub_sequence",
    "weekdays",
]

MODULE_SECTIONS = (
    "opportunity_calculators",
    "pattern_generators",
    "sequence_generators",
    "filters",
)


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
