"""A fill that is in the ledger and not in the lots holds its security."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from host.home.plan_store import PlanStore
from host.home.portfolio.snapshot import take_snapshot
from planner_core.model.context import PlanningContext
from tests.host.small_home import PORTFOLIO, PRICES, small_home

HEADER = "date,security,side,quantity,price,fx_rate\n"
BBB = "2024-01-03,BBB,buy,5,40.0,\n"
HISTORY = f"{HEADER}2023-06-01,AAA,buy,10,90.0,\n{BBB}"


def context_of(
    root: Path, ledger: str, portfolio: str = PORTFOLIO, actions: str = ""
) -> PlanningContext:
    home = small_home(root, ledger=ledger, portfolio=portfolio, actions=actions or None)
    return take_snapshot(home, "core")


def ids(context: PlanningContext) -> list[str]:
    return [finding.id for finding in context.findings]


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "2023-07-01,AAA,buy,4,90.0,\n2023-08-01,AAA,sell,4,90.0,\n",
        "2022-07-01,AAA,sell,40,90.0,\n",  # sold long ago
        "2022-01-01,GONE,buy,4,9.0,\n2022-02-01,GONE,sell,4,9.0,\n",  # sold out, and taken out
    ],
)
def test_a_ledger_that_agrees_with_the_lots_says_nothing(tmp_path: Path, lines: str) -> None:
    context = context_of(tmp_path, HISTORY + lines)
    assert (ids(context), context.held_back) == ([], {})


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("2024-01-04,AAA,buy,3,102.0,\n", "bought 3, but there is no lot of 2024-01-04"),
        ("2023-09-04,AAA,buy,13,102.0,\n", "bought 13, but the lots have 10 in all"),
        ("2024-01-05,AAA,sell,4,103.0,\n", "sold 4, but the lots still have 10 of 10"),
        ("2023-12-01,AAA,sell,4,103.0,\n", "sold 4, but the lots still have 10 of 10"),
        ("2023-12-01,AAA,sell,40,103.0,\n", "sold 40, but the ledger leaves only 10 before it"),
    ],
)
def test_a_fill_that_the_lots_do_not_have_holds_the_security(
    tmp_path: Path, line: str, what: str
) -> None:
    context = context_of(tmp_path, HISTORY + line)
    (finding,) = context.findings
    assert (finding.id, finding.security) == ("fill_not_in_lots", "AAA")
    assert "core.trades.csv:" in finding.message
    assert what in finding.message
    assert list(context.held_back) == ["AAA"]
    assert context.hold_reason == ""


def test_a_fill_that_is_in_the_lots_is_settled(tmp_path: Path) -> None:
    sold = PORTFOLIO.replace("quantity = 10", "quantity = 6")
    assert ids(context_of(tmp_path, f"{HISTORY}2024-01-05,AAA,sell,4,103.0,\n", sold)) == []
    bought = PORTFOLIO.replace(
        "unit_cost = 90.0 },",
        "unit_cost = 90.0 },\n  { date = 2024-01-05, quantity = 3, unit_cost = 102.0 },",
    )
    line = f"{HISTORY}2024-01-04,AAA,buy,3,102.0,\n"
    assert ids(context_of(tmp_path / "b", line, bought)) == [], "dated by its settlement"


def test_a_split_since_the_fill_is_no_contradiction(tmp_path: Path) -> None:
    prices = "date,AAA,BBB\n2023-06-01,360,40\n2024-01-02,400,50\n2024-01-05,103,51.5\n"
    portfolio = PORTFOLIO.replace("quantity = 10", "quantity = 40")
    home = small_home(
        tmp_path,
        portfolio=portfolio,
        prices=prices,
        ledger=f"{HEADER}2023-06-01,AAA,buy,10,360.0,\n{BBB}",
        actions="date,security,ratio\n2024-01-05,AAA,4\n",
    )
    assert ids(take_snapshot(home, "core")) == []


def test_a_recent_sell_that_nothing_confirms_is_asked_about(tmp_path: Path) -> None:
    line = f"{HEADER}{BBB}2024-01-05,AAA,sell,4,103.0,\n"
    context = context_of(tmp_path, line)
    (finding,) = context.findings
    assert finding.id == "fill_unconfirmed"
    assert "write holdings_as_of = 2024-01-05 into it" in finding.action
    assert list(context.held_back) == ["AAA"]
    answered = context_of(tmp_path / "a", line, f"holdings_as_of = 2024-01-05\n{PORTFOLIO}")
    assert (ids(answered), answered.held_back) == ([], {})
    before = context_of(tmp_path / "b", line, f"holdings_as_of = 2024-01-04\n{PORTFOLIO}")
    assert ids(before) == ["fill_not_in_lots"]
    monthly = context_of(tmp_path / "c", line.replace("2024-01-05", "2023-12-01"))
    assert (ids(monthly), list(monthly.held_back)) == (["fill_unconfirmed"], ["AAA"])
    older = context_of(tmp_path / "e", line.replace("2024-01-05", "2023-11-01"))
    assert (ids(older), older.held_back) == (["fill_unconfirmed"], {})
    old = context_of(tmp_path / "d", line.replace("2024-01-05", "2022-12-20"))
    assert ids(old) == [], "an old sell is not asked about for ever"


def test_the_answer_about_a_sell_doubts_no_later_fill_of_another(tmp_path: Path) -> None:
    lines = f"{HEADER}2023-12-01,AAA,sell,4,103.0,\n{BBB}"
    (finding,) = context_of(tmp_path, lines).findings
    answer = "holdings_as_of = 2024-01-05"
    assert f"write {answer} into it" in finding.action
    assert ids(context_of(tmp_path / "a", lines, f"{answer}\n{PORTFOLIO}")) == []


def test_a_sell_before_all_stored_plans_is_not_asked_about_again(tmp_path: Path) -> None:
    home = small_home(tmp_path, ledger=f"{HEADER}{BBB}2023-12-01,AAA,sell,4,103.0,\n")
    store = PlanStore(home)
    assert [f.id for f in take_snapshot(home, "core").findings] == ["fill_unconfirmed"]
    plan = {"bucket_id": "core", "as_of": "2024-01-04", "steps": []}
    for index in range(store.plans_max):
        created_at = datetime(2023, 12, 20, tzinfo=UTC) + timedelta(hours=index)
        store.save({**plan, "trace_id": f"{index:032x}"}, created_at)
    # As many plans as are stored asked about it.
    assert take_snapshot(home, "core").findings == ()


@pytest.mark.parametrize(("units", "finding"), [(14.0, []), (10.0, ["fill_not_in_lots"])])
@pytest.mark.parametrize("bought", ["", "2022-01-05,AAA,buy,2,90.0,\n"])  # not all that was sold
def test_a_stored_plan_says_what_was_held_before_a_sell(
    tmp_path: Path, units: float, finding: list[str], bought: str
) -> None:
    home = small_home(tmp_path, ledger=f"{HEADER}{bought}{BBB}2024-01-05,AAA,sell,4,103.0,\n")
    step = {"side": "sell", "security": "AAA", "quantity": 4.0, "price": 103.0, "fx_rate": 1.0}
    step["weight_before"] = units * 103.0 / 5_000.0
    plan = {
        "outcome": "PLANNED",
        "bucket_id": "core",
        "trace_id": "a" * 32,
        "as_of": "2024-01-04",
        "valid_until": "2024-01-04",
        "nav": 5_000.0,
        "steps": [step],
    }
    PlanStore(home).save(plan, datetime(2024, 1, 4, 12, tzinfo=UTC))
    assert ids(take_snapshot(home, "core")) == finding


def test_a_security_that_nobody_lists_never_stops_a_plan(tmp_path: Path) -> None:
    context = context_of(tmp_path, f"{HISTORY}2023-02-03,FB,buy,80,60,\n")
    (finding,) = context.findings
    assert finding.id == "ledger_security_unknown"
    assert "the ledger leaves 80 of it" in finding.message
    assert (context.hold_reason, context.held_back) == ("", {})
    assert len(context.trades) == 3
    typo = context_of(tmp_path / "t", f"{HISTORY}2023-02-03,AAAA,buy,80,60,\n")
    assert "did you mean `AAA`?" in typo.findings[0].action


def test_the_same_fill_twice_is_reported_with_both_lines(tmp_path: Path) -> None:
    line = "2023-06-01,AAA,buy,5,90.0,\n"
    context = context_of(tmp_path, f"{HEADER}{line}{line}2024-01-03,BBB,buy,5,40.0,\n")
    (finding,) = context.findings
    assert finding.id == "ledger_fill_twice"
    assert "core.trades.csv:3: the same fill as in line 2" in finding.message


def test_a_lot_without_a_date_may_be_any_purchase(tmp_path: Path) -> None:
    portfolio = PORTFOLIO.replace("{ date = 2023-06-01, quantity", "{ quantity")
    assert "fill_not_in_lots" not in ids(
        context_of(tmp_path, f"{HEADER}2024-01-04,AAA,buy,3,102.0,\n", portfolio)
    )


def test_a_recent_lot_that_the_ledger_lacks_is_reported_where_a_ledger_is_kept(
    tmp_path: Path,
) -> None:
    only_aaa = f"{HEADER}2023-06-01,AAA,buy,10,90.0,\n"
    (finding,) = context_of(tmp_path, only_aaa).findings
    assert (finding.id, finding.security) == ("lot_not_in_ledger", "BBB")
    assert "a lot of 2024-01-03" in finding.message
    assert ids(context_of(tmp_path / "kept", HISTORY)) == []
    assert ids(context_of(tmp_path / "none", HEADER)) == []


RENAMED = PORTFOLIO.replace("securities.AAA", "securities.AAX")


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("cure", ["rename", "other fill"])
def test_each_cure_of_a_name_that_the_portfolio_lacks_works(
    tmp_path: Path, side: str, cure: str
) -> None:
    # The id changed in portfolio and prices; the line has the old one.
    line = f"2022-06-01,AAA,{side},10,90.0,\n"
    prices = PRICES.replace("AAA", "AAX")
    home = small_home(tmp_path, ledger=HEADER + line + BBB, portfolio=RENAMED, prices=prices)
    (finding,) = take_snapshot(home, "core").findings
    assert finding.id == "ledger_security_unknown"
    assert "did you mean `AAX`?" in finding.action
    assert "If it was renamed, write the new id into its lines" in finding.action
    what = "add that fill" if side == "buy" else "add a buy of 10 on the day of its purchase"
    assert what in finding.action
    if cure == "rename":
        cured = line.replace("AAA", "AAX")
    elif side == "buy":
        cured = f"{line}2022-07-01,AAA,sell,10,95.0,\n"
    else:
        cured = f"2021-06-01,AAA,buy,10,80.0,\n{line}"
    home.ledger_file("core").write_text(HEADER + cured + BBB)
    assert take_snapshot(home, "core").findings == ()


# -- lots as brokers and owners write them ---------------------------------------------------------

AAA_LOT = "  { date = 2023-06-01, quantity = 10, unit_cost = 90.0 },\n"


def with_lots(*lots: str) -> str:
    """Return the portfolio with these lots of AAA: quantity, and the date where it has one."""
    lines = []
    for lot in lots:
        quantity, _, day = lot.partition("@")
        dated = f"date = {day}, " if day else ""
        lines.append(f"  {{ {dated}quantity = {quantity}, unit_cost = 90.0 }},\n")
    return PORTFOLIO.replace(AAA_LOT, "".join(lines))


@pytest.mark.parametrize(
    ("lines", "lots"),
    [
        ("2024-01-04,AAA,buy,78.971891,102.0,\n", ("10@2023-06-01", "78.97@2024-01-04")),
        ("2024-01-04,AAA,buy,4.5118,102.0,\n", ("10@2023-06-01", "4.51@2024-01-04")),
        ("2024-01-04,AAA,buy,4.51,102.0,\n", ("10@2023-06-01", "4.5082@2024-01-04")),
        (
            "2023-06-02,AAA,buy,90.5118,90.0,\n2023-12-20,AAA,sell,5,102.0,\n",
            ("95.51@2023-06-01",),
        ),
    ],
)
@pytest.mark.parametrize("answer", ["", "holdings_as_of = 2024-01-05\n"])
def test_a_lot_that_is_rounded_is_no_contradiction(
    tmp_path: Path, lines: str, lots: tuple[str, ...], answer: str
) -> None:
    context = context_of(tmp_path, HISTORY + lines, answer + with_lots(*lots))
    assert (ids(context), context.held_back) == ([], {})


def test_a_difference_beyond_rounding_is_a_contradiction(tmp_path: Path) -> None:
    lines = f"{HISTORY}2024-01-04,AAA,buy,4.5118,102.0,\n"
    context = context_of(tmp_path, lines, with_lots("10@2023-06-01", "4.41@2024-01-04"))
    assert ids(context) == ["fill_not_in_lots"]
    # Whole units are not rounded, however many fills there are.
    fills = "".join(f"2023-{1 + i % 5:02d}-{1 + i // 5:02d},AAA,buy,10,90.0,\n" for i in range(120))
    context = context_of(
        tmp_path / "w", f"{HISTORY}{fills}2024-01-04,AAA,buy,1,102.0,\n", with_lots("1210")
    )
    assert ids(context) == ["fill_not_in_lots"]


@pytest.mark.parametrize(
    ("lines", "lots"),
    [
        ("2024-01-04,AAA,buy,1,102.0,\n", ("11@2023-06-01",)),  # merged into the older lot
        ("2024-01-04,AAA,buy,1,102.0,\n", ("11@2023-12-20",)),  # averaged, with a day of its own
        ("2023-06-01,AAA,buy,5,90.5,\n2024-01-02,AAA,sell,3,100.0,\n", ("12@2023-06-01",)),
        ("2024-01-02,AAA,sell,3,100.0,\n", ("7",)),  # no date
        ("2023-11-01,AAA,sell,3,100.0,\n", ("7",)),
        # The broker's list is newest first: the sell stands before the buy of the same day.
        ("2024-01-04,AAA,sell,12,102.0,\n2024-01-04,AAA,buy,2,102.0,\n", ()),
        ("2024-01-04,AAA,sell,12,102.0,\n2024-01-04,AAA,buy,4,102.0,\n", ("2@2024-01-04",)),
    ],
)
def test_a_ledger_that_balances_with_the_lots_is_believed_whatever_their_days(
    tmp_path: Path, lines: str, lots: tuple[str, ...]
) -> None:
    context = context_of(tmp_path, HISTORY + lines, with_lots(*lots))
    assert (ids(context), context.held_back) == ([], {})


def test_a_sell_that_is_still_in_a_lot_of_several_fills_is_found(tmp_path: Path) -> None:
    lines = f"{HISTORY}2023-06-01,AAA,buy,5,90.5,\n2024-01-02,AAA,sell,3,100.0,\n"
    (finding,) = context_of(tmp_path, lines, with_lots("15@2023-06-01")).findings
    assert "sold 3, but the lots still have 15 of 15" in finding.message


@pytest.mark.parametrize(
    ("day", "expected", "held"),
    [
        ("2023-12-01", ["fill_not_in_lots"], ["AAA"]),
        ("2023-10-01", ["fill_unconfirmed"], []),
        ("2022-05-13", [], []),
    ],
)
def test_a_ledger_that_lacks_the_oldest_buys_holds_only_for_a_recent_sell(
    tmp_path: Path, day: str, expected: list[str], held: list[str]
) -> None:
    lines = f"{HEADER}{BBB}2022-04-04,AAA,buy,5,90.0,\n{day},AAA,sell,25,95.0,\n"
    context = context_of(tmp_path, lines, with_lots("80@2021-06-28"))
    assert (ids(context), list(context.held_back)) == (expected, held)


@pytest.mark.parametrize("bought", ["", "2022-04-04,AAA,buy,5,90.0,\n"])
def test_a_sell_of_what_is_sold_out_is_in_the_lots(tmp_path: Path, bought: str) -> None:
    lines = f"{HEADER}{BBB}{bought}2024-01-04,AAA,sell,25,95.0,\n"
    context = context_of(tmp_path, lines, with_lots())
    assert (ids(context), context.held_back) == ([], {})


def test_an_old_sell_beyond_the_ledger_hides_no_recent_one(tmp_path: Path) -> None:
    lines = f"{HEADER}{BBB}2022-04-04,AAA,buy,5,90.0,\n2023-10-01,AAA,sell,25,95.0,\n"
    lines += "2024-01-04,AAA,sell,2,95.0,\n"
    context = context_of(tmp_path, lines, with_lots("80@2021-06-28"))
    assert list(context.held_back) == ["AAA"]
    assert "2024-01-04" in context.held_back["AAA"]


def test_what_is_missing_is_in_doubt_and_not_the_whole_fill(tmp_path: Path) -> None:
    lines = f"{HISTORY}2024-01-04,AAA,buy,5,102.0,\n"
    context = context_of(tmp_path, lines, with_lots("10@2023-06-01", "4.5@2024-01-04"))
    assert context.value_factors["AAA"] == pytest.approx((1 - 0.5 / 14.5, 1 + 0.5 / 14.5))
    lines = f"{HISTORY}2023-07-01,AAA,buy,5,102.0,\n"
    context = context_of(tmp_path / "b", lines, with_lots("14.5@2023-06-01"))
    assert "0.5 too few" in context.findings[0].message
    assert context.value_factors["AAA"] == pytest.approx((1 - 0.5 / 14.5, 1 + 0.5 / 14.5))


ANSWER = "holdings_as_of = 2024-01-05"


@pytest.mark.parametrize(
    ("lines", "lots", "is_answered"),
    [
        (f"{HEADER}{BBB}", "20@2023-06-01", True),  # merged, and the ledger lacks the oldest buys
        (HISTORY, "10@2023-06-01", False),  # the lots are too few for all fills
    ],
)
def test_the_answer_to_a_buy_is_named_where_it_settles_it(
    tmp_path: Path, lines: str, lots: str, is_answered: bool
) -> None:
    lines += "2024-01-04,AAA,buy,3,102.0,\n"
    (finding,) = context_of(tmp_path, lines, with_lots(lots)).findings
    assert "bought 3, but there is no lot of 2024-01-04" in finding.message
    assert (ANSWER in finding.action) is is_answered
    answered = context_of(tmp_path / "a", lines, f"{ANSWER}\n{with_lots(lots)}")
    assert (ids(answered) == []) is is_answered


def test_each_cure_of_lots_that_are_too_few_works(tmp_path: Path) -> None:
    lines = f"{HISTORY}2023-09-04,AAA,buy,3,102.0,\n"
    (finding,) = context_of(tmp_path, lines).findings
    assert "add the sells that the ledger lacks" in finding.action
    assert ids(context_of(tmp_path / "a", f"{lines}2023-10-04,AAA,sell,3,102.0,\n")) == []
    assert ids(context_of(tmp_path / "b", lines, with_lots("13@2023-06-01"))) == []


def test_a_lot_of_some_days_before_its_fill_is_one_warning_about_the_dates(
    tmp_path: Path,
) -> None:
    lines = "2024-01-05,AAA,buy,3,102.0,\n"
    lots = with_lots("10@2023-06-01", "3@2024-01-04")
    for name, history in (("whole", HISTORY), ("part", f"{HEADER}{BBB}")):
        context = context_of(tmp_path / name, history + lines, lots)
        (finding,) = context.findings
        assert (finding.id, context.held_back) == ("lot_date_differs", {})
        assert "AAA has a lot of 2024-01-04" in finding.message
        assert "core.trades.csv:" in finding.message
    cured = lots.replace("2024-01-04", "2024-01-05")
    assert ids(context_of(tmp_path / "lot", HISTORY + lines, cured)) == []
    cured = lines.replace("2024-01-05", "2024-01-04")
    assert ids(context_of(tmp_path / "fill", HISTORY + cured, lots)) == []


def test_the_lot_of_an_earlier_fill_stands_for_no_later_one(tmp_path: Path) -> None:
    lines = f"{HEADER}{BBB}2024-01-03,AAA,buy,3,101.0,\n2024-01-05,AAA,buy,3,103.0,\n"
    (finding,) = context_of(tmp_path, lines, with_lots("20@2023-06-01", "3@2024-01-03")).findings
    assert "there is no lot of 2024-01-05" in finding.message
