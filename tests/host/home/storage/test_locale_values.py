"""Numbers and dates of other countries: one meaning, two, or none."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.home.storage.locale_values import (
    Amount,
    date_advice,
    date_column,
    date_readings,
    decimal_mark,
    number_advice,
    split_amount,
    units_of_sign,
)

JUNE = datetime.date(2019, 6, 5)
MAY = datetime.date(2019, 5, 6)


@pytest.mark.parametrize(
    ("text", "readings", "sign"),
    [
        ("125.67", (125.67,), ""),
        ("$125.67", (125.67,), "$"),
        ("125,67 \u20ac", (125.67,), "\u20ac"),
        ("\u20ac 12", (12.0,), "\u20ac"),
        ("USD 12.5", (12.5,), "USD"),
        ("412.5p", (412.5,), "p"),
        ("Fr. 20.10", (20.1,), "Fr."),
        ("1,106.63", (1106.63,), ""),
        ("1.106,63", (1106.63,), ""),
        ("1 106,63", (1106.63,), ""),
        ("1\u202f106,63", (1106.63,), ""),
        ("1'106.63", (1106.63,), ""),
        ("1,234,567", (1234567.0,), ""),
        ("0,125", (0.125,), ""),
        ("1234,567", (1234.567,), ""),
        (".5", (0.5,), ""),
        ("71,000", (71000.0, 71.0), ""),
        ("44.276", (44.276, 44276.0), ""),
    ],
)
def test_an_amount_has_its_readings_and_its_sign(
    text: str, readings: tuple[float, ...], sign: str
) -> None:
    amount = split_amount(text)
    assert amount is not None
    assert set(amount.readings()) == set(readings)
    assert amount.sign == sign


@pytest.mark.parametrize(
    "text", ["", "$", "n/a", "1_000", "\u0661\u0662", "12 %", "12x", "$12\u20ac", "1e999", "9" * 50]
)
def test_other_texts_are_no_amounts(text: str) -> None:
    assert split_amount(text) is None


@pytest.mark.parametrize("text", ["1,10.5", "1.10,5", "1,000 000", "--5", "1.2.3", "5-"])
def test_digits_with_misplaced_marks_have_no_reading(text: str) -> None:
    amount = split_amount(text)
    assert amount is None or amount.readings() == ()


def test_a_sign_can_stand_for_several_currencies() -> None:
    assert "CAD" in units_of_sign("$")
    assert units_of_sign("CHF") == ("CHF",)
    assert units_of_sign("x") == ()


@pytest.mark.parametrize(
    ("texts", "delimiter", "mark"),
    [
        (["44.2760", "1,106"], ",", "."),
        (["44,28", "1.106"], ";", ","),
        (["44,276", "120,942"], ";", ","),
        (["44.276", "120.942"], ",", "."),
        (["12", "13", "x", ""], ";", "."),
        (["44,28", "44.2760", "12.50"], ";", "."),
    ],
)
def test_a_column_shows_its_decimal_mark(texts: list[str], delimiter: str, mark: str) -> None:
    assert decimal_mark(texts, delimiter) == mark


@pytest.mark.parametrize(
    ("texts", "delimiter"), [(["71,000", "950"], ","), (["44.276", "950"], ";")]
)
def test_a_column_of_three_digits_behind_an_unusual_mark_is_open(
    texts: list[str], delimiter: str
) -> None:
    assert decimal_mark(texts, delimiter) == Amount(texts[0])


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("60,25", "write 60.25"),
        ("$60.25", "write 60.25"),
        ("1.234,5", "write 1234.5"),
        ("1,234", "write 1234 or 1.234"),
        ("20 %", "write 0.2 for 20 %"),
        ("12,5%", "write 0.125 for 12.5 %"),
        ("abc", ""),
    ],
)
def test_the_advice_on_a_number_is_how_to_write_it(text: str, advice: str) -> None:
    assert number_advice(text) == advice


@pytest.mark.parametrize(
    "text",
    [
        *("2019-06-05", "2019-6-5", "2019/06/05", "20190605", "05.06.2019", "5.6.2019"),
        *("5 Jun 2019", "05-Jun-2019", "Jun 05, 2019", "June 5, 2019", "5. June 2019"),
        *("2019-06-05 00:00:00", "2019-06-05T00:00:00Z", "2019-06-05 00:00:00-04:00"),
    ],
)
def test_a_date_with_one_meaning(text: str) -> None:
    assert date_readings(text) == (JUNE,)


def test_a_date_with_two_meanings_has_the_day_first_then_the_month() -> None:
    assert date_readings("05/06/2019") == (JUNE, MAY)
    assert date_readings("05-06-2019") == (JUNE, MAY)
    assert date_readings("06/25/2019") == (datetime.date(2019, 6, 25),)
    assert date_advice("05/06/2019") == "write 2019-06-05 or 2019-05-06"
    assert date_advice("soon") == ""


@pytest.mark.parametrize("text", ["05.06.19", "31.02.2019", "today", "12345678", "1.5", "2019-06"])
def test_other_texts_are_no_dates(text: str) -> None:
    assert date_readings(text) == ()


def test_one_date_with_one_meaning_decides_for_the_column() -> None:
    assert date_column(["05/06/2019", "25/06/2019"]) == [JUNE, datetime.date(2019, 6, 25)]
    assert date_column(["05/06/2019", "05/25/2019"]) == [MAY, datetime.date(2019, 5, 25)]
    assert date_column(["05/06/2019", "x", "05/25/2019"]) == [MAY, None, datetime.date(2019, 5, 25)]


def test_the_order_decides_where_it_fits_one_reading_only() -> None:
    texts = ["11/12/2019", "12/01/2019", "01/02/2020"]
    assert date_column(texts) == [
        datetime.date(2019, 11, 12),
        datetime.date(2019, 12, 1),
        datetime.date(2020, 1, 2),
    ]


@pytest.mark.parametrize(
    "texts",
    [["05/06/2019"], ["01/02/2019", "01/03/2019"], ["25/06/2019", "06/25/2019", "01/02/2019"]],
)
def test_a_column_with_two_readings_is_not_read(texts: list[str]) -> None:
    assert date_column(texts) is None


@given(st.floats(min_value=0.01, max_value=1e9), st.sampled_from(["$", "", "\u20ac"]))
def test_what_one_country_writes_is_read_back(value: float, sign: str) -> None:
    english = f"{sign}{value:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    for text, mark in ((english, "."), (german, ",")):
        amount = split_amount(text)
        assert amount is not None
        assert amount.value("." if mark == "." else ",") == pytest.approx(value, abs=0.005)


@given(
    st.lists(st.dates(datetime.date(1970, 1, 1), datetime.date(2100, 1, 1)), min_size=1),
    st.sampled_from(["{:%m/%d/%Y}", "{:%d/%m/%Y}", "{:%d-%m-%Y}", "{:%d.%m.%Y}", "{:%Y/%m/%d}"]),
)
def test_dates_in_order_are_read_as_written_or_not_at_all(
    days: list[datetime.date], form: str
) -> None:
    days.sort()
    column = date_column([form.format(day) for day in days])
    assert column is None or column == days


@given(st.text(max_size=60))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert all(isinstance(day, datetime.date) for day in date_readings(text))
    amount = split_amount(text)
    assert amount is None or all(abs(value) < float("inf") for value in amount.readings())
    assert number_advice(text) == "" or number_advice(text).startswith("write ")
