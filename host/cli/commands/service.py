"""`trader service`: install the systemd service, and show its state."""

from __future__ import annotations

import argparse
import getpass
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.appliance.systemd_units import home_of, login_of, system_units, user_units
from host.errors import EXIT_DONE, EXIT_FAILED
from host.home.config.device_settings import DeviceConfig, load_device_config
from host.home.home import HOME_VARIABLE, Home
from host.home.storage.atomic_file import make_folder, write_atomic
from host.home.storage.problems import ConfigFileError
from host.limits import API_MEMORY_MB, MEMORY_BESIDE_MB

if TYPE_CHECKING:
    from host.appliance.systemd_units import Login, UnitFile
    from host.cli.output import Output

ASK_MAX_S: Final = 5.0
SHOWN: Final = ("LoadState", "ActiveState", "SubState", "StatusText", "MainPID", "NRestarts")


def install(options: argparse.Namespace, output: Output) -> int:
    """Write the unit files, or print them."""
    login, units = _units(options)
    if options.dry_run:
        for unit in units:
            output.line(f"# --- {unit.path}")
            output.line(unit.text)
        return EXIT_DONE
    if options.root is None:
        _make_home(login)
    for unit in units:
        make_folder(unit.path.parent)
        write_atomic(unit.path, unit.text.encode())
        _let_all_read(unit.path)
        output.line(f"wrote {unit.path}")
    scope, name = ("--user ", "arduino-trader") if options.user else ("", _instance(login))
    output.line("Now start it:")
    output.line(f"  systemctl {scope}daemon-reload")
    output.line(f"  systemctl {scope}enable --now {name}")
    if options.user:
        output.line(f"  loginctl enable-linger {login.user}   # so that it starts without a login")
    return EXIT_DONE


def show_status(options: argparse.Namespace, output: Output) -> int:
    """Print which unit files are installed, and the state of the service."""
    login, units = _units(options)
    files = {str(unit.path): _state_of(unit) for unit in units}
    name = "arduino-trader.service" if options.user else f"{_instance(login)}.service"
    properties = {} if options.root is not None else _ask_systemd(name, user=options.user)
    is_installed = all(state == "current" for state in files.values())
    is_active = properties.get("ActiveState") == "active"
    too_much = _too_much_memory(login.home, units[0].text)
    if options.json:
        shown = {"unit": name, "files": files, "systemd": properties or None}
        output.json({**shown, "memory_problem": too_much})
    else:
        for path, state in files.items():
            output.line(f"{state:<8} {path}")
        for key, value in properties.items():
            output.line(f"{key:<12} {value}")
        if not properties:
            output.line(
                "systemd     was not queried" if options.root else "systemd     is not running"
            )
        if not is_installed:
            output.line("-> trader service install" + (" --user" if options.user else ""))
        if too_much is not None:
            output.line(f"memory      {too_much}")
            output.line("-> lower limits.plan_memory_mb in device.toml, or raise MemoryHigh=")
    return EXIT_DONE if is_installed and (is_active or options.root) else EXIT_FAILED


def _too_much_memory(home: Path, unit: str) -> str | None:
    """Return a warning if planning may need more memory than the unit or the machine has.

    Above MemoryHigh= everything is slow, and above MemoryMax= the kernel kills the process. The
    planner's own limit must be reached first, because it only stops a single module.
    """
    try:
        config = load_device_config(Home(home))
    except ConfigFileError:
        config = DeviceConfig()  # as the daemon does; `trader health` reports the file
    beside_mb, users = MEMORY_BESIDE_MB, "daemon and planner"
    if config.web.enabled:
        beside_mb, users = beside_mb + API_MEMORY_MB, "daemon, planner and API"
    plan_mb = config.limits.plan_memory_mb
    need_mb = plan_mb + beside_mb
    machine_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024**2
    allowed = re.search(r"^MemoryHigh=(\d+)M$", unit, re.MULTILINE)
    limits_mb = {"of this machine": machine_mb}
    if allowed is not None:
        limits_mb["that the unit allows"] = int(allowed[1])
    source, limit_mb = min(limits_mb.items(), key=lambda limit: limit[1])
    if need_mb <= limit_mb:
        return None
    return (
        f"plan_memory_mb ({plan_mb}) plus {beside_mb} MB for {users} exceed the"
        f" {limit_mb} MB {source}"
    )


def _units(options: argparse.Namespace) -> tuple[Login, tuple[UnitFile, ...]]:
    """Return the user of the service, and its unit files."""
    folder = options.home or os.environ.get(HOME_VARIABLE)
    home = None if folder is None else Path(folder).expanduser()
    user = options.login or os.environ.get("SUDO_USER") or getpass.getuser()
    login = login_of(user, home)
    if options.root is None:  # another root has other users
        home_of(user)
    if options.user:
        return login, user_units(login, Path(options.root or Path.home()))
    return login, system_units(login, Path(options.root or "/"))


def _instance(login: Login) -> str:
    return f"arduino-trader@{login.user}"


def _make_home(login: Login) -> None:
    """Create a missing home: ProtectHome can only make an existing folder visible."""
    if not login.home.exists():
        make_folder(login.home)
        if os.geteuid() == 0:
            shutil.chown(login.home, login.user)


def _let_all_read(path: Path) -> None:
    """Make a unit file readable for everybody: it has no secrets."""
    path.chmod(0o644)


def _state_of(unit: UnitFile) -> str:
    """Compare a file with what this version would write."""
    try:
        return "current" if unit.path.read_text("utf-8") == unit.text else "differs"
    except FileNotFoundError:
        return "missing"
    except (OSError, UnicodeDecodeError):
        return "hidden"


def _ask_systemd(name: str, *, user: bool) -> dict[str, str]:
    """Return the properties of the unit in systemd; empty without systemd."""
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        return {}
    scope = ["--user"] if user else []
    command = [systemctl, *scope, "show", name, f"--property={','.join(SHOWN)}"]
    try:
        process = subprocess.run(  # noqa: S603 - constants, and a checked name of a unit
            command, capture_output=True, text=True, timeout=ASK_MAX_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    if process.returncode != 0:
        return {}
    pairs = (line.partition("=") for line in process.stdout.splitlines())
    return {key: value for key, _, value in pairs if key in SHOWN}
