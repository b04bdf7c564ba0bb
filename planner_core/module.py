"""What a planner module is: metadata, parameters with units, and the four kinds.

A module is stateless. It gets the state and its validated parameters and returns data; it never
emits, logs, reads a clock or keeps anything between two calls. That is what makes it safe to time,
skip, cache and replace.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from planner_core.errors import ModuleContractError

if TYPE_CHECKING:
    from planner_core.candidates import Candidates
    from planner_core.plan import Opportunity, Skip
    from planner_core.search import SearchSpace
    from planner_core.state import PlanningState

SEMANTIC_VERSION = re.compile(r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)\Z")
MODULE_NAME = re.compile(r"^[a-z][a-z0-9_]{0,63}\Z")


class ModuleKind(StrEnum):
    """The four kinds, named as their sections in the TOML."""

    OPPORTUNITY = "opportunity_calculators"
    PATTERN = "pattern_generators"
    SEQUENCE = "sequence_generators"
    FILTER = "filters"


@dataclass(frozen=True, slots=True)
class Dependency:
    """A need for one named module, or (name None) for any enabled module of a kind.

    `version` is a range such as `>=1.0,<2`; empty accepts every version.
    """

    kind: ModuleKind
    name: str | None = None
    version: str = ""


@dataclass(frozen=True, slots=True)
class ModuleMetadata:
    """Who a module is; checked when it is made."""

    name: str
    version: str
    description: str
    author: str = "arduino-trader"
    requires_python: str = ">=3.11"
    dependencies: tuple[Dependency, ...] = ()
    tags: tuple[str, ...] = ()
    enabled_by_default: bool = True

    def __post_init__(self) -> None:
        if not MODULE_NAME.match(self.name):
            raise ModuleContractError(self.name, "a name is lower case letters, digits and _")
        if not SEMANTIC_VERSION.match(self.version):
            raise ModuleContractError(
                self.name, f"version {self.version!r} is not MAJOR.MINOR.PATCH"
            )
        if not self.description.strip():
            raise ModuleContractError(self.name, "a description is needed")


class ModuleParameters(BaseModel):
    """Base of every module's parameters: frozen, nothing unknown, no NaN or infinity.

    Strict: a switch is no number and `"5"` is no 5. An integer may stand for a float.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
    )


def parameter(default: object, *, unit: str, description: str, **bounds: Any) -> Any:  # noqa: ANN401 - pydantic's Field is untyped too
    """Declare a parameter with its unit and bounds (ge, gt, le, lt).

    The items of a tuple have their own: `tuple[Annotated[float, Field(gt=0, le=1)], ...]`.
    """
    return Field(
        default=default,
        description=description,
        json_schema_extra={"unit": unit},
        # TOML knows arrays only: what becomes a tuple comes as a list. Its items stay strict.
        strict=False if isinstance(default, tuple) else None,
        **bounds,
    )


ParametersT = TypeVar("ParametersT", bound=ModuleParameters)


class Module(ABC, Generic[ParametersT]):
    """What all four kinds share."""

    kind: ClassVar[ModuleKind]
    metadata: ClassVar[ModuleMetadata]
    parameters_model: type[ParametersT]

    @property
    def key(self) -> str:
        """`kind.name`, unique over all kinds."""
        return f"{self.kind.value}.{self.metadata.name}"


class OpportunityCalculator(Module[ParametersT]):
    """Finds reasons to trade: the *what* and *why*, sized, but not yet rounded or checked."""

    kind = ModuleKind.OPPORTUNITY

    @abstractmethod
    def calculate(
        self, state: PlanningState, parameters: ParametersT
    ) -> Sequence[Opportunity | Skip]:
        """Return the opportunities in the state, and what could not be judged."""


class PatternGenerator(Module[ParametersT]):
    """Proposes sets of candidates that make sense together: seeds of the search."""

    kind = ModuleKind.PATTERN

    @abstractmethod
    def generate(
        self, candidates: Candidates, state: PlanningState, parameters: ParametersT
    ) -> Sequence[tuple[int, ...]]:
        """Return sets of candidate ids, best first, each at most `max_plan_depth` long."""


class SequenceGenerator(Module[ParametersT]):
    """Enumerates or searches sets of candidates for the evaluator."""

    kind = ModuleKind.SEQUENCE

    @abstractmethod
    def generate(
        self, space: SearchSpace, state: PlanningState, parameters: ParametersT
    ) -> Iterator[NDArray[np.int16]]:
        """Yield blocks of shape (depth, n_sequences); unused places hold `space.null_id`."""


class Filter(Module[ParametersT]):
    """Narrows what is considered; it never switches a constraint off.

    A filter overrides any of the three hooks; each default lets everything through.
    """

    kind = ModuleKind.FILTER

    def reject(
        self, candidates: Candidates, state: PlanningState, parameters: ParametersT
    ) -> dict[int, str]:
        """Return candidate id -> reason for those to be dropped."""
        return {}

    def conflicts(
        self, candidates: Candidates, state: PlanningState, parameters: ParametersT
    ) -> NDArray[np.bool_] | None:
        """Return a symmetric matrix of pairs that must not stand in one plan, or None."""
        return None

    def select_alternatives(
        self, ranked: Sequence[tuple[int, ...]], limit: int, parameters: ParametersT
    ) -> Sequence[tuple[int, ...]] | None:
        """Return which of the ranked sets to report beside the best one, or None for no opinion."""
        return None


AnyModule = Module[Any]
