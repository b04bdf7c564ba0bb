"""Files of which it is not known whether they are there, or are files at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def may_be_there(path: Path) -> bool:
    """Tell whether a file is there; one that may not be looked at counts: reading it says why."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def open_file(path: Path) -> BinaryIO:
    """Open a file to read it; never wait on a pipe or a device that stands in its place.

    Raises
    ------
    OSError
        Also when it is no regular file.
    """
    file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 - whoever asked closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return file


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
