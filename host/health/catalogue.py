"""The catalogue of conditions: each has one name, as finding, journal event, link event and fault.

A row is a kind of health finding: its id for programs, how bad it is, what it means, what to do.
The other forms of the same condition derive from the row:

    journal event   `event`: a type of the journal (`docs/events.md`)
    link event      the class of `firmware_bridge.events` with the name of the journal event
    failed plan     `failures`: codes of `PlanFailed` that have this cause
    fault           the member of `Fault` with the name of the id; its number is on the matrix

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
ACCESS: Final = "Access to the API"


@dataclass(frozen=True, slots=True)
class FindingKind:
    """A row of the catalogue.

    Parameters
    ----------
    group : str
        Heading in the document.
    severity : Level
    meaning : str
    action, fix : str
        What to do, and a command that does it; may name `{bucket}`, `{home}` and `{subject}`.
    blocks : Blocks
    event : str
        Event type of the journal that records it; empty: none does.
    failures : tuple of str
        Codes of `PlanFailed` that have this cause.
    """

    group: str
    severity: Level
    meaning: str
    action: str
    blocks: Blocks = Blocks.NOTHING
    fix: str = ""
    event: str = ""
    failures: tuple[str, ...] = ()


ERROR, WARNING, INFO = Level.ERROR, Level.WARNING, Level.INFO

CATALOGUE: Final[Mapping[str, FindingKind]] = {
    # --- home and disk -------------------------------------------------------------------------
    "home_missing": FindingKind(
        DISK,
        ERROR,
        "The home folder is missing, cannot be read, or contains no portfolio.",
        "Create one with `trader init --home {home}`, or fix the owner of the folder.",
        Blocks.PLAN,
        fix="trader init --home {home}",
        event="WaitingForHome",
    ),
    "no_bucket": FindingKind(
        DISK,
        ERROR,
        "The home has no bucket: there is nothing to plan.",
        "Write portfolios/NAME.toml; `trader init` creates one to begin with.",
        Blocks.PLAN,
    ),
    "home_open_to_others": FindingKind(
        DISK,
        WARNING,
        "Other users of this computer can change the files that plans are made from.",
        "Remove write access for others: `chmod -R go-w {home}`.",
        fix="chmod -R go-w {home}",
    ),
    "home_of_another": FindingKind(
        DISK,
        WARNING,
        "The home belongs to another user than the one who runs this command.",
        "Run the command as the owner, or fix the owner with `chown -R`.",
    ),
    "cannot_write": FindingKind(
        DISK,
        ERROR,
        "Nothing can be saved: the disk is full, broken or read-only. Presses stay on the board.",
        "Free some space, or remount the file system; `df -h {home}` shows it.",
        Blocks.PRESS,
        event="JournalFailed",
        failures=("storage",),
    ),
    "disk_low": FindingKind(
        DISK,
        WARNING,
        "The file system of the home is nearly full.",
        "Free some space; `df -h {home}` and `du -sh {home}/*` show what uses it.",
    ),
    "memory_low": FindingKind(
        DISK,
        WARNING,
        "Little memory is left: the system may kill the planner's process.",
        "Stop other programs, or add swap; `free -m` shows it.",
    ),
    # --- configuration -------------------------------------------------------------------------
    "config_missing": FindingKind(
        CONFIG,
        ERROR,
        "The bucket has no valid configuration, not even an older one.",
        "Run `trader config check {bucket}`: it shows file, line and the allowed values.",
        Blocks.PLAN,
        failures=("config", "config_file"),
    ),
    "config_refused": FindingKind(
        CONFIG,
        WARNING,
        "The edited configuration is wrong; an older version stays in force.",
        "Run `trader config check {bucket}`: it shows file, line and the allowed values.",
        event="ConfigurationRejected",
    ),
    "config_not_picked_up": FindingKind(
        CONFIG,
        INFO,
        "The configuration was edited and is not in force yet.",
        "The daemon picks it up within seconds; without one, `trader config commit {bucket}`.",
        fix="trader config commit {bucket}",
    ),
    "config_history_damaged": FindingKind(
        CONFIG,
        WARNING,
        "A version of the configuration is damaged or gone.",
        "Run `trader config verify {bucket}`: it sets damaged versions aside.",
        fix="trader config verify {bucket}",
        event="ConfigHistoryRepaired",
    ),
    "device_file_refused": FindingKind(
        CONFIG,
        WARNING,
        "device.toml is wrong; the defaults are used in its place, and the plans of buckets that"
        " use plugins are held.",
        "Fix the line; the daemon reads it again when it restarts.",
    ),
    # --- portfolio and market ------------------------------------------------------------------
    "data_unusable": FindingKind(
        DATA,
        ERROR,
        "No plan can be made from the portfolio, the market data or the ledger as they are.",
        "Fix the reported problem; `trader config check {bucket}` lists all that is wrong.",
        Blocks.PLAN,
        failures=("context", "home", "ledger", "market_data", "portfolio_file"),
    ),
    "portfolio_behind_ledger": FindingKind(
        DATA,
        WARNING,
        "The ledger has fills from after the portfolio was last edited.",
        "Bring lots and cash of portfolios/{bucket}.toml up to date.",
    ),
    # --- plans ---------------------------------------------------------------------------------
    "no_plan_yet": FindingKind(
        PLANS,
        INFO,
        "The bucket has no plan yet.",
        "Press the button, or run `trader plan {bucket}`.",
    ),
    "no_plan_for_long": FindingKind(
        PLANS,
        ERROR,
        "No plan succeeded for longer than `limits.plan_silence_h` of device.toml allows.",
        "Run `trader plan {bucket}` and fix the reported problems.",
    ),
    "plan_held": FindingKind(
        PLANS,
        WARNING,
        "The latest attempt gave no plan.",
        "Fix the reported problem, then plan again.",
    ),
    "plan_past_its_day": FindingKind(
        PLANS,
        INFO,
        "The latest plan is no longer valid.",
        "Plan again before you trade by it.",
    ),
    "plan_file_damaged": FindingKind(
        PLANS,
        WARNING,
        "A stored plan cannot be read.",
        "Plan again; delete the file when you have looked at it.",
        event="PlanUnreadable",
    ),
    "module_left_out": FindingKind(
        PLANS,
        WARNING,
        "The latest plan was made without a module, because it failed or its breaker had switched"
        " it off.",
        "Look at the module's message; `trader breakers` shows when it is tried again.",
        event="ModuleSkipped",
    ),
    "plugin_failed": FindingKind(
        PLANS,
        WARNING,
        "A plugin cannot be loaded, or does not fit to the others; plans are made without it.",
        "Fix it, or move it away; `trader plugin list` tries it again.",
        event="ModuleLoadFailed",
    ),
    "plugins_off": FindingKind(
        PLANS,
        INFO,
        "There are files in plugins/, and plugins are off.",
        "To load them, write `enabled = true` below `[plugins]` in device.toml. They run with all"
        " your rights: read them first.",
    ),
    "module_absent": FindingKind(
        PLANS,
        WARNING,
        "The configuration names a module of a plugin that cannot be used; plans do without it, or"
        " are held while device.toml cannot be read.",
        "`trader plugin list` shows the plugin and the reason.",
    ),
    "breaker_open": FindingKind(
        PLANS,
        WARNING,
        "A module failed too often in a row and is left out for a while.",
        "The planner tries it again later; `trader breakers` shows when.",
        event="BreakerChanged",
    ),
    # --- daemon --------------------------------------------------------------------------------
    "daemon_not_running": FindingKind(
        DAEMON,
        INFO,
        "No daemon serves this home: the board's button does nothing.",
        "Start it with `trader run`, or set it up with `trader service install`.",
        Blocks.PRESS,
        event="DaemonStopped",
    ),
    "daemon_died": FindingKind(
        DAEMON,
        WARNING,
        "The daemon of this home ended without a shutdown.",
        "Start it again, and look at the end of its log (`journalctl -u 'arduino-trader@*'`).",
        Blocks.PRESS,
    ),
    "daemon_silent": FindingKind(
        DAEMON,
        ERROR,
        "The daemon has locked the home but does not respond.",
        "Restart it; under systemd the watchdog restarts it.",
        Blocks.PRESS,
    ),
    "daemon_restarted": FindingKind(
        DAEMON,
        INFO,
        "The daemon ended without a shutdown and was started again.",
        "Nothing if you stopped it or the power failed. Otherwise `journalctl -u"
        " 'arduino-trader@*'` and the crash report show why.",
        event="DaemonStarted",
    ),
    "worker_restarted": FindingKind(
        DAEMON,
        INFO,
        "The planner's process ended and was started again.",
        "Nothing; if it happens again, `trader events tail --type WorkerEnded` shows how it ended.",
        event="WorkerEnded",
    ),
    "worker_died": FindingKind(
        DAEMON,
        ERROR,
        "The planner's process crashed and was started again.",
        "Press again; if it happens again, see which module the log names.",
        failures=("left_processes", "worker_died"),
    ),
    "worker_missing": FindingKind(
        DAEMON,
        WARNING,
        "The planner's process does not run.",
        "Wait a minute; if it continues, the daemon's log shows why it does not start.",
        Blocks.PRESS,
    ),
    "api_not_served": FindingKind(
        DAEMON,
        WARNING,
        "The HTTP API is switched on in device.toml, and is not served. The board works.",
        "Do what the message says. The daemon tries again within five minutes.",
        event="WebServerEnded",
    ),
    "plan_overran": FindingKind(
        DAEMON,
        WARNING,
        "Planning took longer than its limit and was stopped.",
        "Lower `max_plan_depth` or the search's limits, or raise `limits.plan_deadline_s`.",
        failures=("overrun",),
    ),
    "internal_error": FindingKind(
        DAEMON,
        ERROR,
        "An unexpected error in the daemon; the part that failed was restarted.",
        "Read the details: `trader events tail --type InternalError --json`.",
        event="InternalError",
        failures=("internal",),
    ),
    # --- board ---------------------------------------------------------------------------------
    "board_missing": FindingKind(
        BOARD,
        WARNING,
        "The daemon has no link to the board.",
        "Look at the cable and at `link.port` of device.toml; `ls -l /dev/tty*` shows the ports.",
        Blocks.PRESS,
        event="BoardDisconnected",
    ),
    "link_unsteady": FindingKind(
        BOARD,
        INFO,
        "The link to the board broke, or packets were damaged; they were sent again.",
        "Nothing; if it happens again, check the cable and try another one (`trader board test`).",
    ),
    "firmware_incompatible": FindingKind(
        BOARD,
        ERROR,
        "The board's firmware uses another version of the link's protocol.",
        "Install the firmware that came with this version of the host: `trader board flash`.",
        Blocks.PRESS,
        event="FirmwareIncompatible",
    ),
    "press_lost": FindingKind(
        BOARD,
        WARNING,
        "The board counted presses that never reached the host.",
        "Press again; if it happens again, test the cable with `trader board info`.",
        event="PressesLost",
    ),
    # --- access to the API ---------------------------------------------------------------------
    "secrets_open_to_others": FindingKind(
        ACCESS,
        ERROR,
        "Other users of this computer could read a token's hash, the key or a pairing code. The"
        " API does not use such a file.",
        "Remove their access: `chmod -R go= {home}/secrets`. If others may have read the key, make"
        " another one with `trader web renew`.",
        fix="chmod -R go= {home}/secrets",
    ),
    "certificate_ends": FindingKind(
        ACCESS,
        WARNING,
        "The certificate of the API ends soon, or has ended: a running server could not renew it.",
        "Run `trader web renew`, restart the server, and accept the new fingerprint on devices.",
        fix="trader web renew",
    ),
    "api_open": FindingKind(
        ACCESS,
        INFO,
        "Other computers of the network can reach the API, encrypted and with a token.",
        "Nothing if you want it. Otherwise remove `web.host` from device.toml, and restart.",
    ),
    # --- clock ---------------------------------------------------------------------------------
    "clock_in_past": FindingKind(
        CLOCK,
        ERROR,
        "The clock is behind a time that was already recorded, so today's date is unknown.",
        "Set it: `timedatectl set-ntp true`, or `date -s`; then restart the daemon.",
    ),
    "clock_jumped": FindingKind(
        CLOCK,
        WARNING,
        "The clock was set by more than a minute while the daemon ran.",
        "Nothing if the clock is correct. Press again if a press expired because of it.",
        event="ClockJumped",
    ),
    # --- records -------------------------------------------------------------------------------
    "journal_damaged": FindingKind(
        RECORDS,
        ERROR,
        "The journal was changed or has a gap: its hash chain is broken.",
        "Keep a copy of journal/; unless somebody edited it, check the disk.",
        event="JournalDamaged",
    ),
    "journal_tail_torn": FindingKind(
        RECORDS,
        INFO,
        "The last record of the journal is not complete, as after a power cut.",
        "Nothing: it was never acknowledged, and the next start of the daemon cuts it off.",
        event="JournalRepaired",
    ),
    "state_unreadable": FindingKind(
        RECORDS,
        INFO,
        "The daemon's health state cannot be read; it will be rewritten.",
        "Nothing; the start times of findings are lost.",
    ),
    "check_failed": FindingKind(
        RECORDS,
        WARNING,
        "A check could not run.",
        "Fix the reported error; until then the result of this check is missing.",
    ),
}
"""By id, in the order of the document."""


def fault_of(kind_id: str) -> Fault | None:
    """Return the fault of a finding: the one with its name."""
    return Fault.__members__.get(kind_id.upper())


def fault_of_failure(code: str) -> Fault:
    """Return what the matrix shows for a failed plan; a code without a row is internal."""
    return FAULTS_BY_FAILURE.get(code, Fault.INTERNAL_ERROR)


def make_finding(
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
    fault = fault_of(kind_id)
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
        fault=None if fault is None else fault.value,
    )


def finding_of_fault(
    fault: Fault, since: datetime | None, home: object, bucket_id: str
) -> HealthFinding:
    """Return the finding behind a number on the matrix."""
    kind = CATALOGUE[fault.finding_id]
    finding = make_finding(
        fault.finding_id,
        f"{kind.meaning} The matrix shows fault {fault.value}.",
        home=home,
        bucket_id=bucket_id if kind.group in (CONFIG, DATA, PLANS) else "",
        since=since,
    )
    # A fault stays until it is fixed or acknowledged: it is about the past, and blocks nothing now.
    return replace(finding, blocks=Blocks.NOTHING)


FAULTS_BY_FAILURE: Final[Mapping[str, Fault]] = {
    code: Fault[kind_id.upper()] for kind_id, kind in CATALOGUE.items() for code in kind.failures
}
"""By the code of a failed plan."""
