"""The daemon's process is small."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("numpy", "rich", "planner_core.planner", "planner_core.model.context")


def test_the_daemon_keeps_numpy_and_the_planner_out_of_its_process() -> None:
    script = (
        "import sys; import host.appliance.daemon, host.cli.commands.run;"
        "import host.home.config.device_settings;"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    completed = subprocess.run(
        (sys.executable, "-c", script), capture_output=True, text=True, check=True
    )
    assert completed.stdout.strip() == "[]"
