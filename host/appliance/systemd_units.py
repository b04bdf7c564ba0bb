"""Unit files for one user on one machine, from the templates in `configs/systemd`.

The system's service hides all homes (`ProtectHome=tmpfs`) except the user's `.arduino-trader` and
the parts of this program that are installed below a home. systemd does not expand `~`, and `%h` in
a unit of the system is root's home. So the paths are absolute and in a drop-in of that user; the
template is the same for all.
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
"""The folders that ProtectHome= hides."""
FORBIDDEN_CHARACTERS = re.compile(r"[\x00-\x1f\x7f\"\\]")


@dataclass(frozen=True, slots=True)
class Login:
    """The user of an appliance, and its home."""

    user: str
    home: Path
    """The appliance's home, `.arduino-trader`."""


@dataclass(frozen=True, slots=True)
class UnitFile:
    """A file to write."""

    path: Path
    text: str


def login_of(user: str, home: Path | None) -> Login:
    """Return the user and the home; the default home is in the user's home directory.

    Raises
    ------
    UsageError
        When there is no such user.
    """
    if not USER_NAME.fullmatch(user):
        raise UsageError(f"trader service: {user!r:.60} is not a user name")
    if home is None:
        home = home_of(user) / ".arduino-trader"
    return Login(user, home.absolute())


def home_of(user: str) -> Path:
    """Return the home directory of a user of this computer.

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
    """Return the template and the drop-in of a user, for the system's manager."""
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
    """Return the folders that this program needs: interpreter, packages, and a checkout."""
    paths = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).parent}
    paths.add(Path(__file__).resolve().parents[2])
    paths |= {Path(sys.executable).resolve().parent.parent}
    folders = sorted({path.absolute() for path in paths})
    return tuple(p for p in folders if not any(p != q and p.is_relative_to(q) for q in folders))


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
    for key, value in names.items():
        text = text.replace(f"@{key}@", value)
    return text


def _path(path: Path) -> str:
    """Return a path for the quotes of a unit file, where `%` begins a specifier.

    Raises
    ------
    UsageError
        When it has characters that cannot be quoted.
    """
    text = str(path)
    if FORBIDDEN_CHARACTERS.search(text):
        raise UsageError(f"trader service: {text!r}: no quotes, backslashes or control characters")
    return text.replace("%", "%%")


def _bind(path: Path) -> str:
    """Return a path for `BindPaths=`, where a colon separates."""
    return _path(path).replace(":", "\\:")
