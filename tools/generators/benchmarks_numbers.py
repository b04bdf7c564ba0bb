"""Tables and numbers as the page of benchmarks writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; all but the first column to the right."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def number(value: float, digits: int = 3) -> str:
    """So many digits, with thousands separated, never in powers of ten."""
    if value == 0:
        return "0"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{Decimal(f'{value:.{digits}g}'):f}"
