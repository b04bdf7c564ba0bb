"""The contract of every opportunity calculator, in ordinary and in odd states."""

from __future__ import annotations

from typing import Any

import pytest

from planner_core.model.plan import Opportunity, Skip
from planner_core.model.records import Side
from planner_core.modules.contracts import checked_opportunities
from planner_core.modules.module import OpportunityCalculator
from planner_core.modules.opportunities import BUILTIN_OPPORTUNITIES
from tests.planner_core.odd_states import ODD_STATES, default_parameters, fingerprint, odd_state

CALCULATORS = [pytest.param(module, id=module.metadata.name) for module in BUILTIN_OPPORTUNITIES]
Calculator = OpportunityCalculator[Any]

pytestmark = pytest.mark.parametrize("module", CALCULATORS)


@pytest.mark.parametrize("name", ODD_STATES)
def test_results_keep_the_contract_and_repeat(module: Calculator, name: str) -> None:
    state, parameters = odd_state(name), default_parameters(module)
    before = fingerprint(state)
    first = checked_opportunities(module.key, module.calculate(state, parameters), state)
    assert list(first) == list(module.calculate(state, parameters))
    assert fingerprint(state) == before
    for result in first:
        # Reasons are sentences for people; only what is held is sold.
        assert result.reason.strip() == result.reason
        assert 10 < len(result.reason) < 160
        assert not {"nan", "inf"} & set(result.reason.lower().split())
        assert result.side is Side.BUY or state.portfolio.quantity[result.security] > 0


def test_it_finds_something_in_the_rich_state(module: Calculator) -> None:
    opportunities = module.calculate(odd_state("rich"), default_parameters(module))
    assert any(isinstance(result, Opportunity) for result in opportunities)
    assert all(isinstance(result, Opportunity | Skip) for result in opportunities)
