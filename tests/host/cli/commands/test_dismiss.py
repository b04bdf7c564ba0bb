"""`trader dismiss`, and the way to it by real files: plan, record the fills, plan again."""

from __future__ import annotations

from datetime import date
from typing import Any

import tomlkit

from host.home.home import Home
from tests.host.conftest import Trader


def constrain(home: Home, **constraints: float) -> None:
    """Set constraints of the bucket."""
    path = home.bucket_file("core")
    config: Any = tomlkit.parse(path.read_text())
    config["constraints"].update(constraints)
    path.write_text(tomlkit.dumps(config))


def record_fill(home: Home, step: dict[str, Any]) -> None:
    """Do what an owner does after a fill: a line in the ledger, lots and cash in the portfolio."""
    portfolio: Any = tomlkit.parse(home.portfolio_file("core").read_text())
    day: date = portfolio["as_of"]
    rate = "" if step["fx_rate"] == 1.0 else step["fx_rate"]
    row = [day, step["security"], step["side"], step["quantity"], step["price"], rate]
    with home.ledger_file("core").open("a") as ledger:
        ledger.write(",".join(str(cell) for cell in row) + "\n")
    security = portfolio["securities"][step["security"]]
    lots = security.setdefault("lots", [])
    quantity = step["quantity"]
    if step["side"] == "buy":
        lots.append({"date": day, "quantity": quantity, "unit_cost": step["price"]})
    else:
        for lot in sorted(lots, key=lambda lot: -float(lot["unit_cost"])):
            filled = min(quantity, float(lot["quantity"]))
            quantity -= filled
            lot["quantity"] = float(lot["quantity"]) - filled
        security["lots"] = [lot for lot in lots if lot["quantity"] > 0]
    sign = 1 if step["side"] == "sell" else -1
    cash = portfolio["cash"]["USD"]
    gained = sign * step["value"] - step["cost"] - step["tax"]
    cash["unsettled"] = round(float(cash.get("unsettled", 0.0)) + gained, 2)
    home.portfolio_file("core").write_text(tomlkit.dumps(portfolio))


def trades_of(record: Any) -> list[tuple[str, str, float]]:  # noqa: ANN401 - a plan as JSON
    return [(step["side"], step["security"], step["quantity"]) for step in record["steps"]]


def test_recording_the_first_step_accepts_the_plan_and_dismissing_gives_it_up(
    trader: Trader, own_home: Home
) -> None:
    home = ("--home", own_home.root)
    # The sells that repair a limit count against the turnover cap once they stand in the ledger.
    constrain(own_home, turnover_max=0.4)
    first = trader("plan", "core", *home, "--json").json
    *earlier, last = first["steps"]
    assert len(earlier) >= 2
    constrain(own_home, min_gain_bps=500.0)
    for step in earlier:
        record_fill(own_home, step)
    second = trader("plan", "core", *home, "--json").json
    assert second["outcome"] == "PLANNED"
    assert trades_of(second) == [(last["side"], last["security"], last["quantity"])]
    assert second["score"]["gain"] < 0.05, "it would not be enough for a new plan"
    assert f"the plan you accepted ({first['trace_id'][:8]})" in second["steps"][0]["reason"]

    result = trader("dismiss", "core", *home, "--json").json
    assert list(result) == ["schema_version", "bucket_id", "as_of", "dismissed"]
    assert result["dismissed"] == {
        "trace_id": first["trace_id"],
        "valid_until": first["valid_until"],
        "steps": [{key: last[key] for key in ("side", "security", "quantity")}],
    }
    third = trader("plan", "core", *home, "--json").json
    assert third["outcome"] == "NOTHING_TO_DO"


def test_what_was_dismissed_is_said_in_words_and_only_once(trader: Trader, own_home: Home) -> None:
    home = ("--home", own_home.root)
    plan = trader("plan", "core", *home, "--json").json
    record_fill(own_home, plan["steps"][0])
    result = trader("dismiss", "core", *home)
    assert (result.code, result.err) == (0, "")
    last = plan["steps"][-1]
    assert f"core: dismissed plan {plan['trace_id'][:8]}; its remaining steps: " in result.out
    assert f"{last['side']} {last['quantity']:g} {last['security']}\n" in result.out
    again = trader("dismiss", "core", *home)
    assert (again.code, again.err) == (0, "")
    assert again.out == "core: no plan is being carried out, so nothing was dismissed\n"
    assert trader("dismiss", "core", *home, "--json").json["dismissed"] is None


def test_a_plan_that_was_not_begun_cannot_be_dismissed(trader: Trader, own_home: Home) -> None:
    home = ("--home", own_home.root)
    trader("plan", "core", *home)
    assert trader("dismiss", "core", *home, "--json").json["dismissed"] is None
    assert not own_home.advice_file("core").exists()


def test_a_broken_ledger_is_told_and_an_unknown_bucket_is_exit_code_2(
    trader: Trader, own_home: Home
) -> None:
    own_home.ledger_file("core").write_text("date,security\n")
    result = trader("dismiss", "core", "--home", own_home.root)
    assert result.code == 0
    assert "core.trades.csv" in result.err
    assert trader("dismiss", "cor", "--home", own_home.root).code == 2
