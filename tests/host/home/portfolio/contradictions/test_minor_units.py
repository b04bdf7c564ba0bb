"""Closes and costs that are both in pence: asked where only the hundredth fits the target."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.home.portfolio.snapshot import take_snapshot
from planner_core.model.context import PlanningContext
from planner_core.model.records import Severity
from tests.host.small_home import small_home

DAYS = ("2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05")
LEDGER = "date,security,side,quantity,price,fx_rate\n"
PORTFOLIO = """\
base_currency = "{base}"
as_of = 2024-01-05

[cash]
{base} = {{ settled = 900.0 }}

[securities.PNC]
currency = "GBP"
target = {target}
{unit}
lots = [{{ date = 2024-01-03, quantity = 100, unit_cost = 2345.0 }}]

[securities.OTH]
currency = "{base}"
target = 0.05
lots = [{{ date = 2024-01-03, quantity = {others}, unit_cost = 50.0 }}]
"""


def context_of(
    root: Path, *, target: float = 0.3, unit: str = "", others: int = 100, base: str = "GBP"
) -> PlanningContext:
    """100 units at 2345: 2,345 pounds beside 5,900, or 234,500."""
    portfolio = PORTFOLIO.format(target=target, unit=unit, others=others, base=base)
    prices = "date,PNC,OTH\n" + "".join(f"{day},2345.0,50.0\n" for day in DAYS)
    fx = "date,GBP\n" + "".join(f"{day},1.2\n" for day in DAYS)
    home = small_home(root, portfolio=portfolio, prices=prices, fx=fx, ledger=LEDGER)
    return take_snapshot(home, "core")


def is_question_open(context: PlanningContext) -> bool:
    return "closes_in_minor_unit" in [finding.id for finding in context.findings]


@pytest.mark.parametrize("base", ["GBP", "USD"])
def test_pence_in_closes_and_costs_are_asked_and_each_answer_works(
    tmp_path: Path, base: str
) -> None:
    context = context_of(tmp_path, base=base)
    (finding,) = [f for f in context.findings if f.id == "closes_in_minor_unit"]
    assert (finding.severity, finding.security) == (Severity.ERROR, "PNC")
    assert 'write price_unit = "GBX" if they are, or price_unit = "unit"' in finding.action
    assert context.value_factors["PNC"] == (0.01, 1.0)
    for answer in ("GBX", "unit"):
        cured = context_of(tmp_path / answer, unit=f'price_unit = "{answer}"', base=base)
        assert not is_question_open(cured)
        assert cured.held_back == {}


@pytest.mark.parametrize(
    ("target", "others"),
    [
        (0.3, 10_000),  # a share of 2,345 pounds, at 32 %
        (0.95, 100),  # most of the portfolio by intent
        (0.3, 2_000),  # 70 %: drifted, and no tenth of its target in pence
        (0.01, 100),  # in pence it is still 30 times its target
    ],
)
def test_an_ordinary_share_of_a_high_price_is_not_asked_about(
    tmp_path: Path, target: float, others: int
) -> None:
    assert not is_question_open(context_of(tmp_path, target=target, others=others))
