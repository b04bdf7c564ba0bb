"""The catalogue: an id for everything, a finding for every fault of the matrix."""

from __future__ import annotations

import ast
import re
import string
from datetime import UTC, datetime
from pathlib import Path

import pytest

from host.display.faults import FAULT_TEXTS, Fault
from host.health.catalogue import CATALOGUE, FAULT_FINDINGS, finding, of_fault
from host.health.finding import Blocks, Level, Status, in_order, status_of
from tools.generators.data_findings import DATA_FINDINGS

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_of_the_matrix_has_a_finding_with_its_number(fault: Fault) -> None:
    found = of_fault(fault, NOW, "/home/x", "core")
    assert found.fault == fault.value
    assert found.since == NOW
    assert str(fault.value) in found.what
    assert found.action
    assert fault in FAULT_TEXTS


def test_no_two_findings_share_a_fault() -> None:
    with_fault = [kind.fault for kind in CATALOGUE.values() if kind.fault is not None]
    assert len(with_fault) == len(set(with_fault)) == len(FAULT_FINDINGS)


def test_a_fault_that_stands_tells_what_was_and_blocks_nothing_by_itself() -> None:
    assert finding("cannot_write").blocks is Blocks.PRESS
    assert of_fault(Fault.STORAGE, NOW, "/home/x", "core").blocks is Blocks.NOTHING


@pytest.mark.parametrize("kind_id", sorted(CATALOGUE))
def test_a_kind_has_a_plain_id_a_meaning_and_something_to_do(kind_id: str) -> None:
    kind = CATALOGUE[kind_id]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind_id)
    assert kind.meaning.endswith(".")
    assert kind.action.endswith(".")
    named = {name for text in (kind.action, kind.fix) for _, name, _, _ in PARSE(text) if name}
    assert named <= {"bucket", "home", "subject"}


PARSE = string.Formatter().parse


def test_what_a_finding_tells_to_do_names_the_bucket_and_the_home() -> None:
    found = finding("config_missing", home="/home/pi/.arduino-trader", bucket_id="core")
    assert "trader config check core" in found.action
    assert "/home/pi/.arduino-trader" in finding("disk_low", home="/home/pi/.arduino-trader").action


def test_every_doubt_about_data_that_the_code_can_tell_is_documented() -> None:
    told = set()
    for folder in ("planner_core", "host/home"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding":
                    told |= ids_of(node.args[0])
    assert {"price_jump", "fx_invalid", "ledger_missing"} <= told
    assert told == set(DATA_FINDINGS)


def ids_of(first: ast.expr) -> set[str]:
    """Return the ids that an argument can be; `kind` of a table is a price or a rate."""
    if isinstance(first, ast.Constant):
        return {str(first.value)}
    if isinstance(first, ast.JoinedStr):
        end = "".join(str(p.value) for p in first.values if isinstance(p, ast.Constant))
        return {f"price{end}", f"fx{end}"}
    return set()


def test_the_status_is_that_of_the_worst_finding_and_notes_cost_nothing() -> None:
    note, warning, error = (finding(i) for i in ("no_plan_yet", "disk_low", "cannot_write"))
    assert [found.severity for found in (note, warning, error)] == list(Level)
    assert status_of([]) is Status.OK
    assert status_of([note]) is Status.OK
    assert status_of([note, warning]) is Status.DEGRADED
    assert status_of([warning, error, note]) is Status.FAILED
    assert in_order([note, warning, error]) == [error, warning, note]
