"""Register modules, look them up, and check what they need of each other."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from planner_core.errors import ConfigProblem, ModuleContractError
from planner_core.model.module_metadata import API_VERSION
from planner_core.modules.cacheable import cache_ttl_s
from planner_core.modules.module import (
    AnyModule,
    Dependency,
    Filter,
    ModuleKind,
    ModuleMetadata,
    ModuleParameters,
    OpportunityCalculator,
    PatternGenerator,
    SequenceGenerator,
)

ModuleT = TypeVar("ModuleT", bound=AnyModule)

VERSION_CLAUSE = re.compile(r"^(>=|<=|==|>|<)\s*(\d+(?:\.\d+){0,2})$")


class Registry(Generic[ModuleT]):
    """The modules of one kind, in the order of their registration."""

    def __init__(self, kind: ModuleKind, expected: type[Any]) -> None:
        self.kind = kind
        self._expected = expected
        self._modules: dict[str, ModuleT] = {}

    def register(self, module: ModuleT) -> ModuleT:
        """Check a module against its kind, and add it; return it.

        Raises
        ------
        ModuleContractError
            If it is not an instance of the kind, lacks metadata or parameters, or has the name of
            another module.
        """
        self.check(module)
        namesake = self._modules.get(module.metadata.name)
        if namesake is not None and type(namesake) is not type(module):
            raise ModuleContractError(module.key, "another module has this name")
        self._modules[module.metadata.name] = module
        return module

    def check(self, module: object) -> None:
        """Check a module against its kind, without adding it; raise ModuleContractError."""
        name = type(module).__name__
        if isinstance(module, type):
            raise ModuleContractError(module.__name__, "register an instance, not the class")
        if not isinstance(module, self._expected) or module.kind is not self.kind:
            raise ModuleContractError(name, f"is not a {self._expected.__name__}")
        if not isinstance(getattr(module, "metadata", None), ModuleMetadata):
            raise ModuleContractError(name, "needs `metadata: ModuleMetadata`")
        model = getattr(module, "parameters_model", None)
        if not (isinstance(model, type) and issubclass(model, ModuleParameters)):
            raise ModuleContractError(
                name, "needs `parameters_model`, a subclass of ModuleParameters"
            )
        if self.kind is ModuleKind.SEQUENCE and cache_ttl_s(module, "generate") is not None:
            raise ModuleContractError(
                name, "a sequence generator works on a running search: remove @cacheable"
            )
        for dependency in module.metadata.dependencies:
            _check_range(name, dependency.version)
        running = ".".join(map(str, sys.version_info[:3]))
        _check_version(name, "Python", module.metadata.requires_python, running)
        _check_version(name, "the module API", module.metadata.requires_api, API_VERSION)
        _check_defaults(name, model)

    def remove(self, name: str) -> None:
        """Remove a module."""
        del self._modules[name]

    def snapshot(self) -> dict[str, ModuleT]:
        """Return name -> module, for `restore`."""
        return dict(self._modules)

    def restore(self, snapshot: Mapping[str, ModuleT]) -> bool:
        """Register what a snapshot holds, and nothing else; return whether that is a change."""
        is_changed = self._modules != snapshot
        if is_changed:
            self._modules = dict(snapshot)
        return is_changed

    def __getitem__(self, name: str) -> ModuleT:
        return self._modules[name]

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def __iter__(self) -> Iterator[ModuleT]:
        return iter(self._modules.values())

    def __len__(self) -> int:
        return len(self._modules)

    @property
    def names(self) -> tuple[str, ...]:
        """The registered names."""
        return tuple(self._modules)

    def closest(self, name: str) -> str | None:
        """Return the most similar registered name, as a suggestion."""
        close = difflib.get_close_matches(name, self._modules, n=1, cutoff=0.5)
        return close[0] if close else None


@dataclass(frozen=True, slots=True)
class Registries:
    """One registry per kind, and what is known about modules of plugins.

    Parameters
    ----------
    opportunity_calculators, pattern_generators, sequence_generators, filters : Registry
    origins : dict of str to str
        Key of a module -> the plugin that it is from. The planner's own modules are not in it.
    absent : dict of str to str
        Key or short name of a module that a plugin has but that cannot be used -> the reason. A
        configuration may name it; its plans do without it, and say so.
    """

    opportunity_calculators: Registry[OpportunityCalculator[Any]] = field(
        default_factory=lambda: Registry(ModuleKind.OPPORTUNITY, OpportunityCalculator)
    )
    pattern_generators: Registry[PatternGenerator[Any]] = field(
        default_factory=lambda: Registry(ModuleKind.PATTERN, PatternGenerator)
    )
    sequence_generators: Registry[SequenceGenerator[Any]] = field(
        default_factory=lambda: Registry(ModuleKind.SEQUENCE, SequenceGenerator)
    )
    filters: Registry[Filter[Any]] = field(
        default_factory=lambda: Registry(ModuleKind.FILTER, Filter)
    )

    origins: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def reason_of_absence(self, kind: ModuleKind, name: str) -> str | None:
        """Return why a module that a plugin has cannot be used; None: no plugin has it."""
        return self.absent.get(f"{kind}.{name}", self.absent.get(name))

    def of_kind(self, kind: ModuleKind) -> Registry[Any]:
        """Return the registry of a kind."""
        registry: Registry[Any] = getattr(self, kind.value)
        return registry

    def all_modules(self) -> Iterator[AnyModule]:
        """Iterate over every module, kind by kind."""
        for kind in ModuleKind:
            yield from self.of_kind(kind)

    def register(self, module: AnyModule) -> AnyModule:
        """Add a module to the registry of its kind."""
        kind = getattr(module, "kind", None)
        if not isinstance(kind, ModuleKind):
            raise ModuleContractError(type(module).__name__, "has no module kind")
        registered: AnyModule = self.of_kind(kind).register(module)
        cycle = self.find_cycle(registered)
        if cycle:
            self.of_kind(kind).remove(registered.metadata.name)
            raise ModuleContractError(registered.key, f"needs itself: {' -> '.join(cycle)}")
        return registered

    def find_cycle(self, module: AnyModule) -> list[str]:
        """Return the keys of a dependency cycle through a module; empty if there is none."""
        paths = [[module]]
        visited: set[str] = set()
        while paths:
            path = paths.pop()
            for dependency in path[-1].metadata.dependencies:
                registry = self.of_kind(dependency.kind)
                if dependency.name is None or dependency.name not in registry:
                    continue
                needed = registry[dependency.name]
                if needed.key == module.key:
                    return [step.key for step in (*path, needed)]
                if needed.key not in visited:
                    visited.add(needed.key)
                    paths.append([*path, needed])
        return []

    def copy(self) -> Registries:
        """Return new registries with the same modules."""
        copied = Registries()
        for module in self.all_modules():
            copied.register(module)
        copied.origins.update(self.origins)
        copied.absent.update(self.absent)
        return copied


def dependency_problems(
    registries: Registries, enabled: Mapping[ModuleKind, tuple[str, ...]]
) -> list[ConfigProblem]:
    """Return the unmet needs of the enabled modules, and those that exclude each other."""
    return [
        ConfigProblem((kind.value, name), problem, value=True)
        for kind, names in enabled.items()
        for name in names
        for problem in unmet_needs(registries.of_kind(kind)[name].metadata, registries, enabled)
    ]


def unmet_needs(
    metadata: ModuleMetadata,
    registries: Registries,
    enabled: Mapping[ModuleKind, tuple[str, ...]],
) -> list[str]:
    """Return what keeps a module from running with these others."""
    problems = [_unmet(dependency, registries, enabled) for dependency in metadata.dependencies]
    keys = {f"{kind}.{name}" for kind, names in enabled.items() for name in names}
    conflicts = [f"must not be enabled together with {key}" for key in metadata.conflicts]
    return [problem for problem in problems if problem] + [
        line for key, line in zip(metadata.conflicts, conflicts, strict=True) if key in keys
    ]


def _unmet(
    dependency: Dependency,
    registries: Registries,
    enabled: Mapping[ModuleKind, tuple[str, ...]],
) -> str | None:
    available = enabled.get(dependency.kind, ())
    if dependency.name is None:
        return None if available else f"needs at least one enabled module in [{dependency.kind}]"
    if dependency.name not in available:
        return f"needs {dependency.kind}.{dependency.name} to be enabled"
    version = registries.of_kind(dependency.kind)[dependency.name].metadata.version
    if not version_satisfies(version, dependency.version):
        return f"needs {dependency.kind}.{dependency.name} {dependency.version}, found {version}"
    return None


def _check_version(name: str, what: str, version_range: str, version: str) -> None:
    _check_range(name, version_range)
    if not version_satisfies(version, version_range):
        raise ModuleContractError(name, f"needs {what} {version_range}, this is {version}")


def _check_defaults(name: str, model: type[ModuleParameters]) -> None:
    """Require a valid default of every parameter: `NAME = true` in the TOML means all of them."""
    try:
        model.model_validate({})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "parameters"
        raise ModuleContractError(
            name, f"parameter {where}: its default is not valid: {first['msg']}"
        ) from None


def _check_range(name: str, version_range: str) -> None:
    try:
        # Clause by clause, because version_satisfies stops at the first that does not hold.
        for clause in version_range.split(","):
            version_satisfies("0.0.0", clause)
    except ValueError as error:
        raise ModuleContractError(name, str(error)) from None


def version_satisfies(version: str, version_range: str) -> bool:
    """Return whether a semantic version lies in a range such as `>=1.2,<2`.

    Raises
    ------
    ValueError
        If the range is not valid.
    """
    return all(
        _clause_holds(_triple(version), clause) for clause in version_range.split(",") if clause
    )


def _clause_holds(version: tuple[int, int, int], clause: str) -> bool:
    match = VERSION_CLAUSE.match(clause.strip())
    if match is None:
        raise ValueError(f"version range {clause!r}: write it like >=1.2,<2")
    sign, bound = match.group(1), _triple(match.group(2))
    return {
        ">=": version >= bound,
        "<=": version <= bound,
        "==": version == bound,
        ">": version > bound,
        "<": version < bound,
    }[sign]


def _triple(version: str) -> tuple[int, int, int]:
    parts = [int(part) for part in version.split(".")]
    major, minor, patch = [*parts, 0, 0][:3]
    return major, minor, patch
