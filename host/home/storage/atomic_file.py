"""Files that are there entirely or not at all, power cuts included.

    lock the folder -> temporary file beside the target (0600) -> write -> fsync -> close
    -> rename over the target, or link where nothing may be overwritten -> fsync the folder

Only then is a write acknowledged. Without the first fsync a power cut leaves an empty file, without
the second one it forgets the rename. After a failed fsync the descriptor is never tried again: the
kernel may have dropped the data, and a second fsync would call that success.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from host.errors import StorageError

FILE_MODE = 0o600
FOLDER_MODE = 0o700
TEMPORARY_PREFIX = ".tmp-"
TEMPORARY_NAME = re.compile(r"\.tmp-\d+-[0-9a-f]{12}")
"""Of which process, and random: nobody else's file is called so."""
LOCK_WAIT_S = 5.0
LOCK_RETRY_S = 0.01

ADVICE = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the quota is used up: free some space",
    errno.EROFS: "the file system is read-only: remount it, or choose another home",
    errno.EACCES: "no permission: check owner and rights",
    errno.EPERM: "not permitted: check owner and rights",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EISDIR: "there is a folder of that name",
    errno.ENOENT: "there is no such folder: make it first",
    errno.EIO: "the disk reports an error: check it, and restore from a backup",
}


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file, replacing what was there; its folder is made when it is missing.

    Raises
    ------
    StorageError
        When it could not be written; what was there before is untouched.
    """
    _write(path, data, replace=True)


def write_new(path: Path, data: bytes) -> bool:
    """Write a file unless something of its name is there already; tell whether it was written.

    Raises
    ------
    StorageError
        When it could not be written.
    """
    return not os.path.lexists(path) and _write(path, data, replace=False)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write a long file; it gets its name at the end, when it is whole and on disk.

    Raises
    ------
    StorageError
        When something of that name is there already, or it could not be written. Nothing is left.
    """
    temporary = path.parent / f"{TEMPORARY_PREFIX}{os.getpid()}-{os.urandom(6).hex()}"
    is_taken = StorageError(f"{path}: is there already (choose another name)")
    if os.path.lexists(path):
        raise is_taken
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        descriptor = os.open(temporary, flags, FILE_MODE)
        try:
            with os.fdopen(descriptor, "w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            with _locked(path.parent):
                _place_new(temporary, path)
        finally:
            with suppress(OSError):
                temporary.unlink()
        sync_folder(path.parent)
    except FileExistsError:
        raise is_taken from None
    except OSError as error:
        raise storage_error(path, "cannot be written", error) from error


def make_folder(path: Path) -> None:
    """Make a folder and what is missing above it, for its owner only.

    Raises
    ------
    StorageError
        When it cannot be made.
    """
    missing = []
    at = path
    while not os.path.lexists(at):
        missing.append(at)
        at = at.parent
    try:
        for folder in reversed(missing):
            with suppress(FileExistsError):
                folder.mkdir(FOLDER_MODE)
            sync_folder(folder.parent)
    except OSError as error:
        raise storage_error(path, "cannot be made", error) from error
    if not path.is_dir():
        raise StorageError(f"{path}: is not a folder (move the file away, or choose another home)")


def settle_folders(folder: Path, count: int) -> None:
    """Make the names of a folder and of those above it, `count` in all, survive a power cut.

    Raises
    ------
    StorageError
        When the disk refuses.
    """
    try:
        for above in folder.parents[:count]:
            sync_folder(above)
    except OSError as error:
        raise storage_error(folder, "cannot be made", error) from error


def sweep_temporaries(folder: Path) -> int:
    """Remove what writes that were cut off left in a folder; return how many files."""
    removed = 0
    with suppress(OSError), _locked(folder):
        for entry in folder.iterdir():
            if TEMPORARY_NAME.fullmatch(entry.name):
                with suppress(OSError):
                    entry.unlink()
                    removed += 1
    return removed


def sweep_tree(root: Path) -> int:
    """Do the same in a folder and in all below it; links are not followed."""
    return sum(sweep_temporaries(Path(folder)) for folder, _, _ in os.walk(root))


def storage_error(path: Path, what: str, error: OSError) -> StorageError:
    """Describe a failure of the disk in one line, with what to do."""
    advice = ADVICE.get(error.errno or 0, (error.strerror or str(error)).lower())
    return StorageError(f"{path}: {what} ({advice})")


def _write(path: Path, data: bytes, *, replace: bool) -> bool:
    make_folder(path.parent)
    temporary = path.parent / f"{TEMPORARY_PREFIX}{os.getpid()}-{os.urandom(6).hex()}"
    try:
        with _locked(path.parent):
            try:
                _write_synced(temporary, data)
                if replace:
                    temporary.replace(path)
                else:
                    _place_new(temporary, path)
            except FileExistsError:
                return False
            finally:
                with suppress(OSError):
                    temporary.unlink()
            sync_folder(path.parent)
    except OSError as error:
        raise storage_error(path, "cannot be written", error) from error
    return True


def _write_synced(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    except OSError:
        with suppress(OSError):
            os.close(descriptor)
        raise
    os.close(descriptor)


def _place_new(temporary: Path, path: Path) -> None:
    """Give a file its name unless that is taken; where links do not exist, the lock must do."""
    try:
        path.hardlink_to(temporary)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP) or os.path.lexists(path):
            raise
        temporary.replace(path)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked_file(path: Path) -> Iterator[None]:
    """Hold a lock over several writes; its file is made when it is missing, and stays.

    Raises
    ------
    StorageError
        When it cannot be made, or another process sits on it.
    """
    make_folder(path.parent)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    except OSError as error:
        raise storage_error(path, "cannot be opened", error) from error
    with _held(descriptor, path.parent):
        yield


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; give up when another process sits on it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with _held(descriptor, folder):
        yield


@contextmanager
def _held(descriptor: int, folder: Path) -> Iterator[None]:
    try:
        deadline = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise StorageError(
                        f"{folder}: another process has been writing here for {LOCK_WAIT_S:.0f} s"
                        " (end it, then try again)"
                    ) from None
                time.sleep(LOCK_RETRY_S)
        yield
    finally:
        os.close(descriptor)
