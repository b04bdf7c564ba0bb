"""Files of a home: written whole or not at all, even in a power cut, and read without waiting.

    lock the folder -> temporary file beside the target (0600) -> write -> fsync -> close
    -> rename over the target, or link where nothing may be overwritten -> fsync the folder

Only then is a write acknowledged. Without the first fsync a power cut leaves an empty file. Without
the second one the rename may be lost. A failed fsync is never repeated: the kernel may have dropped
the data, and a second fsync would report success.

A pipe or a device may stand in the place of a file. Opening it must not block, so every read of a
home goes through `open_file`.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from host.errors import StorageError
from host.limits import DISK_FREE_MIN_BYTES

FILE_MODE = 0o600
FOLDER_MODE = 0o700
INODES_MIN = 64
MEBIBYTE = 1024 * 1024
NOT_PERMITTED = "this user may not write to it"
TEMPORARY_PREFIX = ".tmp-"
TEMPORARY_NAME = re.compile(r"\.tmp-\d+-[0-9a-f]{12}")
"""Process id and a random part: no file of another program is called so."""
LOCK_WAIT_S = 5.0
LOCK_RETRY_S = 0.01

ADVICE = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the quota is used up: free some space",
    errno.EROFS: "the file system is read-only: remount it, or choose another home",
    errno.EACCES: "no permission: check its owner and permissions",
    errno.EPERM: "not permitted: check its owner and permissions",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EISDIR: "a folder has that name",
    errno.ENOENT: "the folder does not exist: create it first",
    errno.EIO: "the disk reports an error: check it, and restore from a backup",
}


def find_write_problem(folder: Path) -> str | None:
    """Return why nothing can be written below a folder, without trying to; None: it can.

    Raises
    ------
    OSError
        When the folder is gone, or the disk does not answer.
    """
    disk = os.statvfs(folder)
    if disk.f_flag & os.ST_RDONLY:
        return "the file system is read-only"
    if not os.access(folder, os.W_OK | os.X_OK):
        return NOT_PERMITTED
    free = disk.f_bavail * disk.f_frsize
    inodes = disk.f_favail if disk.f_files else INODES_MIN  # some file systems do not count them
    if free < DISK_FREE_MIN_BYTES or inodes < INODES_MIN:
        return f"{free / MEBIBYTE:.1f} MB and {inodes} files are free"
    return None


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file, or replace it; a missing folder is made.

    Raises
    ------
    StorageError
        When it could not be written; the previous content is untouched.
    """
    _write(path, data, replace=True)


def write_new(path: Path, data: bytes) -> bool:
    """Write a file unless its name is in use; return whether it was written.

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
        When its name is in use, or it could not be written. The temporary file is removed.
    """
    temporary = path.parent / f"{TEMPORARY_PREFIX}{os.getpid()}-{os.urandom(6).hex()}"
    name_in_use = StorageError(f"{path}: exists already (choose another name)")
    if os.path.lexists(path):
        raise name_in_use
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
        raise name_in_use from None
    except OSError as error:
        raise storage_error(path, "cannot be written", error) from error


def write_in_place(path: Path, data: bytes) -> None:
    """Overwrite the beginning of a file; OSError when that fails.

    Without fsync, and without a temporary file: it needs no space where the file is as long.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, FILE_MODE)
    try:
        os.pwrite(descriptor, data, 0)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder and the missing ones above it, for its owner only.

    Raises
    ------
    StorageError
        When it cannot be made.
    """
    missing = []
    folder = path
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = folder.parent
    try:
        for folder in reversed(missing):
            with suppress(FileExistsError):
                folder.mkdir(FOLDER_MODE)
            sync_folder(folder.parent)
    except OSError as error:
        raise storage_error(path, "cannot be made", error) from error
    if not path.is_dir():
        raise StorageError(f"{path}: is not a folder (move the file away, or choose another home)")


def sync_folders_above(folder: Path, count: int) -> None:
    """Sync the `count` folders above a folder, so that their names survive a power cut.

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
    """Remove the temporary files of interrupted writes from a folder; return their number."""
    removed = 0
    try:
        with _locked(folder):
            for entry in folder.iterdir():
                if TEMPORARY_NAME.fullmatch(entry.name):
                    removed += _unlink_if_possible(entry)
    except OSError:
        pass  # left-overs cost space only; the next sweep tries again
    return removed


def _unlink_if_possible(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True


def sweep_tree(root: Path) -> int:
    """Do as `sweep_temporaries` in a folder and all below it; links are not followed."""
    return sum(sweep_temporaries(Path(folder)) for folder, _, _ in os.walk(root))


def storage_error(path: Path, what: str, error: OSError) -> StorageError:
    """Describe a failure of the disk in one line, with advice."""
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
        remaining = memoryview(data)
        while remaining:
            remaining = remaining[os.write(descriptor, remaining) :]
        os.fsync(descriptor)
    except OSError:
        with suppress(OSError):
            os.close(descriptor)
        raise
    os.close(descriptor)


def _place_new(temporary: Path, path: Path) -> None:
    """Give a file its name unless that is in use; without hard links the lock has to suffice."""
    try:
        path.hardlink_to(temporary)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP) or os.path.lexists(path):
            raise
        temporary.replace(path)


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that the names in it survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked_file(path: Path) -> Iterator[None]:
    """Hold a lock over several writes; a missing lock file is made, and it stays.

    Raises
    ------
    StorageError
        When it cannot be made, or another process holds it for too long.
    """
    make_folder(path.parent)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    except OSError as error:
        raise storage_error(path, "cannot be opened", error) from error
    with lock_held(descriptor, path.parent):
        yield


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; give up when another process holds it for too long."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with lock_held(descriptor, folder):
        yield


@contextmanager
def lock_held(descriptor: int, folder: Path, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold a lock on an open file, and close it; StorageError when another process holds it.

    Closing gives the lock back in any case. An error of closing is not raised, because the caller
    would then repeat work that is done.
    """
    try:
        deadline = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise StorageError(
                        f"{folder}: another process has been writing here for {LOCK_WAIT_S:.0f} s"
                        " (stop it, then try again)"
                    ) from None
                time.sleep(LOCK_RETRY_S)
        yield
    finally:
        with suppress(OSError):
            os.close(descriptor)


# --- reading -------------------------------------------------------------------------------


class NotRegularFileError(OSError):
    """A folder, a pipe or a device has the name of a file."""


def open_file(path: Path) -> BinaryIO:
    """Open a file to read it; a pipe or a device in its place never blocks.

    Raises
    ------
    OSError
        NotRegularFileError when it is not a regular file.
    """
    file = open(path, "rb", opener=_open_nonblocking)  # noqa: SIM115 - the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise NotRegularFileError(errno.EINVAL, "it is not a regular file", str(path))
    return file


def _open_nonblocking(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def may_exist(path: Path) -> bool:
    """Return False when a file is missing; when this cannot be told, reading it reports why."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def file_signature(path: Path) -> tuple[int, ...] | None:
    """Return numbers that change when a file is written or replaced; None when it is missing.

    Where this cannot be told it is the error's number: reading the file reports the error.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return (error.errno or 0,)
    return status.st_ino, status.st_mtime_ns, status.st_size


def read_state(path: Path, bytes_max: int, schema_version: int) -> dict[str, Any] | None:
    """Return the JSON object in a file of `state/`; None when there is no file.

    Raises
    ------
    OSError
        When it cannot be read.
    ValueError
        When it is too large, not a JSON object, or of another version.
    """
    try:
        with open_file(path) as file:
            data = file.read(bytes_max + 1)
    except FileNotFoundError:
        return None
    if len(data) > bytes_max:
        raise ValueError(f"more than {bytes_max} bytes")
    try:
        record = json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(record, dict) or record.get("schema_version") != schema_version:
        raise ValueError(f"not an object of schema version {schema_version}")
    return record


def quarantine(path: Path, error: Exception, now: datetime) -> str:
    """Rename a damaged file, and return a line that says so."""
    why = " ".join(str(error).split())[:100]
    aside = path.with_name(f"{path.name}.corrupt.{now:%Y%m%dT%H%M%SZ}")
    with suppress(OSError):
        path.rename(aside)
    return f"{path}: unusable ({why}); set aside as {aside.name}, starting empty"
