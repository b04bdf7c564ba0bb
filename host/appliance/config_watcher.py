"""Commit edited configurations, or reject them, while the daemon runs.

A start first repairs the history that a crash left. A change of `buckets/` that has been quiet for
2 s is checked and committed by a process of its own (`trader config commit`). So the daemon needs
no numpy, and a hostile file cannot harm it. The worker reads the newest version when it begins a
plan: a new one is swapped in between two plans.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from host.backoff import backoff_s
from host.errors import EXIT_DONE, EXIT_USAGE, HostError, StorageError
from host.home.config.history import ConfigHistory
from host.home.storage.atomic_file import file_signature, sweep_tree
from host.home.storage.folder_watch import FolderWatch
from host.home.storage.problems import ConfigFileError, ConfigFileUnreadableError
from host.home.storage.toml_file import read_bytes
from host.limits import TOML_BYTES_MAX
from host.telemetry.events import (
    ConfigHistoryNotRepaired,
    ConfigHistoryRepaired,
    ConfigurationNotKept,
    ConfigurationRejected,
    HalfFilesRemoved,
)
from planner_core.events import ConfigurationChanged

if TYPE_CHECKING:
    from host.appliance.presses.recorder import Recorder
    from host.appliance.screen import Screen
    from host.home.config.history import ConfigVersion
    from host.home.home import Home

QUIET_S: Final = 2.0
"""Editors and file transfers write in several steps, which follow within this time."""
RETRY_MIN_S: Final = 2.0
"""The first retry after a transient problem; each wait is twice as long as the one before."""
RETRY_MAX_S: Final = 60.0
"""Soon enough for a disk with space again, and too rare to load a small board."""
COMMIT_MAX_S: Final = 60.0
"""A board needs some seconds to import numpy and check a file; longer is a hang."""
LINES_MAX: Final = 20
"""A rejected file is one record of the journal; `trader config check` lists all its errors."""
VERSIONS_RECORDED_MAX: Final = 20
"""After a long absence of the daemon only the newest are recorded; the history has all."""
PROBLEM_CHARACTERS_MAX: Final = 500
"""Enough for a path and its error."""
PLACE = re.compile(r"([^/:]+\.toml:\d+):\d+: ")


class ConfigWatcher:
    """Watcher that commits the edits of a home.

    Parameters
    ----------
    home : Home
    recorder : Recorder
    screen : Screen
    device_rejected : str, optional
        The place of an error in `device.toml`; shown while no bucket's file is rejected.
    """

    def __init__(
        self, home: Home, recorder: Recorder, screen: Screen, device_rejected: str | None = None
    ) -> None:
        self._home = home
        self._recorder = recorder
        self._screen = screen
        self._device_rejected = device_rejected
        self._signatures: dict[str, tuple[int, ...] | None] = {}
        """Of the files that were committed or rejected, by bucket."""
        self._rejected_places: dict[str, str] = {}
        self._problems: dict[str, str] = {}
        """Transient problems, by bucket: the file is read again."""
        self._retries = 0
        self.quiet_s = QUIET_S

    async def recover(self) -> None:
        """Set damaged versions aside, and remove the temporary files of a crash.

        An error of the disk is reported; the appliance serves all the same.
        """
        for bucket_id in self._home.bucket_ids():
            history = ConfigHistory(self._home.config_history_dir(bucket_id))
            try:
                recovery = await asyncio.to_thread(history.recover)
            except StorageError as error:
                self._recorder.publish(
                    ConfigHistoryNotRepaired(bucket_id=bucket_id, problem=str(error))
                )
                continue
            if recovery.problems:
                active_version = recovery.active.version if recovery.active else 0
                problems = tuple(recovery.problems[:LINES_MAX])
                await self._recorder.record(
                    ConfigHistoryRepaired(
                        bucket_id=bucket_id, problems=problems, config_version=active_version
                    )
                )
        n_removed = await asyncio.to_thread(sweep_tree, self._home.root)
        if n_removed:
            self._recorder.publish(HalfFilesRemoved(count=n_removed))

    async def serve(self) -> None:
        """Check now and after every change, forever."""
        with FolderWatch(self._home.buckets_dir) as watch:
            while True:
                await self.commit_changes()
                await watch.change(self.quiet_s, self.retry_s())

    def retry_s(self) -> float | None:
        """Return when to check again without a change; None without transient problems.

        A disk does not report that it has room again.
        """
        if not self._problems:
            self._retries = 0
            return None
        self._retries += 1
        return backoff_s(self._retries, RETRY_MIN_S, RETRY_MAX_S)

    async def commit_changes(self) -> None:
        """Commit every file that has changed since its last check."""
        bucket_ids = self._home.bucket_ids()
        self._problems = {name: text for name, text in self._problems.items() if name in bucket_ids}
        for bucket_id in bucket_ids:
            current = file_signature(self._home.bucket_file(bucket_id))
            is_checked = bucket_id in self._signatures
            if is_checked and self._signatures[bucket_id] == current:
                continue
            if not is_checked and current is None:
                continue  # it never had a configuration: the first plan will say so
            self._signatures.pop(bucket_id, None)
            problem = await self._commit_edit(bucket_id)
            self._show_rejected()
            self._note_problem(bucket_id, problem)
            if problem is None:
                self._signatures[bucket_id] = current  # only now: a failed check is repeated

    async def _commit_edit(self, bucket_id: str) -> str | None:
        """Commit a file and record its version; return a transient problem."""
        path = self._home.bucket_file(bucket_id)
        try:
            await asyncio.to_thread(read_bytes, path, TOML_BYTES_MAX)
        except ConfigFileUnreadableError as error:
            self._rejected_places[bucket_id] = path.name  # shown, as it is not in force
            return str(error)
        except ConfigFileError:
            pass  # missing, or not a file: `trader config commit` reports it
        code, answer, stderr_lines = await self._run_commit(bucket_id)
        if code == EXIT_DONE:
            self._rejected_places.pop(bucket_id, None)
            try:
                await self._record_new_versions(
                    bucket_id, int(json.loads(answer)["config_version"])
                )
            except (HostError, ValueError, KeyError, TypeError) as error:
                return f"its version could not be recorded: {error!r}"
            return None
        if code == EXIT_USAGE:
            lines = tuple(stderr_lines[:LINES_MAX])
            await self._recorder.record(ConfigurationRejected(bucket_id=bucket_id, problems=lines))
            place = PLACE.search("\n".join(lines))
            self._rejected_places[bucket_id] = place[1] if place else f"{bucket_id}.toml"
            return None
        # A full disk, or another edit just now.
        return " ".join(stderr_lines).strip() or f"`trader config commit` ended with {code}"

    def _show_rejected(self) -> None:
        place = next(iter(self._rejected_places.values()), self._device_rejected)
        state = self._screen.state.with_config_rejected(place, self._screen.now_s())
        self._screen.update(state)

    def _note_problem(self, bucket_id: str, problem: str | None) -> None:
        """Remember a transient problem, and report it when it is new."""
        before = self._problems.pop(bucket_id, None)
        if problem is None:
            return
        problem = self._problems[bucket_id] = problem[:PROBLEM_CHARACTERS_MAX]
        if problem != before:
            self._recorder.publish(ConfigurationNotKept(bucket_id=bucket_id, problem=problem))

    async def _record_new_versions(self, bucket_id: str, version: int) -> None:
        """Record every version that is not in the journal yet, also those of commands."""
        recorded_version = self._recorder.press_log.config_versions.get(bucket_id, 0)
        if recorded_version == version:
            return
        newer = await asyncio.to_thread(self._versions_after, bucket_id, recorded_version)
        for meta in newer:
            await self._recorder.record(
                ConfigurationChanged(
                    timestamp=self._recorder.now(),
                    bucket_id=bucket_id,
                    trace_id="",
                    version=meta.version,
                    changed_by=meta.changed_by,
                    reason=meta.reason,
                    sha256=meta.sha256,
                )
            )

    def _versions_after(self, bucket_id: str, version: int) -> list[ConfigVersion]:
        """Return the versions after one, oldest first; after none, only the active version."""
        newer: list[ConfigVersion] = []
        for stored in ConfigHistory(self._home.config_history_dir(bucket_id)).newest_first():
            if stored.meta.version <= version or len(newer) >= VERSIONS_RECORDED_MAX:
                break
            newer.append(stored.meta)
        return newer[::-1] if version else newer[:1]

    async def _run_commit(self, bucket_id: str) -> tuple[int, str, list[str]]:
        """Run `trader config commit`; return its exit code, answer and lines of stderr."""
        arguments = ("--home", str(self._home.root), "config", "commit", bucket_id, "--json")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "host.cli", *arguments),  # -P: no `host` of the working folder
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(COMMIT_MAX_S):
                answer, stderr = await process.communicate()
        except TimeoutError:
            return -1, "", [f"took longer than {COMMIT_MAX_S:.0f} s"]
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        code = process.returncode if process.returncode is not None else -1
        return (
            code,
            answer.decode("utf-8", "replace"),
            stderr.decode(errors="replace").split("\n"),
        )
