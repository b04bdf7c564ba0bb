"""Checks of module results: each problem is named, and the plan continues without the module."""

# ruff: noqa: ANN401 - overrides are of any type

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from planner_core.errors import ModuleContractError
from planner_core.market.state import PlanningState
from planner_core.model.plan import ModuleStatus, Opportunity, Outcome, Skip
from planner_core.model.records import Side
from planner_core.modules import contracts
from planner_core.modules.contracts import (
    checked_alternatives,
    checked_block,
    checked_conflicts,
    checked_opportunities,
    checked_rejections,
    checked_sets,
)
from planner_core.planner import plan
from tests.builders import (
    make_config,
    make_context,
    make_runtime,
    make_state,
    stub_calculator,
    stub_filter,
    stub_pattern,
    stub_sequence,
)

GOOD = Opportunity(0, Side.BUY, 1_000.0, "because")


@pytest.fixture(scope="module")
def state() -> PlanningState:
    return make_state(make_context(n_days=30))


def opportunity(**fields: Any) -> Opportunity:
    values: dict[str, Any] = {"security": 0, "side": Side.BUY, "notional": 1.0, "reason": "so"}
    return Opportunity(**{**values, **fields})


@pytest.mark.parametrize(
    ("results", "complaint"),
    [
        (None, "returned NoneType"),
        (iter([GOOD]), "needs a sequence"),
        ({0: GOOD}, "needs a sequence"),
        (["buy AAA"], "returned a str among the results"),
        ([opportunity(security=4)], "column 4"),
        ([opportunity(security=-1)], "column -1"),
        ([opportunity(security=1.0)], "column 1.0"),
        ([opportunity(security=True)], "column True"),
        ([opportunity(security="AAA")], "column 'AAA'"),
        ([opportunity(side="buy")], "found 'buy'"),
        ([opportunity(side=None)], "found None"),
        ([opportunity(notional=0.0)], "positive"),
        ([opportunity(notional=-5.0)], "positive"),
        ([opportunity(notional=float("nan"))], "positive"),
        ([opportunity(notional=float("inf"))], "positive"),
        ([opportunity(reason="")], "reason"),
        ([opportunity(reason=None)], "reason"),
        ([opportunity(mandatory=True)], "only a sell can be mandatory"),
        ([Skip(9, Side.BUY, "why")], "column 9"),
        ([GOOD, Skip(0, Side.BUY, "")], "reason"),
    ],
)
def test_results_that_no_calculator_may_return(
    state: PlanningState, results: object, complaint: str
) -> None:
    with pytest.raises(ModuleContractError, match=complaint) as caught:
        checked_opportunities("opportunity_calculators.mine", results, state)
    assert caught.value.key == "opportunity_calculators.mine"
    assert caught.value.code == "module_contract"


def test_results_that_a_calculator_may_return(state: PlanningState) -> None:
    good = [
        GOOD,
        opportunity(security=np.int64(3)),
        opportunity(notional=np.float64(2.0)),
        Skip(0, Side.SELL, "x"),
    ]
    assert checked_opportunities("k", good, state) == tuple(good)
    assert checked_opportunities("k", (), state) == ()
    sell = opportunity(side=Side.SELL, mandatory=True)
    assert checked_opportunities("k", [sell], state) == (sell,)


def test_there_is_a_limit_on_how_much_a_module_returns(
    state: PlanningState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contracts, "OPPORTUNITIES_MAX", 2)
    monkeypatch.setattr(contracts, "SETS_MAX", 2)
    with pytest.raises(ModuleContractError, match="too many, at most 2"):
        checked_opportunities("k", [GOOD] * 3, state)
    with pytest.raises(ModuleContractError, match="too many sets, at most 2"):
        checked_sets("k", [(0,), (1,), (2,)], 5, 5)


@pytest.mark.parametrize(
    ("sets", "complaint"),
    [
        (None, "needs a sequence"),
        ({(0,)}, "needs a sequence"),
        ([[0]], "a set is a tuple"),
        ([()], "of 1 to 3 ids"),
        ([(0, 1, 2, 3)], "of 1 to 3 ids"),
        ([(0, 0)], "must differ"),
        ([(0, 5)], "below 5"),
        ([(-1,)], "below 5"),
        ([(0.0,)], "below 5"),
        ([(0.5,)], "below 5"),
        ([(True,)], "below 5"),
        ([("0",)], "below 5"),
    ],
)
def test_sets_that_no_pattern_generator_may_return(sets: object, complaint: str) -> None:
    with pytest.raises(ModuleContractError, match=complaint):
        checked_sets("k", sets, 5, 3)


def test_sets_that_a_pattern_generator_may_return() -> None:
    good = [(0,), (4, 1), (np.int64(2), 3)]
    assert checked_sets("k", good, 5, 3) == tuple(good)


def block(*columns: tuple[int, ...], dtype: type[Any] = np.int16) -> np.ndarray[Any, Any]:
    return np.array(columns, dtype=dtype).T


@pytest.mark.parametrize(
    ("result", "complaint"),
    [
        ([[0]], "int16 array"),
        (block((0, 1), dtype=np.int64), "int16 array"),
        (block((0, 1), dtype=np.float32), "int16 array"),
        (np.zeros(3, np.int16), "shape"),
        (np.zeros((1, 1, 1), np.int16), "shape"),
        (block((0, 1, 2, 3)), "1 to 3 rows"),
        (np.zeros((0, 4), np.int16), "1 to 3 rows"),
        (block((0, 6)), "between 0 and 5"),
        (block((0, -1)), "between 0 and 5"),
    ],
)
def test_blocks_that_no_sequence_generator_may_yield(result: object, complaint: str) -> None:
    with pytest.raises(ModuleContractError, match=complaint):
        checked_block("k", result, 5, 3)


def test_blocks_that_a_sequence_generator_may_yield() -> None:
    for good in (block((0, 1, 5)), block((5,)), np.zeros((3, 0), np.int16)):
        assert checked_block("k", good, 5, 3) is good


@pytest.mark.parametrize(
    ("rejected", "complaint"),
    [
        ([0], "needs a mapping"),
        ({5: "why"}, "not a candidate id"),
        ({-1: "why"}, "not a candidate id"),
        ({"0": "why"}, "not a candidate id"),
        ({True: "why"}, "not a candidate id"),
        ({0: ""}, "no reason"),
        ({0: None}, "no reason"),
    ],
)
def test_rejections_that_no_filter_may_return(rejected: object, complaint: str) -> None:
    with pytest.raises(ModuleContractError, match=complaint):
        checked_rejections("k", rejected, 5)


def test_rejections_that_a_filter_may_return() -> None:
    checked = checked_rejections("k", {0: "why", np.int64(4): "because"}, 5)
    assert checked == {0: "why", 4: "because"}
    assert all(type(candidate) is int for candidate in checked)


@pytest.mark.parametrize(
    "conflicts",
    [
        [[False]],
        np.zeros((2, 2)),
        np.zeros((3, 3), bool),
        np.zeros(2, bool),
        np.array([[False, True], [False, False]]),
    ],
)
def test_conflicts_that_no_filter_may_return(conflicts: object) -> None:
    with pytest.raises(ModuleContractError, match="conflicts"):
        checked_conflicts("k", conflicts, 2)


def test_conflicts_that_a_filter_may_return() -> None:
    assert checked_conflicts("k", None, 2) is None
    good = np.array([[False, True], [True, False]])
    assert checked_conflicts("k", good, 2) is good


@pytest.mark.parametrize("selected", [{(0,)}, [[0]], [(9,)], [0], "no"])
def test_alternatives_that_no_filter_may_return(selected: object) -> None:
    with pytest.raises(ModuleContractError):
        checked_alternatives("k", selected, [(), (0,), (1,)])


def test_alternatives_that_a_filter_may_return() -> None:
    assert checked_alternatives("k", None, [(0,)]) is None
    assert checked_alternatives("k", [(1,)], [(0,), (1,)]) == [(1,)]
    assert checked_alternatives("k", [], [(0,)]) == []


JUNK: list[Any] = [None, 3, "text", [None], [3], [[1, 2]], [(9_999,)], {"a": 1}, [(0.5,)], object()]


@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
def test_whatever_a_module_of_any_kind_returns_the_plan_is_made_without_it(junk: object) -> None:
    modules = (
        stub_calculator(lambda _: junk),
        stub_pattern(lambda _: junk),
        stub_sequence(lambda _: iter([junk])),
        stub_filter(
            reject=lambda _: junk if junk is not None else 3,
            conflicts=lambda _: junk if junk is not None else 3,
            select=lambda _: junk if junk is not None else 3,
        ),
    )
    runtime = make_runtime(*modules)
    # The stub filter comes last among its kind: switch diversity off, so that it is asked.
    config = make_config(runtime.registries, filters={"diversity": False}, max_plan_depth=2)
    result = plan(make_context(n_securities=3, n_days=300), config, runtime)
    status = {attempt.key: attempt.status for attempt in result.modules}
    assert result.outcome is Outcome.PLANNED
    for module in modules:
        assert status[module.key] is ModuleStatus.FAILED, module.key


def test_a_column_that_is_no_whole_number_does_not_reach_the_sizing() -> None:
    runtime = make_runtime(stub_calculator(lambda _: [opportunity(security=1.5)]))
    result = plan(make_context(n_days=300), make_config(runtime.registries), runtime)
    (attempt,) = [a for a in result.modules if a.key == "opportunity_calculators.stub"]
    assert attempt.status is ModuleStatus.FAILED
    assert "column 1.5" in attempt.message
