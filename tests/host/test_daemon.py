"""The daemon's process is small, and its settings are explained where they are edited."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

from host.device_config import DeviceConfig, load_device_config
from host.home import Home

HEAVY = ("numpy", "rich", "planner_core.planner", "planner_core.context")


def test_the_daemon_keeps_numpy_and_the_planner_out_of_its_process() -> None:
    script = (
        "import sys; import host.daemon, host.commands.run, host.device_config;"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        (sys.executable, "-c", script), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_shipped_device_file_shows_every_setting_with_its_default(tmp_path: Path) -> None:
    shipped = resources.files("configs").joinpath("home", "device.toml").read_text("utf-8")
    uncommented = re.sub(r"^# (\w+ = )", r"\1", shipped, flags=re.MULTILINE)
    (tmp_path / "device.toml").write_text(uncommented, encoding="utf-8")
    found = load_device_config(Home(tmp_path))
    assert found == DeviceConfig()
    for table, settings in DeviceConfig().model_dump().items():
        assert f"[{table}]" in shipped
        for name in settings:
            assert f"# {name} = " in shipped
            assert name in getattr(found, table).model_fields_set
