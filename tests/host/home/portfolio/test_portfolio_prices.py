"""Closes and rates beside the portfolio: signs, names, and rates that are upside down."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from host.home.portfolio.portfolio_prices import pair_column, similar_name
from host.home.portfolio.snapshot import take_snapshot
from host.home.storage.problems import MarketDataError
from tests.host.small_home import FX, PORTFOLIO, PRICES, small_home

ONE = PORTFOLIO.split("[securities.BBB]", maxsplit=1)[0]
CANDLES = "Date,Open,High,Low,Close,Volume\n2024-01-04,1,1,1,102,9\n2024-01-05,1,1,1,103,9\n"


def refusal_of(root: Path, **files: str) -> tuple[str, ...]:
    with pytest.raises(MarketDataError) as caught:
        take_snapshot(small_home(root, **files), "core")
    return tuple(line.replace(f"{root}/", "") for line in caught.value.lines)


def test_prices_of_one_security_are_those_of_the_only_one_in_the_home(tmp_path: Path) -> None:
    context = take_snapshot(
        small_home(
            tmp_path, portfolio=ONE, prices=CANDLES, ledger="date,security,side,quantity,price\n"
        ),
        "core",
    )
    np.testing.assert_array_equal(context.prices, [[102], [103]])
    assert "Close as the closes of AAA" in context.findings[0].message


def test_a_download_is_asked_what_its_closes_are(tmp_path: Path) -> None:
    ledger = "date,security,side,quantity,price\n"
    home = small_home(tmp_path, portfolio=ONE, prices=CANDLES, ledger=ledger)
    ids = {finding.id for finding in take_snapshot(home, "core").findings}
    assert "price_closes_unknown" in ids
    head, securities = ONE.split("[securities.AAA]")
    stated = f'{head}[market]\ncloses = "price"\n[securities.AAA]{securities}'
    home.portfolio_file("core").write_text(stated)
    ids = {finding.id for finding in take_snapshot(home, "core").findings}
    assert not ids & {"price_closes_unknown", "price_closes_contradict"}
    home.prices_file.write_text(CANDLES.replace("Close", "Adj Close"))
    (finding,) = (f for f in take_snapshot(home, "core").findings if f.id.startswith("price_clos"))
    assert finding.id == "price_closes_contradict"
    assert "are named as total return, but" in finding.message


def test_total_returns_are_read_where_the_portfolio_says_so(tmp_path: Path) -> None:
    levels = ",Adj Close,Adj Close,Close,Close\n,AAA,BBB,AAA,BBB\nDate,,,,\n"
    prices = f"{levels}2024-01-04,90,40,102,51\n2024-01-05,91,41,103,51.5\n"
    stated = PORTFOLIO.replace("[cash]", '[market]\ncloses = "total_return"\n[cash]')
    context = take_snapshot(small_home(tmp_path, portfolio=stated, prices=prices), "core")
    np.testing.assert_array_equal(context.prices, [[90, 40], [91, 41]])


def test_prices_of_one_security_could_be_those_of_another_bucket(tmp_path: Path) -> None:
    home = small_home(tmp_path, portfolio=ONE, prices=CANDLES)
    home.portfolio_file("other").write_text(ONE.replace("AAA", "ZZZ"))
    for file in (home.bucket_file("core"), home.bucket_file("other")):
        file.parent.mkdir(exist_ok=True)
        file.write_text("# defaults\n")
    with pytest.raises(MarketDataError, match="the file does not say which"):
        take_snapshot(home, "core")


def test_a_sign_of_the_securitys_own_currency_is_read(tmp_path: Path) -> None:
    prices = PRICES.replace("103.0,51.5", "$103.00,\u20ac51.50")
    context = take_snapshot(small_home(tmp_path, prices=prices), "core")
    np.testing.assert_array_equal(context.prices[-1], [103, 51.5])


def test_a_sign_of_another_currency_is_a_contradiction(tmp_path: Path) -> None:
    (line,) = refusal_of(tmp_path, prices=PRICES.replace("103.0,51.5", "103.0,$51.50"))
    assert line == (
        "portfolios/core.toml:16:1: BBB is quoted in EUR, but its closes in market/prices.csv have"
        ' the sign $ (write closes in EUR, or set currency = "USD" or "AUD" or "CAD")'
    )


def test_closes_in_pence_need_their_price_unit(tmp_path: Path) -> None:
    pounds = PORTFOLIO.replace('"EUR"', '"GBP"')
    files = {"prices": PRICES.replace("51.5", "51.5p"), "fx": FX.replace("EUR", "GBP")}
    (line,) = refusal_of(tmp_path, portfolio=pounds, **files)
    assert 'have the sign p (write price_unit = "GBX" for closes in pence' in line


def test_a_missing_column_names_the_similar_one(tmp_path: Path) -> None:
    (line,) = refusal_of(tmp_path, prices=PRICES.replace("BBB", "bbb.de"))
    assert "has no column BBB; did you mean 'bbb.de', which it has? (add it" in line


def test_a_long_table_has_no_rows_of_a_security(tmp_path: Path) -> None:
    (line,) = refusal_of(tmp_path, prices="date,symbol,close\n2024-01-05,AAA,103\n")
    assert line.startswith(
        "portfolios/core.toml:15:13: BBB is held, but market/prices.csv has no rows of"
    )


def test_the_rates_of_the_ecb_are_refused_by_a_currency_that_nobody_needs(tmp_path: Path) -> None:
    fx = "Date,USD,JPY,\n2024-01-05,1.09,158.2,\n2024-01-04,1.09,158.1,\n2024-01-03,1.08,N/A,\n"
    euros = PORTFOLIO.replace('base_currency = "USD"', 'base_currency = "EUR"')
    (line,) = refusal_of(tmp_path, portfolio=euros, fx=fx)
    assert line.startswith("market/fx.csv: the last rate of JPY is 158.2: that is JPY per 1 EUR")
    assert "write EUR per 1 JPY, that is 0.00632111" in line


def test_a_pair_of_currencies_says_which_way_round_it_is() -> None:
    assert pair_column("EUR", "USD", ["X", "EURUSD=X"]) == (
        "if 'EURUSD=X' is USD per 1 EUR, call that column EUR"
    )
    assert pair_column("EUR", "USD", ["usd/eur"]) == (
        "'usd/eur' is EUR per 1 USD: write 1 / rate, and call it EUR"
    )
    assert pair_column("EUR", "USD", ["GBPUSD"]) is None


def test_a_similar_name_may_have_another_case() -> None:
    assert similar_name("AAPL", ["MSFT", "aapl.us"]) == "aapl.us"
    assert similar_name("AAPL", ["MSFT"]) is None
