"""Interfaces of planner modules: four kinds, each with the methods to implement.

A module is stateless. It gets the state and its validated parameters, and returns data. It never
emits, logs, reads a clock or stores anything between two calls. So it is safe to time, skip, cache
and replace it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from planner_core.market.state import PlanningState
from planner_core.model.candidates import Candidates
from planner_core.model.module_metadata import (
    Dependency,
    ModuleKind,
    ModuleMetadata,
    ModuleParameters,
    parameter,
)
from planner_core.model.plan import Opportunity, Skip
from planner_core.modules.cacheable import cacheable
from planner_core.search.ranking import SearchSpace

# The author of a module needs only this file.
__all__ = [
    "AnyModule",
    "Dependency",
    "Filter",
    "Module",
    "ModuleKind",
    "ModuleMetadata",
    "ModuleParameters",
    "OpportunityCalculator",
    "ParametersT",
    "PatternGenerator",
    "SequenceGenerator",
    "cacheable",
    "parameter",
]

ParametersT = TypeVar("ParametersT", bound=ModuleParameters)


class Module(ABC, Generic[ParametersT]):
    """Base of all four kinds."""

    kind: ClassVar[ModuleKind]
    metadata: ClassVar[ModuleMetadata]
    parameters_model: type[ParametersT]

    @property
    def key(self) -> str:
        """`kind.name`, unique over all kinds."""
        return f"{self.kind.value}.{self.metadata.name}"


class OpportunityCalculator(Module[ParametersT]):
    """Finds reasons to trade, with a size that is not yet rounded or checked."""

    kind = ModuleKind.OPPORTUNITY

    @abstractmethod
    def calculate(
        self, state: PlanningState, parameters: ParametersT
    ) -> Sequence[Opportunity | Skip]:
        """Return the opportunities in the state, and a Skip for each security it cannot judge."""


class PatternGenerator(Module[ParametersT]):
    """Proposes sets of candidates that make sense together: seeds of the search."""

    kind = ModuleKind.PATTERN

    @abstractmethod
    def generate(
        self, candidates: Candidates, state: PlanningState, parameters: ParametersT
    ) -> Sequence[tuple[int, ...]]:
        """Return sets of candidate ids, best first, each at most `max_plan_depth` long."""


class SequenceGenerator(Module[ParametersT]):
    """Enumerates or searches sets of candidates."""

    kind = ModuleKind.SEQUENCE

    @abstractmethod
    def generate(
        self, space: SearchSpace, state: PlanningState, parameters: ParametersT
    ) -> Iterator[NDArray[np.int16]]:
        """Yield blocks of shape (depth, n_sequences); unused places hold `space.null_id`."""


class Filter(Module[ParametersT]):
    """Drops or separates candidates; it cannot switch a constraint off.

    A filter overrides any of the three methods; each default changes nothing.
    """

    kind = ModuleKind.FILTER

    def reject(
        self, candidates: Candidates, state: PlanningState, parameters: ParametersT
    ) -> dict[int, str]:
        """Return candidate id -> reason for the candidates to drop."""
        return {}

    def conflicts(
        self, candidates: Candidates, state: PlanningState, parameters: ParametersT
    ) -> NDArray[np.bool_] | None:
        """Return a symmetric matrix of pairs that must not be in one plan, or None."""
        return None

    def select_alternatives(
        self, ranked: Sequence[tuple[int, ...]], limit: int, parameters: ParametersT
    ) -> Sequence[tuple[int, ...]] | None:
        """Return the ranked sets to report beside the best one; None: the next filter decides."""
        return None


AnyModule = Module[Any]
