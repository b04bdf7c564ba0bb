"""`trader config`: bad files are answered with places, good ones shown in full."""

from __future__ import annotations

import pytest

from host.home.home import Home
from tests.host.conftest import Trader

BAD_CONFIGS = {
    "missing": None,
    "empty": b"",
    "torn": b"[costs]\nfixed_cost = 1.",
    "torn string": b'[costs]\ntax_lots = "hi',
    "nul": b"\x00" * 64,
    "not utf-8": b"# caf\xe9\n",
    "oversized": b"# " + b"x" * 70_000,
    "unknown key": b"max_plan_dept = 3\n",
    "unknown module": b"[filters]\nno_such_filter = true\n",
    "out of bounds": b"max_plan_depth = 11\n",
    "nan": b"[costs]\nfixed_cost = nan\n",
    "deep": b"a = " + b"[" * 10_000,
    "dotted": b"a." * 20_000 + b"a = 1",
    "huge integer": b"max_plan_depth = " + b"9" * 10_000,
    "wrong types": b"objective = 3\nfilters = []\ncosts = true\n",
}


@pytest.mark.parametrize("name", BAD_CONFIGS)
@pytest.mark.parametrize("command", ["plan", "check", "show"])
def test_a_bad_configuration_is_answered_by_lines_with_a_place_and_exit_code_2(
    trader: Trader,
    own_home: Home,
    name: str,
    command: str,
) -> None:
    path, content = own_home.bucket_file("core"), BAD_CONFIGS[name]
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    words = ["plan"] if command == "plan" else ["config", command]
    result = trader(*words, "core", "--home", own_home.root)
    assert result.code == 2
    assert str(path) in result.err.splitlines()[0]
    assert "Traceback" not in result.err
    assert result.out == ""
    assert not own_home.plans_dir("core").exists()


def test_check_lists_every_problem_with_its_line_and_a_caret(
    trader: Trader, own_home: Home
) -> None:
    path = own_home.bucket_file("core")
    path.write_text("[costs]\nfixed_cots = 1\ncost_bps = -1\n")
    result = trader("config", "check", "--home", own_home.root)
    assert result.code == 2
    assert result.out == f"satellite_a: valid ({own_home.bucket_file('satellite_a')})\n"
    lines = result.err.splitlines()
    assert lines[0].startswith(f"{path}:2:1: costs.fixed_cots: unknown key")
    assert lines[0].endswith("did you mean `fixed_cost`?")
    assert lines[1:3] == ["    2 | fixed_cots = 1", "      | ^^^^^^^^^^^^^^"]
    assert lines[3].startswith(f"{path}:3:1: costs.cost_bps: ")
    assert lines[-1] == f"core: 2 problems in {path}"


def test_check_in_json_tells_the_same(trader: Trader, own_home: Home) -> None:
    own_home.bucket_file("core").write_text("fixed_cost = 1\n")
    record = trader("config", "check", "--home", own_home.root, "--json").json
    assert record["valid"] is False
    core, satellite = record["buckets"]
    assert (core["bucket_id"], core["valid"]) == ("core", False)
    assert [(p["line"], p["column"]) for p in core["problems"]] == [(1, 1)]
    assert (satellite["valid"], satellite["config_version"]) == (True, 0)
    assert len(satellite["config_sha256"]) == 64


def test_show_prints_every_setting_in_force(trader: Trader, own_home: Home) -> None:
    own_home.bucket_file("core").write_text("max_plan_depth = 4\n")
    result = trader("config", "show", "core", "--home", own_home.root)
    assert "max_plan_depth = 4  # steps; default 5\n" in result.out
    assert "\n[objective]\nopinion = 0.0" in result.out
    record = trader("config", "show", "core", "--home", own_home.root, "--json").json
    assert record["config"]["max_plan_depth"] == 4
    assert record["config"]["opportunity_calculators"]["tax_loss_harvest"] is False


def test_show_prints_the_defaults_of_a_bucket_with_targets_as_such(
    trader: Trader, own_home: Home
) -> None:
    own_home.bucket_file("core").write_text("[constraints]\nsell_cooldown_days = 10\n")
    text = trader("config", "show", "core", "--home", own_home.root).out
    assert "lot_age_min = 0  # days; the default with targets\n" in text
    assert "sell_cooldown_days = 10  # days; default 180\n" in text
    path = own_home.portfolio_file("core")
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if "target" not in line))
    text = trader("config", "show", "core", "--home", own_home.root).out
    assert "lot_age_min = 90  # days\n" in text


def broken(home: Home, old: str, new: str) -> None:
    path = home.portfolio_file("core")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_check_reports_every_file_of_a_bucket_at_once(trader: Trader, own_home: Home) -> None:
    broken(own_home, 'base_currency = "USD"', 'base_currency = "USD"\ntimezon = "UTC"')
    own_home.corporate_actions_file.write_text("date,security,ratio\n2022-08-08,AMD,0\n")
    ledger = own_home.ledger_file("core")
    ledger.write_text(f"{ledger.read_text()}2022-12-01,AMD,hold,1,60,\n")
    own_home.bucket_file("core").write_text("[costs]\nfixed_cots = 1\n")
    result = trader("config", "check", "core", "--home", own_home.root)
    assert (result.code, result.out) == (2, "")
    for path in (
        own_home.bucket_file("core"),
        own_home.portfolio_file("core"),
        own_home.corporate_actions_file,
        ledger,
    ):
        assert f"{path}:" in result.err
    report = trader("config", "check", "core", "--home", own_home.root, "--json").json["buckets"][0]
    assert not report["valid"]
    assert {problem["file"] for problem in report["data"]["problems"]} == {
        str(own_home.portfolio_file("core")),
        str(own_home.corporate_actions_file),
    }
    assert [finding["id"] for finding in report["data"]["findings"]] == ["ledger_invalid"]


@pytest.mark.parametrize("kind", ["held", "stopped", "refused", "warned"])
def test_check_and_health_say_what_a_plan_says(trader: Trader, own_home: Home, kind: str) -> None:
    if kind == "held":
        own_home.corporate_actions_file.write_text("date,security,ratio\n2022-08-08,AMDD,4\n")
    elif kind == "stopped":
        path = own_home.bucket_file("core")
        path.write_text("[constraints]\nposition_weight_max = 0.01\n")
    elif kind == "refused":
        own_home.prices_file.write_text("date,AMD\n")
    else:
        ledger = own_home.ledger_file("core")
        ledger.write_text(f"{ledger.read_text()}2021-12-01,GONE,buy,1,60,\n")
    home = ("--home", own_home.root)
    plan = trader("plan", "core", "--no-store", "--json", *home).json
    check = trader("config", "check", "core", "--json", *home)
    health = trader("health", "core", "--json", *home).json
    data = check.json["buckets"][0]["data"]
    serious = [f for f in plan["findings"] if f["severity"] != "info"]
    assert serious
    assert check.code == (0 if kind == "warned" else 2)
    assert check.json["valid"] is (kind == "warned")
    if kind == "refused":
        assert data["problems"][0]["message"] in serious[0]["message"]
        assert data["problems"][0]["message"] in str(health["findings"])
    else:
        own_ids = {f["id"] for f in serious} - {"limit_violated"}
        assert own_ids <= {f["id"] for f in data["findings"]}
        assert own_ids <= {f["id"] for f in health["findings"]}
    if kind == "stopped":
        assert plan["outcome"] == "HELD"
        assert data["obstacle"] == plan["reason"]
