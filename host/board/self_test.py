"""A walk through all that can be wired wrongly on a board: matrix, LEDs, buttons, link.

Somebody looks at the board and answers; without anybody, what the board itself confirms is tried
all the same. Every step ends: with an answer, with a press, or when its time is up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from firmware_bridge.events import ButtonEdge, FrameAcknowledged, LinkEvent
from firmware_bridge.fonts import LARGE
from firmware_bridge.link import Link
from firmware_bridge.matrix import LEVEL_MAX, Canvas, Frame
from firmware_bridge.messages import BRIGHTNESS_MAX, COLUMNS, ROWS, Board, Edge, elapsed_ms
from host.board.connection import BoardError, greet, incompatible_line, is_compatible

if TYPE_CHECKING:
    from firmware_bridge.messages import HelloReply
    from firmware_bridge.transport import Port

CONFIRM_S: Final = 3.0
"""A picture that the board has not confirmed by then is not shown."""
SWEEP_S: Final = 0.12
STALE_S: Final = 4.0
"""The board notices after 3 s that nobody talks to it."""
CHATTER_MS: Final = 40
"""Nobody presses again that soon: it is the switch that bounces."""
EVENT_LED_S: Final = 1.0
DIM: Final = 1
RETRANSMITS_SHARE_MAX: Final = 0.1
BUTTONS: Final = {Board.YUN: 2, Board.UNO_Q: 2}
"""How many a board of ours has; any other kind has one."""


class Result(StrEnum):
    """How a step ended."""

    PASSED = "passed"
    FAILED = "failed"
    UNSEEN = "unseen"
    """The board did its part, and nobody said what it looked like."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was taken."""

    name: str
    result: Result
    detail: str = ""


class Onlooker(Protocol):
    """Somebody who looks at the board, or nobody."""

    def tell(self, text: str) -> None:
        """Say something."""

    async def ask(self, question: str) -> bool | None:
        """Return yes or no; None when nobody answers."""


class Walk:
    """Takes the steps, one after the other.

    Parameters
    ----------
    port : Port
    onlooker : Onlooker
    buttons : int, optional
        How many to try; those that the kind of board has when not given.
    timeout_s : float
        For each press.
    """

    def __init__(
        self, port: Port, onlooker: Onlooker, *, buttons: int | None, timeout_s: float
    ) -> None:
        self.steps: list[Step] = []
        self.board: HelloReply | None = None
        self.statistics: dict[str, object] = {}
        self._port = port
        self._onlooker = onlooker
        self._buttons = buttons
        self._timeout_s = timeout_s

    def has(self, result: Result) -> bool:
        """Tell whether a step ended so."""
        return any(step.result is result for step in self.steps)

    async def run(self) -> None:
        """Take all steps.

        Raises
        ------
        BoardError
            When there is no board to begin with, it speaks another protocol, or is gone at the end.
        """
        async with Link(self._port) as link:
            self.board = await greet(link)
            if not is_compatible(self.board):
                raise BoardError(incompatible_line(self.board))
            await self._matrix(link)
            if self.board.board is Board.YUN:
                await self._seen(
                    "led host", "Is LED 8 (a host is there) lit, and LED 9 (no host) dark?"
                )
            await self._press_buttons(link)
            self._judge_link(link)
        await self._silence()

    # --- matrix ----------------------------------------------------------------------------

    async def _matrix(self, link: Link) -> None:
        await self._picture(link, "matrix all", full(), f"Are all {ROWS * COLUMNS} LEDs lit?")
        sweeps = [row_frame(row) for row in range(ROWS)]
        sweeps += [column_frame(column) for column in range(COLUMNS)]
        await self._film(link, "matrix sweep", sweeps, "Did a row move down, then a column right?")
        question = "Is there an F, upright, at the left, and one LED in the lower right corner?"
        await self._picture(link, "matrix order", letter_frame(), question)
        question = "Do the columns get brighter from left to right (a Yun: the right half lit)?"
        await self._picture(link, "matrix levels", levels_frame(), question)
        question = "Is everything lit, and darker than in the first picture?"
        await self._picture(link, "matrix brightness", full(), question, DIM)

    async def _picture(
        self, link: Link, name: str, frame: Frame, question: str, brightness: int = BRIGHTNESS_MAX
    ) -> None:
        if await self._shown(link, frame, brightness):
            await self._seen(name, question)
        else:
            self._note(name, Result.FAILED, "the board did not confirm the picture")

    async def _film(self, link: Link, name: str, frames: Sequence[Frame], question: str) -> None:
        self._onlooker.tell(f"{name}: look at the matrix")
        for frame in frames:
            if not await self._shown(link, frame):
                self._note(name, Result.FAILED, "the board did not confirm a picture")
                return
            await asyncio.sleep(SWEEP_S)
        await self._seen(name, question)

    async def _shown(self, link: Link, frame: Frame, brightness: int = BRIGHTNESS_MAX) -> bool:
        """Show a picture and wait until the board says that it does."""
        version = link.show(frame, brightness)
        try:
            async with asyncio.timeout(CONFIRM_S):
                while True:
                    event = await next_event(link)
                    if isinstance(event, FrameAcknowledged) and event.version >= version:
                        return True
        except TimeoutError:
            return False

    # --- buttons and LEDs ------------------------------------------------------------------

    async def _press_buttons(self, link: Link) -> None:
        assert self.board is not None
        is_yun = self.board.board is Board.YUN
        known = BUTTONS.get(self.board.board, 1)
        count = known if self._buttons is None else self._buttons
        for number in range(count):
            await self._shown(link, button_frame(number))
            self._onlooker.tell(f"button {number}: press and release it now")
            self._note(f"button {number}", *await self._press(link, number))
        if is_yun and count:
            question = "Did LED 11 (a press waits) light up for a second after each press?"
            await self._seen("led event", question)

    async def _press(self, link: Link, number: int) -> tuple[Result, str]:
        """Wait for a button to go down and up; say how long it was held, or what was wrong."""
        times: list[tuple[Edge, int]] = []
        try:
            async with asyncio.timeout(self._timeout_s):
                while not times or times[-1][0] is not Edge.UP:
                    changed = await next_press(link)
                    if changed.edge is Edge.DOWN:
                        await asyncio.sleep(EVENT_LED_S)  # it waits on the board: LED 11 says so
                    link.confirm(changed.edge_id)
                    if changed.button != number and changed.edge is Edge.DOWN:
                        return Result.FAILED, f"button {changed.button} was pressed instead"
                    if times or changed.edge is Edge.DOWN:  # else a release from before
                        times.append((changed.edge, changed.t_ms))
        except TimeoutError:
            what = "release" if times else "press"
            return Result.FAILED, f"no {what} within {self._timeout_s:g} s"
        await self._drain(link)
        held_ms = elapsed_ms(times[0][1], times[-1][1])
        if held_ms < CHATTER_MS:
            return Result.FAILED, f"down for {held_ms} ms only: the switch bounces, or is loose"
        return Result.PASSED, f"down for {held_ms} ms"

    async def _drain(self, link: Link) -> None:
        """Acknowledge what comes right after a press."""
        try:
            async with asyncio.timeout(2 * CHATTER_MS / 1000):
                while True:
                    link.confirm((await next_press(link)).edge_id)
        except TimeoutError:
            return

    async def _silence(self) -> None:
        """Let the board notice that nobody talks to it, and come back."""
        self._onlooker.tell(f"no host: nobody talks to the board for {STALE_S:g} s")
        await asyncio.sleep(STALE_S)
        assert self.board is not None
        led = ", and is LED 9 (no host) lit" if self.board.board is Board.YUN else ""
        await self._seen("no host", f"Does the matrix show a pulled plug{led}?")
        async with Link(self._port) as link:
            await greet(link)
            is_back = await self._shown(link, Frame.blank())
        self._note("back again", Result.PASSED if is_back else Result.FAILED)

    # --- inside ----------------------------------------------------------------------------

    def _judge_link(self, link: Link) -> None:
        found = link.statistics
        self.statistics = asdict(found)
        share = found.retransmits / max(found.packets_sent, 1)
        is_good = share <= RETRANSMITS_SHARE_MAX
        detail = (
            f"{found.packets_sent} packets, {found.retransmits} sent again,"
            f" {found.bad_packets} damaged, {found.rtt_max_ms:.0f} ms at most"
        )
        self._note("link", Result.PASSED if is_good else Result.FAILED, detail)

    async def _seen(self, name: str, question: str) -> None:
        answer = await self._onlooker.ask(question)
        if answer is None:
            self._note(name, Result.UNSEEN, "nobody answered")
        else:
            self._note(name, Result.PASSED if answer else Result.FAILED)

    def _note(self, name: str, result: Result, detail: str = "") -> None:
        self.steps.append(Step(name, result, detail))
        self._onlooker.tell(f"{name}: {result}{f' ({detail})' if detail else ''}")


async def next_event(link: Link) -> LinkEvent:
    """Return the next event of an open link; what is pressed meanwhile is let go."""
    event = await link.next_event()
    assert event is not None, "the walk alone closes its link"
    if isinstance(event, ButtonEdge):
        link.confirm(event.edge_id)
    return event


async def next_press(link: Link) -> ButtonEdge:
    """Return the next edge, not acknowledged yet."""
    while True:
        event = await link.next_event()
        assert event is not None, "the walk alone closes its link"
        if isinstance(event, ButtonEdge):
            return event


# --- pictures -------------------------------------------------------------------------------------


def full() -> Frame:
    """Return everything lit."""
    return Frame(bytes([LEVEL_MAX]) * (ROWS * COLUMNS))


def row_frame(row: int) -> Frame:
    """Return one row lit."""
    canvas = Canvas()
    canvas.box(0, row, COLUMNS, 1)
    return canvas.frame()


def column_frame(column: int) -> Frame:
    """Return one column lit."""
    canvas = Canvas()
    canvas.box(column, 0, 1, ROWS)
    return canvas.frame()


def letter_frame() -> Frame:
    """Return an F, which no turn and no mirror leaves as it is, and the last LED."""
    canvas = Canvas()
    canvas.text(0, 0, "F", LARGE)
    canvas.pixel(COLUMNS - 1, ROWS - 1)
    return canvas.frame()


def levels_frame() -> Frame:
    """Return all levels, from dark at the left to bright at the right."""
    canvas = Canvas()
    for column in range(COLUMNS):
        canvas.box(column, 0, 1, ROWS, column * LEVEL_MAX // (COLUMNS - 1))
    return canvas.frame()


def button_frame(number: int) -> Frame:
    """Return "press button so-and-so"."""
    canvas = Canvas()
    canvas.text(0, 0, "B", LARGE)
    canvas.text(7, 0, str(number), LARGE)
    return canvas.frame()
