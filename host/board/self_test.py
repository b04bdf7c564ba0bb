"""The self-test of a board: matrix, LEDs, buttons and link, one check after the other.

An operator looks at the board and answers. Without one, only the board's own confirmations count.
Every check ends: with an answer, with a press, or when its time is up.
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
"""A frame that the board has not confirmed by then counts as not shown."""
SWEEP_S: Final = 0.12
STALE_S: Final = 4.0
"""Longer than the 3 s after which the board shows that it has no host."""
CHATTER_MS: Final = 40
"""A shorter press is a bouncing switch, not a finger."""
EVENT_LED_S: Final = 1.0
DIM: Final = 1
RETRANSMITS_SHARE_MAX: Final = 0.1
BUTTONS: Final = {Board.YUN: 2, Board.UNO_Q: 2}
"""Buttons by kind of board; any other kind has one."""


class Result(StrEnum):
    """The result of a check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_SEEN = "unseen"
    """The board confirmed it, but the operator did not answer."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A check that was done."""

    name: str
    result: Result
    detail: str = ""


class Operator(Protocol):
    """The person who looks at the board, if there is one."""

    def show(self, text: str) -> None:
        """Show a message."""

    async def ask(self, question: str) -> bool | None:
        """Return yes or no; None without an answer."""


class SelfTest:
    """Runs the checks, one after the other.

    Parameters
    ----------
    port : Port
    operator : Operator
    buttons : int, optional
        Number of buttons to check; by default those of the kind of board.
    timeout_s : float
        For each press.
    """

    def __init__(
        self, port: Port, operator: Operator, *, buttons: int | None, timeout_s: float
    ) -> None:
        self.checks: list[CheckResult] = []
        self.board: HelloReply | None = None
        self.statistics: dict[str, object] = {}
        self._port = port
        self._operator = operator
        self._buttons = buttons
        self._timeout_s = timeout_s

    def has(self, result: Result) -> bool:
        """Return whether a check had this result."""
        return any(check.result is result for check in self.checks)

    async def run(self) -> None:
        """Run all checks.

        Raises
        ------
        BoardError
            When there is no board, it has another protocol, or it is gone at the end.
        """
        async with Link(self._port) as link:
            self.board = await greet(link)
            if not is_compatible(self.board):
                raise BoardError(incompatible_line(self.board))
            await self._check_matrix(link)
            if self.board.board is Board.YUN:
                await self._ask(
                    "led host", "Is LED 8 (host connected) lit, and LED 9 (no host) dark?"
                )
            await self._check_buttons(link)
            self._check_link(link)
        await self._check_stale()

    # --- matrix ----------------------------------------------------------------------------

    async def _check_matrix(self, link: Link) -> None:
        await self._check_frame(
            link, "matrix all", full_frame(), f"Are all {ROWS * COLUMNS} LEDs lit?"
        )
        sweeps = [row_frame(row) for row in range(ROWS)]
        sweeps += [column_frame(column) for column in range(COLUMNS)]
        await self._check_sweep(
            link, "matrix sweep", sweeps, "Did a row move down, then a column right?"
        )
        question = "Is there an F, upright, at the left, and one LED in the lower right corner?"
        await self._check_frame(link, "matrix order", letter_frame(), question)
        question = "Do the columns get brighter from left to right (a Yun: the right half lit)?"
        await self._check_frame(link, "matrix levels", levels_frame(), question)
        question = "Is everything lit, and darker than in the first picture?"
        await self._check_frame(link, "matrix brightness", full_frame(), question, DIM)

    async def _check_frame(
        self, link: Link, name: str, frame: Frame, question: str, brightness: int = BRIGHTNESS_MAX
    ) -> None:
        if await self._show(link, frame, brightness):
            await self._ask(name, question)
        else:
            self._record(name, Result.FAILED, "the board did not confirm the frame")

    async def _check_sweep(
        self, link: Link, name: str, frames: Sequence[Frame], question: str
    ) -> None:
        self._operator.show(f"{name}: look at the matrix")
        for frame in frames:
            if not await self._show(link, frame):
                self._record(name, Result.FAILED, "the board did not confirm a frame")
                return
            await asyncio.sleep(SWEEP_S)
        await self._ask(name, question)

    async def _show(self, link: Link, frame: Frame, brightness: int = BRIGHTNESS_MAX) -> bool:
        """Show a frame; return whether the board confirmed it in time."""
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

    async def _check_buttons(self, link: Link) -> None:
        assert self.board is not None
        is_yun = self.board.board is Board.YUN
        count = BUTTONS.get(self.board.board, 1) if self._buttons is None else self._buttons
        for number in range(count):
            await self._show(link, button_frame(number))
            self._operator.show(f"button {number}: press and release it now")
            self._record(f"button {number}", *await self._press(link, number))
        if is_yun and count:
            question = "Did LED 11 (a press waits) light up for a second after each press?"
            await self._ask("led event", question)

    async def _press(self, link: Link, number: int) -> tuple[Result, str]:
        """Wait until a button goes down and up; return its hold time, or what was wrong."""
        times: list[tuple[Edge, int]] = []
        try:
            async with asyncio.timeout(self._timeout_s):
                while not times or times[-1][0] is not Edge.UP:
                    changed = await next_press(link)
                    if changed.edge is Edge.DOWN:
                        await asyncio.sleep(
                            EVENT_LED_S
                        )  # the press waits on the board, and LED 11 shows it
                    link.confirm(changed.edge_id)
                    if changed.button != number and changed.edge is Edge.DOWN:
                        return Result.FAILED, f"button {changed.button} was pressed instead"
                    if times or changed.edge is Edge.DOWN:  # not a release of an earlier press
                        times.append((changed.edge, changed.t_ms))
        except TimeoutError:
            what = "release" if times else "press"
            return Result.FAILED, f"no {what} within {self._timeout_s:g} s"
        await self._drain(link)
        held_ms = elapsed_ms(times[0][1], times[-1][1])
        if held_ms < CHATTER_MS:
            return Result.FAILED, f"down for only {held_ms} ms: the switch bounces, or is loose"
        return Result.PASSED, f"down for {held_ms} ms"

    async def _drain(self, link: Link) -> None:
        """Acknowledge the edges that come right after a press."""
        try:
            async with asyncio.timeout(2 * CHATTER_MS / 1000):
                while True:
                    link.confirm((await next_press(link)).edge_id)
        except TimeoutError:
            return

    async def _check_stale(self) -> None:
        """Send nothing until the board shows that it has no host, then connect again."""
        self._operator.show(f"no host: nothing is sent to the board for {STALE_S:g} s")
        await asyncio.sleep(STALE_S)
        assert self.board is not None
        led = ", and is LED 9 (no host) lit" if self.board.board is Board.YUN else ""
        await self._ask("no host", f"Does the matrix show a pulled plug{led}?")
        async with Link(self._port) as link:
            await greet(link)
            is_back = await self._show(link, Frame.blank())
        self._record("back again", Result.PASSED if is_back else Result.FAILED)

    # --- inside ----------------------------------------------------------------------------

    def _check_link(self, link: Link) -> None:
        statistics = link.statistics
        self.statistics = asdict(statistics)
        share = statistics.retransmits / max(statistics.packets_sent, 1)
        is_good = share <= RETRANSMITS_SHARE_MAX
        detail = (
            f"{statistics.packets_sent} packets, {statistics.retransmits} sent again,"
            f" {statistics.bad_packets} damaged, {statistics.rtt_max_ms:.0f} ms at most"
        )
        self._record("link", Result.PASSED if is_good else Result.FAILED, detail)

    async def _ask(self, name: str, question: str) -> None:
        answer = await self._operator.ask(question)
        if answer is None:
            self._record(name, Result.NOT_SEEN, "no answer")
        else:
            self._record(name, Result.PASSED if answer else Result.FAILED)

    def _record(self, name: str, result: Result, detail: str = "") -> None:
        self.checks.append(CheckResult(name, result, detail))
        self._operator.show(f"{name}: {result}{f' ({detail})' if detail else ''}")


async def next_event(link: Link) -> LinkEvent:
    """Return the next event of an open link; presses are acknowledged and ignored."""
    event = await link.next_event()
    assert event is not None, "only the self-test closes its link"
    if isinstance(event, ButtonEdge):
        link.confirm(event.edge_id)
    return event


async def next_press(link: Link) -> ButtonEdge:
    """Return the next edge of a button, without acknowledging it."""
    while True:
        event = await link.next_event()
        assert event is not None, "only the self-test closes its link"
        if isinstance(event, ButtonEdge):
            return event


# --- pictures -------------------------------------------------------------------------------------


def full_frame() -> Frame:
    """Return all LEDs lit."""
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
    """Return an F, which differs from all its rotations and mirrors, and the last LED."""
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
    """Return a B and the number of a button."""
    canvas = Canvas()
    canvas.text(0, 0, "B", LARGE)
    canvas.text(7, 0, str(number), LARGE)
    return canvas.frame()
