"""Each check finds what a test breaks in a healthy home."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from host.display.faults import Fault
from host.health.catalogue import CATALOGUE
from host.health.checks import home as home_checks
from host.health.checkup import check_health
from host.health.finding import HealthFinding, Status
from host.health.liveness import LivenessFile
from host.health.monitor_state import ClockJump, MonitorState, write_monitor_state
from host.home.access.certificate import certificate_file
from host.home.access.token_store import Right, TokenStore
from host.home.config.load import commit_edit
from host.home.home import Home
from host.home.plan_store import PlanStore
from host.home.storage.atomic_file import write_atomic
from host.home.storage.instance_lock import InstanceLock
from host.http.certificate import VALID, make_certificate
from host.telemetry.journal.journal import Journal
from host.telemetry.journal.record import JournalRecord
from tests.host.plugins.plugin_files import add_plugins, filter_text

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def store(home: Home, outcome: str, age_h: float = 1.0, **more: object) -> None:
    """Keep a plan that was made some hours ago."""
    trace_id = f"{abs(int(age_h * 100)):032d}"
    record = {"bucket_id": "core", "trace_id": trace_id, "outcome": outcome, **more}
    PlanStore(home).save(record, NOW - age_h * HOUR)


def journal(home: Home, at: datetime = NOW - HOUR) -> Path:
    """Write a journal of three records."""
    journal_writer = Journal(home.journal_dir)
    journal_writer.open(lambda _record: None)
    for name in ("One", "Two", "Three"):
        journal_writer.append_now(JournalRecord(name, at), durable=False)
    journal_writer.close()
    return journal_writer.path


def journal_edited(home: Home) -> None:
    edit(journal(home), '"Two"', '"Too"')


def journal_torn(home: Home) -> None:
    with journal(home).open("ab") as file:
        file.write(b'{"n":4,"prev":"')


def commit(home: Home) -> None:
    commit_edit(home, "core")


def config_refused(home: Home) -> None:
    commit(home)
    home.bucket_file("core").write_text("max_plan_depth = 99\n", encoding="utf-8")


def config_edited(home: Home) -> None:
    commit(home)
    with home.bucket_file("core").open("a", encoding="utf-8") as file:
        file.write("# a word more\n")


def plugin_failed(home: Home) -> None:
    add_plugins(home, {"a.py": "x = ["})


def plugins_off(home: Home) -> None:
    add_plugins(home, {"a.py": filter_text("mine")}, enabled=False)


def plugin_named(home: Home) -> None:
    plugins_off(home)
    home.bucket_file("core").write_text("[filters]\nmine = true\n", "utf-8")


def version_damaged(home: Home) -> None:
    commit(home)
    edit(home.config_history_dir("core") / "000001.toml", "max_plan_depth", "MAX_plan_depth")


def stale(home: Home) -> None:
    edit(home.portfolio_file("core"), "as_of = 2022-12-28", "as_of = 2024-12-28")


def behind_ledger(home: Home) -> None:
    long_ago = datetime(2015, 1, 1, tzinfo=UTC).timestamp()
    os.utime(home.portfolio_file("core"), (long_ago, long_ago))


def held(home: Home) -> None:
    store(home, "PLANNED", 5)
    store(home, "HELD", 1, reason="prices are too old")


def left_out(home: Home) -> None:
    modules = [{"key": "filters.diversity", "status": "timed_out", "message": "took 9 s"}]
    store(home, "NOTHING_TO_DO", modules=modules)


def plan_damaged(home: Home) -> None:
    store(home, "PLANNED")
    next(home.plans_dir("core").glob("*.json")).write_bytes(b"{")


def from_the_future(home: Home) -> None:
    store(home, "PLANNED", age_h=-30)


def journaled_in_the_future(home: Home) -> None:
    journal(home, NOW + 30 * HOUR)


def write_state(home: Home, **fields: object) -> None:
    """Write the state of a live daemon."""
    state = MonitorState(
        saved_at=NOW,
        started_at=NOW - HOUR,
        bucket_id="core",
        is_linked=True,
        is_worker_running=True,
    )
    write_monitor_state(home.state_dir, replace(state, **fields))  # type: ignore[arg-type]
    LivenessFile(home.state_dir).write()


def remove(*names: str) -> Callable[[Home], None]:
    def broken(home: Home) -> None:
        for name in names:
            (home.root / name).unlink()

    return broken


def write(name: str, text: str) -> Callable[[Home], None]:
    def broken(home: Home) -> None:
        (home.root / name).parent.mkdir(exist_ok=True)
        (home.root / name).write_text(text, encoding="utf-8")

    return broken


@dataclass(frozen=True)
class Case:
    """A broken home and the finding it must give."""

    kind: str
    broken: Callable[[Home], object]
    bucket_id: str = ""
    says: str = ""
    alive: bool = False


BREAKERS = """{"schema_version": 1, "breakers": [
 {"key": "filters.a", "state": "open", "retry_at": "2026-11-22T12:05:00+00:00", "since": null,
  "reason": "took 9 s"},
 {"key": "filters.b", "state": "closed", "retry_at": null, "since": null, "reason": ""}]}"""


def tokens_exposed(home: Home) -> None:
    TokenStore(home).add("phone", Right.READ, "terminal")
    (home.secrets_dir / "tokens.json").chmod(0o640)


def certificate_of(age: timedelta) -> Callable[[Home], None]:
    def broken(home: Home) -> None:
        home.device_file.write_text('[web]\ntls = "always"\n', encoding="utf-8")
        write_atomic(certificate_file(home), make_certificate(["localhost"], NOW - age))

    return broken


CASES = [
    Case("secrets_open_to_others", tokens_exposed, says="chmod 600"),
    Case("certificate_ends", certificate_of(VALID - 13 * DAY), says="ends on"),
    Case("certificate_ends", certificate_of(VALID + 13 * DAY), says="ended on"),
    Case("api_open", write("device.toml", '[web]\nenabled = true\nhost = "::"\n'), says=":: port"),
    Case("no_bucket", remove("portfolios/core.toml", "portfolios/satellite_a.toml")),
    Case("home_open_to_others", lambda home: home.prices_file.chmod(0o666), says="prices.csv"),
    Case("config_missing", write("buckets/core.toml", "x = [\n"), "core", "core.toml:"),
    Case("config_refused", config_refused, "core", "core.toml:1:1"),
    Case("config_not_picked_up", config_edited, "core", "version 1"),
    Case("config_history_damaged", version_damaged, "core", "000001.toml"),
    Case("device_file_refused", write("device.toml", "[link]\nport = 5\n"), says="device.toml:2"),
    Case("data_unusable", remove("market/prices.csv"), "core", "prices.csv"),
    Case("data_unusable", remove("portfolios/core.trades.csv"), "core", "ledger"),
    Case(
        "data_unusable", write("portfolios/core.toml", "base_currency = 5\n"), "core", ":1:1: base"
    ),
    Case("data_unusable", stale, "core", "add newer closes"),
    Case("ledger_missing", remove("portfolios/core.trades.csv"), "core"),
    Case("portfolio_behind_ledger", behind_ledger, "core", "2015-01-01"),
    Case("no_plan_yet", lambda _home: None, "core"),
    Case("no_plan_for_long", lambda home: store(home, "PLANNED", 169), "core", "168 h"),
    Case("plan_held", held, "core", "too old"),
    Case("plan_past_its_day", lambda h: store(h, "PLANNED", valid_until="2022-12-30"), "core"),
    Case("module_left_out", left_out, "core", "filters.diversity: took too long: took 9 s"),
    Case("plan_file_damaged", plan_damaged, "core", ".json"),
    Case("clock_in_past", from_the_future, says="a stored plan"),
    Case("clock_in_past", journaled_in_the_future, says="a record of the journal"),
    Case("journal_damaged", journal_edited, says="journal.jsonl:"),
    Case("journal_tail_torn", journal_torn, says="15 bytes"),
    Case("plugin_failed", plugin_failed, says="plugins/a.py: line 1: SyntaxError"),
    Case("plugins_off", plugins_off, says="plugins/a.py: plugins are off"),
    Case("module_absent", plugin_named, "core", "filters.mine: plugins/a.py: plugins are off"),
    Case("breaker_open", write("state/breakers.json", BREAKERS), says="filters.a: open; tried"),
    Case("check_failed", write("state/breakers.json", "["), says="breakers.json"),
    Case("state_unreadable", write("state/health.json", "{"), says="health.json"),
    Case("daemon_not_running", lambda _home: None),
    Case("daemon_died", lambda home: write_state(home, pid=77), says="77"),
    Case("daemon_silent", lambda home: home.state_dir.mkdir(), alive=True),
    Case("board_missing", lambda h: write_state(h, is_linked=False, port="/dev/no"), alive=True),
    *(
        Case(kind, lambda home, kind=kind: write_state(home, incidents={kind: NOW}), alive=True)  # type: ignore[misc] # bound at once
        for kind in ("daemon_restarted", "worker_restarted", "link_unsteady")
    ),
    Case(
        "api_not_served",
        lambda h: write_state(h, web_problem="cannot listen on 127.0.0.1 port 8484"),
        says="port 8484",
        alive=True,
    ),
    Case("worker_missing", lambda h: write_state(h, is_worker_running=False), alive=True),
    Case("clock_jumped", lambda h: write_state(h, clock_jump=ClockJump(NOW, -7200.0)), says="back"),
]


def findings_of(home: Home, kind: str) -> list[HealthFinding]:
    return [finding for finding in check_health(home).findings if finding.id == kind]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}-{case.says}")
def test_what_is_broken_is_found(own_home: Home, case: Case) -> None:
    case.broken(own_home)
    if case.alive:
        with InstanceLock(own_home.state_dir):
            report = check_health(own_home)
    else:
        report = check_health(own_home)
    findings = [f for f in report.findings if (f.id, f.bucket_id) == (case.kind, case.bucket_id)]
    assert len(findings) == 1, [f.key for f in report.findings]
    assert case.says in findings[0].what
    assert findings[0].action
    if case.kind in CATALOGUE:
        assert findings[0].severity is CATALOGUE[case.kind].severity


@pytest.mark.parametrize(
    ("since_start", "was_linked", "is_missing"),
    [
        (timedelta(seconds=5), False, False),
        (timedelta(seconds=30), False, True),
        (timedelta(seconds=5), True, True),
    ],
)
def test_a_board_has_time_to_start_but_a_lost_one_is_reported_at_once(
    own_home: Home, since_start: timedelta, was_linked: bool, is_missing: bool
) -> None:
    state = {"is_linked": False, "port": "/dev/null", "started_at": NOW - since_start}
    write_state(own_home, **state, link_since=NOW if was_linked else None)
    with InstanceLock(own_home.state_dir):
        findings = check_health(own_home, now=NOW).findings
    assert ("board_missing" in {f.id for f in findings}) == is_missing


def test_every_kind_of_the_catalogue_is_tested_here_or_elsewhere() -> None:
    elsewhere = {
        *("home_missing", "home_of_another", "cannot_write", "disk_low", "memory_low"),
        *("worker_died", "plan_overran", "internal_error", "firmware_incompatible", "press_lost"),
    }
    assert {case.kind for case in CASES} - {"ledger_missing"} | elsewhere == set(CATALOGUE)


def test_a_new_demo_home_is_healthy(own_home: Home) -> None:
    report = check_health(own_home)
    assert report.status is Status.OK
    assert all(not report.cannot_plan(bucket_id) for bucket_id in ("core", "satellite_a"))
    assert [finding.id for finding in report.not_ready()] == ["daemon_not_running"]


def test_a_missing_home_is_the_first_finding(tmp_path: Path) -> None:
    report = check_health(Home(tmp_path / "none"))
    assert report.findings[0].id == "home_missing"
    assert report.findings[0].fault == Fault.HOME_MISSING.value
    assert report.status is Status.FAILED


@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_on_the_matrix_is_in_the_health_with_its_since(
    own_home: Home, fault: Fault
) -> None:
    since = (NOW - HOUR).replace(microsecond=0)
    write_state(own_home, faults={fault: since})
    with InstanceLock(own_home.state_dir):
        report = check_health(own_home)
    shown = [finding for finding in report.findings if finding.fault == fault.value]
    assert [finding.since for finding in shown] == [since]
    assert report.status is not Status.OK
    assert report.to_json()["daemon"]["faults"] == [fault.value]  # type: ignore[index]


def test_faults_of_a_stopped_daemon_are_not_reported_as_shown(own_home: Home) -> None:
    write_state(own_home, faults={Fault.WORKER_DIED: NOW}, stopped_at=NOW)
    assert findings_of(own_home, "worker_died") == []


def test_a_live_daemon_with_board_and_planner_makes_the_home_ready(own_home: Home) -> None:
    write_state(own_home)
    with InstanceLock(own_home.state_dir):
        report = check_health(own_home)
    assert report.is_live
    assert report.not_ready() == []
    assert report.status is Status.OK


def test_a_bucket_that_cannot_be_planned_does_not_make_the_other_unready(own_home: Home) -> None:
    write_state(own_home)
    own_home.ledger_file("satellite_a").unlink()
    with InstanceLock(own_home.state_dir):
        report = check_health(own_home)
    assert report.not_ready("core") == []
    assert [finding.id for finding in report.not_ready("satellite_a")] == ["data_unusable"]


def test_since_comes_from_the_monitor_state_and_is_never_in_the_future(
    own_home: Home,
) -> None:
    own_home.prices_file.chmod(0o666)
    key = findings_of(own_home, "home_open_to_others")[0].key
    write_state(own_home, findings={key: NOW - 5 * HOUR})
    assert findings_of(own_home, "home_open_to_others")[0].since == (NOW - 5 * HOUR).replace(
        microsecond=NOW.microsecond // 1000 * 1000
    )
    write_state(own_home, findings={key: NOW + 900 * HOUR})
    report = check_health(own_home, now=NOW)
    assert [f.since for f in report.findings if f.key == key] == [NOW]


def test_a_success_is_never_overdue_where_none_is_expected(own_home: Home) -> None:
    store(own_home, "PLANNED", 9_000)
    assert findings_of(own_home, "no_plan_for_long")
    write("device.toml", "[limits]\nplan_silence_h = 0\n")(own_home)
    assert findings_of(own_home, "no_plan_for_long") == []


def test_a_held_plan_is_no_success(own_home: Home) -> None:
    store(own_home, "NOTHING_TO_DO", 170)
    store(own_home, "HELD", 1)
    assert [f.bucket_id for f in findings_of(own_home, "no_plan_for_long")] == ["core"]
    store(own_home, "NOTHING_TO_DO", 0.5)
    assert findings_of(own_home, "no_plan_for_long") == []


class Disk:
    """A result of statvfs."""

    def __init__(self, free_mb: float, flags: int = 0, inodes: int = 10_000) -> None:
        self.f_bavail, self.f_frsize = int(free_mb * 1024), 1024
        self.f_flag, self.f_favail, self.f_files = flags, inodes, 100_000


@pytest.mark.parametrize(
    ("disk", "kind"),
    [
        (Disk(0.5), "cannot_write"),
        (Disk(50_000, inodes=3), "cannot_write"),
        (Disk(50_000, os.ST_RDONLY), "cannot_write"),
        (Disk(63), "disk_low"),
    ],
)
def test_a_disk_that_takes_no_writes_is_reported(
    own_home: Home, monkeypatch: pytest.MonkeyPatch, disk: Disk, kind: str
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _path: disk)
    findings = findings_of(own_home, kind)
    assert [f.id for f in findings] == [kind]
    assert str(own_home.root) in findings[0].what


def test_a_home_of_another_is_reported(own_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54_321)
    assert "54321" in findings_of(own_home, "home_of_another")[0].what


def test_little_memory_is_reported(own_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home_checks, "available_memory_bytes", lambda: 10 * 1024**2)
    assert "10 MB" in findings_of(own_home, "memory_low")[0].what


def test_a_check_that_cannot_run_does_not_stop_the_others(own_home: Home) -> None:
    path = own_home.journal_dir
    path.mkdir()
    (path / "journal.jsonl").mkdir()
    report = check_health(own_home)
    failed = [finding for finding in report.findings if finding.id == "check_failed"]
    assert [finding.subject for finding in failed] == ["journal"]
    assert "no_plan_yet" in {finding.id for finding in report.findings}


def test_checks_that_did_not_run_in_time_are_reported(own_home: Home) -> None:
    ticks = iter(range(100))
    report = check_health(own_home, monotonic=lambda: float(next(ticks)), budget_s=4.0)
    skipped = {finding.subject for finding in report.findings if finding.id == "check_failed"}
    assert {"data of core", "clock"} <= skipped
    assert "home" not in skipped
    assert report.status is not Status.OK


def test_the_report_is_plain_data_without_surprises(own_home: Home) -> None:
    left_out(own_home)
    report = json.loads(json.dumps(check_health(own_home).to_json(), allow_nan=False))
    core = report["buckets"]["core"]
    assert core["status"] == "degraded"
    assert core["modules"]["filters.diversity"]["status"] == "timed_out"
    assert [finding["id"] for finding in core["warnings"]] == ["module_left_out"]
    assert core["errors"] == []
    assert core["can_plan"] is True
    assert core["ready"] is False


def test_a_certificate_that_is_not_used_or_that_lasts_is_no_finding(own_home: Home) -> None:
    certificate_of(VALID - 15 * DAY)(own_home)
    assert "certificate_ends" not in {f.id for f in check_health(own_home).findings}
    certificate_of(VALID + 15 * DAY)(own_home)
    own_home.device_file.unlink()
    assert "certificate_ends" not in {f.id for f in check_health(own_home).findings}


def test_an_api_that_only_this_computer_reaches_is_no_finding(own_home: Home) -> None:
    own_home.device_file.write_text("[web]\nenabled = true\n", encoding="utf-8")
    assert check_health(own_home).status is Status.OK
