"""Wrong values of the portfolio: the message says what was probably meant."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.clock import utc_now
from host.home.portfolio.portfolio_file import check_portfolio
from host.home.storage.model_problems import currency_advice
from host.home.storage.problems import FileRefusedError
from host.home.storage.toml_file import parse_toml

DAY = datetime.date(2024, 1, 31)
HEAD = 'base_currency = "USD"\n[securities.AAA]\n'


def problems_of(text: str) -> list[str]:
    with pytest.raises(FileRefusedError) as caught:
        check_portfolio(parse_toml(text, "core.toml"), DAY, utc_now)
    return [line.split(": ", 1)[1] for line in caught.value.lines]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("target = 20", "target: is out of bounds, found 20 (write 0.2 for 20 %)"),
        ("cap = 12.5", "cap: is out of bounds, found 12.5 (write 0.125 for 12.5 %)"),
        ("target = 200", "target: is out of bounds, found 200 (allowed"),
        ('target = "20 %"', "target: is not a number, found '20 %' (write 0.2 for 20 %, without q"),
        ('adv_value = "1.000,5"', "adv_value: is not a number, found '1.000,5' (write 1000.5, wit"),
        ('fractional = "Yes"', "fractional: is not a switch, found 'Yes' (write true, without"),
        ('price_unit = "GBp"', "is not one of the allowed words, found 'GBp' (write \"GBX\")"),
        (
            'lots = [{ quantity = 1, unit_cost = 1, date = "05.06.2019" }]',
            "(write 2019-06-05, with",
        ),
        (
            "lots = [{ quantity = 1, unit_cost = 1, date = 20190605 }]",
            "20190605 (write 2019-06-05)",
        ),
    ],
)
def test_a_wrong_value_has_the_right_one_beside_it(entry: str, problem: str) -> None:
    (line,) = problems_of(f'{HEAD}currency = "USD"\n{entry}\n')
    assert problem in line


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("usd", 'write "USD"'),
        ("Euro", 'write "EUR"'),
        ("\u20ac", 'write "EUR"'),
        ("GBp", 'write currency = "GBP", and price_unit = "GBX" for prices in GBX'),
        ("GBP pence", 'write currency = "GBP", and price_unit = "GBX" for prices in GBX'),
        ("ZAc", 'write currency = "ZAR", and price_unit = "ZAC" for prices in ZAC'),
        ("\u00a5", 'write "JPY" or "CNY"'),
        ("dollars", 'write "USD"'),
        ("USDX", ""),
        ("", ""),
    ],
)
def test_a_currency_in_another_notation_has_its_code(written: str, advice: str) -> None:
    assert currency_advice(written) == advice
    (line,) = problems_of(f'{HEAD}currency = "{written}"\n')
    assert line.endswith(f"({advice})" if advice else f"found {written!r}")


def test_an_account_in_small_letters_has_its_code() -> None:
    (line,) = problems_of(f'{HEAD}currency = "USD"\n[cash]\nusd = {{ settled = 1.0 }}\n')
    assert line == 'cash.usd: is not a currency (write "USD")'


def test_the_sum_does_not_repeat_what_is_wrong_with_one_target() -> None:
    text = (
        HEAD + 'currency = "USD"\ntarget = 20\n[securities.BBB]\ncurrency = "USD"\ntarget = 0.8\n'
    )
    (line,) = problems_of(text)
    assert "write 0.2 for 20 %" in line


def test_a_security_in_another_case_is_suggested() -> None:
    text = f'{HEAD}currency = "USD"\n[[accepted_prices]]\nsecurity = "aaa"\ndate = 2024-01-02\n'
    (line,) = problems_of(text)
    assert line.endswith("- did you mean `AAA`?")


@given(st.text(max_size=30))
def test_any_text_as_a_currency_is_advised_on_without_an_error(text: str) -> None:
    advice = currency_advice(text)
    assert advice == "" or advice.startswith("write ")
