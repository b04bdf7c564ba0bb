"""Restore a backup: unpack it beside the home, check it in full, and only then move it into place.

The previous home is moved aside, never removed. The daemon's lock of both homes is held meanwhile.
A crash between the two moves leaves no home but both folders; the same command then completes it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.clock import utc_now
from host.errors import HomeError, StorageError
from host.home.backup.archive import Archive
from host.home.storage.atomic_file import (
    FILE_MODE,
    FOLDER_MODE,
    NotRegularFileError,
    make_folder,
    open_file,
    storage_error,
    sync_folder,
)
from host.home.storage.instance_lock import InstanceError, InstanceLock

if TYPE_CHECKING:
    from host.home.backup.archive import Manifest, SavedFile

STATE: Final = "state"
FREE_SPACE_FACTOR: Final = 1.1
"""Required free space, as a multiple of the unpacked size."""


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore; `aside` is the new place of the previous home."""

    root: Path
    manifest: Manifest
    aside: Path | None


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open a backup and check its manifest.

    Raises
    ------
    BackupError
        When it is not a backup.
    StorageError
        When it cannot be read.
    """
    try:
        with open_file(path) as file:
            yield Archive(file, str(path))
    except NotRegularFileError:
        raise StorageError(f"{path}: is not a regular file (name a backup)") from None
    except OSError as error:
        raise storage_error(path, "cannot be read", error) from error


def restore_backup(
    path: Path,
    root: Path,
    *,
    replace: bool = False,
    now: Callable[[], datetime] = utc_now,
) -> Restored:
    """Restore a backup as the home at `root`.

    Parameters
    ----------
    path : Path
    root : Path
    replace : bool
        Move an existing home aside.

    Raises
    ------
    BackupError, HomeError, InstanceError, StorageError
        The existing home is unchanged.
    """
    try:
        root = root.resolve()
        _require_empty(root, replace=replace)
    except OSError as error:
        raise storage_error(root, "cannot be read", error) from error
    with ExitStack() as stack:
        archive = stack.enter_context(open_archive(path))
        make_folder(root.parent)
        if root.exists() and any(root.iterdir()):
            stack.enter_context(InstanceLock(root / STATE))
        _remove_staging(root)
        _require_space(root, archive.manifest)
        staging = Path(tempfile.mkdtemp(prefix=_staging_prefix(root), dir=root.parent))
        stack.callback(shutil.rmtree, staging, ignore_errors=True)
        try:
            stack.enter_context(InstanceLock(staging / STATE))
            for saved in archive.manifest.files:
                _unpack(archive, saved, staging)
            for folder, _, _ in os.walk(staging):
                sync_folder(Path(folder))
        except OSError as error:
            raise storage_error(staging, "cannot be written", error) from error
        aside = _put_in_place(staging, root, now())
        return Restored(root, archive.manifest, aside)


def _require_empty(root: Path, *, replace: bool) -> None:
    if not root.exists():
        return
    if not root.is_dir():
        raise HomeError(f"{root}: is not a folder (move the file away, or choose another --home)")
    if not replace and any(root.iterdir()):
        raise HomeError(
            f"{root}: is not empty (add --replace to move its content aside, which removes nothing;"
            " or choose another --home)"
        )


def _staging_prefix(root: Path) -> str:
    return f".{root.name}.restoring-"


def _remove_staging(root: Path) -> None:
    """Remove the folders of interrupted restores, but not that of a running one."""
    for folder in root.parent.glob(f"{_staging_prefix(root)}*"):
        with suppress(InstanceError, StorageError), InstanceLock(folder / STATE):
            shutil.rmtree(folder, ignore_errors=True)


def _require_space(root: Path, manifest: Manifest) -> None:
    free = shutil.disk_usage(root.parent).free
    if free < manifest.size * FREE_SPACE_FACTOR:
        raise StorageError(
            f"{root}: {manifest.size:,} bytes do not fit, {free:,} are free (free some space)"
        )


def _unpack(archive: Archive, saved: SavedFile, staging: Path) -> None:
    target = staging / saved.path
    assert target.is_relative_to(staging)
    target.parent.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(target, flags, FILE_MODE), "wb") as file:
        archive.unpack(saved, file.write)
        file.flush()
        os.fsync(file.fileno())


def _put_in_place(staging: Path, root: Path, now: datetime) -> Path | None:
    """Move the home aside and the new one into its place; move it back if that fails."""
    aside = None
    try:
        if root.exists() and any(root.iterdir()):
            aside = root.with_name(f"{root.name}.before-{now:%Y%m%dT%H%M%S.%fZ}")
            root.rename(aside)
            sync_folder(root.parent)
        staging.rename(root)
        sync_folder(root.parent)
    except OSError as error:
        if aside is not None and not root.exists():
            try:
                aside.rename(root)
                aside = None
            except OSError:
                pass  # the message names the folder
        where = f"; the previous home is in {aside}" if aside else ""
        raise storage_error(root, f"cannot be moved{where}", error) from error
    return aside
