"""The daemon's process is small."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("numpy", "rich", "planner_core.planner", "planner_core.context")


def test_the_daemon_keeps_numpy_and_the_planner_out_of_its_process() -> None:
    script = (
        "import sys; import host.daemon.daemon, host.commands.run, host.configuration.device;"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        (sys.executable, "-c", script), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
