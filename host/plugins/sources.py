"""Which plugins there are: files of a folder, and packages that are installed.

Finding them runs none of their code. A file is used only if nobody but its owner and root can
change it, as ssh's StrictModes has it for keys: what a plugin does, it does with our rights.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.limits import PLUGIN_BYTES_MAX, PLUGIN_ENTRIES_MAX, PLUGINS_MAX

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

FOLDER: Final = "plugins"
GROUP: Final = "arduino_trader.modules"
"""Entry points of installed packages."""
FILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.py")
TEST_PREFIX: Final = "test_"
OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
NAME_IN_TEXT: Final = re.compile(r"""\bname\s*=\s*["']([a-z][a-z0-9_]{0,63})["']""")
"""How a file gives a module its name. Reading it so runs no code."""
NAMES_IN_TEXT_MAX: Final = 32
LABEL_LENGTH_MAX: Final = 120
"""A label is also the key of a circuit breaker."""


@dataclass(frozen=True, slots=True)
class PluginSource:
    """A plugin that was found, and the bytes of its file.

    Parameters
    ----------
    label : str
        How it is named everywhere: `plugins/NAME.py`, or the package with its version.
    name : str
        As `only` in device.toml names it: the file without `.py`, or the entry point.
    sha256 : str
        Of the file's bytes; of the package's name, version and date.
    path : Path, optional
        None: it is an installed package.
    data : bytes
        Of the file.
    entry : EntryPoint, optional
    problem : str
        Why it is refused; empty: it may be loaded.
    """

    label: str
    name: str
    sha256: str = ""
    path: Path | None = None
    data: bytes = b""
    entry: EntryPoint | None = None
    problem: str = ""

    def names_in_text(self) -> tuple[str, ...]:
        """Return the names that its text seems to give to modules; none of a package."""
        text = self.data.decode("utf-8", "replace")
        return tuple(m[1] for m in islice(NAME_IN_TEXT.finditer(text), NAMES_IN_TEXT_MAX))


@dataclass(frozen=True, slots=True)
class FolderListing:
    """The files of a folder of plugins.

    Parameters
    ----------
    paths : tuple of Path
        Sorted; at most PLUGINS_MAX.
    n_more : int
        Files beyond that, which are not loaded.
    """

    paths: tuple[Path, ...] = ()
    n_more: int = 0


def list_plugin_files(folder: Path) -> FolderListing:
    """List the files that are plugins: `*.py`, without tests and names that begin with _ or a dot.

    A folder that is missing or cannot be read has none.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(
                entry.name
                for entry in islice(entries, PLUGIN_ENTRIES_MAX)
                if FILE_NAME.fullmatch(entry.name) and not entry.name.startswith(TEST_PREFIX)
            )
    except OSError:
        return FolderListing()
    paths = tuple(folder / name for name in names[:PLUGINS_MAX])
    return FolderListing(paths, len(names) - len(paths))


def read_plugin_files(folder: Path) -> tuple[PluginSource, ...]:
    """Read every file of the folder, with the reason for each that is refused."""
    listing = list_plugin_files(folder)
    problem = folder_problem(folder) if listing.paths else ""
    sources = [read_plugin_file(path, problem) for path in listing.paths]
    if listing.n_more:
        what = f"{listing.n_more} more files: at most {PLUGINS_MAX} are loaded, in order of name"
        sources.append(PluginSource(f"{FOLDER}/*", "*", problem=what))
    return tuple(sources)


def read_plugin_file(path: Path, problem: str = "") -> PluginSource:
    """Read one file; `problem` is that of its folder."""
    label = f"{FOLDER}/{path.name}"
    try:
        data, why = _read(path)
    except OSError as error:
        data, why = b"", f"cannot be read: {error.strerror or error}"
    digest = hashlib.sha256(data).hexdigest()
    return PluginSource(label, path.stem, digest, path, data, problem=problem or why)


def _read(path: Path) -> tuple[bytes, str]:
    """Return the bytes of a file, and why it may not be used: others than its owner can change it.

    Such a file is read for the names in its text, and never run.
    """
    if path.is_symlink():
        return b"", "is a symbolic link (copy the file itself into the folder)"
    # A link that takes the file's place meanwhile is not followed, and a pipe does not block.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return b"", "is not a regular file"
        data = file.read(PLUGIN_BYTES_MAX + 1)
    if len(data) > PLUGIN_BYTES_MAX:
        return b"", f"is larger than {PLUGIN_BYTES_MAX // 1024} KB"
    return data, _ownership_problem(path, status)


def folder_problem(folder: Path) -> str:
    """Return why no file of a folder may be used: a link, or others can change what is in it."""
    try:
        if folder.is_symlink():
            return f"{folder} is a symbolic link (make it a folder)"
        real = folder.resolve(strict=True)
        for path in (real, *real.parents):
            status = path.stat()
            # In a folder such as /tmp, nobody can replace what belongs to others.
            is_sticky = bool(status.st_mode & stat.S_ISVTX) and status.st_uid == 0
            problem = "" if is_sticky and path != real else _ownership_problem(path, status)
            if problem:
                return f"{path} {problem}"
    except OSError as error:
        return f"{folder} cannot be examined: {error.strerror or error}"
    return ""


def _ownership_problem(path: Path, status: os.stat_result) -> str:
    if status.st_uid not in (0, os.geteuid()):
        return f"belongs to another user (number {status.st_uid}): `chown {os.geteuid()} {path}`"
    if status.st_mode & OTHERS_MAY_WRITE:
        return f"can be changed by other users: `chmod go-w {path}`"
    return ""


def find_packages() -> tuple[PluginSource, ...]:
    """Find the entry points of installed packages; none of them is imported."""
    return _packages_of(tuple((folder, _changed_at(folder)) for folder in sys.path))


def _changed_at(folder: str) -> int:
    """Return when something was installed or removed in a folder of packages; 0: unknown."""
    try:
        return os.stat(folder or ".").st_mtime_ns  # noqa: PTH116 - `sys.path` has strings
    except OSError:
        return 0


@lru_cache(maxsize=1)
def _packages_of(_folders: tuple[tuple[str, int], ...]) -> tuple[PluginSource, ...]:
    """Find them once, as long as no folder changes: it reads every installed package."""
    from importlib.metadata import entry_points

    try:
        entries = sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()  # the metadata of some package are damaged
    return tuple(_package_source(entry) for entry in entries[:PLUGINS_MAX])


def _package_source(entry: EntryPoint) -> PluginSource:
    package, version = (entry.dist.name, entry.dist.version) if entry.dist else ("?", "?")
    label = f"{package} {version} ({entry.name})"[:LABEL_LENGTH_MAX]
    identity = f"{label} {entry.value}"
    return PluginSource(
        label, entry.name, hashlib.sha256(identity.encode()).hexdigest(), entry=entry
    )


def find_plugins(folder: Path) -> tuple[PluginSource, ...]:
    """Find all plugins: the files of the folder, then the packages."""
    return (*read_plugin_files(folder), *find_packages())


def select_plugins(sources: Sequence[PluginSource], only: Sequence[str]) -> list[PluginSource]:
    """Return the sources; with names in `only`, the others have that as their problem."""
    if not only:
        return list(sources)
    why = "is not in `only` of [plugins] in device.toml"
    return [
        source if source.problem or source.name in only else replace(source, problem=why)
        for source in sources
    ]
