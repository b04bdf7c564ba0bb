"""A log file of a bounded size: when it is full it is put aside, and the oldest goes."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

LOG_NAME: Final = "trader.jsonl"
FILES: Final = 4
"""The one that is written, and those put aside: `trader.jsonl.1` is the youngest of these."""
FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
PAUSE_S: Final = 1.0
"""A disk that refused is left alone for so long."""


class LogFile:
    """Writes lines; it never raises. Lines that the disk refuses are counted.

    Parameters
    ----------
    folder : Path
        Made when it is missing.
    bytes_in_all : int
        Of all its files together.
    """

    def __init__(self, folder: Path, bytes_in_all: int) -> None:
        assert bytes_in_all >= FILES
        self.path = folder / LOG_NAME
        self.lost = 0
        self._file_bytes = bytes_in_all // FILES
        self._descriptor: int | None = None
        self._inode = 0
        self._paused_until_s = 0.0

    def write(self, line: str) -> bool:
        """Write a line; tell whether it stands there."""
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        if time.monotonic() < self._paused_until_s:
            self.lost += 1
            return False
        try:
            self._write(data[: self._file_bytes])
        except OSError:
            self.lost += 1
            self._paused_until_s = time.monotonic() + PAUSE_S
            self.close()
            return False
        return True

    def close(self) -> None:
        """Let go of the file; the next line opens it again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)

    def _write(self, data: bytes) -> None:
        size = self._open()
        if size and size + len(data) > self._file_bytes:
            self._put_aside()
            size = self._open()
        assert self._descriptor is not None
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError:
            with suppress(OSError):  # half a line would spoil the next one
                os.ftruncate(self._descriptor, size)
            raise

    def _open(self) -> int:
        """Have the file of that name open, also when somebody moved the last one; its size."""
        found = None
        with suppress(FileNotFoundError):
            found = self.path.stat()
        if self._descriptor is None or found is None or found.st_ino != self._inode:
            self.close()
            self.path.parent.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(self.path, flags, FILE_MODE)
            found = os.fstat(self._descriptor)
            self._inode = found.st_ino
        return found.st_size

    def _put_aside(self) -> None:
        self.close()
        for number in range(FILES - 1, 0, -1):
            younger = self.path if number == 1 else self.path.with_name(f"{LOG_NAME}.{number - 1}")
            with suppress(FileNotFoundError):
                younger.replace(self.path.with_name(f"{LOG_NAME}.{number}"))


def log_files(folder: Path) -> list[Path]:
    """Return the files of the log, oldest first."""
    aside = [folder / f"{LOG_NAME}.{number}" for number in range(FILES - 1, 0, -1)]
    return [path for path in (*aside, folder / LOG_NAME) if path.is_file()]
