"""The wall clock of an appliance, set while it runs: see clock.c."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("clock.c")
OFFSET_BYTES: Final = 8


class WallClock:
    """A clock for processes that start with `environment`; right until it is set."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self._library = folder / "clock.so"
        self.offset_s = 0
        self.set(0)
        # Our own source, no shell.
        subprocess.run(
            ("cc", "-O1", "-shared", "-fPIC", "-o", self._library, SOURCE),
            check=True,
            capture_output=True,
        )

    @property
    def environment(self) -> tuple[str, ...]:
        """Return the variables for `env` that give a process this clock."""
        return (f"LD_PRELOAD={self._library}", f"CHAOS_CLOCK={self._file}")

    def set(self, offset_s: int) -> None:
        """Set its offset from the real time, at once in all processes."""
        self.offset_s = offset_s
        # In place: the processes have the file mapped. Eight bytes are read and written as one.
        with self._file.open("r+b" if self._file.exists() else "w+b") as file:
            file.write(offset_s.to_bytes(OFFSET_BYTES, "little", signed=True))

    def now(self) -> datetime:
        """Return its time."""
        return datetime.now(UTC) + timedelta(seconds=self.offset_s)
