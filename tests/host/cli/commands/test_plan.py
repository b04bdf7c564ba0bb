"""`trader plan`: what it prints, keeps and exits with."""

from __future__ import annotations

import json

import pytest

from host.home.home import Home
from tests.host.conftest import Trader
from tests.host.planning.test_plan_json import TOP_KEYS


def test_the_demo_plan_in_json_has_the_keys_of_the_contract_and_is_stored(
    trader: Trader,
    own_home: Home,
) -> None:
    result = trader("plan", "core", "--home", own_home.root, "--json")
    assert (result.code, result.err) == (0, "")
    assert list(result.json) == TOP_KEYS
    assert result.json["outcome"] == "PLANNED"
    sides = [step["side"] for step in result.json["steps"]]
    assert set(sides) == {"buy", "sell"}
    assert sides == sorted(sides, reverse=True), "sells first"
    (stored,) = own_home.plans_dir("core").iterdir()
    assert json.loads(stored.read_text()) == result.json


def test_the_json_adds_up(trader: Trader, demo_home: Home) -> None:
    record = trader("plan", "core", "--home", demo_home.root, "--json", "--no-store").json
    cash = record["cash_before"]
    for step in record["steps"]:
        assert step["value"] == pytest.approx(
            step["quantity"] * step["price"] * step["fx_rate"], rel=1e-9
        )
        sign = 1 if step["side"] == "sell" else -1
        cash += sign * step["value"] - step["cost"] - step["tax"]
        assert step["cash_after"] == pytest.approx(cash, abs=1e-6)
    spent = sum(step["cost"] + step["tax"] for step in record["steps"])
    assert record["nav_after"] == pytest.approx(record["nav"] - spent, abs=1e-6)
    assert record["cash_required"] == pytest.approx(max(0.0, record["cash_before"] - cash))
    score = record["score"]
    assert score["gain"] == pytest.approx(score["after"] - score["before"])
    assert sum(term["change"] for term in score["terms"].values()) == pytest.approx(score["gain"])


def test_the_demo_plan_in_words_says_what_to_do_and_what_the_data_are(
    trader: Trader,
    own_home: Home,
) -> None:
    result = trader("plan", "core", "--home", own_home.root)
    assert (result.code, result.err) == (0, "")
    words = " ".join(result.out.split())
    assert ", then buy " in words
    assert "no order is sent" in words
    assert "survivors" in words
    assert "Stored as plans/core/" in words
    assert "\x1b" not in result.out


def test_a_plan_that_is_not_to_be_stored_is_not(trader: Trader, own_home: Home) -> None:
    assert trader("plan", "core", "--home", own_home.root, "--no-store").code == 0
    assert not own_home.plans_dir("core").exists()


def test_a_held_plan_is_a_whole_object_and_exit_code_1(trader: Trader, own_home: Home) -> None:
    own_home.prices_file.write_text("date,AAPL\n2022-12-27,nan\n")
    result = trader("plan", "core", "--home", own_home.root, "--json")
    assert result.code == 1
    assert list(result.json) == TOP_KEYS
    assert result.json["outcome"] == "HELD"
    assert result.json["reason"]
    assert result.json["nav"] is None
    assert "trader plan: no plan for core: " in result.err
    assert "Traceback" not in result.err


def test_a_plan_that_cannot_be_kept_is_shown_and_exit_code_1(
    trader: Trader, own_home: Home
) -> None:
    (own_home.root / "plans").write_text("in the way")
    result = trader("plan", "core", "--home", own_home.root, "--json")
    assert result.code == 1
    assert result.json["outcome"] == "PLANNED"
    assert "the plan was not stored: " in result.err


def test_a_day_before_the_lots_were_bought_is_refused_by_name(
    trader: Trader, own_home: Home
) -> None:
    result = trader("plan", "core", "--home", own_home.root, "--as-of", "2000-01-03")
    assert result.code == 2
    assert "core.toml:" in result.err
