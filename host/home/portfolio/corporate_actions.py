"""Splits from `market/corporate_actions.csv`, and closes adjusted for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from host import limits
from host.home.storage.atomic_file import may_exist
from host.home.storage.csv_table import (
    CsvTable,
    ProblemList,
    cells_of,
    check_cell_counts,
    parse_date,
    parse_number,
    quoted,
    read_table,
    require_columns,
)
from host.home.storage.problems import MarketDataError
from planner_core.model.arrays import FloatArray
from planner_core.model.records import Finding, Severity

if TYPE_CHECKING:
    from pathlib import Path

    from host.home.portfolio.market_data import DailyTable
    from planner_core.model.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class Split:
    """From `on` every old unit is `ratio` new ones."""

    on: date
    security: str
    ratio: float
    line: int


def read_splits(path: Path, as_of: date) -> tuple[Split, ...]:
    """Read the declared splits up to as_of; no file means none.

    Raises
    ------
    MarketDataError
        With every line that cannot be read: a misread split would look like a crash.
    """
    if not may_exist(path):
        return ()
    table = read_table(path, limits.ACTIONS_BYTES_MAX, limits.TABLE_ROWS_MAX, MarketDataError)
    require_columns(table, ("date", "security", "ratio"), (), MarketDataError)
    problems = ProblemList(table.source)
    check_cell_counts(table, problems)
    problems.refuse_if_any(MarketDataError)
    splits = []
    seen: dict[tuple[str, date], int] = {}
    for row, line in enumerate(table.rows):
        split = _read_split(table, row, line, problems)
        if split is None:
            continue
        first = seen.setdefault((split.security, split.on), split.line)
        if first != split.line:
            message = f"{split.security} {split.on} stands in line {first} too (keep one of them)"
            problems.add(table.problem(row, 0, message))
        splits.append(split)
    problems.refuse_if_any(MarketDataError)
    return tuple(split for split in splits if split.on <= as_of)


def adjust_for_splits(
    prices: DailyTable, splits: Sequence[Split]
) -> tuple[FloatArray, list[Finding]]:
    """Divide the closes before each split by its ratio.

    Returns
    -------
    values : ndarray of shape (n_days, n_columns)
    findings : list of Finding
        Where the closes do not show the declared jump: they may be adjusted already.
    """
    values = prices.values.copy()
    findings = []
    for split in sorted(splits, key=lambda s: s.on):
        if split.security not in prices.columns:
            continue
        column = prices.columns.index(split.security)
        row = int(np.searchsorted(prices.dates, np.datetime64(split.on)))
        move = _move_at(values[:, column], row)
        if move is not None and abs(np.log(move * split.ratio)) > abs(np.log(move)):
            findings.append(
                Finding(
                    "split_without_jump",
                    Severity.WARNING,
                    f"{split.security}: a split of {split.ratio:g} is declared for {split.on}, but"
                    f" the close moved by {move - 1:+.1%} only",
                    "if prices.csv is adjusted already, delete the line from corporate_actions.csv",
                    split.security,
                )
            )
        values[:row, column] /= split.ratio
    return values, findings


def _move_at(closes: FloatArray, row: int) -> float | None:
    """Return the first close from a row on over the last one before it."""
    before, after = closes[:row], closes[row:]
    before, after = before[~np.isnan(before)], after[~np.isnan(after)]
    return float(after[0] / before[-1]) if before.size and after.size else None


def _read_split(table: CsvTable, row: int, line: str, problems: ProblemList) -> Split | None:
    cells = dict(zip(table.header, cells_of(line), strict=True))
    at = {name: column for column, name in enumerate(table.header)}
    on = parse_date(cells["date"])
    new, _, old = cells["ratio"].partition(":")
    parts = parse_number(new), parse_number(old or "1")
    ratio = parts[0] / parts[1] if parts[0] and parts[1] else 0.0
    if on is None:
        message = f"{quoted(cells['date'])} is no date (write YYYY-MM-DD)"
        problems.add(table.problem(row, at["date"], message))
    if not limits.SECURITY_ID.fullmatch(cells["security"]):
        message = f"{quoted(cells['security'])} is no security id"
        problems.add(table.problem(row, at["security"], message))
    if not 1 / limits.SPLIT_RATIO_MAX <= ratio <= limits.SPLIT_RATIO_MAX:
        message = (
            f"{quoted(cells['ratio'])} is no split ratio"
            " (new units per old unit: 4 or 4:1, for a reverse split 1:10)"
        )
        problems.add(table.problem(row, at["ratio"], message))
        return None
    return None if on is None else Split(on, cells["security"], ratio, table.line_numbers[row])
