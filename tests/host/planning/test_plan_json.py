"""The JSON that others build on: its keys, its signs, and that it is always JSON."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.planning.plan_json import JsonObject, plan_to_json
from planner_core.model.plan import Certificate, Plan
from planner_core.model.records import Side
from tests.host.sample_plans import SHA256, TRACE_ID, held, nothing_to_do, planned, step

DOCUMENTED = Path(__file__).resolve().parents[3] / "docs" / "plan-json.md"

TOP_KEYS = [
    "schema_version", "outcome", "reason", "bucket_id", "as_of", "created_at", "valid_until",
    "trace_id", "currency", "nav", "nav_after", "cash_before", "cash_after", "cash_required",
    "new_money", "buy_only", "score", "violation", "certificate", "steps", "metrics", "modules",
    "findings", "rejected", "alternatives", "n_candidates", "n_sizes", "n_sequences", "stopped_by",
    "config_version", "config_sha256", "context_digest", "path", "front", "explanation",
    "profile",
]  # fmt: skip
STEP_KEYS = [
    "side", "security", "quantity", "price", "accrued", "quote", "quote_unit", "currency",
    "fx_rate", "value", "cost", "tax",
    "cash_after", "settles_on", "weight_before", "weight_after", "sources", "reason",
    "mandatory", "repair_value", "target",
]  # fmt: skip


def record(plan: Plan) -> JsonObject:
    created_at = datetime(2022, 12, 28, 18, 30, tzinfo=UTC)
    data = plan_to_json(plan, 3, SHA256, created_at=created_at, security_ids=("XOM", "SHEL.L"))
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    return data


def shape(value: object) -> object:
    """Return the keys of a value, and the keys of its values."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return None


@pytest.mark.parametrize("plan", [planned(), nothing_to_do(), held()])
def test_every_outcome_has_exactly_the_keys_of_the_contract(plan: Plan) -> None:
    data = record(plan)
    assert list(data) == TOP_KEYS
    assert list(data["score"]) == ["before", "after", "gain", "terms"]  # type: ignore[call-overload]


def test_the_parts_of_a_plan_have_exactly_the_keys_of_the_contract() -> None:
    data: dict[str, list[dict[str, object]]] = record(planned())  # type: ignore[assignment]
    assert [list(part) for part in data["steps"]] == [STEP_KEYS, STEP_KEYS]
    assert list(data["modules"][0]) == ["key", "status", "elapsed_s", "message"]
    assert list(data["findings"][0]) == ["id", "severity", "message", "action", "security"]
    assert list(data["rejected"][0]) == ["side", "security", "value", "sources", "reason"]
    assert list(data["alternatives"][0]) == ["gain", "violation", "steps"]
    of_steps_alone = ("cash_after", "settles_on", "quote", "quote_unit", "repair_value", "target")
    without_order = [k for k in STEP_KEYS if k not in of_steps_alone]
    alternative: dict[str, list[dict[str, object]]] = data["alternatives"][0]  # type: ignore[assignment]
    assert list(alternative["steps"][0]) == [k for k in without_order if "weight" not in k]


def test_every_key_is_explained_in_the_document() -> None:
    text = DOCUMENTED.read_text(encoding="utf-8")
    for key in {*TOP_KEYS, *STEP_KEYS}:
        assert f"`{key}`" in text, key


def test_a_plan_becomes_the_values_of_its_record() -> None:
    data = record(planned())
    picked = [
        "outcome", "reason", "bucket_id", "as_of", "created_at", "valid_until", "trace_id",
        "currency", "nav", "cash_before", "cash_required", "config_version", "config_sha256",
    ]  # fmt: skip
    assert {key: data[key] for key in picked} == {
        "outcome": "PLANNED",
        "reason": None,
        "bucket_id": "core",
        "as_of": "2022-12-28",
        "created_at": "2022-12-28T18:30:00+00:00",
        "valid_until": "2023-01-04",
        "trace_id": TRACE_ID,
        "currency": "USD",
        "nav": 50_000.0,
        "cash_before": 2000.0,
        "cash_required": 9.0,
        "config_version": 3,
        "config_sha256": SHA256,
    }
    assert data["score"] == {
        "before": 0.05,
        "after": 0.06,
        "gain": pytest.approx(0.01),
        "terms": {
            "expected_return": {"before": 0.09, "after": 0.08, "change": pytest.approx(-0.01)},
            "risk": {"before": -0.04, "after": -0.01982, "change": pytest.approx(0.02018)},
            "cost": {"before": 0.0, "after": -0.00018, "change": -0.00018},
        },
    }
    assert data["metrics"] == {
        "expected_return": {"before": 0.09, "after": 0.08},
        "volatility": {"before": 0.2, "after": 0.18},
        "effective_n": {"before": 9.0, "after": 10.0},
        "largest_weight": {"before": 0.12, "after": 0.1},
    }


def test_a_plan_with_a_proof_has_a_certificate() -> None:
    assert record(planned())["certificate"] is None
    proven = Certificate(upper_bound=0.061, gap=0.001, exact=False, nodes=99, elapsed_s=1.5)
    assert record(planned(certificate=proven))["certificate"] == {
        "upper_bound": 0.061, "gap": 0.001, "exact": False, "nodes": 99, "elapsed_s": 1.5,
        "answer": "open",
    }  # fmt: skip


def test_a_held_plan_says_why_and_null_for_every_figure() -> None:
    data = record(held("why not"))
    assert (data["outcome"], data["reason"]) == ("HELD", "why not")
    unknown = ["currency", "nav", "nav_after", "cash_before", "cash_after", "cash_required"]
    assert [data[key] for key in unknown] == [None] * 6
    assert data["score"] == {"before": None, "after": None, "gain": None, "terms": {}}
    assert data["violation"] == {"before": None, "after": None}
    assert data["steps"] == []


def test_quantity_and_value_are_positive_whatever_sign_the_planner_uses() -> None:
    signed = step(Side.SELL, "XOM", quantity=-10.0, value=-1000.0)
    unsigned = step(Side.SELL, "XOM")
    plans = [planned(steps=(one,)) for one in (signed, unsigned)]
    first, second = (record(plan)["steps"] for plan in plans)
    assert first == second
    alternative = record(plans[0])["alternatives"]
    assert alternative[0]["steps"][0]["quantity"] == 5.0  # type: ignore[index]
    assert alternative[0]["steps"][0]["value"] == 500.0  # type: ignore[index]
    assert alternative[0]["steps"][0]["security"] == "SHEL.L"  # type: ignore[index]


@given(st.floats(), st.floats())
def test_the_text_is_json_whatever_the_numbers(first: float, second: float) -> None:
    plan = planned(nav=first, cash_after=second, metrics_after={"volatility": first})
    text = json.dumps(record(plan), allow_nan=False)
    assert not re.search(r"NaN|Infinity|: -0\.0\b", text)
    nav = json.loads(text)["nav"]
    assert nav == (first if math.isfinite(first) else None)
