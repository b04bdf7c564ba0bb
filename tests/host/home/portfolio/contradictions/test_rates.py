"""Rates that are upside down are refused; the owner's own rates and the currencies tell."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from host.home.portfolio.snapshot import take_snapshot
from host.home.storage.problems import MarketDataError, PortfolioFileError
from planner_core.model.context import PlanningContext
from tests.host.small_home import LEDGER, PORTFOLIO, small_home

IN_EUROS = (
    PORTFOLIO.replace('base_currency = "USD"', 'base_currency = "EUR"')
    .replace("[cash]\nUSD", "[cash]\nEUR")
    .replace("2023-06-01", "2024-01-02")
)
NO_LEDGER = "date,security,side,quantity,price,fx_rate\n"
INVERSE = '[market]\nrates_direction = "inverse"\n\n[cash]'
DIRECT = '[market]\nrates_direction = "direct"\n\n[cash]'


def rates(currency: str, *values: float, begin: date = date(2024, 1, 2)) -> str:
    rows = [f"{begin + timedelta(days=k)},{value}" for k, value in enumerate(values)]
    return "\n".join([f"date,{currency}", *rows]) + "\n"


def context_of(root: Path, portfolio: str, fx: str, ledger: str = NO_LEDGER) -> PlanningContext:
    return take_snapshot(small_home(root, portfolio=portfolio, fx=fx, ledger=ledger), "core")


def ids(context: PlanningContext) -> set[str]:
    return {finding.id for finding in context.findings}


def test_dollars_per_euro_where_euros_per_dollar_belong_are_refused(tmp_path: Path) -> None:
    fx = rates("USD", 1.12, 1.10, 1.09, 1.08)
    context = context_of(tmp_path, IN_EUROS, fx)
    (finding,) = [f for f in context.findings if f.id == "rate_direction"]
    assert "look like USD per 1 EUR, not EUR per 1 USD" in finding.message
    assert 'write rates_direction = { USD = "inverse" }, or "inverse" for all' in finding.action
    assert finding.message in context.hold_reason
    right = context_of(tmp_path / "right", IN_EUROS, rates("USD", 0.89, 0.9, 0.91, 0.92))
    assert (right.hold_reason, ids(right)) == ("", set())


def test_with_the_inverse_direction_the_same_file_is_right(tmp_path: Path) -> None:
    fx = rates("USD", 1.12, 1.10, 1.09, 1.08)
    context = context_of(tmp_path, IN_EUROS.replace("[cash]", INVERSE), fx)
    assert (context.hold_reason, ids(context)) == ("", set())
    assert context.fx_rates["USD"] == pytest.approx(1 / np.array([1.12, 1.10, 1.09, 1.08]))


def test_the_inverse_direction_of_a_file_that_is_right_is_refused(tmp_path: Path) -> None:
    fx = rates("USD", 0.89, 0.9, 0.91, 0.92)
    context = context_of(tmp_path, IN_EUROS.replace("[cash]", INVERSE), fx)
    assert "rate_direction" in ids(context)


def test_direct_is_the_last_word(tmp_path: Path) -> None:
    fx = rates("USD", 1.12, 1.10, 1.09, 1.08)
    context = context_of(tmp_path, IN_EUROS.replace("[cash]", DIRECT), fx)
    assert (context.hold_reason, ids(context)) == ("", set())


@pytest.mark.parametrize("in_ledger", [False, True])
def test_the_rates_of_lots_and_fills_tell_before_any_table_does(
    tmp_path: Path, in_ledger: bool
) -> None:
    # 0.9 USD per EUR has been seen in no year, and yet the lot says what the owner paid.
    fx = rates("EUR", 0.89, 0.9, 0.91, 0.92)
    lot = "unit_cost = 40.0 }"
    own = "unit_cost = 40.0, fx_rate = 1.12 }"
    portfolio = PORTFOLIO if in_ledger else PORTFOLIO.replace(lot, own)
    ledger = "date,security,side,quantity,price,fx_rate\n2024-01-03,BBB,buy,5,40.0,{}\n"
    fill = ledger.format("1.12" if in_ledger else "")
    context = context_of(tmp_path, portfolio, fx, fill)
    assert "rate_direction" in ids(context)
    fitting = PORTFOLIO if in_ledger else PORTFOLIO.replace(lot, own.replace("1.12", "0.91"))
    fill = ledger.format("0.91" if in_ledger else "")
    context = context_of(tmp_path / "fits", fitting, fx, fill)
    assert context.hold_reason == ""


def test_a_single_lot_upside_down_does_not_turn_a_column_that_makes_sense_around(
    tmp_path: Path,
) -> None:
    own = "unit_cost = 40.0, fx_rate = 0.9 }"
    portfolio = PORTFOLIO.replace("unit_cost = 40.0 }", own)
    context = context_of(tmp_path, portfolio, rates("EUR", 1.10, 1.11, 1.12, 1.13))
    assert context.hold_reason == ""
    assert ids(context) == {"own_rate_doubtful"}
    # Near 1 only the lot can tell.
    near = PORTFOLIO.replace("unit_cost = 40.0 }", own.replace("0.9", "1.06"))
    context = context_of(tmp_path / "near", near, rates("EUR", 0.945, 0.945, 0.945, 0.945))
    assert "rate_direction" in ids(context)


def test_one_lot_upside_down_among_several_is_its_own_fault(tmp_path: Path) -> None:
    portfolio = PORTFOLIO.replace(
        "{ date = 2024-01-03, quantity = 5, unit_cost = 40.0 },",
        "{ date = 2024-01-03, quantity = 5, unit_cost = 40.0, fx_rate = 0.9 },\n"
        "  { date = 2024-01-03, quantity = 5, unit_cost = 40.0, fx_rate = 1.11 },\n"
        "  { date = 2024-01-04, quantity = 5, unit_cost = 40.0, fx_rate = 1.12 },",
    )
    context = context_of(tmp_path, portfolio, rates("EUR", 1.10, 1.11, 1.12, 1.13))
    assert context.hold_reason == ""
    (finding,) = [f for f in context.findings if f.id == "own_rate_doubtful"]
    assert "core.toml:" in finding.message
    assert "it looks like EUR per 1 USD" in finding.message
    assert [lot.is_doubtful for lot in context.lots] == [False, True, False, False]
    # The lower rate is the lower cost: the tax of a sell is the higher one.
    assert context.lots[1].fx_rate == 0.9


@pytest.mark.parametrize(
    ("base", "currency", "values", "finding"),
    [
        ("EUR", "JPY", (0.64, 0.65), "rate_implausible"),  # euros per 100 yen
        ("EUR", "GBP", (0.86, 0.87), "rate_direction"),
        ("EUR", "GBP", (1.15, 1.16), None),
        ("USD", "GBP", (0.79, 0.78), "rate_direction"),
        ("USD", "GBP", (1.21, 1.21), None),
        ("USD", "CHF", (1.1, 1.12), None),
        ("EUR", "CHF", (0.97, 0.96), None),  # near 1 nothing can be said
        ("USD", "SEK", (0.095, 0.097), None),
        ("EUR", "XDR", (77.0, 78.0), None),  # a currency that nobody listed
        ("XDR", "USD", (77.0, 78.0), None),
    ],
)
def test_what_currencies_have_been_worth_tells_the_direction(
    tmp_path: Path, base: str, currency: str, values: tuple[float, ...], finding: str | None
) -> None:
    portfolio = PORTFOLIO.replace('"EUR"', f'"{currency}"').replace('"USD"', f'"{base}"')
    portfolio = portfolio.replace("[cash]\nUSD", f"[cash]\n{base}")
    context = context_of(tmp_path, portfolio, rates(currency, *values, values[0], values[1]))
    assert ids(context) & {"rate_direction", "rate_implausible"} == ({finding} - {None})


def test_rates_before_the_euro_was_worth_a_dollar_are_not_judged(tmp_path: Path) -> None:
    portfolio = IN_EUROS.replace("2024-01-05", "2001-01-05").replace("2024-01-03", "2001-01-03")
    portfolio = portfolio.replace("2024-01-02", "2001-01-02")
    prices = "date,AAA,BBB\n2001-01-02,90,40\n2001-01-05,91,41\n"
    fx = rates("USD", 1.06, 1.05, 1.06, 1.05, begin=date(2001, 1, 2))
    home = small_home(tmp_path, portfolio=portfolio, prices=prices, fx=fx, ledger=NO_LEDGER)
    assert take_snapshot(home, "core").hold_reason == ""


def test_a_rate_per_euro_that_is_upside_down_for_certain_names_the_setting(tmp_path: Path) -> None:
    portfolio = IN_EUROS.replace('"USD"', '"JPY"')
    with pytest.raises(MarketDataError, match='or write rates_direction = "inverse"'):
        context_of(tmp_path, portfolio, rates("JPY", 140.0, 141.0, 140.0, 141.0))
    turned = portfolio.replace("[cash]", INVERSE)
    context = context_of(tmp_path, turned, rates("JPY", 140.0, 141.0, 140.0, 141.0))
    assert context.fx_rates["JPY"][0] == pytest.approx(1 / 140)


def test_the_ledger_of_the_small_home_fits_its_rates(tmp_path: Path) -> None:
    context = take_snapshot(small_home(tmp_path, ledger=LEDGER), "core")
    assert ids(context) == set()


TWO_RATES = """\
date,USD,GBP
2024-01-02,1.12,1.15
2024-01-03,1.10,1.16
2024-01-04,1.09,1.15
2024-01-05,1.08,1.17
"""
IN_POUNDS = '[securities.BBB]\ncurrency = "GBP"'
BOTH = IN_EUROS.replace('[securities.BBB]\ncurrency = "EUR"', IN_POUNDS)


@pytest.mark.parametrize("written", ["", 'rates_direction = "inverse"\n'])
def test_one_column_alone_can_be_inverse_and_its_cure_works(tmp_path: Path, written: str) -> None:
    # Dollars per euro beside euros per pound: no direction of the whole file is right.
    portfolio = BOTH.replace("[cash]", f"[market]\n{written}\n[cash]")
    context = context_of(tmp_path, portfolio, TWO_RATES)
    (finding,) = [f for f in context.findings if f.id == "rate_direction"]
    setting = finding.action.partition("write ")[2].partition("}")[0] + "}"
    cured = BOTH.replace("[cash]", f"[market]\n{setting}\n\n[cash]")
    context = context_of(tmp_path / "cured", cured, TWO_RATES)
    assert "rate_direction" not in ids(context)
    assert context.hold_reason == ""
    assert context.fx_rates["USD"][-1] == pytest.approx(1 / 1.08)
    assert context.fx_rates["GBP"][-1] == pytest.approx(1.17)


@pytest.mark.parametrize("value", ['"up"', '{ USD = "up" }', "1"])
def test_a_word_that_is_no_direction_is_refused_with_both_forms(tmp_path: Path, value: str) -> None:
    portfolio = IN_EUROS.replace("[cash]", f"[market]\nrates_direction = {value}\n\n[cash]")
    with pytest.raises(PortfolioFileError) as caught:
        context_of(tmp_path, portfolio, TWO_RATES)
    (line,) = caught.value.lines
    assert 'a table such as { USD = "inverse" }' in line


def in_dirhams(root: Path, usd: float, sek: float) -> PlanningContext:
    # What the dirham is worth is not listed: only the ratio of the two columns tells.
    portfolio = (
        PORTFOLIO.replace('base_currency = "USD"', 'base_currency = "AED"')
        .replace("[cash]\nUSD", "[cash]\nAED")
        .replace('currency = "EUR"', 'currency = "SEK"')
        .replace("2023-06-01", "2024-01-02")
    )
    rows = "".join(f"2024-01-0{day},{usd},{sek}\n" for day in (2, 3, 4, 5))
    return context_of(root, portfolio, f"date,USD,SEK\n{rows}")


def test_two_foreign_columns_tell_the_direction_where_the_base_is_not_listed(
    tmp_path: Path,
) -> None:
    assert "rate_direction" not in ids(in_dirhams(tmp_path, 3.67, 0.35))
    refused = in_dirhams(tmp_path / "inverse", 1 / 3.67, 1 / 0.35)
    messages = [f.message for f in refused.findings if f.id == "rate_direction"]
    assert len(messages) == 2
    assert any("look like USD per 1 AED" in message for message in messages)
