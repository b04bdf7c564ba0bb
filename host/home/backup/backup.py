"""Save a home as one file while it is in use.

Saving reads all files in one pass, the journal first, and then checks them again. If a file changed
meanwhile the pass is repeated, so a backup shows one moment. Only journal and log may grow; of
these the whole lines are saved.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from host.clock import utc_now
from host.errors import BackupError
from host.home.backup.archive import CHUNK_BYTES, Archive, ArchiveWriter
from host.home.storage.atomic_file import TEMPORARY_NAME, new_file, storage_error
from host.limits import (
    BACKUP_FILES_MAX,
    BACKUP_PATH_PARTS_MAX,
    JOURNAL_LINE_BYTES_MAX,
)

if TYPE_CHECKING:
    from host.home.backup.archive import Manifest
    from host.home.home import Home

GROWING: Final = ("journal/", "log/")
LOCK = re.compile(
    r"(?:state|history|secrets)/(?:.+/)?(?:[^/]+\.)?lock|journal/\.lock|state/journal\.head"
    r"|secrets/pairing\.json"
)
"""Files that matter only to a running daemon. A journal head newer than the saved journal would
mean that the end of the journal is lost. A pairing window ends within two minutes."""
SECRET = re.compile(r"secrets/.+|(?:.+/)?(?:[^/]*\.)?(?:token|secret|password|key|pem)")
PASSES: Final = 5
PAUSE_S: Final = 0.3
FOLDERS_LEFT_OUT: Final = frozenset({"__pycache__"})

Signature = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Backup:
    """A written backup; `left_out` are paths with the reason."""

    path: Path
    manifest: Manifest
    left_out: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Contents:
    """The files of a home: real paths by their names in it."""

    files: dict[str, Path] = field(default_factory=dict)
    signatures: dict[str, Signature] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)


class _ChangedError(Exception):
    """A file changed during the pass."""


def is_secret(path: str) -> bool:
    """Return whether a file of a home is a secret, which a backup leaves out by default.

    Everything in `secrets/`, and files called or ending in token, secret, password, key or pem.
    """
    return SECRET.fullmatch(path) is not None


def backup_name(now: datetime) -> str:
    """Return the default name of a backup."""
    return f"arduino-trader-{now:%Y%m%dT%H%M%SZ}.zip"


def create_backup(
    home: Home,
    target: Path,
    *,
    with_secrets: bool = False,
    now: Callable[[], datetime] = utc_now,
) -> Backup:
    """Save a home; on return the file was read back and checked, and survives a power cut.

    Raises
    ------
    BackupError
        When something in the home cannot be saved.
    StorageError
        When a file cannot be read, or the backup cannot be written. No file is left behind.
    """
    home.require_home()
    if target.is_dir():
        target /= backup_name(now())
    if target.resolve().is_relative_to(home.root.resolve()):
        raise BackupError(f"{target}: is inside the home that is saved (choose another folder)")
    with new_file(target) as file:
        manifest, left_out = _save_unchanged(home.root, file, now(), with_secrets=with_secrets)
        file.flush()
        Archive(file, str(target)).check()
    return Backup(target, manifest, left_out)


def _save_unchanged(
    root: Path, file: BinaryIO, now: datetime, *, with_secrets: bool
) -> tuple[Manifest, tuple[tuple[str, str], ...]]:
    """Repeat passes until no file changes during one."""
    changed = ""
    for attempt in range(PASSES):
        if attempt:
            time.sleep(PAUSE_S)
            file.seek(0)
            file.truncate()
        try:
            return _save(root, file, now, with_secrets=with_secrets)
        except _ChangedError as error:
            changed = str(error)
    raise BackupError(f"{root}: {changed} keeps changing (try again later)")


def _save(
    root: Path, file: BinaryIO, now: datetime, *, with_secrets: bool
) -> tuple[Manifest, tuple[tuple[str, str], ...]]:
    """Make one pass; raise _ChangedError if a file changed during it."""
    contents = _list_files(root, with_secrets=with_secrets)
    with ArchiveWriter(file) as writer:
        for name in sorted(contents.files, key=lambda name: (not _grows(name), name)):
            writer.add(name, _chunks(contents.files[name], is_growing=_grows(name)))
        again = _list_files(root, with_secrets=with_secrets)
        if again.signatures != contents.signatures:
            differ = set(again.signatures.items()) ^ set(contents.signatures.items())
            raise _ChangedError(min(name for name, _ in differ))
        manifest = writer.finish(now.isoformat(timespec="seconds"), tuple(contents.secrets))
    return manifest, tuple(contents.left_out)


def _grows(name: str) -> bool:
    return name.startswith(GROWING)


def _list_files(root: Path, *, with_secrets: bool) -> _Contents:
    contents = _Contents()
    for name, path, status in _walk(root, "", (), contents):
        if LOCK.fullmatch(name):
            continue
        if is_secret(name) and not with_secrets:
            contents.secrets.append(name)
            continue
        contents.files[name] = path
        if not _grows(name):
            contents.signatures[name] = (
                status.st_mtime_ns,
                status.st_ctime_ns,
                status.st_size,
                status.st_ino,
            )
        if len(contents.files) > BACKUP_FILES_MAX:
            raise BackupError(f"{root}: more than {BACKUP_FILES_MAX:,} files (remove some)")
    return contents


def _walk(
    folder: Path, prefix: str, above: tuple[tuple[int, int], ...], contents: _Contents
) -> Iterator[tuple[str, Path, os.stat_result]]:
    """Yield every regular file, links followed; other entries are added to `left_out`."""
    try:
        here = folder.stat()
        entries = sorted(folder.iterdir())
    except FileNotFoundError:
        raise _ChangedError(prefix or str(folder)) from None
    except OSError as error:
        raise storage_error(folder, "cannot be read", error) from error
    key = (here.st_dev, here.st_ino)
    if key in above or len(above) > BACKUP_PATH_PARTS_MAX:
        raise BackupError(f"{folder}: leads back to itself, or is too deep (remove the link)")
    for path in entries:
        name = prefix + path.name
        if TEMPORARY_NAME.fullmatch(path.name) or path.name in FOLDERS_LEFT_OUT:
            continue
        try:
            status = path.stat()
        except OSError:
            if not os.path.lexists(path):
                raise _ChangedError(name) from None
            contents.left_out.append((name, "a broken link"))
            continue
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(path, f"{name}/", (*above, key), contents)
        elif stat.S_ISREG(status.st_mode):
            yield name, path, status
        else:
            contents.left_out.append((name, "not a regular file"))


def _chunks(path: Path, *, is_growing: bool) -> Iterator[bytes]:
    """Yield a file in pieces; of a growing one, the whole lines it had when it was opened."""
    try:
        with path.open("rb") as file:
            n_left = _whole_lines(file) if is_growing else sys.maxsize
            while chunk := file.read(min(CHUNK_BYTES, n_left)):
                n_left -= len(chunk)
                yield chunk
    except FileNotFoundError:
        raise _ChangedError(str(path)) from None
    except OSError as error:
        raise storage_error(path, "cannot be read", error) from error


def _whole_lines(file: BinaryIO) -> int:
    """Return the number of bytes up to the last whole line, and rewind the file."""
    size = file.seek(0, os.SEEK_END)
    begin = file.seek(max(0, size - JOURNAL_LINE_BYTES_MAX))
    end = begin + file.read(size - begin).rfind(b"\n") + 1
    file.seek(0)
    return end
