"""Splits: declared once, applied to the closes before them, never guessed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from host.home.portfolio.corporate_actions import Split, adjust_for_splits, read_splits
from host.home.portfolio.market_data import DailyTable
from host.home.storage.problems import MarketDataError

DAYS = np.array(["2024-01-02", "2024-01-03", "2024-01-04"], dtype="M8[D]")
AS_OF = date(2024, 1, 31)


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


def test_a_split_that_the_closes_do_not_show_is_a_finding() -> None:
    split = Split(date(2024, 1, 3), "A", 4.0, 2)
    _, (finding,) = adjust_for_splits(table_of(100, 101, 102), [split])
    assert finding.id == "split_without_jump"
    assert "the close moved by +1.0% only" in finding.message


def test_a_split_of_an_unknown_security_changes_nothing() -> None:
    values, findings = adjust_for_splits(table_of(1, 2, 3), [Split(date(2024, 1, 3), "Z", 2.0, 2)])
    np.testing.assert_array_equal(values[:, 0], [1, 2, 3])
    assert findings == []


def test_a_split_after_as_of_has_not_happened_yet(tmp_path: Path) -> None:
    text = "date,security,ratio\n2024-01-03,A,4\n"
    assert splits_of(tmp_path, text, as_of=date(2024, 1, 2)) == ()


def test_no_file_means_no_splits(tmp_path: Path) -> None:
    assert read_splits(tmp_path / "corporate_actions.csv", AS_OF) == ()


def test_every_wrong_line_is_named(tmp_path: Path) -> None:
    text = "date,security,ratio\nx,A,4\n2024-01-03,A B,4\n2024-01-03,C,0\n2024-01-03,D,4:0\n"
    with pytest.raises(MarketDataError) as caught:
        splits_of(tmp_path, text)
    assert [line.split("actions.csv")[1].split(" (")[0] for line in caught.value.lines] == [
        ":2:1: 'x' is no date",
        ":3:12: 'A B' is no security id",
        ":4:14: '0' is no split ratio",
        ":5:14: '4:0' is no split ratio",
    ]


def test_the_same_split_twice_is_refused(tmp_path: Path) -> None:
    text = "date,security,ratio\n2024-01-03,A,4\n2024-01-03,A,4\n"
    with pytest.raises(MarketDataError, match=r":3:1: A 2024-01-03 stands in line 2 too"):
        splits_of(tmp_path, text)


def test_an_unknown_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match="unknown column 'factor'") as caught:
        splits_of(tmp_path, "date,security,factor\n2024-01-03,A,4\n")
    assert any("no column `ratio`" in line for line in caught.value.lines)
