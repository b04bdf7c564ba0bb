"""`--invest` and `--buy-only`: what they take and say, and that no file of the owner changes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from host.home.home import Home
from tests.host.conftest import Trader


def digests(home: Home) -> dict[str, str]:
    folders = (home.root / "portfolios", home.root / "market", home.root / "buckets")
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def place(home: Home) -> tuple[str, Path, str]:
    return ("--home", home.root, "--no-store")


def test_an_amount_is_planned_with_and_kept_out_of_the_files(
    trader: Trader, own_home: Home
) -> None:
    before = digests(own_home)
    without = trader("plan", "core", *place(own_home), "--json").json
    record = trader("plan", "core", "--home", own_home.root, "--invest", "5000", "--json").json
    assert record["nav"] == pytest.approx(without["nav"] + 5000.0)
    assert record["cash_before"] == pytest.approx(without["cash_before"] + 5000.0)
    assert record["new_money"]["amount"] == 5000.0
    assert any(step["side"] == "buy" for step in record["steps"])
    assert without["new_money"] is None
    assert digests(own_home) == before
    # The next plan knows nothing of it.
    again = trader("plan", "core", *place(own_home), "--json").json
    assert again["nav"] == without["nav"]


@pytest.mark.parametrize("text", ["2500", "2500.00", "2500USD", "2500 USD", "2500 usd"])
def test_an_amount_may_name_the_base_currency(trader: Trader, demo_home: Home, text: str) -> None:
    words = trader("plan", "core", *place(demo_home), "--invest", text).out
    assert "Planned with 2,500.00 USD of new money, as if it had come in today." in words


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("2500EUR", "EUR is not USD, the base currency of "),
        ("0", "must be more than 0"),
        ("-5", "is not an amount (write it like 500, 500.50 or 500EUR)"),
        ("nan", "is not an amount"),
        ("1,000", "is not an amount"),
        ("9999999999999999", "at most 1000000000000000"),
        ("much", "is not an amount"),
    ],
)
def test_an_amount_that_is_none_is_answered_with_what_is_wanted(
    trader: Trader, demo_home: Home, text: str, answer: str
) -> None:
    result = trader("plan", "core", *place(demo_home), f"--invest={text}")
    assert result.code == 2
    assert answer in result.err
    assert result.out == ""


def test_without_sells_there_are_none_and_the_plan_says_so(trader: Trader, demo_home: Home) -> None:
    plain = trader("plan", "core", *place(demo_home), "--json").json
    assert "sell" in {step["side"] for step in plain["steps"]}
    assert plain["buy_only"] is False
    record = trader("plan", "core", *place(demo_home), "--buy-only", "--json").json
    assert "sell" not in {step["side"] for step in record["steps"]}
    assert record["buy_only"] is True
    assert "only buys were requested" in {entry["reason"] for entry in record["rejected"]}
    assert "without sells" in trader("plan", "core", *place(demo_home), "--buy-only").out


def test_a_dry_run_takes_both(trader: Trader, demo_home: Home) -> None:
    home = ("--home", demo_home.root)
    plain = trader("dry-run", "core", *home, "--json").json
    invested = trader("dry-run", "core", *home, "--invest", "5000", "--buy-only", "--json").json
    assert invested["candidates"] != plain["candidates"]
    wrong = trader("dry-run", "core", *home, "--invest", "5000EUR")
    assert (wrong.code, "EUR is not USD" in wrong.err) == (2, True)
