"""The unit files: the right paths, and as tightly fenced in as was promised."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from host.appliance import systemd_units
from host.appliance.systemd_units import Login, login_of, program_paths, system_units, user_units
from host.errors import UsageError

PI = Login("pi", Path("/home/pi/.arduino-trader"))
EXPOSURE_MAX = 2.0

NEEDED = {
    "Type": "notify",
    "NotifyAccess": "main",
    "User": "%i",
    "WatchdogSec": "30",
    "Restart": "always",
    "TimeoutStopSec": "10",
    "KillMode": "mixed",
    "MemoryMax": "704M",
    "TasksMax": "64",
    "OOMPolicy": "continue",
    "ProtectHome": "tmpfs",
    "ProtectSystem": "strict",
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "DevicePolicy": "closed",
    "SupplementaryGroups": "dialout",
    "UMask": "0077",
    "MemoryDenyWriteExecute": "yes",
    "SystemCallArchitectures": "native",
    "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": "yes",
    "PrivateTmp": "yes",
}
"""Without one of these the service starts, and does not do what it promises."""


@pytest.fixture
def _systemd() -> None:
    """Without systemd's tools what they judge is skipped, but never in CI."""
    if shutil.which("systemd-analyze") is None:
        assert os.environ.get("CI") != "true", "CI has to judge the units"
        pytest.skip("no systemd-analyze: `make setup` installs it")


def settings(text: str) -> dict[str, str]:
    """Return what a unit file sets; of a key that stands twice, the first."""
    pairs = re.findall(r"^([A-Za-z]+)=(.*)$", text, re.MULTILINE)
    return dict(reversed(pairs))


def written(root: Path, login: Login = PI) -> Path:
    """Write the system's units below a folder."""
    for unit in system_units(login, root):
        unit.path.parent.mkdir(parents=True, exist_ok=True)
        unit.path.write_text(unit.text, "utf-8")
    return root


@pytest.mark.parametrize(("key", "value"), NEEDED.items())
def test_the_template_has_what_it_needs(key: str, value: str) -> None:
    assert settings(system_units(PI)[0].text)[key] == value


def test_nothing_is_left_to_be_filled_in() -> None:
    for unit in (*system_units(PI), *user_units(PI, Path("/home/pi"))):
        assert not re.search(r"@[A-Z_]+@", unit.text)


def test_the_template_is_the_same_for_every_user_and_the_paths_stand_beside_it() -> None:
    other = Login("ann", Path("/srv/ann/trader"))
    assert system_units(PI)[0] == system_units(other)[0]
    paths = system_units(other)[1]
    assert str(paths.path) == "/etc/systemd/system/arduino-trader@ann.service.d/paths.conf"
    assert 'Environment="ARDUINO_TRADER_HOME=/srv/ann/trader"' in paths.text
    assert 'BindPaths="/srv/ann/trader"' in paths.text


def test_a_program_below_a_hidden_home_is_put_back_to_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "prefix", "/home/pi/code/.venv")
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    monkeypatch.setattr(sys, "executable", "/home/pi/code/.venv/bin/python")
    text = system_units(PI)[1].text
    assert 'BindReadOnlyPaths="/home/pi/code/.venv"' in text
    assert "/usr" not in text


def test_the_program_is_found_wherever_it_runs_from() -> None:
    paths = program_paths()
    assert any(Path(systemd_units.__file__).is_relative_to(path) for path in paths)
    assert any(Path(os.__file__).is_relative_to(path) for path in paths)
    assert any(Path(sys.executable).is_relative_to(path) for path in paths)


def test_odd_characters_of_a_path_are_written_so_that_systemd_reads_them_back() -> None:
    text = system_units(Login("pi", Path("/home/pi/my 100%: $x")))[1].text
    assert 'ARDUINO_TRADER_HOME=/home/pi/my 100%%: $x"' in text
    assert 'BindPaths="/home/pi/my 100%%\\: $x"' in text


@pytest.mark.parametrize("odd", ['a"b', "a\nUser=root", "a\\b"])
def test_a_path_that_could_begin_a_line_of_its_own_is_refused(odd: str) -> None:
    with pytest.raises(UsageError, match="no quotes, backslashes or control characters"):
        system_units(Login("pi", Path("/home") / odd))


@pytest.mark.parametrize("user", ["", "Root", "../x", "a b", "x" * 40, "a\n"])
def test_a_name_that_is_not_a_user_name_is_refused(user: str) -> None:
    with pytest.raises(UsageError, match="is not a user name"):
        login_of(user, Path("/srv/x"))


def test_a_user_that_is_not_there_is_refused_unless_the_home_is_named() -> None:
    with pytest.raises(UsageError, match="there is no user nobody-here"):
        login_of("nobody-here", None)
    assert login_of("nobody-here", Path("/srv/x")).home == Path("/srv/x")


@pytest.mark.usefixtures("_systemd")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    written(tmp_path, Login("pi", Path("/home/pi/my 100%: $x")))
    folder = tmp_path / systemd_units.SYSTEM_DIR
    completed = subprocess.run(
        ("systemd-analyze", "verify", "--man=no", "arduino-trader@pi.service"),
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "SYSTEMD_UNIT_PATH": f"{folder}:"},
    )
    complaints = [line for line in completed.stderr.splitlines() if "arduino-trader" in line]
    assert (complaints, completed.returncode) == ([], 0)


@pytest.mark.usefixtures("_systemd")
def test_systemd_finds_the_service_within_its_limit_of_exposure(tmp_path: Path) -> None:
    assert exposure(written(tmp_path)) <= EXPOSURE_MAX


@pytest.mark.usefixtures("_systemd")
@pytest.mark.parametrize(
    "line", ["ProtectSystem=strict", "CapabilityBoundingSet=", "SystemCallFilter=@system-service"]
)
def test_the_measure_of_exposure_sees_a_fence_that_is_missing(tmp_path: Path, line: str) -> None:
    whole = exposure(written(tmp_path))
    template = system_units(PI, tmp_path)[0].path
    template.write_text(template.read_text("utf-8").replace(f"{line}\n", "\n"), "utf-8")
    assert exposure(tmp_path) > whole


def exposure(root: Path) -> float:
    """Return the exposure that systemd computes, 0 to 10."""
    completed = subprocess.run(
        (
            *("systemd-analyze", "security", "--offline=true", "--no-pager"),
            *(f"--root={root}", "arduino-trader@pi.service"),
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    match = re.search(r"Overall exposure level for \S+: ([0-9.]+)", completed.stdout)
    assert match is not None, completed.stdout + completed.stderr
    return float(match[1])
