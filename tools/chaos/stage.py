"""An appliance of real processes on its own small disk.

The stage restarts the daemon, as systemd does. A daemon that ends without being killed is a
violation.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from host import clock as host_clock
from host.health.checkup import check_health
from host.home.home import create_home
from host.simulation.appliance import BOARD_COMMAND, Simulation
from tools.chaos.clock import WallClock
from tools.chaos.witness import Witness

if TYPE_CHECKING:
    from host.health.report import HealthReport
    from host.simulation.appliance import SimulatedEvent

BUCKET: Final = "core"
FIRST_BOOT: Final = 1000
DEADLINE_S: Final = 6
MEMORY_MB: Final = 400
DEVICE: Final = (
    f"[limits]\nplan_deadline_s = {DEADLINE_S}\nplan_memory_mb = {MEMORY_MB}\n"
    '[log]\nlevel = "info"\n'
)
LOOK_S: Final = 0.1
FIRST_VERSION_S: Final = 60.0
TRADER: Final = str(Path(__file__).with_name("trader.py"))
CHATTER: Final = frozenset(
    {
        *("StageCompleted", "ModuleStarted", "ModuleCompleted", "BestSequenceUpdated"),
        *("SequenceGenerationStarted", "SequenceGenerationCompleted", "PlanningStarted"),
        *("SequenceEvaluationStarted", "SequenceEvaluationCompleted", "ButtonEdge"),
    }
)
"""Events that the diary leaves out."""
BLOCK: Final = b"\0" * 4096


class Stage:
    """An appliance for fault injection; ``with`` starts and ends it.

    Parameters
    ----------
    disk : Path
        A file system that may be filled up.
    outside : Path
        A folder on another file system.
    seed : int
        Seed of the faults' random choices.
    """

    def __init__(self, disk: Path, outside: Path, seed: int) -> None:
        self.home = create_home(disk / "home", demo=True).home
        self.home.device_file.write_text(DEVICE, "utf-8")
        self.chance = random.Random(seed)  # noqa: S311 - to be repeated
        self.clock = WallClock(outside)
        self.violations: list[str] = []
        self.diary: list[str] = []
        self.kills = 0
        self.restart_after_s = 0.0
        self.edits = 0
        self._order = outside / "order"
        self.order("")
        self._ballast = disk / "ballast"
        self._began_s = time.monotonic()
        # As the unit file starts it: a home that cannot be used is waited for.
        self._command = (
            *("sh", "-c", 'exec "$@" --wait', "sh", "env", *self.clock.environment),
            *(sys.executable, "-P", TRADER, str(self._order)),
        )
        board = (*BOARD_COMMAND, "--boot-id", str(FIRST_BOOT))
        self.appliance = Simulation(self.home.root, board=board, daemon=self._command)
        self.witness = Witness(FIRST_BOOT)
        self.appliance.follow(self._follow)

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.enter_context(self.appliance)
            self._wait_for_first_version()
            undo.pop_all()
        return self

    def _wait_for_first_version(self) -> None:
        # A version to go back to: without one, a wrong edit leaves nothing to plan by.
        if not self.until(lambda: BUCKET in self._announced(), FIRST_VERSION_S):
            self.violated("the first version of the configuration was never announced")

    def __exit__(self, *_: object) -> None:
        self.appliance.close()

    def _announced(self) -> set[object]:
        return {event["bucket_id"] for event in self.witness.events_of("ConfigurationChanged")}

    # --- time ------------------------------------------------------------------------------

    def note(self, what: str) -> None:
        """Add a line to the diary."""
        self.diary.append(f"{time.monotonic() - self._began_s:6.2f} {what}")

    def _follow(self, event: SimulatedEvent) -> None:
        self.witness.follow(event)
        if event.source == "daemon" and event.kind not in CHATTER:
            data = {key: event.record["data"][key] for key in list(event.record["data"])[:4]}
            self.note(f"    {event.kind} {event.record['trace_id']} {data}"[:200])

    def violated(self, what: str) -> None:
        """Note a violation."""
        self.note(f"VIOLATED: {what}")
        self.violations.append(what)

    def wait(self, duration_s: float) -> None:
        """Wait, and restart the daemon if it ends."""
        self.until(lambda: False, duration_s)

    def until(self, what: Callable[[], bool], within_s: float, every_s: float = LOOK_S) -> bool:
        """Wait until a condition holds; return whether it did in time."""
        until_s = time.monotonic() + within_s
        while not what():
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return False
            self._supervise()
            self.appliance.pump_for(min(every_s, left_s))
        return True

    def _supervise(self) -> None:
        """Restart the daemon if it ended."""
        daemon = self.appliance.daemon
        assert daemon is not None
        if daemon.poll() is None:
            return
        code = self.appliance.wait_for_daemon_end()
        if self.kills and code == -signal.SIGKILL:
            self.kills -= 1
        else:
            words = "; ".join(self.appliance.last_lines)
            self.violated(f"the daemon ended by itself with {code}: {words}"[:2_000])
        self.appliance.pump_for(self.restart_after_s)
        self.appliance.restart_daemon(self._command)
        self.note("daemon started again")

    # --- actions ---------------------------------------------------------------------------

    def order(self, misdeed: str) -> None:
        """Set the misdeed of the planted module from now on; "" for none."""
        self._order.write_text(misdeed, "ascii")

    def kill_daemon(self) -> None:
        """Kill the daemon, as in a power cut."""
        daemon = self.appliance.daemon
        assert daemon is not None
        if daemon.poll() is None:
            self.kills += 1
            daemon.kill()

    def kill_worker(self) -> None:
        """Kill the planner's process, if there is one."""
        ready = self.witness.events_of("WorkerReady")
        with suppress(ProcessLookupError, IndexError):
            os.kill(int(ready[-1]["data"]["pid"]), signal.SIGKILL)

    def fill_disk(self) -> None:
        """Fill the disk to the last byte."""
        for block in (BLOCK, b"\0"):
            try:
                with self._ballast.open("ab", buffering=0) as ballast:
                    while ballast.write(block) == len(block):
                        pass
            except OSError:
                pass  # full, which is the aim

    def free_disk(self) -> None:
        """Free the disk again."""
        self._ballast.unlink(missing_ok=True)

    def save_config(self, text: bytes) -> None:
        """Save a configuration as editors do: in place, or by rename."""
        file = self.home.bucket_file(BUCKET)
        if self.chance.random() < 0.5:  # noqa: PLR2004 - a coin
            file.write_bytes(text)
            return
        fresh = file.with_name("4913")
        fresh.write_bytes(text)
        fresh.replace(file)

    def edit(self) -> bytes:
        """Save a valid configuration that differs from all before; return it."""
        self.edits += 1
        depth = 2 + self.edits % 4
        text = f"# reason: edit {self.edits}\nmax_plan_depth = {depth}\n".encode()
        self.save_config(text)
        return text

    def trader(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a `trader` command."""
        command = (sys.executable, "-P", "-m", "host.cli", "--home", str(self.home.root))
        # Our own program, no shell.
        return subprocess.run(
            ("env", *self.clock.environment, *command, *arguments),
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    # --- checks ----------------------------------------------------------------------------

    @staticmethod
    def _clock_without_time_server() -> bool:
        return False

    def health(self) -> HealthReport:
        """Check the health of the home, at the time of its simulated clock."""
        host_clock.is_synchronised = self._clock_without_time_server
        return check_health(self.home, now=self.clock.now())

    def findings(self) -> frozenset[str]:
        """Return the ids of the health findings."""
        return frozenset(finding.id for finding in self.health().findings)

    def strays(self) -> list[str]:
        """Return the processes with the simulated clock that still run."""
        mark = self.clock.environment[1].encode()
        processes = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in folder.joinpath("environ").read_bytes().split(b"\0"):
                    words = folder.joinpath("cmdline").read_bytes().replace(b"\0", b" ")
                    processes.append(f"{folder.name} {words.decode(errors='replace').strip()}")
            except OSError:
                pass  # it has ended meanwhile
        return processes
