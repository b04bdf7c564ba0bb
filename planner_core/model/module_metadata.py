"""Declarations of a module: its kind, metadata, and parameters with units and bounds.

Reading a configuration needs only these. The interfaces of modules are in `modules/module.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from planner_core.errors import ModuleContractError

SEMANTIC_VERSION = re.compile(r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)\Z")
MODULE_NAME = re.compile(r"^[a-z][a-z0-9_]{0,63}\Z")


class ModuleKind(StrEnum):
    """The four kinds, named like their sections in the TOML."""

    OPPORTUNITY = "opportunity_calculators"
    PATTERN = "pattern_generators"
    SEQUENCE = "sequence_generators"
    FILTER = "filters"


@dataclass(frozen=True, slots=True)
class Dependency:
    """A need for one named module, or for any enabled module of a kind (name None).

    `version` is a range such as `>=1.0,<2`; empty accepts every version.
    """

    kind: ModuleKind
    name: str | None = None
    version: str = ""


@dataclass(frozen=True, slots=True)
class ModuleMetadata:
    """Name, version and needs of a module; checked on construction."""

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
    """Base of every module's parameters: frozen, no unknown keys, no NaN or infinity.

    Strict: a switch is not a number, and `"5"` is not 5. An integer is accepted for a float.
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
        # TOML has only arrays, so a tuple comes as a list. Its items stay strict.
        strict=False if isinstance(default, tuple) else None,
        **bounds,
    )
