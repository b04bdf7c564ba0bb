"""The table of `--front`."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from host.presentation.front_view import front_parts, front_sentence
from planner_core.explain.front import FrontPoint, FrontTrade
from planner_core.model.plan import ProofAnswer
from planner_core.model.records import Side
from tests.host.sample_plans import planned


def point(n: int, share: float | None, **fields: object) -> FrontPoint:
    names = ("XOM", "WMT", "KO")[:n]
    trades = tuple(
        FrontTrade(Side.SELL if name == "XOM" else Side.BUY, name, 5.0, 500.0) for name in names
    )
    defaults: dict[str, Any] = {
        "trades_max": n, "trades": trades, "gain": 0.1 * (share or 0.0), "share": share,
        "violation": 0.0, "distance": 0.2 / n, "cost": 3.5 * n, "tax": 0.0,
        "proof": ProofAnswer.PROVEN, "reached_min": 1.0,
    }  # fmt: skip
    return FrontPoint(**{**defaults, **fields})


def shown(points: list[FrontPoint], width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    for part in front_parts(planned(), points, width):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


THREE = [
    point(1, 0.5),
    point(2, 0.9199, proof=ProofAnswer.WITHIN, reached_min=0.9991),
    point(3, 1.0, proof=ProofAnswer.OPEN, reached_min=0.2),
]


def test_the_title_says_how_few_trades_reach_most() -> None:
    assert front_sentence(THREE) == "What 1 to 3 trades reach: 2 trades reach 91% of what 3 do"
    assert front_sentence(THREE[::2]) == "What 1 to 3 trades reach"
    one = [point(1, 0.95), point(2, 1.0)]
    assert front_sentence(one) == "What 1 to 2 trades reach: 1 trade reaches 95% of what 2 do"


def test_a_row_has_share_distance_costs_proof_and_what_it_adds() -> None:
    rows = [line.split() for line in shown(THREE).splitlines()]
    assert ["1", "50%", "20.0%", "3.50", "proven", "sell", "XOM"] in rows
    # 1 / 0.9991 - 1 is 0.09 %: rounded up, so that it stays true.
    assert ["2", "92%", "10.0%", "7.00", "within", "0.1%", "buy", "WMT"] in rows
    assert ["3", "100%", "6.7%", "10.50", "open", "buy", "KO"] in rows


def test_what_stays_outside_the_limits_is_a_column_only_where_it_does() -> None:
    assert "off limits" not in shown(THREE)
    assert "off limits" in shown([point(1, 0.5, violation=0.01), *THREE[1:]])


def test_without_targets_there_is_no_distance() -> None:
    assert "from targets" not in shown([point(n, 0.3 * n, distance=None) for n in (1, 2, 3)])


def test_where_no_trade_gains_anything_one_sentence_says_so() -> None:
    nothing = [point(n, None, trades=()) for n in (1, 2)]
    assert shown(nothing).strip() == "No set of up to 10 trades gains anything."


def test_a_narrow_terminal_shows_every_line() -> None:
    assert [line.split()[0] for line in shown(THREE, 40).splitlines() if line.strip()][-1]
