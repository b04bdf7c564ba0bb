"""Recurring flows: their days, what they come to in a year, and what is refused or reported."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.home.portfolio.portfolio_file import RecurringFlowTable
from host.home.portfolio.recurring_flows import days_of, expected_flows
from host.home.portfolio.snapshot import take_snapshot
from planner_core.market.limits import withdrawals_due
from planner_core.model.config import PlannerConfig
from planner_core.model.records import CashFlow, Severity
from tests.host.home.portfolio.test_portfolio_file import BASE, read, refusal_of
from tests.host.small_home import PORTFOLIO, small_home

TODAY = date(2024, 1, 5)
"""The day of every portfolio here."""


def flow(lines: str) -> str:
    return f"\n[[recurring_flows]]\n{lines}\n"


def days(
    every: str, first: date | None, start: date, end: date, until: date | None = None
) -> list[str]:
    table = RecurringFlowTable.model_validate(
        {"amount": 1.0, "every": every, "first": first, "until": until}
    )
    return [str(day) for day in days_of(table, start, end)]


def test_a_day_that_a_month_lacks_is_its_last_one() -> None:
    first = date(2023, 10, 31)
    assert days("month", first, date(2024, 1, 1), date(2024, 4, 30)) == [
        "2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30",
    ]  # fmt: skip


def test_quarters_and_years_count_from_the_first_day() -> None:
    first = date(2022, 11, 15)
    assert days("quarter", first, date(2024, 1, 1), date(2024, 12, 31)) == [
        "2024-02-15", "2024-05-15", "2024-08-15", "2024-11-15",
    ]  # fmt: skip
    assert days("year", first, TODAY, date(2026, 1, 5)) == ["2024-11-15", "2025-11-15"]


def test_without_a_first_day_it_is_the_first_of_each_period() -> None:
    end = date(2025, 1, 4)
    assert days("month", None, TODAY, end)[:2] == ["2024-02-01", "2024-03-01"]
    assert days("quarter", None, TODAY, end) == [
        "2024-04-01", "2024-07-01", "2024-10-01", "2025-01-01",
    ]  # fmt: skip
    assert days("year", None, TODAY, end) == ["2025-01-01"]


def test_a_flow_begins_and_ends_on_its_own_days_both_included() -> None:
    first, until = date(2024, 3, 1), date(2024, 5, 1)
    assert days("month", first, TODAY, date(2025, 1, 1), until) == [
        "2024-03-01", "2024-04-01", "2024-05-01",
    ]  # fmt: skip
    assert days("month", first, first, first) == ["2024-03-01"]


@given(
    every=st.sampled_from(["month", "quarter", "year"]),
    first=st.one_of(st.none(), st.dates()),
    start=st.dates(max_value=date(9990, 1, 1)),
)
def test_every_day_lies_within_and_the_next_is_never_left_out(
    every: str, first: date | None, start: date
) -> None:
    end = date(start.year + 2, 1, 1)
    sequence = [date.fromisoformat(day) for day in days(every, first, start, end)]
    assert sequence == sorted(set(sequence))
    assert all(start <= day <= end for day in sequence)
    longest = {"month": 31, "quarter": 92, "year": 366}[every]
    begin = max(start, first or start)
    if (end - begin).days > longest:
        assert (sequence[0] - begin).days <= longest


def test_a_day_at_the_end_of_the_calendar_ends_the_flow() -> None:
    assert days("month", date(9999, 11, 30), date(9999, 12, 1), date.max) == ["9999-12-30"]
    text = BASE + "as_of = 9999-12-31\n" + flow('amount = 1\nevery = "year"')
    assert expected_flows(read(text)).next_deposit is None


def test_deposits_less_withdrawals_of_the_year_ahead_are_counted() -> None:
    text = (
        BASE
        + flow('amount = 500\nevery = "month"\nfirst = 2020-01-31')
        + flow('amount = -900.0\nevery = "quarter"')
        + flow('amount = 1000\nevery = "month"\nuntil = 2024-03-15')
        + flow('amount = 7\nevery = "year"\nfirst = 2030-01-01')
    )
    expected = expected_flows(read(text))
    assert expected.deposits_per_year == pytest.approx(12 * 500 - 4 * 900 + 2 * 1000)
    assert expected.next_deposit == CashFlow(date(2024, 1, 31), 500.0)
    assert [f.on.isoformat() for f in expected.withdrawals] == [
        "2024-04-01", "2024-07-01", "2024-10-01", "2025-01-01",
    ]  # fmt: skip


def test_more_withdrawals_than_deposits_are_no_deposits() -> None:
    text = BASE + flow('amount = -100\nevery = "month"') + flow('amount = 50\nevery = "month"')
    assert expected_flows(read(text)).deposits_per_year == 0.0


def test_a_withdrawal_listed_for_the_same_day_counts_once() -> None:
    listed = "\n[[cash_flows]]\ndate = 2024-04-01\namount = -950.0\n"
    text = BASE + listed + flow('amount = -900\nevery = "quarter"\nuntil = 2024-07-01')
    assert expected_flows(read(text)).withdrawals == (CashFlow(date(2024, 7, 1), -900.0),)


def test_the_snapshot_has_all_of_it_and_a_withdrawal_due_is_raised(tmp_path: Path) -> None:
    text = (
        PORTFOLIO
        + flow('amount = 250\nevery = "month"\nfirst = 2023-06-20')
        + flow('amount = -40\nevery = "month"\nfirst = 2023-06-25')
    )
    context = take_snapshot(small_home(tmp_path, portfolio=text), "core")
    assert context.deposits_per_year == pytest.approx(12 * 210)
    assert context.next_deposit == CashFlow(date(2024, 1, 20), 250.0)
    due = withdrawals_due(context, PlannerConfig().constraints)
    assert due == [CashFlow(date(2024, 1, 25), -40.0)]


def test_a_home_without_recurring_flows_expects_nothing(tmp_path: Path) -> None:
    context = take_snapshot(small_home(tmp_path), "core")
    assert (context.deposits_per_year, context.next_deposit, context.cash_flows) == (0.0, None, ())


def test_a_flow_that_is_over_is_reported_with_its_place(tmp_path: Path) -> None:
    text = PORTFOLIO + flow('amount = 250\nevery = "month"\nuntil = 2024-01-04')
    context = take_snapshot(small_home(tmp_path, portfolio=text), "core")
    (finding,) = [f for f in context.findings if f.id == "recurring_flow_ended"]
    assert finding.severity is Severity.WARNING
    assert "core.toml:" in finding.message
    assert "the deposit of 250.00 every month ended on 2024-01-04" in finding.message
    assert finding.action == "delete it, or write a later `until`"
    assert context.deposits_per_year == 0.0


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ('amount = 0\nevery = "month"', "recurring_flows.0.amount: 0 is neither a deposit nor"),
        ('every = "month"', "recurring_flows.0.amount: is missing"),
        ("amount = 5", "recurring_flows.0.every: is missing"),
        ('amount = 5\nevery = "week"', "every: is not one of the allowed words"),
        ('amount = 5\nevery = "month"\nfrom = 2024-01-01', "from: unknown key"),
        ('amount = 5\nevery = "month"\nfirst = "2024"', "first: is not a date"),
        ('amount = "5"\nevery = "month"', "amount: is not a number"),
        ('amount = 1e16\nevery = "month"', "amount: is out of bounds"),
        (
            'amount = 5\nevery = "month"\nfirst = 2024-05-01\nuntil = 2024-04-30',
            "until: 2024-04-30 lies before the first day, 2024-05-01 (fix one of them)",
        ),
    ],
)
def test_what_is_no_flow_is_refused_with_its_place(lines: str, complaint: str) -> None:
    (line,) = refusal_of(BASE + flow(lines))
    assert line.startswith("core.toml:")
    assert complaint in line
