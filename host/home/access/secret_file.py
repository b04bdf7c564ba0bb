"""Files of `secrets/`: for their owner only, and refused when somebody else could read them.

A backup leaves the folder out unless it is asked for it.
"""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any, Final

from host.errors import HostError
from host.home.storage.atomic_file import open_file, write_atomic

if TYPE_CHECKING:
    from pathlib import Path

OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
SCHEMA_VERSION: Final = 1


class SecretFileError(HostError):
    """A file of `secrets/` is readable by others, damaged, or cannot be read."""

    code = "secret_file"


def read_secret(path: Path, bytes_max: int) -> bytes | None:
    """Return the content of a secret file; None when there is none.

    Raises
    ------
    SecretFileError
        When others could read or replace it, when it is too large, or cannot be read.
    """
    try:
        with open_file(path) as file:
            _refuse_open_to_others(path, os.fstat(file.fileno()), path.parent.stat())
            data = file.read(bytes_max + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise SecretFileError(f"{path}: cannot be read: {why} (check its owner)") from None
    if len(data) > bytes_max:
        raise SecretFileError(f"{path}: larger than {bytes_max:,} bytes (remove it)")
    return data


def secret_signature(path: Path) -> tuple[int, ...] | None:
    """Return numbers that change with a file's content, owner or mode; None when it is missing."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return (error.errno or 0,)
    return status.st_ino, status.st_ctime_ns, status.st_size


def exposure_problem(path: Path) -> str | None:
    """Return why a secret file is refused for its permissions; None: it is not, or is missing."""
    try:
        _refuse_open_to_others(path, path.stat(), path.parent.stat())
    except SecretFileError as error:
        return str(error)
    except OSError:
        return None
    return None


def _refuse_open_to_others(path: Path, file: os.stat_result, folder: os.stat_result) -> None:
    if file.st_uid != os.geteuid():
        raise SecretFileError(f"{path}: belongs to user {file.st_uid} (run: chown {_me()} {path})")
    if file.st_mode & OTHERS:
        raise SecretFileError(f"{path}: other users may read it (run: chmod 600 {path})")
    if folder.st_mode & WRITABLE_BY_OTHERS or folder.st_uid not in {0, os.geteuid()}:
        raise SecretFileError(
            f"{path.parent}: other users may replace files in it (run: chmod 700 {path.parent})"
        )


def _me() -> int:
    return os.geteuid()


def read_secret_record(path: Path, bytes_max: int) -> dict[str, Any] | None:
    """Return the JSON object of a secret file; None when there is none.

    Raises
    ------
    SecretFileError
        As `read_secret`, and when it is not an object of our version.
    """
    data = read_secret(path, bytes_max)
    if data is None:
        return None
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or record.get("schema_version") != SCHEMA_VERSION:
        raise damaged(path)
    return record


def damaged(path: Path) -> SecretFileError:
    """Return the error of a file whose content is not ours; it never quotes the content."""
    return SecretFileError(f"{path}: damaged (remove it: what it allowed is then withdrawn)")


def write_secret_record(path: Path, record: dict[str, Any]) -> None:
    """Write a JSON object that only its owner can read.

    Raises
    ------
    StorageError
        When it could not be written.
    """
    content = {"schema_version": SCHEMA_VERSION, **record}
    write_atomic(path, json.dumps(content, indent=1).encode())
