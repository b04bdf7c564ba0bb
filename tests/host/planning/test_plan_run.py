"""From the files of a home to a plan in the store and in the journal."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from host.clock import Clock
from host.errors import HomeError
from host.home.home import Home
from host.home.plan_store import PlanFile, PlanStore
from host.home.storage.problems import PortfolioFileError
from host.home.storage.toml_file import ConfigFileError
from host.planning.plan_run import PlannedRun, RunOptions, make_plan
from host.telemetry.events import new_trace_id
from host.telemetry.journal.record import JournalRecord
from planner_core.errors import ContextError
from planner_core.events import Event, PlanningCompleted, PlanningStarted
from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Outcome, Plan
from planner_core.model.records import Side
from planner_core.planner import plan as plan_context
from planner_core.runtime import Runtime
from tests.host.conftest import Trader
from tests.host.journals import read_journal
from tests.host.sample_plans import TRACE_ID, planned
from tests.host.small_home import small_home

NOW = datetime(2023, 1, 2, 9, 30, tzinfo=UTC)


def ticking() -> Clock:
    """A clock that is a second later at each call."""
    times: Iterator[float] = iter(range(10_000))
    return Clock(monotonic=lambda: float(next(times)), now=lambda: NOW)


def false_planner(context: PlanningContext, config: PlannerConfig, runtime: Runtime) -> Plan:
    assert config.max_plan_depth == 5
    return planned(bucket_id=context.bucket_id, as_of=context.as_of, trace_id=runtime.trace_id)


def run(home: Home, bucket_id: str = "core", as_of: date | None = None) -> PlannedRun:
    options = RunOptions(as_of=as_of, clock=ticking(), trace_id=TRACE_ID, planner=false_planner)
    return make_plan(home, bucket_id, options)


def store_plan(home: Home, result: PlannedRun) -> PlanFile:
    return PlanStore(home).save(result.record, result.created_at)


def test_the_demo_plan_both_sells_and_buys_and_is_the_same_each_time(own_home: Home) -> None:
    first, second = (make_plan(own_home, "core", RunOptions(trace_id=TRACE_ID)) for _ in range(2))
    assert first.plan.outcome is Outcome.PLANNED
    assert {step.side for step in first.plan.steps} == {Side.BUY, Side.SELL}
    assert first.plan.steps == second.plan.steps
    assert first.plan.as_of == date(2022, 12, 28)
    assert first.prices_until == date(2022, 12, 28)


def test_a_run_carries_its_configuration_its_time_and_its_record(own_home: Home) -> None:
    result = run(own_home)
    assert result.config.path == own_home.bucket_file("core")
    assert result.created_at == NOW
    assert result.elapsed_s == 1.0
    assert result.record["trace_id"] == TRACE_ID
    assert result.record["created_at"] == "2023-01-02T09:30:00+00:00"
    assert result.record["config_version"] == result.config.version == 1
    assert result.record["config_sha256"] == result.config.sha256
    assert result.record["alternatives"]


def test_a_run_stores_nothing(own_home: Home) -> None:
    result = run(own_home)
    assert PlanStore(own_home).latest("core") is None
    file = store_plan(own_home, result)
    latest = PlanStore(own_home).latest("core")
    assert latest is not None
    assert latest.file.path == file.path
    assert latest.record == result.record


def test_a_run_may_be_for_another_day(own_home: Home) -> None:
    assert run(own_home, as_of=date(2022, 12, 30)).plan.as_of == date(2022, 12, 30)


def test_events_carry_the_trace_id_and_the_host_s_time(own_home: Home) -> None:
    events: list[Event] = []
    options = RunOptions(clock=ticking(), emit=events.append, trace_id=TRACE_ID)
    make_plan(own_home, "core", options)
    assert isinstance(events[0], PlanningStarted)
    assert isinstance(events[-1], PlanningCompleted)
    assert {event.trace_id for event in events} == {TRACE_ID}
    assert {event.timestamp for event in events} == {NOW}
    assert {event.bucket_id for event in events} == {"core"}


def test_prices_that_cannot_carry_a_plan_give_a_held_plan_that_can_be_stored(
    own_home: Home,
) -> None:
    own_home.prices_file.write_text("date,AAPL\n")
    result = run(own_home)
    assert result.plan.outcome is Outcome.HELD
    assert str(own_home.prices_file) in result.plan.reason
    assert result.plan.as_of == date(2022, 12, 28)
    assert result.context is None
    assert result.prices_until is None
    assert {finding.id for finding in result.plan.findings} == {"market_data"}
    assert store_plan(own_home, result).path.exists()


def test_a_missing_rate_is_held_and_never_taken_as_one(own_home: Home) -> None:
    own_home.fx_file.unlink()
    result = run(own_home)
    assert result.plan.outcome is Outcome.HELD
    assert "fx.csv" in result.plan.reason


def test_a_context_that_contradicts_itself_is_held(own_home: Home) -> None:
    def contradicted(*_: object) -> Plan:
        raise ContextError("prices: a price is missing")

    result = make_plan(own_home, "core", RunOptions(clock=ticking(), planner=contradicted))
    assert (result.plan.outcome, result.plan.reason) == (
        Outcome.HELD,
        "prices: a price is missing",
    )


def test_a_missing_ledger_is_held_by_the_planner_itself(own_home: Home) -> None:
    own_home.ledger_file("core").unlink()
    result = make_plan(own_home, "core")
    assert result.plan.outcome is Outcome.HELD
    assert "ledger is missing" in result.plan.reason
    assert result.plan.nav is not None


def test_a_wrong_configuration_raises_with_all_its_problems(own_home: Home) -> None:
    own_home.bucket_file("core").write_text("max_plan_depth = 99\n[cost]\nfixed = 1\n")
    with pytest.raises(ConfigFileError) as caught:
        run(own_home)
    assert [problem.line for problem in caught.value.problems] == [1, 2]


def test_a_wrong_portfolio_and_an_unknown_bucket_raise(own_home: Home) -> None:
    with pytest.raises(HomeError, match="no bucket 'cor'"):
        run(own_home, "cor")
    own_home.portfolio_file("core").write_text("base_currency = 'dollars'\n")
    with pytest.raises(PortfolioFileError):
        run(own_home)


def test_history_days_of_the_configuration_reach_the_snapshot(own_home: Home) -> None:
    own_home.bucket_file("core").write_text("[estimation]\nhistory_days = 300\n")
    short = run(own_home).context
    own_home.bucket_file("core").write_text("[estimation]\nhistory_days = 1500\n")
    long = run(own_home).context
    assert short is not None
    assert long is not None
    assert short.n_days < 700 < long.n_days


def test_trace_ids_are_those_of_opentelemetry_and_differ() -> None:
    ids = {new_trace_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"[0-9a-f]{32}", trace_id) for trace_id in ids)


def test_a_stored_plan_sorts_by_the_time_it_was_made(own_home: Home) -> None:
    result = run(own_home)
    later = replace(result, created_at=NOW + timedelta(seconds=1))
    names = [store_plan(own_home, one).path.name for one in (later, result)]
    assert names == sorted(names, reverse=True)


def journaled(home: Home) -> list[JournalRecord]:
    records: list[JournalRecord] = []
    assert read_journal(home.journal_dir, records.append).is_sound
    return records


def test_one_trace_id_joins_a_command_its_events_and_its_plan(
    trader: Trader, own_home: Home
) -> None:
    plan = trader("plan", "core", "--json", "--home", own_home.root).json
    records = journaled(own_home)
    assert {record.trace_id for record in records} == {plan["trace_id"]}
    assert {record.bucket_id for record in records} == {"core"}
    types = [record.event_type for record in records]
    order = [
        "PlanningStarted",
        "SequenceGenerationStarted",
        "SequenceEvaluationStarted",
        "BestSequenceUpdated",
        "SequenceGenerationCompleted",
        "SequenceEvaluationCompleted",
        "PlanningCompleted",
        "PlanStored",
    ]
    assert [name for name in dict.fromkeys(types) if name in order] == order
    stored = records[-1].data
    assert (stored["via"], stored["outcome"]) == ("command", "PLANNED")
    assert stored["config_version"] == plan["config_version"] == 1
    (file,) = own_home.plans_dir("core").glob(f"*{plan['trace_id']}.json")
    assert stored["file"] == file.name


def test_a_plan_that_is_held_by_its_data_is_journaled_too(trader: Trader, tmp_path: Path) -> None:
    home = small_home(tmp_path, prices="date,AAA,BBB\n2024-01-02,x,y\n")
    home.bucket_file("core").parent.mkdir()
    home.bucket_file("core").write_text("# defaults\n", encoding="utf-8")
    assert trader("plan", "core", "--home", home.root).code == 1
    records = journaled(home)
    assert [record.event_type for record in records] == ["PlanningCompleted", "PlanStored"]
    assert {record.data["outcome"] for record in records} == {"HELD"}


def test_a_plan_that_is_not_stored_is_not_journaled(trader: Trader, own_home: Home) -> None:
    trader("plan", "core", "--no-store", "--home", own_home.root)
    assert not own_home.journal_dir.exists()


def test_a_journal_that_cannot_be_written_is_reported_and_the_plan_is_shown(
    trader: Trader, own_home: Home
) -> None:
    own_home.journal_dir.touch()
    result = trader("plan", "core", "--json", "--home", own_home.root)
    assert result.code == 1
    assert result.json["outcome"] == "PLANNED"
    assert "events were not stored" in result.err
    assert os.linesep not in result.err.strip()


def test_a_run_plans_with_new_money_and_without_sells(own_home: Home) -> None:
    contexts: list[PlanningContext] = []

    def planner(context: PlanningContext, config: PlannerConfig, runtime: Runtime) -> Plan:
        contexts.append(context)
        return plan_context(context, config, runtime)

    make_plan(own_home, "core", RunOptions(planner=planner))
    run = make_plan(own_home, "core", RunOptions(planner=planner, invest=800.0, buy_only=True))
    plain, invested = contexts
    assert (invested.invest, invested.buy_only) == (800.0, True)
    assert invested.cash[0].settled == plain.cash[0].settled + 800.0
    assert run.record["new_money"] == {
        "amount": 800.0,
        "spent": run.plan.new_money.spent if run.plan.new_money else None,
        "reason": (run.plan.new_money.reason or None) if run.plan.new_money else "",
    }


def test_data_that_hold_a_plan_still_answer_for_the_money(own_home: Home) -> None:
    own_home.prices_file.write_text("date,AAPL\n2022-12-27,nan\n")
    run = make_plan(own_home, "core", RunOptions(invest=800.0))
    assert run.plan.outcome is Outcome.HELD
    assert run.record["new_money"] == {
        "amount": 800.0, "spent": 0.0, "reason": run.plan.reason
    }  # fmt: skip
