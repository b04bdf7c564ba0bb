"""Sizes of currencies: scales of defaults, decimals, and rates that are upside down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner_core.model.currencies import (
    UNITS_PER_EURO,
    currency_scale,
    exact_amount,
    is_inverted,
    is_witness,
    minor_digits,
)


@pytest.mark.parametrize("currency", ["EUR", "USD", "GBP", "CHF", "XYZ"])
def test_the_defaults_are_those_of_the_euro_for_currencies_of_its_size(currency: str) -> None:
    assert currency_scale(currency) == 1.0


@pytest.mark.parametrize("currency", sorted(UNITS_PER_EURO))
def test_a_scale_is_within_a_factor_of_two_of_the_size(currency: str) -> None:
    assert 0.5 <= currency_scale(currency) / UNITS_PER_EURO[currency] <= 2.0


def test_money_has_the_decimals_of_its_currency() -> None:
    assert [minor_digits(code) for code in ("EUR", "JPY", "KRW", "KWD")] == [2, 0, 0, 3]


def test_an_amount_has_its_decimals_and_its_code() -> None:
    assert exact_amount(1234.5, "EUR") == "1,234.50 EUR"
    assert exact_amount(1234.5, "JPY") == "1,234 JPY"


def test_a_rate_upside_down_is_seen_only_where_the_sizes_differ() -> None:
    assert is_inverted(140.5, "JPY", "EUR")
    assert not is_inverted(0.0071, "JPY", "EUR")
    assert is_inverted(0.0071, "EUR", "JPY")
    assert not is_inverted(1.06, "USD", "EUR")
    assert not is_inverted(140.5, "XYZ", "EUR")


@given(
    st.sampled_from(sorted(UNITS_PER_EURO)),
    st.sampled_from(sorted(UNITS_PER_EURO)),
    st.floats(min_value=1 / 1.8, max_value=1.8),
)
def test_a_plausible_rate_is_never_called_upside_down(
    currency: str, base: str, drift: float
) -> None:
    rate = UNITS_PER_EURO[base] / UNITS_PER_EURO[currency] * drift
    assert not is_inverted(rate, currency, base)
    if is_witness(currency, base):
        assert is_inverted(1 / rate, currency, base)
