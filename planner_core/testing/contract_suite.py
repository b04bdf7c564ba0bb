"""The contract that every module keeps, of a plugin or shipped, checked in every sample state.

| check | the module |
|---|---|
| description | describes itself: a docstring, and a sentence of its own |
| parameters | declares unit, meaning and bounds, and refuses what lies beyond |
| results | returns what its kind promises, in every state |
| bounds | does so at each bound of each parameter |
| repeats | returns the same for the same inputs, whatever was computed before |
| inputs | changes nothing that it is given |
| memory | stores nothing between two calls |
| plan | works in whole plans |

This file runs no clock and no process. The host adds what needs them: time, memory, output, threads
and the second process with other hashes (`host/operations/plugin_check_main.py`).
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from planner_core.config_api.config_loading import load_config
from planner_core.errors import ConfigError, ModuleContractError
from planner_core.model.plan import ModuleStatus
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.cacheable import cache_ttl_s
from planner_core.modules.module import AnyModule, ModuleParameters
from planner_core.planner import plan
from planner_core.runtime import Runtime
from planner_core.testing.fingerprint import changed_paths, fingerprint
from planner_core.testing.operations import CURES, Operation, Result, operations_of
from planner_core.testing.parameter_values import declaration_problems, edge_parameters
from planner_core.testing.sample_contexts import sample_contexts
from planner_core.testing.sample_states import (
    ModuleInputs,
    copy_context,
    forget_samples,
    sample_inputs,
    state_of,
)

BOUND_STATES: Final = ("rich with cash", "two days", "no cash")
"""States in which the bounds of parameters are tried: much to do, no history, no cash."""
PLAN_STATES: Final = ("rich with cash", "too little history", "one security")
"""Contexts of whole plans."""
FILE_ATTRIBUTES: Final = ("__builtins__", "__annotations__", "__warningregistry__", "__annotate__")
"""Names of a file that Python itself sets."""
SHOWN: Final = 3
"""Names in one message."""


class Check(StrEnum):
    """A part of the contract; see above."""

    DESCRIPTION = "description"
    PARAMETERS = "parameters"
    RESULTS = "results"
    BOUNDS = "bounds"
    REPEATS = "repeats"
    INPUTS = "inputs"
    MEMORY = "memory"
    PLAN = "plan"


@dataclass(frozen=True, slots=True)
class ContractProblem:
    """Something that a module does and must not do.

    Parameters
    ----------
    check : Check
    message : str
        What is wrong.
    cure : str
        What to do about it.
    operation : str
        Name of the method; empty: it is about the module as a whole.
    states : tuple of str
        Where it was seen; empty: in none.
    error : BaseException, optional
        What the module raised.
    """

    check: Check
    message: str
    cure: str
    operation: str = ""
    states: tuple[str, ...] = ()
    error: BaseException | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ContractReport:
    """The result of `check_module`.

    Parameters
    ----------
    problems : tuple of ContractProblem
        Empty: the module keeps its contract.
    digests : mapping of str to str
        `operation, state` -> digest of the result: the same in every process.
    n_results : mapping of str to int
        Results of each operation, over all states: 0 means that it never had anything to say.
    """

    problems: tuple[ContractProblem, ...]
    digests: Mapping[str, str]
    n_results: Mapping[str, int]


Call = Callable[[str, str, Callable[[], Result]], Result]
"""Calls a module; takes the operation, the state's name and the call."""


def call_directly(_operation: str, _state: str, call: Callable[[], Result]) -> Result:
    """Call it."""
    return call()


def check_module(
    module: AnyModule,
    *,
    others: Sequence[AnyModule] = (),
    more_states: Sequence[ModuleInputs] = (),
    call: Call = call_directly,
) -> ContractReport:
    """Check that a module keeps the contract of its kind.

    Parameters
    ----------
    module : Module
        Its methods are plain functions: `trader plugin check` wraps those that are async.
    others : sequence of Module
        Modules that it may need, besides those of the planner.
    more_states : sequence of ModuleInputs
        States besides the sample ones.
    call : callable
        Called for every call of the module; `trader plugin check` measures in it.

    Examples
    --------
    >>> from planner_core.modules.opportunities import BUILTIN_OPPORTUNITIES
    >>> check_module(BUILTIN_OPPORTUNITIES[0]).problems
    ()
    """
    suite = _Suite(module, call)
    suite.check_description()
    suite.check_parameters()
    memory = _memory_of(module)
    inputs = [*map(sample_inputs, sample_contexts()), *more_states]
    equal_samples = [sample_inputs(name, 1) for name in sample_contexts()]
    suite.check_states(inputs, [*equal_samples, *map(_copy, more_states)])
    suite.check_bounds([sample_inputs(name) for name in BOUND_STATES])
    suite.check_depths()
    suite.check_memory(memory)
    suite.check_plans(others)
    report = suite.report()
    if any(problem.check is Check.INPUTS for problem in report.problems):
        forget_samples()
    return report


def result_digests(
    module: AnyModule, *, more_states: Sequence[ModuleInputs] = (), call: Call = call_directly
) -> Mapping[str, str]:
    """Return the digests of `check_module` alone, to compare them with those of another process."""
    suite = _Suite(module, call)
    suite.check_states([*map(sample_inputs, sample_contexts()), *more_states], ())
    return suite.report().digests


def _copy(inputs: ModuleInputs) -> ModuleInputs:
    state = state_of(copy_context(inputs.state.context), inputs.state.config)
    return ModuleInputs(inputs.name, state)


class _Suite:
    """The checks of one module, and what they have seen so far."""

    def __init__(self, module: AnyModule, call: Call) -> None:
        self._module = module
        self._call = call
        self._problems: dict[tuple[Check, str, str], ContractProblem] = {}
        self._digests: dict[str, str] = {}
        self._inputs: dict[ModuleInputs, Mapping[str, str]] = {}
        """Digests of what was given, as it was after the last call."""
        self._n_results = dict.fromkeys(operations_of(module), 0)

    def report(self) -> ContractReport:
        """Return what was seen."""
        return ContractReport(tuple(self._problems.values()), self._digests, self._n_results)

    def check_description(self) -> None:
        """Check that the module describes itself: the catalogue and `modules show` print it."""
        if not (type(self._module).__doc__ or "").strip():
            self._note(
                Check.DESCRIPTION,
                "the class has no docstring",
                "write the rule as a formula, what happens without data, and its source",
            )

    def check_parameters(self) -> None:
        """Check the declarations of the parameters."""
        if not (self._module.parameters_model.__doc__ or "").strip():
            self._note(
                Check.PARAMETERS,
                "the parameters' class has no docstring",
                "say in one line what the parameters decide",
            )
        for problem in declaration_problems(self._module):
            self._note(Check.PARAMETERS, f"`{problem.name}` {problem.message}", problem.cure)

    def check_states(
        self, inputs: Sequence[ModuleInputs], equal_inputs: Sequence[ModuleInputs]
    ) -> None:
        """Call the module in every state, then again in the opposite order, in equal states.

        The equal ones are other objects: where an object lies in memory must not matter.
        """
        parameters = self._module.parameters_model()
        first = {
            (operation, one.name): self._checked(Check.RESULTS, operation, one, parameters)
            for one in inputs
            for operation in operations_of(self._module)
        }
        for (operation, state), result in first.items():
            if result is not None:
                self._digests[f"{operation}, {state}"] = _digest(result)
                self._n_results[operation] += len(result)
        for one in reversed(equal_inputs):
            for operation in operations_of(self._module):
                before = first[operation, one.name]
                if before is not None:
                    again = self._checked(Check.REPEATS, operation, one, parameters)
                    self._compare(operation, one.name, before, again)

    def _compare(self, operation: str, state: str, first: Result, again: Result | None) -> None:
        if again is None or again == first:
            return
        is_cached = cache_ttl_s(self._module, operation) is not None
        self._note(
            Check.REPEATS,
            "returns something else for the same inputs"
            + (", and is marked @cacheable" if is_cached else ""),
            "use nothing but the arguments: no clock, no random numbers without a fixed seed,"
            " nothing from an earlier call, no order of a set",
            operation,
            state,
        )

    def check_bounds(self, inputs: Sequence[ModuleInputs]) -> None:
        """Call the module with each parameter at each bound."""
        for text, parameters in edge_parameters(self._module):
            if parameters is None:
                self._note(
                    Check.BOUNDS,
                    f"refuses {text}, which lies within its bounds",
                    "make the bounds say what is accepted",
                )
                continue
            for one in inputs:
                for operation in operations_of(self._module):
                    self._checked(Check.BOUNDS, operation, one, parameters, f"with {text}: ")

    def check_depths(self) -> None:
        """Call the module where a plan has very few or very many steps."""
        for depth in (1, 10):
            inputs = sample_inputs("rich with cash").with_depth(depth)
            for operation in operations_of(self._module):
                prefix = f"with max_plan_depth = {depth}: "
                self._checked(
                    Check.RESULTS, operation, inputs, self._module.parameters_model(), prefix
                )

    def check_memory(self, before: Mapping[str, str]) -> None:
        """Compare what the module and its file store with what they stored at first."""
        changes = changed_paths(before, _memory_of(self._module))
        if changes:
            more = f" and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
            self._note(
                Check.MEMORY,
                f"stores something between two calls: {', '.join(changes[:SHOWN])}{more}",
                "compute it in each call, or mark the method with @cacheable(ttl=60)",
            )

    def check_plans(self, others: Sequence[AnyModule]) -> None:
        """Make whole plans with the module."""
        registries = builtin_registries().copy()
        names = {module.key for module in registries.all_modules()}
        for module in (*others, self._module):
            if module.key not in names:
                registries.register(module)
                names.add(module.key)
        # The others are off, unless it needs them: a plan would call them too.
        unneeded = {(m.kind.value, m.metadata.name): False for m in others}
        own = self._module.kind.value, self._module.metadata.name
        try:
            try:
                config = load_config(_document(unneeded | {own: True}), registries)
            except ConfigError:
                config = load_config(_document({own: True}), registries)
        except ConfigError as error:
            self._note(Check.PLAN, str(error), "make its `dependencies` modules that there are")
            return
        for state in PLAN_STATES:
            self._run_plan(state, config, Runtime(registries=registries))

    def _run_plan(self, state: str, config: Any, runtime: Runtime) -> None:  # noqa: ANN401 - PlannerConfig
        def make_plan() -> Result:
            result = plan(sample_contexts()[state], config, runtime)
            return tuple(
                attempt
                for attempt in result.modules
                if attempt.key == self._module.key and attempt.status is not ModuleStatus.OK
            )

        for attempt in self._call("plan", state, make_plan):
            self._note(
                Check.PLAN,
                f"is left out of a plan: {getattr(attempt, 'message', '')}",
                "fix the message above it; a plan calls it with candidates of all modules",
                state=state,
            )

    def _checked(
        self,
        check: Check,
        name: str,
        inputs: ModuleInputs,
        parameters: ModuleParameters,
        prefix: str = "",
    ) -> Result | None:
        """Call an operation, and note what is wrong; None if it has no result."""
        operation = operations_of(self._module)[name]
        before = self._inputs.get(inputs) or _inputs_of(self._module, inputs)
        try:
            result = self._call(name, inputs.name, lambda: self._run(operation, inputs, parameters))
        except ModuleContractError as error:
            # Its own text begins with the module's key, which stands above the list of problems.
            message = str(error).removeprefix(f"{self._module.key}: ")
            cure = CURES[self._module.kind, name]
            self._note_failure(check, prefix, message, cure, (name, inputs.name), error)
            result = None
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            message = f"raises {type(error).__name__}: {error}".rstrip(": ")
            cure = "handle this state: return less, or a Skip with the reason, and raise nothing"
            self._note_failure(check, prefix, message, cure, (name, inputs.name), error)
            result = None
        self._inputs[inputs] = _inputs_of(self._module, inputs)
        changes = changed_paths(before, self._inputs[inputs])
        if changes:
            message = f"changes {', '.join(changes[:SHOWN])}, which others use"
            cure = "copy an array before you write into it: np.array(x), or x.copy()"
            self._note(Check.INPUTS, message, cure, name, inputs.name)
        return result

    def _run(
        self, operation: Operation, inputs: ModuleInputs, parameters: ModuleParameters
    ) -> Result:
        return operation(self._module, inputs, parameters)

    def _note_failure(
        self,
        check: Check,
        prefix: str,
        message: str,
        cure: str,
        where: tuple[str, str],
        error: BaseException,
    ) -> None:
        """Note that a call failed; one that fails without the special setting too is not news."""
        operation, state = where
        is_known = (Check.RESULTS, operation, " ".join(message.split())) in self._problems
        if not (prefix and is_known):
            self._note(check, prefix + message, cure, operation, state, error)

    def _note(
        self,
        check: Check,
        message: str,
        cure: str,
        operation: str = "",
        state: str = "",
        error: BaseException | None = None,
    ) -> None:
        """Note a problem; one that was seen before gets the state added."""
        message = " ".join(message.split())
        problem = self._problems.get((check, operation, message))
        if problem is None:
            states = (state,) if state else ()
            problem = ContractProblem(check, message, cure, operation, states, error)
        elif state and state not in problem.states:
            problem = replace(problem, states=(*problem.states, state))
        self._problems[check, operation, message] = problem


def _document(switches: Mapping[tuple[str, str], bool]) -> dict[str, dict[str, bool]]:
    """Return (kind, name) -> switch as a document with a section per kind."""
    document: dict[str, dict[str, bool]] = {}
    for (kind, name), is_on in switches.items():
        document.setdefault(kind, {})[name] = is_on
    return document


def _inputs_of(module: AnyModule, inputs: ModuleInputs) -> Mapping[str, str]:
    """Return a digest of everything that the module is given."""
    digests = fingerprint(inputs.state, "state")
    if module.kind.value != "opportunity_calculators":
        digests |= fingerprint(inputs.candidates, "candidates")
    if module.kind.value == "sequence_generators":
        digests |= fingerprint(inputs.space, "space")
    return digests


def _memory_of(module: AnyModule) -> Mapping[str, str]:
    """Return a digest of what the module, its class and the global names of its file store."""
    file = sys.modules.get(type(module).__module__)
    stored: dict[str, str] = {}
    places: Iterable[tuple[str, Mapping[str, object]]] = (
        ("self", vars(module)),
        (type(module).__name__, vars(type(module))),
        ("", vars(file) if file is not None else {}),
    )
    for owner, attributes in places:
        for name, content in attributes.items():
            if name not in FILE_ATTRIBUTES and _is_data(content):
                stored |= fingerprint(content, f"{owner}.{name}".lstrip("."))
    return stored


def _is_data(content: object) -> bool:
    """Return whether something is a value, not code."""
    is_code = inspect.isroutine(content) or inspect.isclass(content) or inspect.ismodule(content)
    return not is_code and not isinstance(content, property)


def _digest(result: Result) -> str:
    return hashlib.sha256(repr(result).encode()).hexdigest()
