"""What became of the advice: read from plans, ledger and the file of refusals, never failing."""

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
from host.home.portfolio.advice import incumbent_of, refused_of, standing_of
from host.home.portfolio.advice_file import allow, dismiss, read_advice, refuse
from host.home.portfolio.snapshot import take_snapshot
from planner_core.model.records import IncumbentStep, RefusedStep, Side, Trade
from tests.host.small_home import LEDGER, PORTFOLIO, small_home

DAY = date(2024, 1, 3)
UNTIL = date(2024, 1, 10)
NOON = datetime(2024, 1, 3, 12, tzinfo=UTC)
STEPS = [("sell", "AAA", 10.0), ("buy", "BBB", 8.0), ("buy", "CCC", 4.0)]
BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return small_home(tmp_path / "home")


def keep_plan(
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


def left(home: Home, *trades: Trade, as_of: date = DAY) -> list[tuple[str, str, float]] | None:
    found = incumbent_of(home, "core", as_of, trades)
    return None if found is None else [(s.side.value, s.security, s.quantity) for s in found.steps]


# --- the accepted plan --------------------------------------------------------------------------


def test_a_plan_is_accepted_by_its_first_step_and_by_no_other(home: Home) -> None:
    trace_id = keep_plan(home)
    assert left(home) is None
    assert left(home, fill(BUY, "BBB", 8)) is None
    assert left(home, fill(BUY, "AAA", 10)) is None, "the other side is another trade"
    accepted = incumbent_of(home, "core", DAY, [fill(SELL, "AAA", 10)])
    assert accepted is not None
    assert (accepted.trace_id, accepted.valid_until) == (trace_id, UNTIL)
    assert accepted.steps == (IncumbentStep("BBB", BUY, 8.0), IncumbentStep("CCC", BUY, 4.0))


def test_what_is_left_is_each_step_less_its_fills(home: Home) -> None:
    keep_plan(home)
    partly = fill(SELL, "AAA", 3)
    assert left(home, partly) == [("sell", "AAA", 7.0), ("buy", "BBB", 8.0), ("buy", "CCC", 4.0)]
    fills = (partly, fill(SELL, "AAA", 7), fill(BUY, "BBB", 9), fill(BUY, "CCC", 1))
    assert left(home, *fills) == [("buy", "CCC", 3.0)]
    assert left(home, *fills, fill(BUY, "CCC", 3)) is None, "it is done"


def test_tenths_that_do_not_add_up_in_binary_leave_no_dust(home: Home) -> None:
    keep_plan(home, steps=[("buy", "AAA", 0.8), ("buy", "BBB", 1.0)])
    assert left(home, *[fill(BUY, "AAA", 0.1)] * 8) == [("buy", "BBB", 1.0)]


@pytest.mark.parametrize(
    ("mandatory", "filled", "repaired"),
    [(True, 4.0, 360.0), (True, 12.0, 900.0), (False, 4.0, 0.0), (None, 4.0, 0.0)],
)
def test_what_was_filled_of_a_repair_is_told_at_its_planned_value(
    home: Home, mandatory: object, filled: float, repaired: float
) -> None:
    sell = {"side": "sell", "security": "AAA", "quantity": 10.0, "value": 900.0}
    buy = {"side": "buy", "security": "BBB", "quantity": 8.0, "value": 400.0}
    marked = {} if mandatory is None else {"mandatory": mandatory}
    keep_plan(home, steps=({**sell, **marked}, buy))
    found = incumbent_of(home, "core", DAY, [fill(SELL, "AAA", filled)])
    assert found is not None
    assert found.repaired == pytest.approx(repaired)


def test_fills_before_the_plan_or_after_the_day_do_not_count(home: Home) -> None:
    keep_plan(home)
    day = timedelta(days=1)
    assert left(home, fill(SELL, "AAA", 10, DAY - day)) is None
    assert left(home, fill(SELL, "AAA", 10, DAY - day), fill(BUY, "BBB", 1)) is None
    later = fill(SELL, "AAA", 10, DAY + 2 * day)
    assert left(home, later, as_of=DAY + day) is None
    assert left(home, later, as_of=DAY + 2 * day) is not None


def test_a_plan_counts_from_its_day_to_its_last_day(home: Home) -> None:
    keep_plan(home)
    first = fill(SELL, "AAA", 10)
    assert left(home, first, as_of=DAY - timedelta(days=1)) is None
    assert left(home, first, as_of=UNTIL) is not None
    assert left(home, first, as_of=UNTIL + timedelta(days=1)) is None


def test_the_newest_accepted_plan_counts_and_an_idea_that_was_not_followed_does_not(
    home: Home,
) -> None:
    keep_plan(home)
    keep_plan(home, trace_id="b" * 32, at=NOON + timedelta(hours=1), steps=[("buy", "BBB", 8.0)])
    first = fill(SELL, "AAA", 10)
    assert left(home, first) == [("buy", "BBB", 8.0), ("buy", "CCC", 4.0)]
    assert left(home, first, fill(BUY, "BBB", 5)) == [("buy", "BBB", 3.0)]
    assert left(home, first, fill(BUY, "BBB", 8)) is None, "a plan that is done revives no older"


def test_only_plans_with_trades_can_be_accepted_and_conversions_are_no_fills(home: Home) -> None:
    keep_plan(home, outcome="HELD")
    assert left(home, fill(SELL, "AAA", 10)) is None
    convert = [("convert", "USD>EUR", 500.0), ("buy", "BBB", 8.0), ("buy", "CCC", 4.0)]
    keep_plan(home, trace_id="b" * 32, at=NOON + timedelta(hours=1), steps=convert)
    assert left(home, fill(BUY, "BBB", 8)) == [("buy", "CCC", 4.0)]


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
def test_a_stored_plan_that_makes_no_sense_is_passed_over_with_a_finding(
    home: Home, damage: dict[str, object]
) -> None:
    keep_plan(home)
    keep_plan(home, trace_id="b" * 32, at=NOON + timedelta(hours=1), **damage)
    standing = standing_of(home, "core", DAY, [fill(SELL, "AAA", 10)])
    assert standing.incumbent is not None
    assert standing.incumbent.trace_id == "a" * 32
    assert [finding.id for finding in standing.findings] == ["plan_file_odd"]


def test_a_torn_plan_is_passed_over_with_a_finding(home: Home) -> None:
    keep_plan(home)
    torn = home.plans_dir("core") / f"20240103T130000.000Z-{'b' * 32}.json"
    torn.write_text('{"bucket_id": "co')
    standing = standing_of(home, "core", DAY, [fill(SELL, "AAA", 10)])
    assert standing.incumbent is not None
    assert [finding.id for finding in standing.findings] == ["plan_file_corrupt"]


def test_a_dismissed_plan_does_not_hold_and_revives_no_older_one(home: Home) -> None:
    keep_plan(home)
    newer = keep_plan(home, trace_id="b" * 32, at=NOON + timedelta(hours=1))
    first = fill(SELL, "AAA", 10)
    dismiss(home, "core", newer)
    assert left(home, first) is None
    keep_plan(home, trace_id="c" * 32, at=NOON + timedelta(hours=2), steps=STEPS[:2])
    assert left(home, first) == [("buy", "BBB", 8.0)], "a plan made since may be accepted"


def test_a_refused_step_is_no_part_of_what_is_left(home: Home) -> None:
    keep_plan(home)
    refuse(home, "core", [RefusedStep("CCC", BUY, UNTIL)], DAY)
    assert left(home, fill(SELL, "AAA", 10)) == [("buy", "BBB", 8.0)]


# --- state/advice/core.json ---------------------------------------------------------------------


def test_refusals_expire_on_their_day(home: Home) -> None:
    steps = (RefusedStep("AAA", SELL, UNTIL, "tax"), RefusedStep("BBB", BUY, DAY))
    refuse(home, "core", steps, DAY - timedelta(days=9))
    assert refused_of(home, "core", DAY - timedelta(days=1)) == steps
    assert refused_of(home, "core", DAY) == steps[:1]
    assert refused_of(home, "core", UNTIL) == ()


def test_refusing_again_replaces_and_taking_back_takes_one_side(home: Home) -> None:
    refuse(home, "core", [RefusedStep("AAA", side, UNTIL) for side in (BUY, SELL)], DAY)
    again = RefusedStep("AAA", BUY, UNTIL + timedelta(days=9), "still no")
    refuse(home, "core", [again], DAY)
    assert set(refused_of(home, "core", DAY)) == {RefusedStep("AAA", SELL, UNTIL), again}
    assert allow(home, "core", "AAA", [SELL], DAY) == (RefusedStep("AAA", SELL, UNTIL),)
    assert refused_of(home, "core", DAY) == (again,)


def test_as_many_refusals_as_are_allowed_can_be_read_again(home: Home) -> None:
    long = "\N{CJK UNIFIED IDEOGRAPH-4E00}" * limits.TEXT_LENGTH_MAX
    many = [RefusedStep(f"S{i:063d}", BUY, UNTIL, long) for i in range(limits.REFUSED_MAX)]
    refuse(home, "core", many, DAY)
    assert refused_of(home, "core", DAY) == tuple(many)
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
    advice, (finding,) = read_advice(home, "core")
    assert advice.refused == ()
    assert (finding.id, finding.severity.value) == ("advice_file_corrupt", "warning")
    (aside,) = path.parent.glob("core.json.corrupt.*")
    assert aside.read_text() == damaged
    assert read_advice(home, "core") == (advice, ()), "told once"
    refuse(home, "core", [RefusedStep("AAA", BUY, UNTIL)], DAY)
    assert len(refused_of(home, "core", DAY)) == 1


def test_reading_makes_no_files_and_a_folder_in_its_place_is_a_finding(home: Home) -> None:
    assert standing_of(home, "core", DAY, ()).findings == ()
    assert not home.state_dir.exists()
    home.advice_file("core").mkdir(parents=True)
    standing = standing_of(home, "core", DAY, ())
    assert [finding.id for finding in standing.findings] == ["advice_unreadable"]
    with pytest.raises(StorageError):
        refuse(home, "core", [RefusedStep("AAA", BUY, UNTIL)], DAY)


def test_a_pipe_in_its_place_keeps_nobody_waiting(home: Home) -> None:
    path = home.advice_file("core")
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    _, (finding,) = read_advice(home, "core")
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
    assert len(refused_of(home, "core", DAY)) == 40


# --- the snapshot -------------------------------------------------------------------------------


def test_the_snapshot_carries_refusals_and_what_is_left_of_the_accepted_plan(home: Home) -> None:
    keep_plan(home, steps=[("buy", "BBB", 5.0), ("sell", "AAA", 4.0)])  # the ledger has the first
    refused = RefusedStep("AAA", BUY, UNTIL, "no")
    refuse(home, "core", [refused], DAY)
    context = take_snapshot(home, "core")
    assert context.refused == (refused,)
    assert context.incumbent is not None
    assert context.incumbent.steps == (IncumbentStep("AAA", SELL, 4.0),)
    assert context.findings == ()


def related_home(root: Path, entity: str = "me", ledger: str | None = LEDGER) -> Home:
    """Two buckets; the other one bought AAA on 2024-01-02 and ZZZ, which is not in this one."""
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


def test_without_a_tax_entity_nothing_is_shared_not_even_what_is_wrong(tmp_path: Path) -> None:
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
