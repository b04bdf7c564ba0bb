"""Unit files for one user on one machine, from the templates in `configs/systemd`.

The system's service hides all homes (`ProtectHome=tmpfs`) and puts two things back: the user's
`.arduino-trader`, and whatever of this program is installed below a home. systemd expands no `~`,
and `%h` in a unit of the system is root's, so the paths are absolute and stand in a drop-in of that
user; the template is the same for all.
"""

from __future__ import annotations

import pwd
import re
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from host.errors import UsageError

TEMPLATE_NAME: Final = "arduino-trader@.service"
PATHS_NAME: Final = "paths.conf"
USER_UNIT_NAME: Final = "arduino-trader.service"
SYSTEM_DIR: Final = Path("etc/systemd/system")
USER_DIR: Final = Path(".config/systemd/user")
USER_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
HIDDEN: Final = (Path("/home"), Path("/root"), Path("/run/user"))
"""What ProtectHome= covers."""
NEVER_IN_A_PATH = re.compile(r"[\x00-\x1f\x7f\"\\]")


@dataclass(frozen=True, slots=True)
class Login:
    """Whose appliance it is, and where it lives."""

    user: str
    home: Path
    """The appliance's home, `.arduino-trader`."""


@dataclass(frozen=True, slots=True)
class UnitFile:
    """A file to be written."""

    path: Path
    text: str


def login_of(user: str, home: Path | None) -> Login:
    """Return whose appliance it is; the home is that of the user unless another one is named.

    Raises
    ------
    UsageError
        When there is no such user.
    """
    if not USER_NAME.fullmatch(user):
        raise UsageError(f"trader service: {user!r:.60} is no name of a user")
    if home is None:
        home = home_of(user) / ".arduino-trader"
    return Login(user, home.absolute())


def home_of(user: str) -> Path:
    """Return where a user of this computer lives.

    Raises
    ------
    UsageError
        When there is no such user.
    """
    try:
        return Path(pwd.getpwnam(user).pw_dir)
    except KeyError:
        raise UsageError(
            f"trader service: there is no user {user} here (name another one with --for)"
        ) from None


def system_units(login: Login, root: Path = Path("/")) -> tuple[UnitFile, ...]:
    """Return the template and the drop-in of a user, as the system's manager reads them."""
    folder = root / SYSTEM_DIR
    drop_in = folder / f"arduino-trader@{login.user}.service.d" / PATHS_NAME
    return (
        UnitFile(folder / TEMPLATE_NAME, _rendered(TEMPLATE_NAME, login)),
        UnitFile(drop_in, _rendered(PATHS_NAME, login)),
    )


def user_units(login: Login, user_home: Path) -> tuple[UnitFile, ...]:
    """Return the unit for a user's own manager."""
    return (UnitFile(user_home / USER_DIR / USER_UNIT_NAME, _rendered(USER_UNIT_NAME, login)),)


def program_paths() -> tuple[Path, ...]:
    """Return what must be seen to run this program: interpreter, packages, and a checkout."""
    paths = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).parent}
    paths.add(Path(__file__).resolve().parents[2])
    paths |= {Path(sys.executable).resolve().parent.parent}
    found = sorted({path.absolute() for path in paths})
    return tuple(p for p in found if not any(p != q and p.is_relative_to(q) for q in found))


def _rendered(name: str, login: Login) -> str:
    text = resources.files("configs").joinpath("systemd", name).read_text("utf-8")
    hidden = [path for path in program_paths() if any(path.is_relative_to(h) for h in HIDDEN)]
    binds = [f'BindReadOnlyPaths="{_bind(path)}"' for path in hidden]
    docs = Path(__file__).resolve().parents[2] / "docs" / "service.md"
    names = {
        "PYTHON": '"' + _path(Path(sys.executable)).replace("$", "$$") + '"',
        "HOME": _path(login.home),
        "HOME_BIND": _bind(login.home),
        "PROGRAM_BINDS": "\n".join(binds) or "# The program is not below a home.",
        "DOCS": _path(docs).replace(" ", "%%20"),
    }
    for key, found in names.items():
        text = text.replace(f"@{key}@", found)
    return text


def _path(path: Path) -> str:
    """Return a path as it stands within quotes of a unit file; `%` begins a specifier there.

    Raises
    ------
    UsageError
        When it cannot be written safely.
    """
    text = str(path)
    if NEVER_IN_A_PATH.search(text):
        raise UsageError(f"trader service: {text!r}: no quotes, backslashes or control characters")
    return text.replace("%", "%%")


def _bind(path: Path) -> str:
    """Return a path of `BindPaths=`, where a colon separates."""
    return _path(path).replace(":", "\\:")
