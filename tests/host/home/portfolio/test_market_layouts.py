"""Tables as other programs write them: read where their meaning is clear, else refused with it."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.home.portfolio.market_data import DailyTable, read_prices, read_rates
from host.home.portfolio.market_layouts import Closes, matches
from host.home.storage.problems import MarketDataError

AS_OF = date(2024, 1, 31)
DAYS = [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 4)]
CLOSES = [[10.5, 20.0], [11.25, np.nan], [12.0, 22.0]]


def read(
    folder: Path,
    text: str,
    names: tuple[str, ...] = ("AAA", "BBB"),
    only: str | None = None,
    closes: Closes | None = None,
) -> DailyTable:
    path = folder / "prices.csv"
    path.write_text(text, encoding="utf-8")
    return read_prices(path, names, AS_OF, only_security=only, closes=closes)


def refusal(folder: Path, text: str, names: tuple[str, ...] = ("AAA", "BBB")) -> str:
    with pytest.raises(MarketDataError) as caught:
        read(folder, text, names)
    return caught.value.lines[0].replace(f"{folder}/", "")


def notes(table: DailyTable) -> str:
    messages = [finding.message for finding in table.findings if finding.id == "price_layout"]
    return messages[0].split("read with ")[1] if messages else ""


def assert_closes(table: DailyTable) -> None:
    assert table.dates.tolist() == DAYS
    np.testing.assert_array_equal(table.values, CLOSES)


WIDE = "date,AAA,BBB\n2024-01-02,10.5,20\n2024-01-03,11.25,\n2024-01-04,12,22\n"
QUOTED = (
    '"date",,"AAA","BBB"\n"2024-01-02",,"10.5",20\n"2024-01-03","x",11.25,""\n'
    '2024-01-04,"", "12" ,"22"\n'
)
"""With an empty cell between quoted ones: a tab is a delimiter there, and no blank."""


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (WIDE, ""),
        (WIDE.replace("date,", "sep=,\nDate , ").replace("\n", "\r\n"), ""),
        (WIDE.replace("date,", '"",'), ""),
        (WIDE.replace(",", ";").replace(".", ","), "decimal commas"),
        (WIDE.replace(",", "\t"), ""),
        (QUOTED.replace(",", "\t"), ""),
        (QUOTED, ""),
        (WIDE.replace("BBB\n", "BBB,,\n"), ""),
        (WIDE.replace("\n", ",,\n"), ""),
        (WIDE.replace("20\n", "20,\n"), ""),
        (
            "date,AAA,BBB\n2024-01-04,12,22\n2024-01-03,11.25,\n2024-01-02,10.5,20\n",
            "newest row first",
        ),
        (
            WIDE.replace("2024-01-02", "02.01.2024")
            .replace("2024-01-03", "03.01.2024")
            .replace("2024-01-04", "04.01.2024"),
            "dates such as 02.01.2024 for 2024-01-02",
        ),
        (WIDE.replace("10.5", "$10.50").replace("20\n", "$20\n"), "the signs $ at numbers"),
        (WIDE.replace("AAA", "aaa"), "aaa for AAA"),
        (
            "date,symbol,close\n2024-01-02,BBB,20\n2024-01-02,AAA,10.5\n2024-01-03,AAA,11.25\n"
            "2024-01-02,CCC,x\n2024-01-04,AAA,12\n2024-01-04,BBB,22\n",
            "a row per day and name",
        ),
        (
            "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"
            "AAA,D,20240102,000000,1,1,1,10.5,1,0\nAAA,D,20240103,000000,1,1,1,11.25,1,0\n"
            "AAA,D,20240104,000000,1,1,1,12,1,0\nBBB,D,20240102,000000,1,1,1,20,1,0\n"
            "BBB,D,20240104,000000,1,1,1,22,1,0\n",
            "a row per day and name; dates such as 20240102 for 2024-01-02",
        ),
        (
            "Price,Close,Close,Volume,Volume\nTicker,AAA,BBB,AAA,BBB\nDate,,,,\n"
            "2024-01-02,10.5,20,1,1\n2024-01-03,11.25,,1,1\n2024-01-04,12,22,1,1\n",
            "a table of levels, of which `close` is used",
        ),
        (
            "Ticker,AAA,,BBB,\nPrice,Open,Close,Open,Close\n"
            "2024-01-02,1,10.5,1,20\n2024-01-03,1,11.25,1,\n2024-01-04,1,12,1,22\n",
            "a table of levels, of which `close` is used",
        ),
    ],
)
def test_a_table_is_read_as_it_comes(tmp_path: Path, text: str, note: str) -> None:
    table = read(tmp_path, text)
    assert_closes(table)
    assert notes(table) == note


ADJUSTED = (
    ",Adj Close,Adj Close,Close,Close\n,AAA,BBB,AAA,BBB\nDate,,,,\n2024-01-02,9,18,10.5,20\n"
    "2024-01-03,10,,11.25,\n2024-01-04,11,19,12,22\n"
)


def test_of_two_closes_the_price_is_taken_unless_total_returns_are_wanted(tmp_path: Path) -> None:
    price = read(tmp_path, ADJUSTED)
    assert_closes(price)
    assert price.closes == "price"
    total = read(tmp_path, ADJUSTED, closes="total_return")
    np.testing.assert_array_equal(total.series("AAA"), [9, 10, 11])
    assert total.closes == "total_return"
    assert "`adj close`" in notes(total)


CANDLES = (
    "Date,Open,High,Low,Close,Adj Close,Volume\n2024-01-02,1,1,1,10.5,9,5\n"
    "2024-01-03,1,1,1,11.25,10,5\n"
)


def test_the_prices_of_one_security_are_its_own_where_it_is_the_only_one(tmp_path: Path) -> None:
    table = read(tmp_path, CANDLES, names=("AAA",), only="AAA")
    np.testing.assert_array_equal(table.series("AAA"), [10.5, 11.25])
    assert notes(table) == "Close as the closes of AAA, the only security"


@pytest.mark.parametrize("names", [("AAA", "BBB"), ("AAA",), ("HIGH", "LOW")])
def test_the_prices_of_one_security_are_refused_where_it_could_be_another(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    text = CANDLES.replace("High,Low", "HIGH,LOW")
    line = refusal(tmp_path, text, names)
    assert line.startswith("prices.csv:1:20: these are prices of one security, but")
    shown = ",".join(["date", *names])
    assert f"first line `{shown}`, then lines such as `2024-01-02,10.5" in line


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "date,AAA,BBB\n01/02/2024,1,1\n01/03/2024,2,2\n01/04/2024,3,3\n",
            "2:1: '01/02/2024' can be 2024-02-01 or 2024-01-02, and no other row decides",
        ),
        (
            'date,AAA,BBB\n2024-01-02,"71,000",950\n',
            "2:12: '71,000' has two meanings: write 71000 or 71",
        ),
        ("date;AAA;BBB\n2024-01-02;44.276;950\n", "2:12: '44.276' has two meanings: write 44.276"),
        (
            WIDE.replace("10.5,20", "10,5,20,0"),
            "2:15: 5 cells where the header has 3 (",
        ),
        (
            "date,symbol,close\n2024-01-02,AAA,1\n2024-01-02,AAA,2\n",
            "3:1: AAA 2024-01-02 is also in line 2 (keep one of them)",
        ),
        (
            "date,symbol,close\n2024-01-02,XXX,1\n",
            "2:12: no row is of a security that is asked for: AAA, BBB (write one of these",
        ),
        (
            ",AAA,,BBB,\n,Close,Open,Open,Close\n2024-01-02,1,2,3\n",
            "3:16: 4 cells where the header has 5 (for an unknown value",
        ),
        ("date,AAA,BBB,AAA\n2024-01-02,1,2,3\n", "1:14: the column 'AAA' is there twice"),
        ("nr,AAA,BBB\n1,2,3\n", "1:1: the first column is 'nr' (it must be `date`)"),
    ],
)
def test_what_has_two_meanings_is_refused_with_place_and_cure(
    tmp_path: Path, text: str, complaint: str
) -> None:
    assert refusal(tmp_path, text).startswith(f"prices.csv:{complaint}")


@pytest.mark.parametrize(
    "extra", ["^GSPC", "Vanguard FTSE All-World", "", "N" * 300, "BTC/USD", "\u00d6l", "date"]
)
def test_a_column_that_is_not_requested_is_not_read_whatever_it_is_called(
    tmp_path: Path, extra: str
) -> None:
    lines = WIDE.splitlines()
    text = "\n".join([f"{lines[0]},{extra},{extra}", *(f"{line},x,y" for line in lines[1:]), ""])
    table = read(tmp_path, text)
    assert_closes(table)
    assert table.findings == ()


def test_a_bad_cell_of_another_layout_has_its_place(tmp_path: Path) -> None:
    table = read(tmp_path, "date,symbol,close\n2024-01-02,AAA,1\n2024-01-03,AAA,oops\n")
    assert table.faults["AAA"].count == 1
    assert str(table.faults["AAA"].first).endswith(
        "prices.csv:3:16: AAA: 'oops' is not a number; it counts as missing"
    )


def test_a_number_with_the_other_decimal_mark_is_not_believed(tmp_path: Path) -> None:
    table = read(tmp_path, WIDE.replace("11.25", '"11,25"').replace("12,22", "12.5,22"))
    assert "'11,25' is not a number (write 11.25)" in table.faults["AAA"].first.message


def test_rates_may_have_a_row_per_day_and_currency(tmp_path: Path) -> None:
    path = tmp_path / "fx.csv"
    path.write_text("date,currency,rate\n2024-01-02,EUR,1.1\n2024-01-02,GBP,1.3\n")
    rates = read_rates(path, ("GBP",), AS_OF)
    np.testing.assert_array_equal(rates.values, [[1.3]])


def test_a_name_matches_another_case_only_where_that_is_the_only_one() -> None:
    assert matches(("aaa", "BBB"), ("AAA", "BBB")) == {"aaa": "AAA", "BBB": "BBB"}
    assert matches(("aaa",), ("AAA", "Aaa")) == {}
    assert matches(("aaa", "AAA"), ("AAA",)) == {"AAA": "AAA"}


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[date], list[list[float]]]:
    count = draw(st.integers(1, 6))
    days = [date(2023, 12, 25) + timedelta(days=n) for n in range(count)]
    prices = st.integers(1, 9_999_999).map(lambda cents: cents / 100)
    return days, [draw(st.lists(prices, min_size=2, max_size=2)) for _ in days]


@given(tables(), st.sampled_from(["wide", "long", "german", "levels", "quoted", "newest"]))
def test_every_layout_of_the_same_closes_is_read_alike_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    content: tuple[list[date], list[list[float]]],
    layout: str,
) -> None:
    days, closes = content
    rows = list(zip(days, closes, strict=True))
    if layout == "long":
        text = "date,security,close\n" + "".join(
            f"{day},{name},{close}\n"
            for day, pair in rows
            for name, close in zip(("AAA", "BBB"), pair, strict=True)
        )
    elif layout == "german":
        text = "Datum;AAA;BBB\n" + "".join(
            f"{day:%d.%m.%Y};{a:.2f};{b:.2f}\n".replace(".", ",").replace(
                f"{day:%d,%m,%Y}", f"{day:%d.%m.%Y}"
            )
            for day, (a, b) in rows
        )
    elif layout == "levels":
        text = "Price,Close,Close\nTicker,AAA,BBB\nDate,,\n" + "".join(
            f"{day},{a},{b}\n" for day, (a, b) in rows
        )
    elif layout == "quoted":
        text = "Date,AAA,BBB\n" + "".join(
            f'"{day}","{a:,.2f}","{b:,.2f}"\n' for day, (a, b) in rows
        )
    else:
        ordered = rows if layout == "wide" or len(rows) < 3 else rows[::-1]
        text = "date,AAA,BBB\n" + "".join(f"{day},{a},{b}\n" for day, (a, b) in ordered)
    table = read(tmp_path_factory.mktemp("layouts"), text)
    assert table.dates.tolist() == days
    np.testing.assert_allclose(table.values, closes, rtol=1e-12)


pieces = st.sampled_from(
    [
        *(
            "date",
            "Date",
            "AAA",
            "BBB",
            "Close",
            "Open",
            "High",
            "Low",
            "symbol",
            "Price",
            "Ticker",
        ),
        *("2024-01-02", "02.01.2024", "01/02/2024", "20240103", "$5", "1,5", "1.234,5", "x", ""),
        *('"', '"1,234"', ",", ";", "\t", "\n", "\r\n", " ", "sep=;"),
        *("#", "\u20ac", "1e5", "nan"),
    ]
)


@given(st.lists(pieces, max_size=60).map("".join), st.booleans())
def test_any_mixture_is_read_or_refused_with_its_place(
    tmp_path_factory: pytest.TempPathFactory, text: str, is_only: bool
) -> None:
    folder = tmp_path_factory.mktemp("mixture")
    lines: tuple[str, ...] = ()
    table = None
    try:
        table = read(folder, text, names=("AAA", "BBB"), only="AAA" if is_only else None)
    except MarketDataError as error:
        lines = error.lines
    assert all(line.startswith(f"{folder / 'prices.csv'}:") for line in lines)
    if table is None:
        return
    values = table.values[~np.isnan(table.values)]
    assert np.all((values > 0) & np.isfinite(values))
    assert np.all(np.diff(table.dates.astype(int)) > 0)


HEADERS = {
    "wide": [["date", "AAA", "BBB"]],
    "repeated": [["date", "AAA", "AAA", ""]],
    "long": [["date", "symbol", "close"]],
    "candle": [["Date", "Open", "High", "Low", "Close", "Adj Close"]],
    "levels": [["Price", "Close", "Close"], ["Ticker", "AAA", "BBB"], ["Date", "", ""]],
    "merged": [["", "AAA", "", "BBB", ""], ["", "Close", "Open", "Adj Close", "Close"]],
}
DATE_FORMS = ["{:%Y-%m-%d}", "{:%d.%m.%Y}", "{:%m/%d/%Y}", "{:%d/%m/%Y}", "{:%Y%m%d}"]
odd_cells = st.sampled_from(
    [*("1.5", "2", "1,5", "1.234,5", "", "x", "$4", "5 EUR", "1e3", "44.276"), *("0", "-1", "9e13")]
)


@st.composite
def downloads(draw: st.DrawFn) -> str:
    """Draw a table of a usual layout with cells, lengths and an order that may be wrong."""
    layout, form = draw(st.sampled_from(sorted(HEADERS))), draw(st.sampled_from(DATE_FORMS))
    rows = [list(row) for row in HEADERS[layout]]
    numbers = draw(st.lists(st.integers(0, 40), max_size=8, unique=draw(st.booleans())))
    for number in draw(st.sampled_from([numbers, sorted(numbers), sorted(numbers)[::-1]])):
        cells = [draw(odd_cells) for _ in rows[0][1:]]
        if layout == "long":
            cells[0] = draw(st.sampled_from(["AAA", "bbb", "ZZZ"]))
        rows.append([form.format(date(2023, 12, 1) + timedelta(days=number)), *cells])
    if draw(st.booleans()):
        rows[-1] = rows[-1][: draw(st.integers(1, 4))]
    delimiter, is_quoted = draw(st.sampled_from(",;\t")), draw(st.booleans())
    quoted = [[f'"{cell}"' if is_quoted else cell for cell in row] for row in rows]
    return "\n".join(delimiter.join(row) for row in quoted) + draw(st.sampled_from(["\n", ""]))


@given(downloads(), st.sampled_from([None, 2]), st.sampled_from([None, "AAA"]))
def test_a_download_with_wrong_cells_is_read_or_refused_with_its_place(
    tmp_path_factory: pytest.TempPathFactory, text: str, rows_max: int | None, only: str | None
) -> None:
    path = tmp_path_factory.mktemp("downloads") / "prices.csv"
    path.write_text(text, encoding="utf-8")
    lines: tuple[str, ...] = ()
    table = None
    try:
        table = read_prices(path, ("AAA", "BBB"), AS_OF, rows_max, only_security=only)
    except MarketDataError as error:
        lines = error.lines
    assert all(line.startswith(f"{path}:") for line in lines)
    if table is None:
        return
    assert table.values.shape == (len(table.dates), len(table.columns))
    values = table.values[~np.isnan(table.values)]
    assert np.all((values > 0) & (values <= 1e12))
    assert np.all(np.diff(table.dates.astype(int)) > 0)
