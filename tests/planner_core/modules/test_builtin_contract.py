"""Every shipped module keeps the contract that `trader plugin check` asks of plugins."""

from __future__ import annotations

import pytest

from planner_core.modules.builtin import builtin_registries
from planner_core.modules.module import AnyModule, ModuleKind
from planner_core.testing import check_module

MODULES = [pytest.param(m, id=m.key) for m in builtin_registries().all_modules()]
SILENT = {"filters.eligibility", "filters.recently_traded"}
"""By default they reject nothing in the sample states."""


@pytest.mark.parametrize("module", MODULES)
def test_a_shipped_module_keeps_the_contract_in_every_state(module: AnyModule) -> None:
    report = check_module(module)
    assert report.problems == ()
    assert any(report.n_results.values()) or module.key in SILENT


@pytest.mark.parametrize(
    "module", [m for m in MODULES if "calculators" in str(m.id) or "patterns" in str(m.id)]
)
def test_a_shipped_calculator_or_pattern_describes_its_source(module: AnyModule) -> None:
    source = "Source:" in (type(module).__doc__ or "")
    assert source or module.kind is not ModuleKind.OPPORTUNITY
