"""Moves of prices and rates that the owner confirmed, `market/accepted_moves.csv`.

    recorded_at,name,date,decision
    2026-11-30T09:15:00Z,AAA,2026-11-27,accept
    2026-11-30T09:20:00Z,AAA,2026-11-27,undo

`trader data accept` adds a line and deletes none, so the file is its own history: the last line
about a name and a day counts. Every bucket reads it. A line that cannot be read accepts nothing,
which is the safe side, and is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from host import limits
from host.clock import utc_now
from host.errors import StorageError
from host.home.storage.atomic_file import locked_file, may_exist, write_atomic
from host.home.storage.csv_table import (
    CsvTable,
    ProblemList,
    cells_of,
    check_cell_counts,
    parse_date,
    quoted,
    read_table,
    require_columns,
)
from host.home.storage.problems import MarketDataError
from planner_core.model.records import Finding, Severity

if TYPE_CHECKING:
    from pathlib import Path

    from host.home.home import Home

HEADER: Final = ("recorded_at", "name", "date", "decision")
ACCEPT: Final = "accept"
UNDO: Final = "undo"
ACTION: Final = "delete the line; `trader data accept` writes a new one"

Move = tuple[str, date]
"""A security or a currency, and the day of the close or rate after the move."""


@dataclass(frozen=True, slots=True)
class AcceptedMoves:
    """The moves in force, and what is wrong with the file."""

    moves: frozenset[Move] = frozenset()
    findings: tuple[Finding, ...] = ()


def read_accepted_moves(path: Path) -> AcceptedMoves:
    """Read the file; no file means that nothing is accepted. Never fails."""
    if not may_exist(path):
        return AcceptedMoves()
    try:
        table = _read_table(path)
    except MarketDataError as error:
        return AcceptedMoves(frozenset(), _findings(error.lines))
    problems = ProblemList(table.source)
    check_cell_counts(table, problems)
    moves: dict[Move, bool] = {}
    for row, line in enumerate(table.rows):
        entry = _read_row(table, row, line, problems)
        if entry is not None:
            moves[entry[0]] = entry[1]
    accepted = frozenset(move for move, is_accepted in moves.items() if is_accepted)
    return AcceptedMoves(accepted, _findings(str(problem) for problem in problems.all()))


def record_move(
    home: Home, move: Move, decision: str, now: Callable[[], datetime] = utc_now
) -> None:
    """Add a line to the file, under a lock and atomically.

    Raises
    ------
    MarketDataError
        The file is not one that can be added to: it would be overwritten.
    StorageError
        It could not be written, or is full.
    """
    path = home.accepted_moves_file
    with locked_file(home.state_dir / "accepted_moves.lock"):
        text = ",".join(HEADER) + "\n"
        if may_exist(path):
            if len(_read_table(path).rows) >= limits.ACCEPTED_PRICES_MAX:
                message = f"{limits.ACCEPTED_PRICES_MAX:,} lines already (delete old ones)"
                raise StorageError(f"{path}: {message}")
            text = path.read_text(encoding="utf-8")
        name, day = move
        line = f"{now():%Y-%m-%dT%H:%M:%SZ},{name},{day},{decision}\n"
        end = "" if text.endswith("\n") else "\n"
        write_atomic(path, f"{text}{end}{line}".encode())


def _read_table(path: Path) -> CsvTable:
    table = read_table(path, limits.ACTIONS_BYTES_MAX, limits.ACCEPTED_PRICES_MAX, MarketDataError)
    require_columns(table, HEADER, (), MarketDataError)
    return table


def _read_row(
    table: CsvTable, row: int, line: str, problems: ProblemList
) -> tuple[Move, bool] | None:
    """Return the move of a line and whether it is accepted; None with a problem."""
    cells = cells_of(line)
    if len(cells) != len(table.header):
        return None  # reported with the number of cells
    at = {name: column for column, name in enumerate(table.header)}
    name, decision = cells[at["name"]], cells[at["decision"]]
    day = parse_date(cells[at["date"]])
    if day is None:
        message = f"{quoted(cells[at['date']])} is not a date (write YYYY-MM-DD)"
        problems.add(table.problem(row, at["date"], message))
    elif not limits.SECURITY_ID.fullmatch(name):
        message = f"{quoted(name)} is neither a security nor a currency"
        problems.add(table.problem(row, at["name"], message))
    elif decision not in (ACCEPT, UNDO):
        message = f"{quoted(decision)} is neither {ACCEPT} nor {UNDO}"
        problems.add(table.problem(row, at["decision"], message))
    else:
        return (name, day), decision == ACCEPT
    return None


def _findings(lines: Iterable[str]) -> tuple[Finding, ...]:
    return tuple(
        Finding("accepted_moves_invalid", Severity.WARNING, f"{line}; it accepts nothing", ACTION)
        for line in lines
    )
