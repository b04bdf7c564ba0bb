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
MODULE_KEY = re.compile(r"^[a-z_]{1,32}\.[a-z][a-z0-9_]{0,63}\Z")

API_VERSION = "1.0.0"
"""Of `planner_core.api`. MAJOR changes when a module that worked may stop working, MINOR when
something is added, PATCH otherwise."""
TEXT_LENGTH_MAX = 200
"""A description is one sentence, and is shown in one line."""
LIST_LENGTH_MAX = 32
"""More tags, dependencies or conflicts of one module are a mistake."""


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

    @property
    def label(self) -> str:
        """`kind.name range`, as errors name it."""
        return f"{self.kind}.{self.name or '(any)'} {self.version}".rstrip()


@dataclass(frozen=True, slots=True)
class ModuleMetadata:
    """Name, version and needs of a module; checked on construction.

    Parameters
    ----------
    name : str
        Lower case letters, digits and _; its key in the TOML.
    version : str
        MAJOR.MINOR.PATCH. Raise it whenever the module's results may change.
    description : str
        One sentence.
    author : str
    requires_python : str
        A range such as `>=3.11,<4`.
    requires_api : str
        A range of `API_VERSION` such as `>=1,<2`; empty accepts every version.
    dependencies : tuple of Dependency
        Modules that must be enabled as well.
    conflicts : tuple of str
        Keys `kind.name` of modules that must not be enabled at the same time.
    tags : tuple of str
    enabled_by_default : bool
        Whether it runs in a bucket whose configuration does not name it.
    """

    name: str
    version: str
    description: str
    author: str = "arduino-trader"
    requires_python: str = ">=3.11"
    requires_api: str = ""
    dependencies: tuple[Dependency, ...] = ()
    conflicts: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    enabled_by_default: bool = True

    def __post_init__(self) -> None:
        problem = self._type_problem() or self._value_problem()
        if problem:
            raise ModuleContractError(str(self.name)[:TEXT_LENGTH_MAX], problem)

    def _type_problem(self) -> str | None:
        """Return which field has another type than declared, or is too long."""
        texts = ("name", "version", "description", "author", "requires_python", "requires_api")
        for field in texts:
            text: object = getattr(self, field)
            if not isinstance(text, str) or len(text) > TEXT_LENGTH_MAX:
                return f"{field} is a text of at most {TEXT_LENGTH_MAX} characters"
        for field, item_type in (("dependencies", Dependency), ("conflicts", str), ("tags", str)):
            items: object = getattr(self, field)
            if not _is_tuple_of(items, item_type):
                return (
                    f"{field} is a tuple of {item_type.__name__}, at most {LIST_LENGTH_MAX} of them"
                )
        return None

    def _value_problem(self) -> str | None:
        if not MODULE_NAME.match(self.name):
            return "a name is lower case letters, digits and _"
        if not SEMANTIC_VERSION.match(self.version):
            return f"version {self.version!r} is not MAJOR.MINOR.PATCH"
        if not self.description.strip():
            return "a description is needed"
        for key in self.conflicts:
            if not MODULE_KEY.match(key):
                return f"conflicts are keys such as filters.diversity, found {key!r}"
        return None


def _is_tuple_of(items: object, item_type: type[object]) -> bool:
    return (
        isinstance(items, tuple)
        and len(items) <= LIST_LENGTH_MAX
        and all(isinstance(item, item_type) for item in items)
    )


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
