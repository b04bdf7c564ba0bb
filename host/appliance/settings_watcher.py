"""Apply a change of the log levels in `device.toml` while the daemon runs.

The file is read when it was saved and has been quiet for a moment. An invalid file changes nothing
and is reported; everything else in it waits for the next start. A file that cannot be read is
reported too, and read again at the next check, which comes within a minute.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from host.errors import HostError, error_lines
from host.home.config.device_settings import LogTable, load_device_config
from host.home.storage.atomic_file import file_signature
from host.home.storage.folder_watch import FolderWatch
from host.home.storage.problems import ConfigFileUnreadableError
from host.telemetry.events import (
    ConfigurationNotKept,
    ConfigurationRejected,
    LogLevelChanged,
)
from host.telemetry.logs import LogLevels, set_levels

if TYPE_CHECKING:
    from host.appliance.presses.recorder import Recorder
    from host.home.home import Home

QUIET_S: Final = 1.0
NOT_APPLIED: Final[tuple[int, ...]] = ()
"""Differs from the signature of every file."""
LINES_MAX: Final = 20


class SettingsWatcher:
    """Follows `device.toml`.

    Parameters
    ----------
    home : Home
    recorder : Recorder
    table : LogTable
        The levels in force.
    is_applied : bool
        False when the file could not be used at the start: then it is read again at the first
        check, because a read error may have passed.
    """

    def __init__(
        self, home: Home, recorder: Recorder, table: LogTable, *, is_applied: bool = True
    ) -> None:
        self._home = home
        self._recorder = recorder
        self._table = table
        self._signature = file_signature(home.device_file) if is_applied else NOT_APPLIED
        self._read_problem = ""
        self.quiet_s = QUIET_S

    async def serve(self) -> None:
        """Check now and after every change, forever."""
        with FolderWatch(self._home.root) as watch:
            while True:
                await self.check()
                await watch.change(self.quiet_s)

    async def check(self) -> None:
        """Apply the levels if the file has changed since the last check."""
        current = file_signature(self._home.device_file)
        if current == self._signature:
            return
        try:
            config = await asyncio.to_thread(load_device_config, self._home)
        except ConfigFileUnreadableError as error:
            self._report_read_problem(str(error))
            return  # the signature stays: the next check reads the file again
        except HostError as error:
            self._signature, self._read_problem = current, ""
            lines = tuple(error_lines(error)[:LINES_MAX])
            self._recorder.publish(ConfigurationRejected(problems=lines))
            return
        self._signature, self._read_problem = current, ""
        if config.log != self._table:
            self._table = config.log
            levels = levels_of(config.log)
            set_levels(levels)
            self._recorder.publish(LogLevelChanged(level=levels.level, buckets=levels.buckets))

    def _report_read_problem(self, problem: str) -> None:
        """Report a read error, once for as long as it stays the same."""
        if problem != self._read_problem:
            self._read_problem = problem
            self._recorder.publish(ConfigurationNotKept(problem=problem))


def levels_of(table: LogTable) -> LogLevels:
    """Return the levels of a `[log]` table."""
    buckets = {name: level.value.upper() for name, level in table.buckets.items()}
    return LogLevels(table.level.value.upper(), buckets)
