"""Numbers as people read them."""

from __future__ import annotations

import pytest

from host.text import money, percent, quantity


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234567.4, "1,234,567"), (-0.4, "0"), (0.0, "0"), (-1.5, "-2"), (-12.0, "-12")],
)
def test_money_has_thousands_apart_and_no_negative_zero(value: float, text: str) -> None:
    assert money(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.01234, "+1.23%"), (-0.01234, "-1.23%"), (-0.00001, "0.00%"), (0.0, "0.00%")],
)
def test_percent_has_a_sign_only_where_there_is_something(value: float, text: str) -> None:
    assert percent(value, signed=True) == text


@pytest.mark.parametrize(
    ("value", "text"), [(12.0, "12"), (1500.0, "1,500"), (0.25, "0.25"), (3.000001, "3.000001")]
)
def test_units_are_whole_or_as_exact_as_they_are_traded(value: float, text: str) -> None:
    assert quantity(value) == text
