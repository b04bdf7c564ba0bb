"""The front as a table: what 1, 2, ... 10 trades reach each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from host.presentation.columns import Column, table_of
from host.text import exact_money, percent, printable
from planner_core.model.plan import ProofAnswer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from planner_core.explain.front import FrontPoint
    from planner_core.model.plan import Plan

MOST_OF_GAIN = 0.9
"""From this share on, more trades add little."""
NAMES_MIN = 16
PROOF_STYLES = {ProofAnswer.PROVEN: "green", ProofAnswer.WITHIN: "", ProofAnswer.OPEN: "yellow"}


def front_parts(plan: Plan, points: Sequence[FrontPoint], width: int) -> Iterator[RenderableType]:
    """Yield the front as a table, or a sentence where no trade gains anything."""
    if all(not point.trades for point in points):
        yield Text("No set of up to 10 trades gains anything.")
        return
    columns = [
        Column("trades", [str(point.trades_max) for point in points]),
        Column("of the gain", [_share(point) for point in points]),
    ]
    if any(point.violation > 0 for point in points):
        columns.append(Column("off limits", [percent(point.violation) for point in points]))
    distances = [point.distance for point in points if point.distance is not None]
    if distances:
        columns.append(Column("from targets", [percent(distance, 1) for distance in distances]))
    spent = [exact_money(point.cost + point.tax, plan.currency) for point in points]
    columns += [
        Column(f"cost+tax {plan.currency}", spent, drop=1),
        Column("proof", [Text(_proof(p), PROOF_STYLES[p.proof]) for p in points], "left"),
        Column("adds", list(_additions(points)), "left", least=NAMES_MIN, stretches=True),
    ]
    yield table_of(columns, width, title=front_sentence(points))


def front_sentence(points: Sequence[FrontPoint]) -> str:
    """Return how few trades reach most of the gain."""
    last = points[-1].trades_max
    title = f"What 1 to {last} trades reach"
    enough = next((p for p in points if p.share is not None and p.share >= MOST_OF_GAIN), None)
    if enough is None or enough.share is None or enough.trades_max == last:
        return title
    trades = "1 trade reaches" if enough.trades_max == 1 else f"{enough.trades_max} trades reach"
    # Rounded down: less than all is never shown as all.
    return f"{title}: {trades} {math.floor(enough.share * 100 + 1e-9)}% of what {last} do"


def _share(point: FrontPoint) -> str:
    return "-" if point.share is None else percent(point.share, 0)


def _proof(point: FrontPoint) -> str:
    """Return what is proven in words; a bound is rounded up, so that it stays true."""
    if point.proof is not ProofAnswer.WITHIN:
        return point.proof.value
    # The largest gain possible is gain / reached_min: it exceeds the gain by this part of it.
    more = 1 / point.reached_min - 1
    return f"within {math.ceil(more * 1000 - 1e-9) / 10:.1f}%"


def _additions(points: Sequence[FrontPoint]) -> Iterator[str]:
    """Yield the trades of each set that the one before does not have."""
    before: set[tuple[str, str]] = set()
    for point in points:
        trades = {(trade.side.value, trade.security) for trade in point.trades}
        added = [f"{side} {security}" for side, security in sorted(trades - before, reverse=True)]
        yield printable(", ".join(added))
        before = trades
