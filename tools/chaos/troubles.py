"""The faults to inject: how each begins, how it must show, how it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from firmware_bridge.board_frames import stale_frame
from firmware_bridge.matrix import Frame
from host.display.faults import Fault
from host.display.screens import (
    config_rejected_frame,
    degraded_frame,
    fault_frame,
    with_degraded_mark,
)
from tools.chaos.worker import KEY, MISDEEDS

if TYPE_CHECKING:
    from tools.chaos.stage import Stage
    from tools.chaos.witness import Rows

DAY_S: Final = 86_400
NOISE: Final = 0.02
"""Per byte: of packets of 20 bytes, every third is damaged."""
BAD_CONFIGS: Final = (
    b'max_plan_depth = "many"\n',
    b"[[[\n",
    b"\xff\xfe\x00",
    b"max_plan_depht = 3\n",
    b"max_plan_depth = 3\n" * 20_000,
)


def _nothing(_stage: Stage) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A kind of fault.

    Parameters
    ----------
    name, group : str
        At most one of a group at a time.
    begin, end : callable taking a Stage
    findings : tuple of str
        Health must report one of these while the fault lasts, or for an hour after it.
    events : tuple of str
        The daemon must publish one of these events.
    looks_like : callable taking a picture, optional
        Whether a picture of the matrix shows the fault.
    is_numbered : bool
        The picture is the number of a fault: several take turns, and hide other pictures.
    cuts_link : bool
        The board cannot be reached during the fault.
    holds_presses : bool
        No press can be acknowledged during the fault.
    needs_plan : bool
        It occurs only during a plan.
    is_mended_by_hand : bool
        A person ends it; the appliance must go on until then.
    """

    name: str
    group: str
    begin: Callable[[Stage], None]
    end: Callable[[Stage], None] = _nothing
    findings: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    looks_like: Callable[[Rows], bool] | None = None
    is_numbered: bool = False
    cuts_link: bool = False
    holds_presses: bool = False
    needs_plan: bool = False
    is_mended_by_hand: bool = False


# --- how it shows ------------------------------------------------------------------------------


def _rows(frame: Frame) -> Rows:
    return tuple(tuple(row) for row in frame.rows())


FAULTS: Final = {_rows(fault_frame(fault)): fault for fault in Fault}


def _is(frame: Frame) -> Callable[[Rows], bool]:
    expected = _rows(frame)
    return lambda rows: rows == expected


def is_fault(rows: Rows) -> bool:
    """Return whether a picture is the number of a fault, which hides other pictures."""
    return rows in FAULTS


def _is_degraded(rows: Rows) -> bool:
    frame = Frame.from_rows([list(row) for row in rows])
    return frame in (with_degraded_mark(frame), degraded_frame())


# --- how it begins and ends --------------------------------------------------------------------


def _tell(do: str, **details: object) -> Callable[[Stage], None]:
    return lambda stage: stage.appliance.command_board(do, **details)


def _noise(stage: Stage) -> None:
    seed = stage.chance.randrange(1 << 30)
    stage.appliance.command_board("noise", rate=NOISE, seed=seed)


def _garbage(stage: Stage) -> None:
    seed, size = stage.chance.randrange(1 << 30), stage.chance.choice((64, 1024, 4096))
    stage.appliance.command_board("garbage", bytes=size, seed=seed)


def _kill_daemon(stage: Stage) -> None:
    stage.restart_after_s = stage.chance.uniform(0.1, 2.0)
    stage.kill_daemon()


def _set_clock(stage: Stage, by_s: int) -> None:
    stage.clock.set(by_s)


def _save_nonsense(stage: Stage) -> None:
    stage.save_config(stage.chance.choice(BAD_CONFIGS))


def _mend_config(stage: Stage) -> None:
    stage.edit()


def _misdeed(stage: Stage, misdeed: str) -> None:
    stage.trader("breakers", "reset", KEY)
    stage.order(misdeed)


def _behave(stage: Stage) -> None:
    stage.order("")


LEFT_OUT: Final = ("module_left_out", "breaker_open")

_ALL: Final = (
    Trouble("noise", "link", _noise, _tell("noise", rate=0), findings=("link_unsteady",)),
    Trouble("garbage", "link", _garbage),
    Trouble("reset", "link", _tell("reset"), events=("BoardConnected",)),
    Trouble(
        *("unplug", "link", _tell("unplug"), _tell("plug"), ("board_missing",)),
        events=("PortMissing",),
        looks_like=_is(stale_frame()),
        cuts_link=True,
    ),
    Trouble(
        *("silence", "link", _tell("silence", on=True), _tell("silence", on=False)),
        findings=("board_missing",),
        looks_like=_is(stale_frame()),
        cuts_link=True,
    ),
    Trouble(
        *("daemon_killed", "process", _kill_daemon),
        findings=("daemon_died", "daemon_restarted"),
        events=("DaemonStarted",),
    ),
    Trouble(
        *("worker_killed", "process", lambda stage: stage.kill_worker()),
        findings=("worker_restarted",),
        events=("WorkerEnded",),
    ),
    Trouble(
        *("full", "disk", lambda stage: stage.fill_disk(), lambda stage: stage.free_disk()),
        findings=("cannot_write",),
        looks_like=_is(fault_frame(Fault.CANNOT_WRITE)),
        is_numbered=True,
        holds_presses=True,
    ),
    Trouble(
        *("bad_config", "config", _save_nonsense, _mend_config, ("config_refused",)),
        events=("ConfigurationRejected",),
        looks_like=_is(config_rejected_frame()),
        is_mended_by_hand=True,
    ),
    *(
        Trouble(
            *(f"clock_{name}", "clock", partial(_set_clock, by_s=by_s)),
            *(partial(_set_clock, by_s=0), ("clock_jumped",)),
        )
        for name, by_s in (("a_day_on", DAY_S), ("ten_years_on", 3_650 * DAY_S))
    ),
    *(
        Trouble(
            *(f"clock_{name}", "clock", partial(_set_clock, by_s=-by_s)),
            *(partial(_set_clock, by_s=0), ("clock_in_past",)),
            looks_like=_is(fault_frame(Fault.CLOCK_IN_PAST)),
            is_numbered=True,
        )
        for name, by_s in (("a_day_back", DAY_S), ("fifty_years_back", 18_250 * DAY_S))
    ),
    *(
        Trouble(
            *(f"module_{misdeed}", "module", partial(_misdeed, misdeed=misdeed), _behave, LEFT_OUT),
            looks_like=_is_degraded,
            needs_plan=True,
        )
        for misdeed in MISDEEDS
    ),
)

TROUBLES: Final[Mapping[str, Trouble]] = {trouble.name: trouble for trouble in _ALL}
"""By name."""
