"""Places where a daemon has to start all the same: namespaces that need no rights of root."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from host.simulation.appliance import Simulation
from tests.end_to_end.promises import trader

MOUNT = 'mount -t tmpfs -o size=1m,mode=700 none "$1"; cp -r "$2"/. "$1"; '
FILL = 'dd if=/dev/zero of="$1"/ballast bs=4k 2>/dev/null; '
READ_ONLY = 'mount -o remount,ro "$1"; '
RUN = 'shift 2; exec "$@"'


def on_small_disk(script: str, home: Path, command: Sequence[str]) -> tuple[str, ...]:
    """Return a command whose home is a disk of 1 MB with a copy of the home on it."""
    where = ("unshare", "-Urm", "sh", "-c", MOUNT + script + RUN)
    return (*where, "sh", str(home), str(copy_of(home)), *command)


def copy_of(home: Path) -> Path:
    """Return where a home stays visible when a disk is mounted over it."""
    copy = home.with_name(f"{home.name}-copy")
    if not copy.exists():
        subprocess.run(("cp", "-r", home, copy), check=True)
    return copy


def without_network(command: Sequence[str]) -> tuple[str, ...]:
    """Return a command with no network at all, not even this computer's own."""
    return ("unshare", "-Urn", *command)


class WaitingSimulation(Simulation):
    """An appliance whose daemon waits for its home; `with` does not wait."""

    def __init__(self, home: Path, daemon: Sequence[str] = ()) -> None:
        waiting = ("sh", "-c", 'exec "$@" --wait', "sh", *(daemon or trader()))
        super().__init__(home, daemon=waiting)

    def wait_until_ready(self, timeout_s: float = 0.0) -> None:
        """Return at once: it may never be ready."""
        del timeout_s


def health(home: Path, *more: str, within: Sequence[str] = ()) -> dict[str, Any]:
    """Return the report of `trader health --json`."""
    command = (sys.executable, "-m", "host.cli", "--home", str(home), "health", "--json", *more)
    completed = subprocess.run((*within, *command), capture_output=True, text=True, check=False)
    assert completed.returncode in {0, 1}, completed.stderr
    report: dict[str, Any] = json.loads(completed.stdout)
    return report


def ids(report: dict[str, Any]) -> set[str]:
    return {finding["id"] for finding in report["findings"]}
