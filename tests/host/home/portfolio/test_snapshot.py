"""From files to a context: nothing is dropped, nothing is guessed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from host.errors import HomeError
from host.home.home import Home
from host.home.portfolio.snapshot import take_snapshot
from host.home.storage.problems import MarketDataError, PortfolioFileError
from planner_core.model.records import CashFlow, LedgerStatus, PendingOrder, SecurityKind, Side
from tests.host.small_home import FX, PORTFOLIO, PRICES, small_home


def refusal_of(home: Home) -> tuple[str, ...]:
    with pytest.raises(MarketDataError) as caught:
        take_snapshot(home, "core")
    return tuple(line.replace(f"{home.root}/", "") for line in caught.value.lines)


def test_a_home_becomes_a_context(tmp_path: Path) -> None:
    context = take_snapshot(small_home(tmp_path), "core")
    assert context.as_of == date(2024, 1, 5)
    assert [security.id for security in context.securities] == ["AAA", "BBB"]
    assert context.securities[0].group_shares("industry") == {"tools": 1.0}
    np.testing.assert_array_equal(context.prices[-1], [103.0, 51.5])
    np.testing.assert_array_equal(context.fx_rates["EUR"], [1.10, 1.11, 1.12, 1.13])
    assert context.ledger_status is LedgerStatus.VALID
    assert len(context.trades) == 2
    assert context.findings == ()


def test_a_lot_takes_the_rate_of_its_day_unless_it_has_its_own(tmp_path: Path) -> None:
    context = take_snapshot(small_home(tmp_path), "core")
    assert [(lot.security, lot.fx_rate) for lot in context.lots] == [("AAA", 1.0), ("BBB", 1.11)]
    own = PORTFOLIO.replace("unit_cost = 40.0", "unit_cost = 40.0, fx_rate = 1.14")
    context = take_snapshot(small_home(tmp_path, portfolio=own), "core")
    assert context.lots[1].fx_rate == 1.14


def test_a_lot_without_a_rate_holds_the_plan(tmp_path: Path) -> None:
    old = PORTFOLIO.replace("2024-01-03", "2019-01-03")
    (line,) = refusal_of(small_home(tmp_path, portfolio=old))
    assert line.startswith(
        "portfolios/core.toml:19:3: BBB: no EUR rate on 2019-01-03 (write fx_rate"
    )


def test_a_lot_of_unknown_date_needs_a_rate_of_its_own(tmp_path: Path) -> None:
    undated = PORTFOLIO.replace("date = 2024-01-03, ", "")
    (line,) = refusal_of(small_home(tmp_path, portfolio=undated))
    assert "no EUR rate on an unknown day" in line


def test_a_holding_without_a_column_of_prices_holds_the_plan(tmp_path: Path) -> None:
    (line,) = refusal_of(small_home(tmp_path, prices=PRICES.replace("BBB", "CCC")))
    assert line == (
        "portfolios/core.toml:15:13: BBB is held, but market/prices.csv has no column BBB"
        " (add it, with closes)"
    )


def test_a_holding_without_any_close_holds_the_plan(tmp_path: Path) -> None:
    empty = "date,AAA,BBB\n2024-01-04,102.0,\n2024-01-05,103.0,-1\n"
    (line,) = refusal_of(small_home(tmp_path, prices=empty))
    assert line == (
        "market/prices.csv:3:18: no usable close of BBB, which is held: BBB: '-1' is negative;"
        " it counts as missing"
    )


def test_a_security_that_is_not_held_and_has_no_prices_is_a_finding(tmp_path: Path) -> None:
    watched = PORTFOLIO + '[securities.CCC]\ncurrency = "USD"\n'
    context = take_snapshot(small_home(tmp_path, portfolio=watched), "core")
    assert np.all(np.isnan(context.prices[:, 2]))
    (finding,) = context.findings
    assert (finding.id, finding.security) == ("price_column_missing", "CCC")


def test_a_currency_without_rates_holds_the_plan_and_is_never_one(tmp_path: Path) -> None:
    lines = refusal_of(small_home(tmp_path, fx=FX.replace("EUR", "CHF")))
    assert lines[-1] == (
        "portfolios/core.toml:16:1: BBB is quoted in EUR, but market/fx.csv has no column EUR"
        " (add it: USD per 1 EUR)"
    )


def test_cash_in_a_currency_without_rates_holds_the_plan(tmp_path: Path) -> None:
    rich = PORTFOLIO.replace("[cash]\n", "[cash]\nCHF = { settled = 5 }\n")
    (line,) = refusal_of(small_home(tmp_path, portfolio=rich))
    assert line.startswith("portfolios/core.toml:5:1: cash in CHF, but market/fx.csv has no column")


def test_a_missing_file_of_rates_holds_the_plan_only_when_it_is_needed(tmp_path: Path) -> None:
    (line,) = refusal_of(small_home(tmp_path / "two", fx=None))
    assert line.startswith("market/fx.csv: there is no such file")
    one = PORTFOLIO.split("[securities.BBB]")[0]
    home = small_home(tmp_path / "one", portfolio=one, fx=None, ledger=None)
    assert take_snapshot(home, "core").fx_rates == {}


def test_rates_in_another_base_currency_are_recognised(tmp_path: Path) -> None:
    other = "date,EUR,USD\n2024-01-02,1.0,0.91\n2024-01-05,1.0,0.92\n"
    (line,) = refusal_of(small_home(tmp_path, fx=other))
    assert "the column USD is not 1, so these rates are not per USD" in line


def test_a_base_currency_column_of_ones_is_fine(tmp_path: Path) -> None:
    fx = "date,EUR,USD\n2024-01-03,1.11,1\n2024-01-05,1.13,1.0\n"
    context = take_snapshot(small_home(tmp_path, fx=fx), "core")
    assert set(context.fx_rates) == {"EUR"}


def test_a_day_without_a_rate_stays_unknown(tmp_path: Path) -> None:
    context = take_snapshot(small_home(tmp_path, fx=FX.replace("1.12", "")), "core")
    np.testing.assert_array_equal(context.fx_rates["EUR"], [1.10, 1.11, np.nan, 1.13])


def test_pence_become_pounds_everywhere(tmp_path: Path) -> None:
    portfolio = PORTFOLIO.replace('currency = "EUR"', 'currency = "GBP"\nprice_unit = "GBX"')
    portfolio += '[[pending_orders]]\nsecurity = "BBB"\nside = "buy"\nquantity = 2\n'
    portfolio += "limit_price = 45.0\n"
    home = small_home(tmp_path, portfolio=portfolio, fx=FX.replace("EUR", "GBP"))
    context = take_snapshot(home, "core")
    np.testing.assert_allclose(context.prices[:, 1], [0.500, 0.505, 0.510, 0.515])
    assert context.lots[1].unit_cost == pytest.approx(0.40)
    assert context.trades[1].price == pytest.approx(0.40)
    assert context.pending_orders == (PendingOrder("BBB", Side.BUY, 2.0, 0.45),)


def test_flows_rules_and_accepted_prices_reach_the_context(tmp_path: Path) -> None:
    portfolio = PORTFOLIO + "[groups.industry]\ntools = { target = 0.5, cap = 0.6 }\n"
    portfolio += "[[cash_flows]]\ndate = 2024-01-20\namount = -50\n"
    portfolio += '[[accepted_prices]]\nsecurity = "AAA"\ndate = 2024-01-04\n'
    context = take_snapshot(small_home(tmp_path, portfolio=portfolio), "core")
    assert context.cash_flows == (CashFlow(date(2024, 1, 20), -50.0),)
    assert context.accepted_prices == {("AAA", date(2024, 1, 4))}
    (rule,) = context.group_rules
    assert (rule.classification, rule.group, rule.target, rule.cap) == (
        "industry",
        "tools",
        0.5,
        0.6,
    )


def test_declared_splits_adjust_the_closes(tmp_path: Path) -> None:
    actions = "date,security,ratio\n2024-01-04,AAA,2\n"
    prices = PRICES.replace("102.0", "51.0").replace("103.0", "51.5")
    context = take_snapshot(small_home(tmp_path, prices=prices, actions=actions), "core")
    np.testing.assert_array_equal(context.prices[:, 0], [50.0, 50.5, 51.0, 51.5])


def test_a_missing_ledger_is_carried_into_the_context(tmp_path: Path) -> None:
    context = take_snapshot(small_home(tmp_path, ledger=None), "core")
    assert context.ledger_status is LedgerStatus.MISSING
    assert [finding.id for finding in context.findings] == ["ledger_missing"]


def test_an_invalid_ledger_is_carried_into_the_context(tmp_path: Path) -> None:
    context = take_snapshot(small_home(tmp_path, ledger="nonsense\n"), "core")
    assert context.ledger_status is LedgerStatus.INVALID
    assert {finding.id for finding in context.findings} == {"ledger_invalid"}


def test_planning_an_earlier_day_uses_nothing_that_came_later(tmp_path: Path) -> None:
    context = take_snapshot(small_home(tmp_path), "core", date(2024, 1, 3))
    assert context.dates[-1] == np.datetime64("2024-01-03")
    assert len(context.fx_rates["EUR"]) == 2


def test_a_lot_after_the_day_of_the_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PortfolioFileError, match="dated 2024-01-03, after as_of 2024-01-02"):
        take_snapshot(small_home(tmp_path), "core", date(2024, 1, 2))


def test_without_as_of_the_plan_is_for_today(tmp_path: Path) -> None:
    home = small_home(tmp_path, portfolio=PORTFOLIO.replace("as_of = 2024-01-05\n", ""))
    context = take_snapshot(home, "core", now=lambda: datetime(2024, 2, 1, tzinfo=UTC))
    assert context.as_of == date(2024, 2, 1)


def test_only_the_rows_of_the_planners_history_are_read(tmp_path: Path) -> None:
    first = date(2018, 1, 1).toordinal()
    rows = [f"{date.fromordinal(first + n)},100.0,50.0\n" for n in range(2_000)]
    home = small_home(tmp_path, prices="date,AAA,BBB\n" + "".join(rows))
    dates = take_snapshot(home, "core", history_days=500).dates
    # Weekend rows are read and do not count: 500 and 320 weekdays.
    assert np.is_busday(dates).sum() == 820


def test_an_unknown_bucket_is_refused_with_the_buckets_that_exist(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match=r"there is no bucket 'cor' \(buckets: core;"):
        take_snapshot(small_home(tmp_path), "cor")


@pytest.mark.parametrize(
    ("lines", "kind", "diversified"),
    [
        ("", SecurityKind.SHARE, False),
        ('kind = "fund"', SecurityKind.FUND, True),
        ('kind = "fund"\ndiversified = false', SecurityKind.FUND, False),
        ('kind = "share"\ndiversified = true', SecurityKind.SHARE, True),
        ('kind = "crypto"', SecurityKind.CRYPTO, False),
    ],
)
def test_only_a_fund_is_diversified_unless_the_file_says_so(
    tmp_path: Path, lines: str, kind: SecurityKind, diversified: bool
) -> None:
    portfolio = PORTFOLIO + f'[securities.CCC]\ncurrency = "USD"\n{lines}\n'
    security = take_snapshot(small_home(tmp_path, portfolio=portfolio), "core").securities[2]
    assert (security.kind, security.diversified) == (kind, diversified)


def test_an_account_pays_interest(tmp_path: Path) -> None:
    paid = PORTFOLIO.replace("settled = ", "cash_yield = 0.02, settled = ", 1)
    assert paid != PORTFOLIO
    (account, *_) = take_snapshot(small_home(tmp_path, portfolio=paid), "core").cash
    assert account.annual_yield == 0.02
