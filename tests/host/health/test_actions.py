"""Actions of findings help in their case."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest

from host.health.checkup import check_health
from host.health.finding import HealthFinding
from host.home.home import Home
from host.home.plan_store import PlanStore
from host.planning.breaker_store import BreakerStore
from planner_core.model.circuit_breaker import Signal


def finding_of(home: Home, kind: str) -> HealthFinding:
    (finding,) = (finding for finding in check_health(home).findings if finding.id == kind)
    return finding


def test_a_module_switched_off_by_hand_is_not_announced_as_tried_again(own_home: Home) -> None:
    BreakerStore(own_home).signal("filters.diversity", Signal.DISABLE, "by hand")
    finding = finding_of(own_home, "breaker_open")
    assert finding.action == "`trader breakers reset filters.diversity` lets it run again."
    module = {"key": "filters.diversity", "status": "skipped_open", "message": "by hand"}
    record = {"bucket_id": "core", "trace_id": f"{1:032d}", "outcome": "PLANNED"}
    PlanStore(own_home).save({**record, "modules": [module]}, datetime.now(UTC))
    assert finding_of(own_home, "module_left_out").what == "filters.diversity: left out: by hand"


def test_without_write_access_the_action_names_the_owner_and_not_free_space(
    own_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "as the owner of the home" in finding_of(own_home, "cannot_write").action
