"""The state of earlier advice, read from plans, ledger and refusals; reading never fails."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from host import limits
from host.errors import StorageError
from host.home.home import Home
from host.home.plan_store import PlanStore
from host.home.portfolio.advice import (
    allow,
    dismiss,
    read_advice_state,
    read_decisions,
    refuse,
)
from host.home.portfolio.snapshot import take_snapshot
from planner_core.model.records import Incumbent, IncumbentStep, RefusedStep, Side, Trade
from tests.host.small_home import LEDGER, PORTFOLIO, small_home

DAY = date(2024, 1, 3)
UNTIL = date(2024, 1, 10)
NOON = datetime(2024, 1, 3, 12, tzinfo=UTC)
STEPS = [("sell", "AAA", 10.0), ("buy", "BBB", 8.0), ("buy", "CCC", 4.0)]
BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return small_home(tmp_path / "home")


def save_plan(
    home: Home,
    *,
    trace_id: str = "a" * 32,
    at: datetime = NOON,
    as_of: object = DAY,
    steps: object = STEPS,
    **fields: object,
) -> str:
    listed = (
        steps
        if not isinstance(steps, list)
        else [
            {"side": side, "security": security, "quantity": quantity}
            for side, security, quantity in steps
        ]
    )
    record = {
        "bucket_id": "core",
        "trace_id": trace_id,
        "outcome": "PLANNED",
        "as_of": str(as_of),
        "valid_until": str(UNTIL),
        "steps": listed,
        **fields,
    }
    PlanStore(home).save(record, at)
    return trace_id


def fill(side: Side, security: str, quantity: float, on: date = DAY) -> Trade:
    return Trade(on, security, side, quantity, 100.0)


def incumbent_of(home: Home, *trades: Trade, as_of: date = DAY) -> Incumbent | None:
    return read_advice_state(home, "core", as_of, trades).incumbent


def refused_on(home: Home, day: date) -> tuple[RefusedStep, ...]:
    return read_decisions(home, "core")[0].refused_on(day)


def remaining(home: Home, *trades: Trade, as_of: date = DAY) -> list[tuple[str, str, float]] | None:
    plan = incumbent_of(home, *trades, as_of=as_of)
    return None if plan is None else [(s.side.value, s.security, s.quantity) for s in plan.steps]


# --- the accepted plan --------------------------------------------------------------------------


def test_a_plan_is_accepted_by_its_first_step_and_by_no_other(home: Home) -> None:
    trace_id = save_plan(home)
    assert remaining(home) is None
    assert remaining(home, fill(BUY, "BBB", 8)) is None
    assert remaining(home, fill(BUY, "AAA", 10)) is None, "the other side is another trade"
    accepted = incumbent_of(home, fill(SELL, "AAA", 10))
    assert accepted is not None
    assert (accepted.trace_id, accepted.valid_until) == (trace_id, UNTIL)
    assert accepted.steps == (IncumbentStep("BBB", BUY, 8.0), IncumbentStep("CCC", BUY, 4.0))


def test_each_step_remains_less_its_fills(home: Home) -> None:
    save_plan(home)
    partly = fill(SELL, "AAA", 3)
    assert remaining(home, partly) == [
        ("sell", "AAA", 7.0),
        ("buy", "BBB", 8.0),
        ("buy", "CCC", 4.0),
    ]
    fills = (partly, fill(SELL, "AAA", 7), fill(BUY, "BBB", 9), fill(BUY, "CCC", 1))
    assert remaining(home, *fills) == [("buy", "CCC", 3.0)]
    assert remaining(home, *fills, fill(BUY, "CCC", 3)) is None, "it is done"


def test_tenths_that_do_not_add_up_in_binary_leave_no_dust(home: Home) -> None:
    save_plan(home, steps=[("buy", "AAA", 0.8), ("buy", "BBB", 1.0)])
    assert remaining(home, *[fill(BUY, "AAA", 0.1)] * 8) == [("buy", "BBB", 1.0)]


@pytest.mark.parametrize(
    ("mandatory", "filled", "repaired"),
    [(True, 4.0, 360.0), (True, 12.0, 900.0), (False, 4.0, 0.0), (None, 4.0, 0.0)],
)
def test_the_fills_of_a_repair_count_at_their_planned_value(
    home: Home, mandatory: object, filled: float, repaired: float
) -> None:
    sell = {"side": "sell", "security": "AAA", "quantity": 10.0, "value": 900.0}
    buy = {"side": "buy", "security": "BBB", "quantity": 8.0, "value": 400.0}
    marked = {} if mandatory is None else {"mandatory": mandatory}
    save_plan(home, steps=({**sell, **marked}, buy))
    plan = incumbent_of(home, fill(SELL, "AAA", filled))
    assert plan is not None
    assert plan.repaired == pytest.approx(repaired)


def test_fills_before_the_plan_or_after_the_day_do_not_count(home: Home) -> None:
    save_plan(home)
    day = timedelta(days=1)
    assert remaining(home, fill(SELL, "AAA", 10, DAY - day)) is None
    assert remaining(home, fill(SELL, "AAA", 10, DAY - day), fill(BUY, "BBB", 1)) is None
    later = fill(SELL, "AAA", 10, DAY + 2 * day)
    assert remaining(home, later, as_of=DAY + day) is None
    assert remaining(home, later, as_of=DAY + 2 * day) is not None


def test_a_plan_counts_from_its_day_to_its_last_day(home: Home) -> None:
    save_plan(home)
    first = fill(SELL, "AAA", 10)
    assert remaining(home, first, as_of=DAY - timedelta(days=1)) is None
    assert remaining(home, first, as_of=UNTIL) is not None
    assert remaining(home, first, as_of=UNTIL + timedelta(days=1)) is None


def test_the_newest_accepted_plan_counts_and_an_idea_that_was_not_followed_does_not(
    home: Home,
) -> None:
    save_plan(home)
    save_plan(home, trace_id="b" * 32, at=NOON + timedelta(hours=1), steps=[("buy", "BBB", 8.0)])
    first = fill(SELL, "AAA", 10)
    assert remaining(home, first) == [("buy", "BBB", 8.0), ("buy", "CCC", 4.0)]
    assert remaining(home, first, fill(BUY, "BBB", 5)) == [("buy", "BBB", 3.0)]
    assert remaining(home, first, fill(BUY, "BBB", 8)) is None, "older plans stay out"


def test_only_plans_with_trades_can_be_accepted_and_conversions_are_not_fills(home: Home) -> None:
    save_plan(home, outcome="HELD")
    assert remaining(home, fill(SELL, "AAA", 10)) is None
    convert = [("convert", "USD>EUR", 500.0), ("buy", "BBB", 8.0), ("buy", "CCC", 4.0)]
    save_plan(home, trace_id="b" * 32, at=NOON + timedelta(hours=1), steps=convert)
    assert remaining(home, fill(BUY, "BBB", 8)) == [("buy", "CCC", 4.0)]


@pytest.mark.parametrize(
    "damage",
    [
        {"steps": None},
        {"steps": "sell"},
        {"steps": [("lend", "AAA", 1.0)]},
        {"steps": [("buy", 7, 1.0)]},
        {"steps": [("buy", "AAA", 0.0)]},
        {"steps": [("buy", "AAA", True)]},
        {"steps": [("buy", "AAA", 1e300)]},
        {"as_of": "yesterday"},
        {"valid_until": None},
    ],
)
def test_a_damaged_plan_is_skipped_with_a_finding(home: Home, damage: dict[str, object]) -> None:
    save_plan(home)
    save_plan(home, trace_id="b" * 32, at=NOON + timedelta(hours=1), **damage)
    state = read_advice_state(home, "core", DAY, [fill(SELL, "AAA", 10)])
    assert state.incumbent is not None
    assert state.incumbent.trace_id == "a" * 32
    assert [finding.id for finding in state.findings] == ["plan_file_odd"]


def test_a_torn_plan_is_skipped_with_a_finding(home: Home) -> None:
    save_plan(home)
    torn = home.plans_dir("core") / f"20240103T130000.000Z-{'b' * 32}.json"
    torn.write_text('{"bucket_id": "co')
    state = read_advice_state(home, "core", DAY, [fill(SELL, "AAA", 10)])
    assert state.incumbent is not None
    assert [finding.id for finding in state.findings] == ["plan_file_corrupt"]


def test_a_dismissed_plan_does_not_hold_and_revives_no_older_one(home: Home) -> None:
    save_plan(home)
    newer = save_plan(home, trace_id="b" * 32, at=NOON + timedelta(hours=1))
    first = fill(SELL, "AAA", 10)
    dismiss(home, "core", newer)
    assert remaining(home, first) is None
    save_plan(home, trace_id="c" * 32, at=NOON + timedelta(hours=2), steps=STEPS[:2])
    assert remaining(home, first) == [("buy", "BBB", 8.0)], "a plan made since may be accepted"


def test_a_refused_step_is_not_among_the_remaining_ones(home: Home) -> None:
    save_plan(home)
    refuse(home, "core", [RefusedStep("CCC", BUY, UNTIL)], DAY)
    assert remaining(home, fill(SELL, "AAA", 10)) == [("buy", "BBB", 8.0)]


# --- state/advice/core.json ---------------------------------------------------------------------


def test_refusals_expire_on_their_day(home: Home) -> None:
    steps = (RefusedStep("AAA", SELL, UNTIL, "tax"), RefusedStep("BBB", BUY, DAY))
    refuse(home, "core", steps, DAY - timedelta(days=9))
    assert refused_on(home, DAY - timedelta(days=1)) == steps
    assert refused_on(home, DAY) == steps[:1]
    assert refused_on(home, UNTIL) == ()


def test_a_second_refusal_replaces_the_first_and_taking_back_takes_one_side(home: Home) -> None:
    refuse(home, "core", [RefusedStep("AAA", side, UNTIL) for side in (BUY, SELL)], DAY)
    again = RefusedStep("AAA", BUY, UNTIL + timedelta(days=9), "still no")
    refuse(home, "core", [again], DAY)
    assert set(refused_on(home, DAY)) == {RefusedStep("AAA", SELL, UNTIL), again}
    assert allow(home, "core", "AAA", [SELL], DAY) == (RefusedStep("AAA", SELL, UNTIL),)
    assert refused_on(home, DAY) == (again,)


def test_as_many_refusals_as_are_allowed_can_be_read_again(home: Home) -> None:
    long = "\N{CJK UNIFIED IDEOGRAPH-4E00}" * limits.TEXT_LENGTH_MAX
    many = [RefusedStep(f"S{i:063d}", BUY, UNTIL, long) for i in range(limits.REFUSED_MAX)]
    refuse(home, "core", many, DAY)
    assert refused_on(home, DAY) == tuple(many)
    with pytest.raises(StorageError, match="refusals already"):
        refuse(home, "core", [RefusedStep("AAA", BUY, UNTIL)], DAY)


ENTRY = {"security": "AAA", "side": "buy", "until": "2024-01-10", "reason": ""}
WHOLE = {"schema_version": 1, "refused": [ENTRY], "dismissed": []}


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        json.dumps(WHOLE) + " " * limits.ADVICE_BYTES_MAX,
        json.dumps({**WHOLE, "schema_version": 2}),
        json.dumps({**WHOLE, "refused": {}}),
        json.dumps({**WHOLE, "refused": [ENTRY] * (limits.REFUSED_MAX + 1)}),
        json.dumps({**WHOLE, "refused": [{**ENTRY, "until": "soon"}]}),
        json.dumps({**WHOLE, "refused": [{**ENTRY, "until": None}]}),
        json.dumps({**WHOLE, "refused": [{**ENTRY, "side": "convert"}]}),
        json.dumps({**WHOLE, "refused": [{**ENTRY, "side": "lend"}]}),
        json.dumps({**WHOLE, "refused": [{**ENTRY, "security": "\x1b[2J"}]}),
        json.dumps({**WHOLE, "refused": [{**ENTRY, "reason": "x" * 201}]}),
        json.dumps({**WHOLE, "refused": ["AAA"]}),
        json.dumps({**WHOLE, "dismissed": [1]}),
    ],
)
def test_a_damaged_file_is_set_aside_with_a_finding_and_the_next_refusal_works(
    home: Home, damaged: str
) -> None:
    path = home.advice_file("core")
    path.parent.mkdir(parents=True)
    path.write_text(damaged)
    decisions, (finding,) = read_decisions(home, "core")
    assert decisions.refused == ()
    assert (finding.id, finding.severity.value) == ("advice_file_corrupt", "warning")
    (aside,) = path.parent.glob("core.json.corrupt.*")
    assert aside.read_text() == damaged
    assert read_decisions(home, "core") == (decisions, ()), "reported once"
    refuse(home, "core", [RefusedStep("AAA", BUY, UNTIL)], DAY)
    assert len(refused_on(home, DAY)) == 1


def test_reading_makes_no_files_and_a_folder_in_its_place_is_a_finding(home: Home) -> None:
    assert read_advice_state(home, "core", DAY, ()).findings == ()
    assert not home.state_dir.exists()
    home.advice_file("core").mkdir(parents=True)
    state = read_advice_state(home, "core", DAY, ())
    assert [finding.id for finding in state.findings] == ["advice_unreadable"]
    with pytest.raises(StorageError):
        refuse(home, "core", [RefusedStep("AAA", BUY, UNTIL)], DAY)


def test_a_pipe_in_its_place_does_not_block(home: Home) -> None:
    path = home.advice_file("core")
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    _, (finding,) = read_decisions(home, "core")
    assert finding.id == "advice_file_corrupt"


def _refuse_some(root: Path, mine: int) -> None:
    for i in range(10):
        refuse(Home(root), "core", [RefusedStep(f"S{mine}-{i}", BUY, UNTIL)], DAY)


def test_processes_that_refuse_at_once_lose_nothing(home: Home) -> None:
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_refuse_some, args=(home.root, n)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert len(refused_on(home, DAY)) == 40


# --- the snapshot -------------------------------------------------------------------------------


def test_the_snapshot_has_refusals_and_the_rest_of_the_accepted_plan(home: Home) -> None:
    save_plan(home, steps=[("buy", "BBB", 5.0), ("sell", "AAA", 4.0)])  # the ledger has the first
    refused = RefusedStep("AAA", BUY, UNTIL, "no")
    refuse(home, "core", [refused], DAY)
    context = take_snapshot(home, "core")
    assert context.refused == (refused,)
    assert context.incumbent is not None
    assert context.incumbent.steps == (IncumbentStep("AAA", SELL, 4.0),)
    assert context.findings == ()


def related_home(root: Path, entity: str = "me", ledger: str | None = LEDGER) -> Home:
    """Make two buckets; the other one bought AAA on 2024-01-02, and ZZZ, which only it has."""
    home = small_home(root, portfolio=f'tax_entity = "me"\n{PORTFOLIO}', ledger=LEDGER)
    theirs = f'tax_entity = "{entity}"\nbase_currency = "EUR"\n[securities.AAA]\ncurrency = "USD"\n'
    home.portfolio_file("other").write_text(theirs)
    if ledger is not None:
        home.ledger_file("other").write_text(ledger)
    return home


THEIR_FILLS = """\
date,security,side,quantity,price,fx_rate
2023-11-01,ZZZ,buy,10,90.0,
2024-01-02,AAA,buy,10,90.0,
2024-02-02,AAA,buy,10,90.0,
"""


def test_fills_in_other_buckets_of_the_same_tax_entity_are_related(tmp_path: Path) -> None:
    context = take_snapshot(related_home(tmp_path, ledger=THEIR_FILLS), "core")
    assert [(trade.on, trade.security) for trade in context.related_trades] == [
        (date(2024, 1, 2), "AAA")
    ], "not later ones, nor those in what is not in this bucket"
    assert context.findings == ()


@pytest.mark.parametrize("entity", ["my_company", "Me"])
def test_buckets_of_another_tax_entity_are_not(tmp_path: Path, entity: str) -> None:
    home = related_home(tmp_path, entity, ledger=THEIR_FILLS)
    assert take_snapshot(home, "core").related_trades == ()


def test_without_a_tax_entity_nothing_is_shared_not_even_problems(tmp_path: Path) -> None:
    home = related_home(tmp_path)
    home.portfolio_file("core").write_text(PORTFOLIO)
    home.portfolio_file("other").write_text("= broken")
    context = take_snapshot(home, "core")
    assert (context.related_trades, context.findings) == ((), ())


def broken_relatives(root: Path) -> Iterator[Home]:
    yield related_home(root / "1", ledger=None)
    yield related_home(root / "2", ledger="date,security\n")
    home = related_home(root / "3")
    home.portfolio_file("other").write_text("= broken")
    yield home


def test_a_related_ledger_that_cannot_be_read_closes_every_wash_sale_window(
    tmp_path: Path,
) -> None:
    for home in broken_relatives(tmp_path):
        context = take_snapshot(home, "core")
        bought = {t.security for t in context.related_trades if t.on == context.as_of}
        assert bought == {"AAA", "BBB"}
        (finding,) = context.findings
        assert (finding.id, finding.severity.value) == ("related_ledger_unreadable", "error")
        assert "other" in finding.message
        assert "no loss is harvested" in finding.action
        assert context.ledger_status.value == "valid", "all else goes on"
