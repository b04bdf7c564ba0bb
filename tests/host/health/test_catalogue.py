"""The catalogue: one name for each condition, as finding, event, link event and fault."""

from __future__ import annotations

import ast
import re
import string
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from firmware_bridge import events as link_events
from host.appliance.plan_service import INTERNAL
from host.display.faults import RECORD_NAMES, SCROLL_TEXTS, Fault
from host.errors import HostError
from host.health.catalogue import (
    CATALOGUE,
    FAULTS_BY_FAILURE,
    fault_of,
    fault_of_failure,
    finding_of_fault,
    make_finding,
)
from host.health.finding import Blocks, Level, Status, in_order, status_of
from host.home.storage import problems  # noqa: F401 - its errors have codes, too
from host.planning.worker.errors import DIED, LEFT_PROCESSES, OVERRAN
from host.telemetry.events import EVENT_TYPES, HOST_EVENTS
from planner_core.errors import PlannerError
from tools.generators.data_findings import DATA_FINDINGS

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 11, 22, tzinfo=UTC)


LINK_EVENTS = {event.__name__ for event in get_args(link_events.LinkEvent)}
LINK_EVENTS_WITHOUT_JOURNAL_EVENT = {
    "FrameAcknowledged",  # of every version on the matrix; FrameShown is the plan of a trace
}
FINDINGS_WITHOUT_EVENT = {
    # states that a check reads from files or the system; no moment begins them
    *("no_bucket", "home_open_to_others", "home_of_another", "disk_low", "memory_low"),
    *("config_not_picked_up", "device_file_refused", "portfolio_behind_ledger"),
    *("plugins_off", "module_absent"),
    *("no_plan_yet", "no_plan_for_long", "plan_held", "plan_past_its_day"),
    *("worker_missing", "link_unsteady", "clock_in_past", "state_unreadable", "check_failed"),
    *("secrets_open_to_others", "certificate_ends", "api_open"),
    # the daemon is gone, and cannot record it
    *("daemon_died", "daemon_silent"),
    # causes of PlanFailed, each with its code
    *("config_missing", "data_unusable", "worker_died", "plan_overran"),
}
EVENTS_WITHOUT_FINDING = {
    "WebServerReady",  # the end of a finding
    # what a press did, step by step
    *("ButtonEdge", "PlanRequested", "PressJoined", "BucketSelected", "PageTurned"),
    *("CancelRequested", "FaultAcknowledged", "PressIgnored", "PressExpired", "PressDropped"),
    *("PairingOpened", "PairingClosed"),
    *("PlanStored", "PlanCancelled", "PlanExpired", "FrameShown"),
    "PlanFailed",  # its code names the finding
    "FaultShown",  # its fault names the finding
    # a state that is well, or over
    *("PortOpened", "BoardConnected", "WorkerReady", "WorkerWarm", "JournalMended"),
    # details of a finding that another event begins
    *("PortMissing", "BoardRefused", "WorkerSaid", "ConfigHistoryNotRepaired"),
    *("ConfigurationNotKept", "StateNotKept"),
    # upkeep of journal, log and bus
    *("JournalContinued", "JournalPruned", "HalfFilesRemoved", "LogLevelChanged"),
    *("EventsDropped", "SubscriberFailed"),
    # who may use the API; a refused address has to wait, and nothing is to be done
    *("AccessGranted", "AccessRevoked", "AccessRefused", "CertificateMade"),
}


@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_of_the_matrix_has_a_finding_with_its_name_and_number(fault: Fault) -> None:
    finding = finding_of_fault(fault, NOW, "/home/x", "core")
    assert finding.id == fault.name.lower()
    assert finding.fault == fault.value
    assert finding.since == NOW
    assert str(fault.value) in finding.what
    assert finding.action
    assert fault in SCROLL_TEXTS


def test_a_fault_belongs_to_one_finding_and_keeps_its_number_and_its_name_on_disk() -> None:
    faults = [fault for kind_id in CATALOGUE if (fault := fault_of(kind_id)) is not None]
    assert sorted(faults) == list(Fault)
    assert {fault.value: name for fault, name in RECORD_NAMES.items()} == {
        1: "worker",
        2: "overrun",
        3: "storage",
        4: "home",
        5: "config",
        6: "data",
        7: "press_lost",
        8: "no_plan",
        9: "internal",
        10: "firmware",
        11: "clock",
    }


def test_every_finding_has_its_journal_event_or_is_listed_as_having_none() -> None:
    events = [kind.event for kind in CATALOGUE.values() if kind.event]
    assert len(events) == len(set(events)), "an event begins one finding"
    assert set(events) <= set(EVENT_TYPES)
    without = {kind_id for kind_id, kind in CATALOGUE.items() if not kind.event}
    assert without == FINDINGS_WITHOUT_EVENT


def test_every_event_of_the_appliance_is_in_the_catalogue_or_is_listed_as_no_finding() -> None:
    in_catalogue = {kind.event for kind in CATALOGUE.values()}
    assert HOST_EVENTS.keys() - in_catalogue == EVENTS_WITHOUT_FINDING


def test_a_link_event_has_the_name_of_its_journal_event() -> None:
    assert LINK_EVENTS - EVENT_TYPES.keys() == LINK_EVENTS_WITHOUT_JOURNAL_EVENT


def test_a_failed_plan_shows_the_fault_of_the_finding_with_its_code() -> None:
    codes = [code for kind in CATALOGUE.values() for code in kind.failures]
    assert len(codes) == len(set(codes)) == len(FAULTS_BY_FAILURE)
    assert set(codes) <= {*codes_of(HostError), *codes_of(PlannerError), *WORKER_CODES}
    assert fault_of_failure("overrun") is Fault.PLAN_OVERRAN
    assert fault_of_failure("portfolio_file") is Fault.DATA_UNUSABLE
    assert fault_of_failure("never heard of") is Fault.INTERNAL_ERROR


WORKER_CODES = {DIED, OVERRAN, LEFT_PROCESSES, INTERNAL}


def codes_of(error: type[HostError | PlannerError]) -> set[str]:
    """Return the codes of an error class and of all that derive from it."""
    return {error.code}.union(*(codes_of(child) for child in error.__subclasses__()))


def test_a_fault_that_stands_is_about_the_past_and_blocks_nothing_by_itself() -> None:
    assert make_finding("cannot_write").blocks is Blocks.PRESS
    assert finding_of_fault(Fault.CANNOT_WRITE, NOW, "/home/x", "core").blocks is Blocks.NOTHING


@pytest.mark.parametrize("kind_id", sorted(CATALOGUE))
def test_a_kind_has_a_plain_id_a_meaning_and_an_action(kind_id: str) -> None:
    kind = CATALOGUE[kind_id]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind_id)
    assert kind.meaning.endswith(".")
    assert kind.action.endswith(".")
    named = {name for text in (kind.action, kind.fix) for _, name, _, _ in PARSE(text) if name}
    assert named <= {"bucket", "home", "subject"}


PARSE = string.Formatter().parse


def test_an_action_names_the_bucket_and_the_home() -> None:
    home = "/home/pi/.arduino-trader"
    finding = make_finding("config_missing", home=home, bucket_id="core")
    assert "trader config check core" in finding.action
    assert home in make_finding("disk_low", home=home).action


def test_every_data_finding_of_the_code_is_documented() -> None:
    ids = set()
    for folder in ("planner_core", "host/home"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            module = ast.parse(path.read_text("utf-8"))
            for node in ast.walk(module):
                name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
                if isinstance(node, ast.Call) and name in ("Finding", "error", "warning"):
                    ids |= ids_of(node.args[0]) or ids_in_tables(module)
    assert {"price_jump", "fx_invalid", "ledger_missing"} <= ids
    assert ids == set(DATA_FINDINGS)


def ids_of(first: ast.expr) -> set[str]:
    """Return the ids that an argument can be; `kind` of a table is a price or a rate."""
    if isinstance(first, ast.Constant):
        return {str(first.value)}
    if isinstance(first, ast.JoinedStr):
        end = "".join(str(p.value) for p in first.values if isinstance(p, ast.Constant))
        return {f"price{end}", f"fx{end}"}
    return set()


def ids_in_tables(module: ast.Module) -> set[str]:
    """Return the ids in the tables of a module, `..._IDS`, from which it takes those it reports."""
    tables = [
        node.value
        for node in module.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id.endswith("_IDS")
    ]
    constants = [c for t in tables for c in ast.walk(t) if isinstance(c, ast.Constant)]
    return {constant.value for constant in constants if isinstance(constant.value, str)}


def test_the_status_is_that_of_the_worst_finding_and_notes_do_not_count() -> None:
    note, warning, error = (make_finding(i) for i in ("no_plan_yet", "disk_low", "cannot_write"))
    assert [finding.severity for finding in (note, warning, error)] == list(Level)
    assert status_of([]) is Status.OK
    assert status_of([note]) is Status.OK
    assert status_of([note, warning]) is Status.DEGRADED
    assert status_of([warning, error, note]) is Status.FAILED
    assert in_order([note, warning, error]) == [error, warning, note]
