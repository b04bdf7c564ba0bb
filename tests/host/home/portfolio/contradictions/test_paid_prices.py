"""Lots and fills against closes: columns with each other's names, fills in another unit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from host.home.portfolio.snapshot import take_snapshot
from planner_core.model.context import PlanningContext
from planner_core.model.records import Severity
from tests.host.conftest import Trader
from tests.host.small_home import small_home, with_configuration

DAYS = [date(2022, 1, 3) + timedelta(days=k) for k in range(400)]
LEVELS = {"AAA": 40.0, "BBB": 90.0, "CCC": 250.0}
LEDGER = "date,security,side,quantity,price,fx_rate\n"


def context_of(
    root: Path,
    columns: Sequence[str],
    *,
    costs: dict[str, float] | None = None,
    ledger: str = "",
    unit: str = "",
    actions: str | None = None,
) -> PlanningContext:
    """One lot of each at its level; `columns` are the names over the closes of AAA, BBB, CCC."""
    costs = LEVELS if costs is None else costs
    tables = [
        f'[securities.{name}]\ncurrency = "GBP"\n{unit}\n'
        f"lots = [{{ date = {DAYS[20]}, quantity = 10, unit_cost = {cost} }}]\n"
        for name, cost in costs.items()
    ]
    head = f'base_currency = "GBP"\nas_of = {DAYS[-1]}\n[cash]\nGBP = {{ settled = 900.0 }}\n'
    rows = [
        ",".join([str(day), *(f"{level * (1 + 0.01 * (k % 3)):.4f}" for level in LEVELS.values())])
        for k, day in enumerate(DAYS)
    ]
    home = small_home(
        root,
        portfolio="\n".join([head, *tables]),
        prices="\n".join([",".join(["date", *columns]), *rows]) + "\n",
        fx=None,
        ledger=LEDGER + ledger,
        actions=actions,
    )
    return take_snapshot(with_configuration(home), "core")


def ids(context: PlanningContext) -> list[str]:
    return [finding.id for finding in context.findings]


def test_columns_with_their_own_names_say_nothing(tmp_path: Path) -> None:
    assert ids(context_of(tmp_path, ["AAA", "BBB", "CCC"])) == []


def test_two_columns_with_each_others_names_are_named_held_and_cured(
    tmp_path: Path, trader: Trader
) -> None:
    context = context_of(tmp_path, ["BBB", "AAA", "CCC"])
    (finding,) = context.findings
    assert (finding.id, finding.severity) == ("closes_exchanged", Severity.ERROR)
    assert "of AAA fit the closes of BBB, those of BBB the closes of AAA" in finding.message
    assert finding.action.endswith("call BBB AAA, and AAA BBB")
    assert list(context.held_back) == ["AAA", "BBB"]
    low, high = context.value_factors["AAA"]
    assert (low, high) == pytest.approx((40 / 90, 90 / 40), rel=0.05)
    # The cure, followed.
    path = tmp_path / "market" / "prices.csv"
    path.write_text(path.read_text().replace("BBB,AAA", "AAA,BBB"))
    plan: dict[str, Any] = trader("plan", "core", "--json", "--home", tmp_path).json
    assert "closes_exchanged" not in [f["id"] for f in plan["findings"]]


def test_columns_that_are_shifted_by_one_are_one_finding(tmp_path: Path) -> None:
    context = context_of(tmp_path, ["CCC", "AAA", "BBB"])
    (finding,) = context.findings
    assert finding.id == "closes_exchanged"
    assert list(context.held_back) == ["AAA", "BBB", "CCC"]


def test_fills_tell_as_lots_do(tmp_path: Path) -> None:
    fills = f"{DAYS[20]},AAA,buy,10,40.0,\n{DAYS[20]},BBB,buy,10,90.0,\n"
    assert ids(context_of(tmp_path, ["BBB", "AAA", "CCC"], ledger=fills)) == ["closes_exchanged"]
    # A fill that fits its own column speaks against it.
    fills = f"{DAYS[20]},AAA,buy,10,90.0,\n{DAYS[20]},BBB,buy,10,40.0,\n"
    context = context_of(tmp_path / "b", ["BBB", "AAA", "CCC"], ledger=fills)
    assert "closes_exchanged" not in ids(context)


@pytest.mark.parametrize("costs", [{"AAA": 90.0, "BBB": 90.0}, {"AAA": 61.0, "BBB": 23.0}])
def test_one_odd_cost_or_two_that_fit_nothing_are_no_exchange(
    tmp_path: Path, costs: dict[str, float]
) -> None:
    assert "closes_exchanged" not in ids(context_of(tmp_path, ["AAA", "BBB", "CCC"], costs=costs))


@pytest.mark.parametrize(("price", "cure"), [(4000.0, "40"), (0.4, "40"), (4150.0, "41.5")])
def test_a_fill_off_by_a_hundred_is_named_with_the_price_to_write(
    tmp_path: Path, price: float, cure: str
) -> None:
    fill = f"{DAYS[20]},AAA,buy,10,{price},\n"
    context = context_of(tmp_path, ["AAA", "BBB", "CCC"], ledger=fill)
    (finding,) = context.findings
    assert (finding.id, finding.severity) == ("fill_price_doubtful", Severity.WARNING)
    assert ":2: AAA: price = " in finding.message
    assert finding.action.startswith(f"write price = {cure}, in the unit of the prices")
    assert context.held_back == {}
    cured = fill.replace(f"{price}", cure)
    assert ids(context_of(tmp_path / "b", ["AAA", "BBB", "CCC"], ledger=cured)) == []


def test_fills_of_one_security_are_one_finding(tmp_path: Path) -> None:
    fills = "".join(f"{day},AAA,buy,1,4000.0,\n" for day in DAYS[20:24])
    (finding,) = context_of(tmp_path, ["AAA", "BBB", "CCC"], ledger=fills).findings
    assert "(3 more like it)" in finding.message


def test_a_fill_beside_closes_in_pence_is_written_in_pence(tmp_path: Path) -> None:
    pence = f"{DAYS[20]},AAA,buy,10,0.41,\n"
    context = context_of(
        tmp_path / "b", ["AAA", "BBB", "CCC"], ledger=pence, unit='price_unit = "GBX"'
    )
    assert "41" in next(f.action for f in context.findings if f.id == "fill_price_doubtful")
