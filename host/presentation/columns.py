"""Tables that give up columns rather than letters where a terminal is narrow.

A step whose side is cut off could be done the wrong way round: what matters least goes first, and
what matters most never.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import JustifyMethod


@dataclass(frozen=True, slots=True)
class Column:
    """A column with all its cells.

    Parameters
    ----------
    header : str
        Its lines may be several.
    cells : sequence of Text or str
    justify : JustifyMethod
    style : str
    drop : int
        0: it stays. Else the column with the lowest number goes first.
    least : int
        0: it does not wrap. Else it may be made so narrow.
    stretches : bool
        It takes all that is left.
    """

    header: str
    cells: Sequence[Text | str]
    justify: JustifyMethod = "right"
    style: str = ""
    drop: int = 0
    least: int = 0
    stretches: bool = False

    @property
    def width(self) -> int:
        """The cells of the terminal that it needs."""
        texts = (Text(cell) if isinstance(cell, str) else cell for cell in self.cells)
        heads = (len(line) for line in self.header.split("\n"))
        natural = max([*heads, *(text.cell_len for text in texts)])
        return min(natural, self.least) if self.least else natural


def width_of(columns: Sequence[Column], gap: int) -> int:
    """Return the cells that columns need, with a gap after each but the last."""
    return sum(column.width for column in columns) + gap * (len(columns) - 1)


def fitting(columns: Sequence[Column], width: int, gap: int) -> list[Column]:
    """Return the columns that are left when what does not fit into a width was dropped."""
    shown = list(columns)
    while width_of(shown, gap) > width and any(column.drop for column in shown):
        shown.remove(min((c for c in shown if c.drop), key=lambda column: column.drop))
    return shown


def table_of(
    columns: Sequence[Column], width: int, *, title: Text | str | None = None, gap: int = 2
) -> Table:
    """Return a table without lines of the columns that fit."""
    shown = fitting(columns, width, gap)
    table = Table(
        title=title,
        title_style="bold" if isinstance(title, str) else "",
        title_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, gap, 0, 0),
        header_style="dim",
        show_header=any(column.header for column in shown),
    )
    for column in shown:
        table.add_column(
            column.header,
            justify=column.justify,
            style=column.style,
            no_wrap=not column.least,
            overflow="fold",
            vertical="top" if column.least else "bottom",
            ratio=1 if column.stretches else None,
        )
    for row in zip(*(column.cells for column in shown), strict=True):
        table.add_row(*row)
    return table
