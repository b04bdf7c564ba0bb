"""A home saved as one file, while it is in use; and put back, with nothing lost on the way.

Saving reads everything in one pass, the journal first, and looks again afterwards: if a file
changed meanwhile the pass is made anew, so that a backup shows one moment. Only what grows at its
end, journal and log, may grow; of these the whole lines are saved.
"""

from __future__ import annotations

import os
import re
import stat
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
from host.limits import BACKUP_FILES_MAX, BACKUP_PATH_PARTS_MAX, JOURNAL_LINE_BYTES_MAX

if TYPE_CHECKING:
    from host.home.backup.archive import Manifest
    from host.home.home import Home

GROWING: Final = ("journal/", "log/")
LOCK = re.compile(r"(?:state|history)/(?:.+/)?(?:[^/]+\.)?lock|journal/\.lock|state/journal\.head")
"""What means something only beside a running daemon. A head younger than the saved journal would
say that the journal's end is lost."""
SECRET = re.compile(r"secrets/.+|(?:.+/)?(?:[^/]*\.)?(?:token|secret|password|key|pem)")
PASSES: Final = 5
PAUSE_S: Final = 0.3
FOLDERS_LEFT_OUT: Final = frozenset({"__pycache__"})

Signature = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made; `left_out` are paths with the reason."""

    path: Path
    manifest: Manifest
    left_out: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Found:
    """What stands in a home: real paths by their names in it."""

    files: dict[str, Path] = field(default_factory=dict)
    signatures: dict[str, Signature] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)


class _ChangedError(Exception):
    """A file is not any more what it was a moment ago."""


def is_secret(path: str) -> bool:
    """Tell whether a file of a home is one that a backup leaves out unless asked.

    Everything in `secrets/`, and files called or ending in token, secret, password, key or pem.
    """
    return SECRET.fullmatch(path) is not None


def backup_name(now: datetime) -> str:
    """Return the name of a backup that was given none."""
    return f"arduino-trader-{now:%Y%m%dT%H%M%SZ}.zip"


def create_backup(
    home: Home,
    target: Path,
    *,
    with_secrets: bool = False,
    now: Callable[[], datetime] = utc_now,
) -> Backup:
    """Save a home; when this returns the file is whole, was read back, and survives a power cut.

    Raises
    ------
    BackupError
        When something in the home cannot be saved.
    StorageError
        When a file cannot be read, or the backup cannot be written. Nothing is left.
    """
    home.require_home()
    if target.is_dir():
        target /= backup_name(now())
    if target.resolve().is_relative_to(home.root.resolve()):
        raise BackupError(f"{target}: is inside the home that is saved (put it elsewhere)")
    with new_file(target) as file:
        manifest, left_out = _saved_at_rest(home.root, file, now(), with_secrets=with_secrets)
        file.flush()
        Archive(file, str(target)).check()
    return Backup(target, manifest, left_out)


def _saved_at_rest(
    root: Path, file: BinaryIO, now: datetime, *, with_secrets: bool
) -> tuple[Manifest, tuple[tuple[str, str], ...]]:
    """Make passes until one is of one moment."""
    changed = ""
    for attempt in range(PASSES):
        if attempt:
            time.sleep(PAUSE_S)
            file.seek(0)
            file.truncate()
        try:
            return _saved(root, file, now, with_secrets=with_secrets)
        except _ChangedError as error:
            changed = str(error)
    raise BackupError(f"{root}: {changed} changes all the time (try again later)")


def _saved(
    root: Path, file: BinaryIO, now: datetime, *, with_secrets: bool
) -> tuple[Manifest, tuple[tuple[str, str], ...]]:
    """Make one pass; _ChangedError if it was not of one moment."""
    found = _look(root, with_secrets=with_secrets)
    with ArchiveWriter(file) as writer:
        for name in sorted(found.files, key=lambda name: (not _grows(name), name)):
            writer.add(name, _chunks(found.files[name], is_growing=_grows(name)))
        again = _look(root, with_secrets=with_secrets)
        if again.signatures != found.signatures:
            differ = set(again.signatures.items()) ^ set(found.signatures.items())
            raise _ChangedError(min(name for name, _ in differ))
        manifest = writer.finish(now.isoformat(timespec="seconds"), tuple(found.secrets))
    return manifest, tuple(found.left_out)


def _grows(name: str) -> bool:
    return name.startswith(GROWING)


def _look(root: Path, *, with_secrets: bool) -> _Found:
    found = _Found()
    for name, path, status in _walk(root, "", (), found):
        if LOCK.fullmatch(name):
            continue
        if is_secret(name) and not with_secrets:
            found.secrets.append(name)
            continue
        found.files[name] = path
        if not _grows(name):
            found.signatures[name] = (
                status.st_mtime_ns,
                status.st_ctime_ns,
                status.st_size,
                status.st_ino,
            )
        if len(found.files) > BACKUP_FILES_MAX:
            raise BackupError(f"{root}: more than {BACKUP_FILES_MAX:,} files (remove some)")
    return found


def _walk(
    folder: Path, prefix: str, above: tuple[tuple[int, int], ...], found: _Found
) -> Iterator[tuple[str, Path, os.stat_result]]:
    """Yield every regular file, links followed; what cannot be saved is told in `left_out`."""
    try:
        here = folder.stat()
        entries = sorted(folder.iterdir())
    except FileNotFoundError:
        raise _ChangedError(prefix or str(folder)) from None
    except OSError as error:
        raise storage_error(folder, "cannot be read", error) from error
    key = (here.st_dev, here.st_ino)
    if key in above or len(above) > BACKUP_PATH_PARTS_MAX:
        raise BackupError(f"{folder}: leads back to itself, or too deep (remove the link)")
    for path in entries:
        name = prefix + path.name
        if TEMPORARY_NAME.fullmatch(path.name) or path.name in FOLDERS_LEFT_OUT:
            continue
        try:
            status = path.stat()
        except OSError:
            if not os.path.lexists(path):
                raise _ChangedError(name) from None
            found.left_out.append((name, "a link to nowhere"))
            continue
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(path, f"{name}/", (*above, key), found)
        elif stat.S_ISREG(status.st_mode):
            yield name, path, status
        else:
            found.left_out.append((name, "no regular file"))


def _chunks(path: Path, *, is_growing: bool) -> Iterator[bytes]:
    """Yield a file in pieces; of one that grows, what ended in a line feed when it was opened."""
    try:
        with path.open("rb") as file:
            left = _whole_lines(file) if is_growing else None
            while chunk := file.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left)):
                left = None if left is None else left - len(chunk)
                yield chunk
    except FileNotFoundError:
        raise _ChangedError(str(path)) from None
    except OSError as error:
        raise storage_error(path, "cannot be read", error) from error


def _whole_lines(file: BinaryIO) -> int:
    """Return how many bytes end with the last whole line; the file is at its begin again."""
    size = file.seek(0, os.SEEK_END)
    begin = file.seek(max(0, size - JOURNAL_LINE_BYTES_MAX))
    end = begin + file.read(size - begin).rfind(b"\n") + 1
    file.seek(0)
    return end
