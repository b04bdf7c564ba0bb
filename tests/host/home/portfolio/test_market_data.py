"""Prices, rates and splits: values, findings, and errors that hold the plan."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host import limits
from host.home.portfolio.market_data import (
    DailyTable,
    Split,
    adjust_for_splits,
    read_prices,
    read_rates,
    read_splits,
)
from host.home.storage.csv_table import parse_table
from host.home.storage.problems import MarketDataError
from planner_core.model.records import Severity

AS_OF = date(2024, 1, 31)
DAYS = np.array(["2024-01-02", "2024-01-03", "2024-01-04"], dtype="M8[D]")
GOOD = "date,A,B\n2024-01-02,10,20\n2024-01-03,11,21.5\n"


def prices_of(
    tmp_path: Path, text: str | bytes, requested: tuple[str, ...] = ("A", "B"), as_of: date = AS_OF
) -> DailyTable:
    path = tmp_path / "prices.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_prices(path, requested, as_of)


def refusal_of(tmp_path: Path, text: str | bytes) -> tuple[str, ...]:
    with pytest.raises(MarketDataError) as caught:
        prices_of(tmp_path, text)
    folder = f"{tmp_path}/"
    return tuple(line.replace(folder, "") for line in caught.value.lines)


def test_prices_come_in_the_order_of_the_request(tmp_path: Path) -> None:
    table = prices_of(tmp_path, GOOD, requested=("B", "A"))
    assert table.columns == ("B", "A")
    np.testing.assert_array_equal(table.values, [[20, 10], [21.5, 11]])
    assert table.dates.tolist() == [date(2024, 1, 2), date(2024, 1, 3)]
    assert table.findings == ()


def test_a_single_column_can_be_requested(tmp_path: Path) -> None:
    table = prices_of(tmp_path, GOOD, requested=("B", "NONE"))
    assert table.columns == ("B",)
    np.testing.assert_array_equal(table.values, [[20], [21.5]])


def test_quotes_and_marks_of_spreadsheets_are_accepted(tmp_path: Path) -> None:
    text = '\ufeff# my prices\r\n"Date";'.replace(";", ',"A", B \r\n')
    table = prices_of(tmp_path, f'{text}\r\n"2024-01-02","10",  20\r\n')
    np.testing.assert_array_equal(table.values, [[10, 20]])
    assert table.findings == ()


def test_an_empty_cell_is_a_missing_close_without_a_finding(tmp_path: Path) -> None:
    table = prices_of(tmp_path, "date,A,B\n2024-01-02,10,\n2024-01-03, ,21\n")
    np.testing.assert_array_equal(table.values, [[10, np.nan], [np.nan, 21]])
    assert table.findings == ()


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        ("n/a", "'n/a' is not a number"),
        ("nan", "'nan' is not a number"),
        ("inf", "'inf' is not a number"),
        ("-Infinity", "'-Infinity' is not a number"),
        ("1_000", "'1_000' is not a number"),
        ("١٢", "'١٢' is not a number"),
        ("1e999", "'1e999' is not a number"),
        ("0", "'0' is zero"),
        ("0.0", "'0.0' is zero"),
        ("-5", "'-5' is negative"),
        ("2e12", "'2e12' is above 1e+12"),
    ],
)
def test_a_cell_that_is_not_a_price_is_a_finding_and_counts_as_missing(
    tmp_path: Path, cell: str, complaint: str
) -> None:
    table = prices_of(tmp_path, f"date,A,B\n2024-01-02,10,20\n2024-01-03,11,{cell}\n")
    np.testing.assert_array_equal(table.values, [[10, 20], [11, np.nan]])
    (finding,) = table.findings
    assert finding.id == "price_invalid"
    assert finding.severity is Severity.WARNING
    assert finding.security == "B"
    assert f"prices.csv:3:15: B: {complaint}" in finding.message


def test_a_bad_cell_of_a_column_that_is_not_requested_is_ignored(tmp_path: Path) -> None:
    table = prices_of(tmp_path, "date,A,B\n2024-01-02,10,oops\n", requested=("A",))
    assert table.findings == ()


def test_a_column_of_bad_cells_has_one_finding_with_the_first_of_them(tmp_path: Path) -> None:
    rows = "".join(f"2024-01-{day:02d},x,{day}\n" for day in range(1, 29))
    (finding,) = prices_of(tmp_path, f"date,A,B\n{rows}").findings
    assert "prices.csv:2:12: A: 'x' is not a number; it counts as missing" in finding.message
    assert finding.message.endswith(", and so do 27 more")
    assert finding.security == "A"


def test_many_columns_with_bad_cells_are_counted_rather_than_listed(tmp_path: Path) -> None:
    names = tuple(f"S{number}" for number in range(limits.FINDINGS_PER_FILE_MAX + 3))
    text = f"date,{','.join(names)}\n2024-01-02{',x' * len(names)}\n"
    table = prices_of(tmp_path, text, requested=names)
    assert len(table.findings) == limits.FINDINGS_PER_FILE_MAX + 1
    assert "unusable cells in 3 more columns" in table.findings[-1].message


def test_a_repeated_date_is_reported_with_both_lines(tmp_path: Path) -> None:
    lines = refusal_of(tmp_path, "date,A,B\n2024-01-02,1,1\n2024-01-03,1,1\n2024-01-03,2,2\n")
    assert lines == ("prices.csv:4:1: 2024-01-03 is also in line 3 (keep one row per day)",)


def test_every_date_out_of_order_is_reported(tmp_path: Path) -> None:
    text = "date,A,B\n2024-01-05,1,1\n2024-01-03,1,1\n2024-01-09,1,1\n2024-01-08,1,1\n"
    assert refusal_of(tmp_path, text) == (
        "prices.csv:3:1: 2024-01-03 comes after 2024-01-05 (sort the rows, oldest first)",
        "prices.csv:5:1: 2024-01-08 comes after 2024-01-09 (sort the rows, oldest first)",
    )


def test_rows_with_the_newest_first_are_turned_round(tmp_path: Path) -> None:
    table = prices_of(tmp_path, "date,A,B\n2024-01-05,3,x\n2024-01-04,2,1\n2024-01-03,1,1\n")
    np.testing.assert_array_equal(table.series("A"), [1, 2, 3])
    assert table.dates.tolist() == [date(2024, 1, day) for day in (3, 4, 5)]
    invalid, layout = table.findings
    assert "prices.csv:2:14: B: 'x' is not a number" in invalid.message
    assert layout.id == "price_layout"
    assert layout.severity is Severity.INFO
    assert layout.message.endswith("read with newest row first")


@pytest.mark.parametrize(
    "day", ["2024-13-01", "31.02.2024", "20241301", "2024-W01-1", "today", "", "02.01.24"]
)
def test_an_invalid_date_is_reported(tmp_path: Path, day: str) -> None:
    (line,) = refusal_of(tmp_path, f"date,A,B\n{day},1,1\n")
    assert f"prices.csv:2:1: {day!r} is not a date (write YYYY-MM-DD)" in line


def test_the_number_of_a_spreadsheet_is_recognised_as_a_date(tmp_path: Path) -> None:
    (line,) = refusal_of(tmp_path, "date,A,B\n45293,1,1\n")
    assert "'45293' is not a date (a spreadsheet's number for 2024-01-02? format" in line


def test_rows_after_as_of_are_not_used_with_a_finding(tmp_path: Path) -> None:
    table = prices_of(tmp_path, GOOD, as_of=date(2024, 1, 2))
    assert len(table.dates) == 1
    (finding,) = table.findings
    assert finding.id == "price_rows_after_as_of"
    assert finding.severity is Severity.INFO
    assert "1 rows after 2024-01-02 are not used" in finding.message


def test_prices_that_begin_after_as_of_hold_the_plan(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match="first row is of 2024-01-02, after as_of 2023-01-01"):
        prices_of(tmp_path, GOOD, as_of=date(2023, 1, 1))


def test_a_torn_last_row_says_that_the_file_ends_there(tmp_path: Path) -> None:
    (line,) = refusal_of(tmp_path, GOOD + "2024-01-04,1")
    assert line.startswith("prices.csv:4:12: 2 cells where the header has 3 (the file ends here")


def test_a_last_row_without_line_end_is_suspicious(tmp_path: Path) -> None:
    table = prices_of(tmp_path, GOOD.rstrip("\n"))
    (finding,) = table.findings
    assert finding.id == "price_file_unterminated"


def test_every_row_of_another_length_is_reported(tmp_path: Path) -> None:
    lines = refusal_of(tmp_path, "date,A,B\n2024-01-02,1\n2024-01-03,1,2,3\n")
    assert [line.split(" (")[0] for line in lines] == [
        "prices.csv:2:12: 2 cells where the header has 3",
        "prices.csv:3:14: 4 cells where the header has 3",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "1:1: the file is empty"),
        (" \n\n", "1:1: the file is empty"),
        ("# only\n# comments\n", "1:1: there is no header line"),
        ("date,A,B\n", "1:1: there are no rows below the header"),
        ("row,A,B\n1,1,1\n", "1:1: the first column is 'row' (it must be `date`)"),
        ("date,A,A\n2024-01-02,1,1\n", "1:8: the column 'A' is there twice"),
        ("date,A,B\n2024-01-02,1,1\0\n", "2:15: the control character U+0000"),
    ],
)
def test_an_unusable_table_holds_the_plan(tmp_path: Path, text: str, complaint: str) -> None:
    (line,) = refusal_of(tmp_path, text)
    assert line.startswith(f"prices.csv:{complaint}")


def test_bytes_that_are_not_utf8_are_reported_by_offset_line_and_column(tmp_path: Path) -> None:
    (line,) = refusal_of(tmp_path, b"date,A,B\n2024-01-02,1,\xe9\n")
    assert line.startswith("prices.csv:2:14: byte 22 (0xe9) is not UTF-8")


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match=r"there is no such file \(`trader init`"):
        read_prices(tmp_path / "prices.csv", ("A",), AS_OF)


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match=r"not a regular file|cannot be read"):
        read_prices(tmp_path, ("A",), AS_OF)


def test_an_oversized_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PRICES_BYTES_MAX", 20)
    (line,) = refusal_of(tmp_path, GOOD)
    assert "larger than 20 bytes" in line


def test_too_many_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TABLE_ROWS_MAX", 1)
    (line,) = refusal_of(tmp_path, GOOD)
    assert line.startswith("prices.csv:3:1: more than 1 rows")


def test_too_many_columns_are_refused(tmp_path: Path) -> None:
    header = ",".join(f"S{number}" for number in range(limits.COLUMNS_MAX))
    (line,) = refusal_of(tmp_path, f"date,{header}\n")
    assert "2,002 columns, at most 2,001" in line


def test_only_the_last_rows_become_numbers_when_they_are_enough(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("date,A\n2024-01-02,junk\n2024-01-03,2\n2024-01-04,3\n")
    table = read_prices(path, ("A",), AS_OF, rows_max=2)
    np.testing.assert_array_equal(table.values, [[2], [3]])
    assert table.findings == ()
    assert [finding.id for finding in read_prices(path, ("A",), AS_OF).findings] == [
        "price_invalid"
    ]


def test_rates_are_currencies_by_day(tmp_path: Path) -> None:
    path = tmp_path / "fx.csv"
    path.write_text("date,EUR\n2024-01-02,1.1\n2024-01-05,1.2\n")
    rates = read_rates(path, ("EUR",), AS_OF)
    days = np.array(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-05"], dtype="M8[D]")
    np.testing.assert_array_equal(rates.aligned("EUR", days), [np.nan, 1.1, np.nan, 1.2])
    assert rates.value_on("EUR", date(2024, 1, 4)) == 1.1
    assert rates.value_on("EUR", date(2024, 1, 5)) == 1.2
    assert rates.value_on("EUR", date(2024, 1, 1)) is None
    assert rates.value_on("EUR", date(2024, 1, 31)) is None


def test_a_pair_is_not_a_currency(tmp_path: Path) -> None:
    path = tmp_path / "fx.csv"
    path.write_text("date,EURUSD\n2024-01-02,1.1\n")
    rates = read_rates(path, ("EUR",), AS_OF)
    assert rates.columns == ()
    assert rates.other_columns == ("EURUSD",)


cells = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.sampled_from(["", "0", "-1", "1.5", "1e3", "x", '"2"', " 3 ", "1_0", "1,5", "٣"]),
    st.text(max_size=8),
)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=8))
def test_any_cells_give_only_prices(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    body = "".join(f"2024-01-{day:02d},{a},{b}\n" for day, (a, b) in enumerate(rows, 1))
    path = tmp_path_factory.mktemp("fuzz") / "prices.csv"
    path.write_bytes(f"date,A,B\n{body}".encode("utf-8", "surrogatepass"))
    try:
        table = read_prices(path, ("A", "B"), AS_OF)
    except MarketDataError:
        return
    prices = table.values[~np.isnan(table.values)]
    assert np.all((prices > 0) & (prices <= limits.PRICE_MAX))
    assert np.all(np.diff(table.dates.astype(int)) > 0)


@given(st.binary(max_size=300))
def test_any_bytes_raise_only_market_data_errors(data: bytes) -> None:
    lines: tuple[str, ...] = ()
    try:
        assert parse_table(data, "x.csv", 100, MarketDataError).header
    except MarketDataError as error:
        lines = error.lines
    assert all(line.startswith("x.csv:") for line in lines)


@given(st.lists(st.floats(min_value=1e-6, max_value=1e9), min_size=1, max_size=20))
def test_the_fast_path_and_the_careful_path_read_the_same(
    tmp_path_factory: pytest.TempPathFactory, closes: list[float]
) -> None:
    path = tmp_path_factory.mktemp("paths") / "prices.csv"
    day = date(2020, 1, 1).toordinal()
    rows = [f"{date.fromordinal(day + n)},{close!r}" for n, close in enumerate(closes)]
    path.write_text("date,A,B\n" + "".join(f"{row},1\n" for row in rows))
    fast = read_prices(path, ("A", "B"), AS_OF)
    path.write_text("date,A,B\n" + "".join(f"{row},\n" for row in rows))
    careful = read_prices(path, ("A", "B"), AS_OF)
    np.testing.assert_array_equal(fast.series("A"), closes)
    np.testing.assert_array_equal(careful.series("A"), closes)


# --- splits -------------------------------------------------------------------------------------


def table_of(*closes: float) -> DailyTable:
    return DailyTable("prices.csv", ("A",), DAYS, np.array(closes, dtype=float)[:, None])


def splits_of(tmp_path: Path, text: str, as_of: date = AS_OF) -> tuple[Split, ...]:
    path = tmp_path / "corporate_actions.csv"
    path.write_text(text)
    return read_splits(path, as_of)


@pytest.mark.parametrize(
    ("written", "ratio"), [("4", 4.0), ("4:1", 4.0), ("5:4", 1.25), ("1:10", 0.1), ("0.5", 0.5)]
)
def test_a_ratio_is_new_units_per_old_unit(tmp_path: Path, written: str, ratio: float) -> None:
    (split,) = splits_of(tmp_path, f"date,security,ratio\n2024-01-03,A,{written}\n")
    assert split.ratio == pytest.approx(ratio)


def test_closes_before_a_split_are_divided_by_its_ratio() -> None:
    split = Split(date(2024, 1, 3), "A", 4.0, 2)
    values, findings = adjust_for_splits(table_of(400, 101, 102), [split])
    np.testing.assert_array_equal(values[:, 0], [100, 101, 102])
    assert findings == []


def test_two_splits_multiply() -> None:
    splits = [Split(date(2024, 1, 4), "A", 2.0, 2), Split(date(2024, 1, 3), "A", 5.0, 3)]
    values, _ = adjust_for_splits(table_of(1000, 200, 100), splits)
    np.testing.assert_array_equal(values[:, 0], [100, 100, 100])


def test_a_split_that_the_closes_do_not_show_is_not_applied() -> None:
    split = Split(date(2024, 1, 3), "A", 4.0, 2)
    values, (entry,) = adjust_for_splits(table_of(100, 101, 102), [split])
    assert (entry.split, entry.jump_on) == (split, None)
    assert entry.move == pytest.approx(1.01)
    # Applied, it would put in a jump that no close has.
    np.testing.assert_array_equal(values[:, 0], [100, 101, 102])


def test_a_split_that_the_closes_show_on_another_day_is_applied_there() -> None:
    split = Split(date(2024, 1, 3), "A", 4.0, 2)
    values, (entry,) = adjust_for_splits(table_of(400, 404, 102), [split])
    assert entry.jump_on == date(2024, 1, 4)
    np.testing.assert_array_equal(values[:, 0], [100, 101, 102])


@pytest.mark.parametrize(("declared", "shown"), [(2.0, 4.0), (0.25, 4.0), (40.0, 4.0)])
def test_a_split_by_another_ratio_than_the_closes_show(declared: float, shown: float) -> None:
    split = Split(date(2024, 1, 3), "A", declared, 2)
    values, (entry,) = adjust_for_splits(table_of(400, 101, 102), [split])
    assert entry.ratio_shown == shown
    np.testing.assert_array_equal(values[:, 0], [100, 101, 102])


def test_a_split_of_an_unknown_security_changes_nothing() -> None:
    values, findings = adjust_for_splits(table_of(1, 2, 3), [Split(date(2024, 1, 3), "Z", 2.0, 2)])
    np.testing.assert_array_equal(values[:, 0], [1, 2, 3])
    assert findings == []


def test_an_id_in_another_case_is_the_security_of_the_portfolio(tmp_path: Path) -> None:
    path = tmp_path / "corporate_actions.csv"
    path.write_text("date,security,ratio\n2024-01-03,aa,4\n2024-01-03,b,2\n")
    first, second = read_splits(path, AS_OF, ("AA", "B", "b"))
    assert (first.security, second.security) == ("AA", "b")


def test_one_security_in_two_cases_has_one_split_a_day(tmp_path: Path) -> None:
    path = tmp_path / "corporate_actions.csv"
    path.write_text("date,security,ratio\n2024-01-03,AA,4\n2024-01-03,aa,4\n")
    with pytest.raises(MarketDataError, match="AA 2024-01-03 is also in line 2"):
        read_splits(path, AS_OF, ("AA",))


def test_a_split_after_as_of_has_not_happened_yet(tmp_path: Path) -> None:
    text = "date,security,ratio\n2024-01-03,A,4\n"
    assert splits_of(tmp_path, text, as_of=date(2024, 1, 2)) == ()


def test_no_file_means_no_splits(tmp_path: Path) -> None:
    assert read_splits(tmp_path / "corporate_actions.csv", AS_OF) == ()


def test_every_wrong_line_of_the_splits_is_reported(tmp_path: Path) -> None:
    text = "date,security,ratio\nx,A,4\n2024-01-03,A B,4\n2024-01-03,C,0\n2024-01-03,D,4:0\n"
    with pytest.raises(MarketDataError) as caught:
        splits_of(tmp_path, text)
    assert [line.split("actions.csv")[1].split(" (")[0] for line in caught.value.lines] == [
        ":2:1: 'x' is not a date",
        ":3:12: 'A B' is not a security id",
        ":4:14: '0' is not a split ratio",
        ":5:14: '4:0' is not a split ratio",
    ]


def test_the_same_split_twice_is_refused(tmp_path: Path) -> None:
    text = "date,security,ratio\n2024-01-03,A,4\n2024-01-03,A,4\n"
    with pytest.raises(MarketDataError, match=r":3:1: A 2024-01-03 is also in line 2"):
        splits_of(tmp_path, text)


def test_an_unknown_column_of_the_splits_is_reported(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match="unknown column 'factor'") as caught:
        splits_of(tmp_path, "date,security,factor\n2024-01-03,A,4\n")
    assert any("no column `ratio`" in line for line in caught.value.lines)


def test_weekend_rows_come_on_top_of_the_rows_that_are_enough(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    # Friday to Tuesday, with a weekend between.
    rows = "\n".join(f"2024-01-{day:02},{day}" for day in range(2, 10))
    path.write_text(f"date,A\n{rows}\n")
    table = read_prices(path, ("A",), date(2024, 1, 9), rows_max=3)
    np.testing.assert_array_equal(table.values[:, 0], [5, 6, 7, 8, 9])
