"""`market/accepted_moves.csv`: the last line about a move counts, and no line is lost."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from host import limits
from host.errors import StorageError
from host.home.home import Home
from host.home.portfolio.accepted_moves import ACCEPT, UNDO, read_accepted_moves, record_move
from host.home.portfolio.snapshot import take_snapshot
from host.home.storage.problems import MarketDataError
from planner_core.model.context import context_digest
from tests.host.small_home import small_home

MOVE = ("AAA", date(2024, 1, 4))


def written(home: Home, text: str) -> Path:
    home.market_dir.mkdir(parents=True, exist_ok=True)
    home.accepted_moves_file.write_text(text, encoding="utf-8")
    return home.accepted_moves_file


def test_without_a_file_nothing_is_accepted(tmp_path: Path) -> None:
    accepted = read_accepted_moves(tmp_path / "accepted_moves.csv")
    assert (accepted.moves, accepted.findings) == (frozenset(), ())


def test_the_file_is_its_own_history_and_the_last_line_counts(tmp_path: Path) -> None:
    home = Home(tmp_path)
    at = datetime(2026, 11, 30, 9, 15, tzinfo=UTC)
    for decision in (ACCEPT, UNDO, ACCEPT):
        record_move(home, MOVE, decision, lambda: at)
    record_move(home, ("EUR", MOVE[1]), ACCEPT, lambda: at)
    record_move(home, ("EUR", MOVE[1]), UNDO, lambda: at)
    assert home.accepted_moves_file.read_text().splitlines() == [
        "recorded_at,name,date,decision",
        "2026-11-30T09:15:00Z,AAA,2024-01-04,accept",
        "2026-11-30T09:15:00Z,AAA,2024-01-04,undo",
        "2026-11-30T09:15:00Z,AAA,2024-01-04,accept",
        "2026-11-30T09:15:00Z,EUR,2024-01-04,accept",
        "2026-11-30T09:15:00Z,EUR,2024-01-04,undo",
    ]
    assert read_accepted_moves(home.accepted_moves_file).moves == {MOVE}


def test_a_last_line_without_its_end_is_not_glued_to_the_next(tmp_path: Path) -> None:
    home = Home(tmp_path)
    written(home, "recorded_at,name,date,decision\n2026-11-30T09:15:00Z,BBB,2024-01-04,accept")
    record_move(home, MOVE, ACCEPT)
    moves = read_accepted_moves(home.accepted_moves_file).moves
    assert moves == {MOVE, ("BBB", MOVE[1])}


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("x,AAA,4.1.2024,accept", "'4.1.2024' is not a date"),
        ("x,A A,2024-01-04,accept", "'A A' is neither a security nor a currency"),
        ("x,AAA,2024-01-04,yes", "'yes' is neither accept nor undo"),
        ("x,AAA,2024-01-04", "3 cells where the header has 4"),
    ],
)
def test_a_wrong_line_accepts_nothing_and_is_reported_with_its_place(
    tmp_path: Path, line: str, what: str
) -> None:
    home = Home(tmp_path)
    good = "x,BBB,2024-01-04,accept"
    path = written(home, f"recorded_at,name,date,decision\n{line}\n{good}\n")
    accepted = read_accepted_moves(path)
    assert accepted.moves == {("BBB", MOVE[1])}
    (finding,) = accepted.findings
    assert finding.id == "accepted_moves_invalid"
    assert finding.message.startswith(f"{path}:2:")
    assert what in finding.message


def test_a_file_of_another_kind_is_reported_and_never_overwritten(tmp_path: Path) -> None:
    home = Home(tmp_path)
    path = written(home, "date,AAA\n2024-01-04,1\n")
    assert read_accepted_moves(path).moves == frozenset()
    assert read_accepted_moves(path).findings
    with pytest.raises(MarketDataError, match="unknown column 'AAA'"):
        record_move(home, MOVE, ACCEPT)
    assert path.read_text() == "date,AAA\n2024-01-04,1\n"


def test_a_full_file_takes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ACCEPTED_PRICES_MAX", 1)
    record_move(Home(tmp_path), MOVE, ACCEPT)
    with pytest.raises(StorageError, match="1 lines already"):
        record_move(Home(tmp_path), MOVE, UNDO)


def test_a_plan_gets_the_moves_of_its_own_names_only(tmp_path: Path) -> None:
    home = small_home(tmp_path)
    before = context_digest(take_snapshot(home, "core"))
    record_move(home, ("OTHER", MOVE[1]), ACCEPT)
    assert context_digest(take_snapshot(home, "core")) == before
    record_move(home, MOVE, ACCEPT)
    record_move(home, ("EUR", MOVE[1]), ACCEPT)
    assert take_snapshot(home, "core").accepted_prices == {MOVE, ("EUR", MOVE[1])}
