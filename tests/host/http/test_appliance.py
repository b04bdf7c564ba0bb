"""Plans, modules and metrics over HTTP: what the commands print."""

from __future__ import annotations

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from host.home.home import Home
from tests.host.conftest import Trader


def test_plans_are_listed_and_shown(client: httpx.Client, own_home: Home, trader: Trader) -> None:
    none = client.get("/buckets/core/plans/latest")
    assert none.status_code == 404
    assert none.json()["detail"] == "core: no plan is stored yet (trader plan core)"
    home = ("--home", own_home.root)
    first, second = (trader("plan", "core", "--json", *home).json for _ in range(2))
    listed = client.get("/buckets/core/plans").json()["plans"]
    assert [plan["trace_id"] for plan in listed] == [second["trace_id"], first["trace_id"]]
    assert listed[0]["outcome"] == second["outcome"]
    assert client.get("/buckets/core/plans/latest").json() == second
    assert client.get(f"/buckets/core/plans/{first['trace_id']}").json() == first
    assert len(client.get("/buckets/core/plans?n=1").json()["plans"]) == 1
    assert client.get("/buckets/satellite_a/plans").json()["plans"] == []


@pytest.mark.parametrize("trace_id", ["0" * 32, "..%2f..%2fdevice.toml", "x"])
def test_a_plan_that_does_not_exist_is_404(client: httpx.Client, trace_id: str) -> None:
    answer = client.get(f"/buckets/core/plans/{trace_id}")
    assert answer.status_code == 404


def test_modules_and_buckets_are_those_of_the_commands(
    client: httpx.Client, own_home: Home, trader: Trader
) -> None:
    home = ("--home", own_home.root)
    assert client.get("/modules").json() == trader("modules", "list", "--json", *home).json
    one = client.get("/modules/profit_taking").json()
    assert one == trader("modules", "show", "profit_taking", "--json", *home).json
    assert len(one["modules"]) == 2, "two kinds share the name"
    wrong = client.get("/modules/profit_takin")
    assert wrong.status_code == 404
    assert "did you mean `profit_taking`?" in wrong.json()["detail"]
    assert client.get("/buckets").json()["buckets"] == ["core", "satellite_a"]


def test_metrics_come_as_json_and_for_prometheus(
    client: httpx.Client, own_home: Home, trader: Trader
) -> None:
    home = ("--home", own_home.root)
    trader("plan", "core", *home)
    assert client.get("/metrics.json").json() == trader("metrics", "--json", *home).json
    answer = client.get("/metrics?bucket=core")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.text == trader("metrics", "core", "--prometheus", *home).out
    families = {family.name for family in text_string_to_metric_families(answer.text)}
    assert "arduino_trader_plans" in families
    assert client.get("/metrics?bucket=cor").status_code == 404
