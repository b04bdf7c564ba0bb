"""Every kind of finding: its id for programs, how bad it is, what it means, what to do.

An id keeps its meaning for good. `docs/health.md` is written from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from host.display.faults import Fault
from host.health.finding import Blocks, HealthFinding, Level

DISK, DATA, DAEMON, BOARD = "Home and disk", "Portfolio and market", "Daemon", "Board"
CONFIG, PLANS, CLOCK, RECORDS = "Configuration", "Plans", "Clock", "Records"


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of the catalogue.

    `action` and `fix` may name `{bucket}`, `{home}` and `{subject}`.
    """

    group: str
    severity: Level
    meaning: str
    action: str
    blocks: Blocks = Blocks.NOTHING
    fault: Fault | None = None
    fix: str = ""


ERROR, WARNING, INFO = Level.ERROR, Level.WARNING, Level.INFO

CATALOGUE: Final[Mapping[str, Kind]] = {
    # --- home and disk -------------------------------------------------------------------------
    "home_missing": Kind(
        DISK,
        ERROR,
        "The home folder is missing, cannot be read, or has no portfolio in it.",
        "Make one with `trader init --home {home}`, or correct the owner of the folder.",
        Blocks.PLAN,
        Fault.HOME,
        "trader init --home {home}",
    ),
    "no_bucket": Kind(
        DISK,
        ERROR,
        "The home has no bucket: there is nothing to plan.",
        "Write portfolios/NAME.toml; `trader init` leaves one to begin with.",
        Blocks.PLAN,
    ),
    "home_open_to_others": Kind(
        DISK,
        WARNING,
        "Other users of this computer may change what plans are made from.",
        "Take their right away: `chmod -R go-w {home}`.",
        fix="chmod -R go-w {home}",
    ),
    "home_of_another": Kind(
        DISK,
        WARNING,
        "The home belongs to another user than the one who asks.",
        "Ask as its owner, or correct the owner with `chown -R`.",
    ),
    "cannot_write": Kind(
        DISK,
        ERROR,
        "Nothing can be kept: the disk is full, broken or read-only. Presses stay on the board.",
        "Free some space, or remount the file system; `df -h {home}` shows it.",
        Blocks.PRESS,
        Fault.STORAGE,
    ),
    "disk_low": Kind(
        DISK,
        WARNING,
        "The file system of the home has little room left.",
        "Free some space; `df -h {home}` and `du -sh {home}/*` show where it went.",
    ),
    "memory_low": Kind(
        DISK,
        WARNING,
        "There is little memory left: the planner's process may be ended by the system.",
        "End what is not needed, or add swap; `free -m` shows it.",
    ),
    # --- configuration -------------------------------------------------------------------------
    "config_missing": Kind(
        CONFIG,
        ERROR,
        "The bucket has no configuration that is valid, not even an older one.",
        "Run `trader config check {bucket}`: it names file, line and what is allowed there.",
        Blocks.PLAN,
        Fault.CONFIG,
    ),
    "config_refused": Kind(
        CONFIG,
        WARNING,
        "The configuration as it was edited is wrong; an older version stays in force.",
        "Run `trader config check {bucket}`: it names file, line and what is allowed there.",
    ),
    "config_not_picked_up": Kind(
        CONFIG,
        INFO,
        "The configuration was edited, and is not in force yet.",
        "The daemon picks it up within seconds; without one, `trader config commit {bucket}`.",
        fix="trader config commit {bucket}",
    ),
    "config_history_damaged": Kind(
        CONFIG,
        WARNING,
        "A version of the configuration is damaged or gone.",
        "Run `trader config verify {bucket}`: it sets damaged versions aside.",
        fix="trader config verify {bucket}",
    ),
    "device_file_refused": Kind(
        CONFIG,
        WARNING,
        "device.toml is wrong; the defaults are used in its place.",
        "Correct the line; a daemon takes it in when it starts again.",
    ),
    # --- portfolio and market ------------------------------------------------------------------
    "data_unusable": Kind(
        DATA,
        ERROR,
        "No plan can be made from the portfolio, the market data or the ledger as they are.",
        "Mend the line; `trader plan {bucket}` names everything that is wrong.",
        Blocks.PLAN,
        Fault.DATA,
    ),
    "portfolio_behind_ledger": Kind(
        DATA,
        WARNING,
        "The ledger has fills from after the portfolio was last edited.",
        "Bring lots and cash of portfolios/{bucket}.toml up to date.",
    ),
    # --- plans ---------------------------------------------------------------------------------
    "no_plan_yet": Kind(
        PLANS,
        INFO,
        "No plan was made of this bucket yet.",
        "Press the button, or run `trader plan {bucket}`.",
    ),
    "no_plan_for_long": Kind(
        PLANS,
        ERROR,
        "No plan succeeded for longer than `limits.plan_silence_h` of device.toml allows.",
        "Run `trader plan {bucket}` and mend what it complains of.",
        fault=Fault.NO_PLAN,
    ),
    "plan_held": Kind(
        PLANS,
        WARNING,
        "The latest attempt gave no plan.",
        "Mend what it says, then plan again.",
    ),
    "plan_past_its_day": Kind(
        PLANS,
        INFO,
        "The latest plan is no longer valid.",
        "Plan again before you trade by it.",
    ),
    "plan_file_damaged": Kind(
        PLANS,
        WARNING,
        "A stored plan cannot be read.",
        "Nothing to do but plan again; delete the file when you have looked at it.",
    ),
    "module_left_out": Kind(
        PLANS,
        WARNING,
        "The latest plan was made without a module, because it failed or was switched off by"
        " its breaker.",
        "Look at the module's message; `trader breakers` says when it is tried again.",
    ),
    "breaker_open": Kind(
        PLANS,
        WARNING,
        "A module failed too often in a row and is left out for a while.",
        "It is tried again by itself; `trader breakers` shows when.",
    ),
    # --- daemon --------------------------------------------------------------------------------
    "daemon_not_running": Kind(
        DAEMON,
        INFO,
        "No daemon serves this home: the board's button does nothing.",
        "Start it with `trader run`, or set it up with `trader service install`.",
        Blocks.PRESS,
    ),
    "daemon_died": Kind(
        DAEMON,
        WARNING,
        "The daemon of this home ended without saying so.",
        "Start it again, and look at the end of its log (`journalctl -u 'arduino-trader@*'`).",
        Blocks.PRESS,
    ),
    "daemon_silent": Kind(
        DAEMON,
        ERROR,
        "The daemon holds the home and gives no sign of life.",
        "Restart it; under systemd the watchdog does that by itself.",
        Blocks.PRESS,
    ),
    "daemon_restarted": Kind(
        DAEMON,
        INFO,
        "The daemon ended without saying so, and was started again.",
        "Nothing, if somebody ended it or the power was cut; else `journalctl -u"
        " 'arduino-trader@*'` and the crash report say why.",
    ),
    "worker_restarted": Kind(
        DAEMON,
        INFO,
        "The planner's process ended and was started again.",
        "Nothing; if it returns, `trader events tail --type WorkerEnded` says how it ended.",
    ),
    "worker_died": Kind(
        DAEMON,
        ERROR,
        "The planner's process ended by itself and was started again.",
        "Press again; if it returns, look for the module that is named in the log.",
        fault=Fault.WORKER,
    ),
    "worker_missing": Kind(
        DAEMON,
        WARNING,
        "The planner's process does not run.",
        "Wait a minute; if it stays, the daemon's log says why it does not start.",
        Blocks.PRESS,
    ),
    "plan_overran": Kind(
        DAEMON,
        WARNING,
        "Planning took longer than its limit and was stopped.",
        "Lower `max_plan_depth` or the search's limits, or raise `limits.plan_deadline_s`.",
        fault=Fault.OVERRUN,
    ),
    "internal_error": Kind(
        DAEMON,
        ERROR,
        "An unexpected error in the daemon; the part that failed was restarted.",
        "Read the details: `trader events tail --type InternalError --json`.",
        fault=Fault.INTERNAL,
    ),
    # --- board ---------------------------------------------------------------------------------
    "board_missing": Kind(
        BOARD,
        WARNING,
        "The daemon has no link to the board.",
        "Look at the cable and at `link.port` of device.toml; `ls -l /dev/tty*` shows the ports.",
        Blocks.PRESS,
    ),
    "link_unsteady": Kind(
        BOARD,
        INFO,
        "The link to the board broke, or what came over it was damaged; it was sent again.",
        "Nothing; if it returns, look at the cable and try another one (`trader board test`).",
    ),
    "firmware_incompatible": Kind(
        BOARD,
        ERROR,
        "The board's firmware speaks another version of the link's protocol.",
        "Install the firmware that came with this version of the host.",
        Blocks.PRESS,
        Fault.FIRMWARE,
    ),
    "press_lost": Kind(
        BOARD,
        WARNING,
        "The board counted presses that never reached the host.",
        "Press again; if it returns, look at the cable with `trader board info`.",
        fault=Fault.PRESS_LOST,
    ),
    # --- clock ---------------------------------------------------------------------------------
    "clock_in_past": Kind(
        CLOCK,
        ERROR,
        "The clock shows a time that has been already: what is today cannot be known.",
        "Set it: `timedatectl set-ntp true`, or `date -s`; then restart the daemon.",
        fault=Fault.CLOCK,
    ),
    "clock_jumped": Kind(
        CLOCK,
        WARNING,
        "The clock was set by more than a minute while the daemon ran.",
        "Nothing, if it was set right; press again if a press expired by it.",
    ),
    # --- records -------------------------------------------------------------------------------
    "journal_damaged": Kind(
        RECORDS,
        ERROR,
        "The journal was changed, or has a gap: its chain of hashes is broken.",
        "Keep a copy of journal/; if nobody edited it, look at the disk.",
    ),
    "journal_tail_torn": Kind(
        RECORDS,
        INFO,
        "The last record of the journal is not whole, as a power cut leaves it.",
        "Nothing: it was never acknowledged, and the next start of the daemon cuts it off.",
    ),
    "state_unreadable": Kind(
        RECORDS,
        INFO,
        "What the daemon remembers of its health cannot be read; it is written anew.",
        "Nothing; the times since when something holds begin again.",
    ),
    "check_failed": Kind(
        RECORDS,
        WARNING,
        "A check could not be made.",
        "Mend what it says; until then nothing is known of what it looks at.",
    ),
}
"""By id, in the order of the document."""


def finding(
    kind_id: str,
    what: str = "",
    *,
    home: object = "",
    bucket_id: str = "",
    subject: str = "",
    since: datetime | None = None,
) -> HealthFinding:
    """Return a finding of the catalogue; `what` defaults to its meaning."""
    kind = CATALOGUE[kind_id]
    names = {"home": str(home), "bucket": bucket_id, "subject": subject}
    return HealthFinding(
        id=kind_id,
        severity=kind.severity,
        what=what or kind.meaning,
        action=kind.action.format(**names),
        blocks=kind.blocks,
        bucket_id=bucket_id,
        subject=subject,
        since=since,
        fix=kind.fix.format(**names),
        fault=None if kind.fault is None else kind.fault.value,
    )


def of_fault(fault: Fault, since: datetime | None, home: object, bucket_id: str) -> HealthFinding:
    """Return the finding behind a number on the matrix."""
    kind_id = FAULT_FINDINGS[fault]
    is_of_bucket = CATALOGUE[kind_id].group in (CONFIG, DATA, PLANS)
    bucket = bucket_id if is_of_bucket else ""
    shown = f"{CATALOGUE[kind_id].meaning} The matrix shows fault {fault.value}."
    found = finding(kind_id, shown, home=home, bucket_id=bucket, since=since)
    # A fault stands until it is mended or acknowledged: it tells what was, not what blocks now.
    return replace(found, blocks=Blocks.NOTHING)


FAULT_FINDINGS: Final[Mapping[Fault, str]] = {
    kind.fault: kind_id for kind_id, kind in CATALOGUE.items() if kind.fault is not None
}
"""The finding of each number that the matrix may show."""
