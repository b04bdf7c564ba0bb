"""`trader data`: what is used of a series, and that an accepted move is used from then on."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from host.home.home import Home
from tests.host.conftest import Trader
from tests.host.small_home import PORTFOLIO, small_home, with_configuration

N_DAYS = 60
JUMP_ROW = 55
DAYS = [
    day for day in (date(2024, 1, 2) + timedelta(days=k) for k in range(120)) if day.weekday() < 5
][:N_DAYS]
JUMP = DAYS[JUMP_ROW]


def wave(level: float, row: int) -> float:
    """Return a close that moves by about 1 % a day, up and down."""
    return level * (1.0 + 0.01 * (row % 2))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """AAA falls by 40 % five days before the end, and has no close two days before it."""
    prices, rates = ["date,AAA,BBB"], ["date,EUR"]
    for row, day in enumerate(DAYS):
        aaa = wave(100.0, row) * (0.6 if row >= JUMP_ROW else 1.0)
        cell = "" if row == JUMP_ROW - 2 else f"{aaa:.4f}"
        prices.append(f"{day},{cell},{wave(50.0, row):.4f}")
        rates.append(f"{day},{1.1 + 0.001 * (row % 2):.4f}")
    portfolio = PORTFOLIO.replace("2024-01-05", str(DAYS[-1]))
    own = small_home(
        tmp_path / "home",
        portfolio=portfolio,
        prices="\n".join(prices) + "\n",
        fx="\n".join(rates) + "\n",
    )
    return with_configuration(own)


def days_of(trader: Trader, home: Home, name: str, *options: str) -> dict[str, dict[str, Any]]:
    shown = trader("data", "show", name, *options, "--home", home.root, "--json").json
    return {day["date"]: day for day in shown["days"]}


def test_show_says_what_is_used_of_each_close_and_why(trader: Trader, home: Home) -> None:
    days = days_of(trader, home, "AAA")
    assert days[str(JUMP)]["flags"] == ["quarantined", "suspicious"]
    assert days[str(JUMP)]["written"] == pytest.approx(60.6)
    assert days[str(DAYS[JUMP_ROW - 2])]["flags"] == ["filled"]
    assert days[str(DAYS[JUMP_ROW - 2])]["written"] is None
    assert days[str(DAYS[JUMP_ROW - 2])]["used"] == pytest.approx(100.0)
    assert days[str(DAYS[-1])]["flags"] == ["quarantined"]
    assert days[str(DAYS[JUMP_ROW - 5])]["flags"] == []
    text = trader("data", "show", "AAA", "--home", home.root).out
    assert text.startswith("AAA: closes in USD, as bucket core uses them\n")
    assert "quarantined, suspicious" in text


def test_a_foreign_security_has_its_rate_and_a_currency_its_own_page(
    trader: Trader, home: Home
) -> None:
    assert days_of(trader, home, "BBB")[str(DAYS[-1])]["rate"] == pytest.approx(1.101)
    shown = trader("data", "show", "EUR", "--home", home.root, "--json").json
    assert (shown["kind"], shown["unit"]) == ("currency", "USD per EUR")
    assert shown["days"][-1]["used"] == pytest.approx(1.101)


def test_closes_before_a_declared_split_say_so(trader: Trader, home: Home) -> None:
    split = f"date,security,ratio\n{DAYS[-3]},BBB,2\n"
    home.corporate_actions_file.write_text(split)
    lines = home.prices_file.read_text().splitlines()
    lines[-3:] = [
        f"{line.rpartition(',')[0]},{wave(25.0, row):.4f}" for row, line in enumerate(lines[-3:])
    ]
    home.prices_file.write_text("\n".join(lines) + "\n")
    days = days_of(trader, home, "BBB")
    assert days[str(DAYS[-4])]["flags"] == ["split-adjusted"]
    assert days[str(DAYS[-4])]["used"] == pytest.approx(25.25 if (N_DAYS - 4) % 2 else 25.0)
    assert "split-adjusted" not in days[str(DAYS[-3])]["flags"]


def test_an_accepted_move_is_used_and_can_be_taken_back(trader: Trader, home: Home) -> None:
    result = trader("data", "accept", "AAA", JUMP, "--home", home.root)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"AAA {JUMP}, 100 to 60.6 USD (-39.4%): accepted as real")
    days = days_of(trader, home, "AAA")
    assert days[str(JUMP)]["flags"] == ["accepted"]
    assert days[str(DAYS[-1])]["used"] == pytest.approx(60.6)
    again = trader("data", "accept", "AAA", JUMP, "--home", home.root, "--json").json
    assert (again["accepted"], again["changed"]) == (True, False)
    undone = trader("data", "accept", "AAA", JUMP, "--undo", "--home", home.root, "--json").json
    assert (undone["accepted"], undone["changed"]) == (False, True)
    assert days_of(trader, home, "AAA")[str(JUMP)]["flags"] == ["quarantined", "suspicious"]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("AAX", str(JUMP)), "foreign currency 'AAX' in core (did you mean `AAA`?)"),
        (("USD", str(JUMP)), "USD is the base currency"),
        (
            ("AAA", "2024-01-06"),
            "no close of 2024-01-06 (days with one near it: 2024-01-05",
        ),
        (("AAA", str(DAYS[-1])), f"nothing to accept (days with one: {JUMP})"),
        (("EUR", str(JUMP)), "nothing to accept (it has none)"),
        (("AAA", str(JUMP), "--undo"), "accepted_moves.csv (nothing is accepted)"),
        (("AAA", "5.1.2024"), "is not a date"),
    ],
)
def test_what_cannot_be_accepted_is_refused_with_what_can(
    trader: Trader, home: Home, arguments: tuple[str, ...], what: str
) -> None:
    result = trader("data", "accept", *arguments, "--home", home.root)
    assert (result.code, result.out) == (2, "")
    assert what in result.err
    assert not home.accepted_moves_file.exists()


def test_an_acceptance_in_the_portfolio_is_named_with_its_place(trader: Trader, home: Home) -> None:
    path = home.portfolio_file("core")
    path.write_text(f'{path.read_text()}[[accepted_prices]]\nsecurity = "AAA"\ndate = {JUMP}\n')
    assert days_of(trader, home, "AAA")[str(JUMP)]["flags"] == ["accepted"]
    result = trader("data", "accept", "AAA", JUMP, "--undo", "--home", home.root)
    assert result.code == 2
    assert f"it is accepted in {path}:" in result.err


def test_a_move_that_a_plan_of_an_earlier_day_would_stop_at_can_be_accepted(
    trader: Trader, home: Home
) -> None:
    # Many wild days later the volatility would explain the move; on its day it did not.
    lines = home.prices_file.read_text().splitlines()
    begin = DAYS[-1]
    for k in range(1, 200):
        level = 60.0 * (1.5 if k % 2 else 1.0)
        lines.append(f"{begin + timedelta(days=k)},{level:.2f},{wave(50.0, k):.2f}")
    home.prices_file.write_text("\n".join(lines) + "\n")
    path = home.portfolio_file("core")
    path.write_text(path.read_text().replace(str(DAYS[-1]), str(begin + timedelta(days=199))))
    assert trader("data", "accept", "AAA", JUMP, "--home", home.root).code == 0


def notes(trader: Trader, home: Home) -> dict[str, dict[str, Any]]:
    plan = trader("plan", "core", "--home", home.root, "--no-store", "--json").json
    return {finding["id"]: finding for finding in plan["findings"]}


def multiply(path: Path, name: str, begin: int, factor: float) -> None:
    """Multiply the values of a column from a day on."""
    lines = [line.split(",") for line in path.read_text().splitlines()]
    column = lines[0].index(name)
    for line in lines[begin + 1 :]:
        line[column] = f"{float(line[column]) * factor:.6f}" if line[column] else ""
    path.write_text("\n".join(map(",".join, lines)) + "\n")


def test_the_line_that_a_finding_names_settles_a_split(trader: Trader, home: Home) -> None:
    multiply(home.prices_file, "BBB", 20, 0.25)
    finding = notes(trader, home)["looks_like_split"]
    line = finding["action"].partition("add the line ")[2].partition(" to ")[0]
    assert line == f"{DAYS[20]},BBB,4"
    home.corporate_actions_file.write_text(f"date,security,ratio\n{line}\n")
    assert "looks_like_split" not in notes(trader, home)


@pytest.mark.parametrize(
    ("file", "name", "factor", "finding_id"),
    [
        ("prices_file", "BBB", 0.25, "looks_like_split"),
        ("prices_file", "BBB", 0.01, "looks_like_unit_change"),
        ("fx_file", "EUR", 10.0, "rate_jump"),
    ],
)
def test_the_command_that_a_finding_names_settles_it(
    trader: Trader, home: Home, file: str, name: str, factor: float, finding_id: str
) -> None:
    multiply(getattr(home, file), name, 20, factor)
    finding = notes(trader, home)[finding_id]
    command = finding["action"].partition("run: trader ")[2].split()
    assert command == ["data", "accept", name, str(DAYS[20])]
    assert trader(*command, "--home", home.root).code == 0
    assert finding_id not in notes(trader, home)
