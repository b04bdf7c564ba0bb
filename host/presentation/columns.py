"""Tables that drop whole columns on a narrow terminal, instead of cutting their cells.

With its side cut off, a step could be done the wrong way round. So the least important columns are
dropped first, and the essential ones never.
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
        May have several lines.
    cells : sequence of Text or str
    justify : JustifyMethod
    style : str
    drop : int
        0: never dropped. Otherwise the column with the lowest number is dropped first.
    least : int
        0: it does not wrap. Otherwise it may become so narrow.
    stretches : bool
        It takes the remaining width.
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
        """Width that it needs, in cells of the terminal."""
        texts = (Text(cell) if isinstance(cell, str) else cell for cell in self.cells)
        heads = (len(line) for line in self.header.split("\n"))
        natural = max([*heads, *(text.cell_len for text in texts)])
        return min(natural, self.least) if self.least else natural


def width_of(columns: Sequence[Column], gap: int) -> int:
    """Return the width of columns, with a gap after each but the last."""
    return sum(column.width for column in columns) + gap * (len(columns) - 1)


def fitting(columns: Sequence[Column], width: int, gap: int) -> list[Column]:
    """Return the columns that remain when those that do not fit are dropped."""
    shown = list(columns)
    while width_of(shown, gap) > width and any(column.drop for column in shown):
        shown.remove(min((c for c in shown if c.drop), key=lambda column: column.drop))
    return shown


def table_of(
    columns: Sequence[Column], width: int, *, title: Text | str | None = None, gap: int = 2
) -> Table:
    """Return a table of the columns that fit, without lines."""
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
