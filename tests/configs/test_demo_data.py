"""The demo: real prices, sound portfolios, and something to see for every default calculator."""

from __future__ import annotations

import gzip
import hashlib
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from host.home.config.load import load_config_file
from host.home.home import Home, create_home
from host.home.portfolio.snapshot import take_snapshot
from planner_core.config_api.config_loading import load_config
from planner_core.market.state import assess, value
from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Opportunity, Outcome
from planner_core.model.records import Side
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.module import ModuleKind
from planner_core.planner import plan
from planner_core.runtime import Runtime

DEMO = Path(__file__).parents[2] / "configs" / "demo"
BUCKETS = ("core", "satellite_a")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return create_home(tmp_path_factory.mktemp("demo"), demo=True).home


@pytest.fixture(scope="module")
def core(home: Home) -> PlanningContext:
    return take_snapshot(home, "core")


def builtin_config() -> PlannerConfig:
    return load_config({}, builtin_registries())


def unpacked(name: str) -> bytes:
    return gzip.decompress((DEMO / "market" / f"{name}.csv.gz").read_bytes())


def rows_of(name: str) -> list[list[str]]:
    lines = unpacked(name).decode().splitlines()
    return [line.split(",") for line in lines if not line.startswith("#")]


def test_there_are_20_stocks_over_eleven_years_without_a_gap() -> None:
    header, *rows = rows_of("prices")
    assert len(header) == 21
    assert (rows[0][0], rows[-1][0], len(rows)) == ("2012-01-03", "2022-12-28", 2766)
    assert all(float(cell) > 0 for row in rows for cell in row[1:])


def test_the_foreign_holding_is_the_real_close_in_base_currency() -> None:
    prices, rates = rows_of("prices"), rows_of("fx")
    column = prices[0].index("UNH")
    assert rates[0] == ["date", "EUR"]
    assert [row[0] for row in prices] == [row[0] for row in rates]
    in_usd = [
        float(price[column]) * float(rate[1])
        for price, rate in zip(prices[1:], rates[1:], strict=True)
    ]
    # The dataset has three decimals: so has what comes back.
    assert max(abs(close - round(close, 3)) for close in in_usd) < 1e-6
    assert in_usd[-1] == pytest.approx(524.422, abs=1e-6)
    assert float(rates[-1][1]) == 1.062


def test_what_is_synthetic_says_so() -> None:
    assert unpacked("fx").startswith(b"# SYNTHETIC")
    provenance = (DEMO / "PROVENANCE.md").read_text(encoding="utf-8")
    assert "not intended for investment, trading, or commercial use" in provenance
    assert "survivor-biased" in provenance
    assert "BSD 3-Clause License" in provenance
    for bucket in BUCKETS:
        text = (DEMO / "portfolios" / f"{bucket}.toml").read_text(encoding="utf-8")
        assert "quality score is SYNTHETIC" in text


@pytest.mark.parametrize("name", ["prices", "fx"])
def test_the_checksums_in_the_provenance_are_those_of_the_files(name: str) -> None:
    digest = hashlib.sha256(unpacked(name)).hexdigest()
    assert digest in (DEMO / "PROVENANCE.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("bucket", BUCKETS)
def test_the_ledger_adds_up_to_the_lots(home: Home, bucket: str) -> None:
    context = take_snapshot(home, bucket)
    held: dict[str, float] = {}
    for lot in context.lots:
        held[lot.security] = held.get(lot.security, 0) + lot.quantity
    traded: dict[str, float] = {}
    for trade in context.trades:
        signed = trade.quantity if trade.side is Side.BUY else -trade.quantity
        traded[trade.security] = traded.get(trade.security, 0) + signed
        assert traded[trade.security] >= 0, "nothing was sold before it was bought"
    assert {key: units for key, units in traded.items() if units} == held


@pytest.mark.parametrize("bucket", BUCKETS)
def test_every_lot_cost_the_close_of_its_day(home: Home, bucket: str) -> None:
    header, *rows = rows_of("prices")
    rates = {row[0]: float(row[1]) for row in rows_of("fx")[1:]}
    closes = {row[0]: dict(zip(header[1:], map(float, row[1:]), strict=True)) for row in rows}
    for lot in take_snapshot(home, bucket).lots:
        day = str(lot.acquired)
        assert lot.unit_cost == pytest.approx(closes[day][lot.security], abs=1e-4)
        assert lot.fx_rate == (rates[day] if lot.security == "UNH" else 1.0)


def test_core_is_the_portfolio_that_was_promised(core: PlanningContext) -> None:
    config = builtin_config()
    _, portfolio = value(core, config)
    assert core.as_of == date(2022, 12, 28)
    assert 140_000 < portfolio.nav < 160_000
    assert sum(s.target or 0 for s in core.securities) == pytest.approx(0.97)
    assert np.count_nonzero(portfolio.quantity) == 16
    young = core.as_of - timedelta(days=90)
    assert any(lot.acquired is not None and lot.acquired > young for lot in core.lots)
    assert any(security.currency == "EUR" for security in core.securities)
    assert any(flow.amount < 0 and flow.on > core.as_of for flow in core.cash_flows)


def test_every_default_calculator_sees_an_opportunity_in_core(core: PlanningContext) -> None:
    config = builtin_config()
    history, portfolio = value(core, config)
    state = assess(core, config, history, portfolio)
    calculators = builtin_registries().opportunity_calculators
    for name, parameters in config.enabled(ModuleKind.OPPORTUNITY).items():
        results = calculators[name].calculate(state, parameters)
        assert any(isinstance(item, Opportunity) for item in results), name


@pytest.mark.parametrize("bucket", BUCKETS)
def test_the_demo_plan_sells_and_buys(home: Home, bucket: str) -> None:
    config = load_config_file(home.bucket_file(bucket)).config
    result = plan(take_snapshot(home, bucket), config, Runtime())
    assert result.outcome is Outcome.PLANNED
    assert {step.side for step in result.steps} == {Side.BUY, Side.SELL}
    assert result.violation_after <= result.violation_before
