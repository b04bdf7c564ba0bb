"""Set up the appliance as a service of systemd, and see how it does.

`install` writes the unit files and says which commands start it; `--dry-run` only prints them.
`status` says whether they are there, are those of this version, and what systemd knows.
docs/service.md goes through it step by step.
"""

from __future__ import annotations

import argparse
import getpass
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.errors import EXIT_DONE, EXIT_FAILED
from host.limits import MEMORY_BESIDE_MB

if TYPE_CHECKING:
    from host.appliance.systemd_units import Login, UnitFile
    from host.cli.output import Output

ASK_MAX_S: Final = 5.0
SHOWN: Final = ("LoadState", "ActiveState", "SubState", "StatusText", "MainPID", "NRestarts")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    for name, summary, run in (
        ("install", "write the unit files", install),
        ("status", "are they there, and how is the service?", status),
    ):
        action = actions.add_parser(name, help=summary, description=__doc__)
        action.add_argument("--user", action="store_true", help="a service of yours, without root")
        action.add_argument("--for", dest="login", metavar="NAME", help="whose appliance it is")
        action.add_argument("--root", type=Path, metavar="DIR", help="write below DIR, not /")
        action.set_defaults(run=run)
        if name == "install":
            action.add_argument("--dry-run", action="store_true", help="print, write nothing")
        else:
            action.add_argument("--json", action="store_true", help="print one JSON object")


def install(options: argparse.Namespace, output: Output) -> int:
    """Write the unit files, or show them."""
    from host.home.storage.atomic_file import make_folder, write_atomic

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


def status(options: argparse.Namespace, output: Output) -> int:
    """Tell what is installed and how it does."""
    login, units = _units(options)
    files = {str(unit.path): _state_of(unit) for unit in units}
    name = "arduino-trader.service" if options.user else f"{_instance(login)}.service"
    known = {} if options.root is not None else _ask_systemd(name, user=options.user)
    is_installed = all(state == "current" for state in files.values())
    is_active = known.get("ActiveState") == "active"
    too_much = _too_much_memory(login.home, units[0].text)
    if options.json:
        shown = {"unit": name, "files": files, "systemd": known or None}
        output.json({**shown, "memory_problem": too_much})
    else:
        for path, state in files.items():
            output.line(f"{state:<8} {path}")
        for key, found in known.items():
            output.line(f"{key:<12} {found}")
        if not known:
            output.line("systemd     was not asked" if options.root else "systemd     does not run")
        if not is_installed:
            output.line("-> trader service install" + (" --user" if options.user else ""))
        if too_much is not None:
            output.line(f"memory      {too_much}")
            output.line("-> lower limits.plan_memory_mb in device.toml, or raise MemoryHigh=")
    return EXIT_DONE if is_installed and (is_active or options.root) else EXIT_FAILED


def _too_much_memory(home: Path, unit: str) -> str | None:
    """Say that planning may take more than the unit lets it have, or the machine has.

    Above MemoryHigh= everything crawls, and above MemoryMax= the kernel kills: the planner's own
    limit has to bite before that, because only that one costs a single module.
    """
    from host.home.config.device_settings import DeviceConfig, load_device_config
    from host.home.home import Home
    from host.home.storage.problems import ConfigFileError

    try:
        limits = load_device_config(Home(home)).limits
    except ConfigFileError:
        limits = DeviceConfig().limits  # as the daemon does; `trader health` tells of the file
    need_mb = limits.plan_memory_mb + MEMORY_BESIDE_MB
    machine_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024**2
    allowed = re.search(r"^MemoryHigh=(\d+)M$", unit, re.MULTILINE)
    rooms = {"this machine has": machine_mb}
    if allowed is not None:
        rooms["the unit allows"] = int(allowed[1])
    who, room_mb = min(rooms.items(), key=lambda room: room[1])
    if need_mb <= room_mb:
        return None
    return (
        f"plan_memory_mb = {limits.plan_memory_mb} and {MEMORY_BESIDE_MB} MB beside it"
        f" are more than the {room_mb} MB that {who}"
    )


def _units(options: argparse.Namespace) -> tuple[Login, tuple[UnitFile, ...]]:
    """Return whose service it is, and its files."""
    from host.appliance.systemd_units import home_of, login_of, system_units, user_units
    from host.home.home import HOME_VARIABLE

    named = options.home or os.environ.get(HOME_VARIABLE)
    home = None if named is None else Path(named).expanduser()
    user = options.login or os.environ.get("SUDO_USER") or getpass.getuser()
    login = login_of(user, home)
    if options.root is None:  # below another root users may be others than ours
        home_of(user)
    if options.user:
        return login, user_units(login, options.root or Path.home())
    return login, system_units(login, options.root or Path("/"))


def _instance(login: Login) -> str:
    return f"arduino-trader@{login.user}"


def _make_home(login: Login) -> None:
    """Make the home if it is missing: what is not there cannot be put back behind ProtectHome."""
    from host.home.storage.atomic_file import make_folder

    if not login.home.exists():
        make_folder(login.home)
        if os.geteuid() == 0:
            shutil.chown(login.home, login.user)


def _let_all_read(path: Path) -> None:
    """Unit files have no secrets, and tools that look at them need not be root."""
    path.chmod(0o644)


def _state_of(unit: UnitFile) -> str:
    """Tell whether a file is there as this version would write it."""
    try:
        return "current" if unit.path.read_text("utf-8") == unit.text else "differs"
    except FileNotFoundError:
        return "missing"
    except (OSError, UnicodeDecodeError):
        return "hidden"


def _ask_systemd(name: str, *, user: bool) -> dict[str, str]:
    """Return what systemd knows of the unit; empty where it does not run."""
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        return {}
    scope = ["--user"] if user else []
    command = [systemctl, *scope, "show", name, f"--property={','.join(SHOWN)}"]
    try:
        done = subprocess.run(  # noqa: S603 - our own words and a unit's name that was checked
            command, capture_output=True, text=True, timeout=ASK_MAX_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    if done.returncode != 0:
        return {}
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {key: found for key, _, found in pairs if key in SHOWN}
