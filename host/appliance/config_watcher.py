"""Edited configurations go live, or are refused, while the daemon runs.

A start clears up what a crash left of their history. A change of `buckets/` that has been quiet for
2 s is checked and committed by a process of its own (`trader config commit`), so that the daemon
needs neither numpy nor trust in the file. The worker asks for the newest version when it begins a
plan: a new one is swapped in between two plans.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

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
RETRY_MIN_S: Final = 2.0
"""What could not be kept is tried again after so long, and then after ever longer waits."""
RETRY_MAX_S: Final = 60.0
COMMIT_MAX_S: Final = 60.0
LINES_KEPT: Final = 20
VERSIONS_TOLD_MAX: Final = 20
"""After a long absence of the daemon only the last ones are told; the history has all."""
PLACE = re.compile(r"([^/:]+\.toml:\d+):\d+: ")


class ConfigDesk:
    """Picks up what is edited in a home."""

    def __init__(
        self, home: Home, recorder: Recorder, screen: Screen, device_rejected: str | None = None
    ) -> None:
        self._home = home
        self._recorder = recorder
        self._screen = screen
        self._device_rejected = device_rejected
        self._seen: dict[str, tuple[int, ...] | None] = {}
        self._rejected: dict[str, str] = {}
        self._not_kept: dict[str, str] = {}
        self._retries = 0
        self.quiet_s = QUIET_S

    async def recover(self) -> None:
        """Clear up what a crash left: damaged versions are set aside, half files removed.

        What the disk refuses is told, and never keeps the appliance from serving.
        """
        for bucket_id in self._home.bucket_ids():
            history = ConfigHistory(self._home.config_history_dir(bucket_id))
            try:
                found = await asyncio.to_thread(history.recover)
            except StorageError as error:
                self._recorder.tell(
                    ConfigHistoryNotRepaired(bucket_id=bucket_id, problem=str(error))
                )
                continue
            if found.problems:
                active = found.active.version if found.active else 0
                problems = tuple(found.problems[:LINES_KEPT])
                await self._recorder.record(
                    ConfigHistoryRepaired(
                        bucket_id=bucket_id, problems=problems, config_version=active
                    )
                )
        swept = await asyncio.to_thread(sweep_tree, self._home.root)
        if swept:
            self._recorder.tell(HalfFilesRemoved(count=swept))

    async def serve(self) -> None:
        """Look now, and after every change, for ever."""
        with FolderWatch(self._home.buckets_dir) as watch:
            while True:
                await self.look()
                await watch.change(self.quiet_s, self.retry_s())

    def retry_s(self) -> float | None:
        """Return when to look again though nothing changed; None when all is kept or refused.

        A disk tells nobody when it has room again.
        """
        if not self._not_kept:
            self._retries = 0
            return None
        self._retries += 1
        return min(RETRY_MIN_S * 2.0 ** min(self._retries - 1, 10), RETRY_MAX_S)

    async def look(self) -> None:
        """Pick up every file that is not as it was when it was last looked at."""
        there = self._home.bucket_ids()
        self._not_kept = {name: told for name, told in self._not_kept.items() if name in there}
        for bucket_id in there:
            current = file_signature(self._home.bucket_file(bucket_id))
            is_known = bucket_id in self._seen
            if is_known and self._seen[bucket_id] == current:
                continue
            if not is_known and current is None:
                continue  # never had a configuration: the first plan will say so
            self._seen.pop(bucket_id, None)
            problem = await self._pick_up(bucket_id)
            self._show_rejected()
            self._note_problem(bucket_id, problem)
            if problem is None:
                self._seen[bucket_id] = current  # only now: what failed is looked at again

    async def _pick_up(self, bucket_id: str) -> str | None:
        """Commit a file and announce its version; return a problem that may pass by itself."""
        path = self._home.bucket_file(bucket_id)
        try:
            await asyncio.to_thread(read_bytes, path, TOML_BYTES_MAX)
        except ConfigFileUnreadableError as error:
            self._rejected[bucket_id] = path.name  # shown, as it is not in force
            return str(error)
        except ConfigFileError:
            pass  # missing, or not a file: for `trader config commit` to say
        code, answer, complaints = await self._commit(bucket_id)
        if code == EXIT_DONE:
            self._rejected.pop(bucket_id, None)
            try:
                await self._announce(bucket_id, int(json.loads(answer)["config_version"]))
            except (HostError, ValueError, KeyError, TypeError) as error:
                return f"its version could not be announced: {error!r}"
            return None
        if code == EXIT_USAGE:
            lines = tuple(complaints[:LINES_KEPT])
            await self._recorder.record(ConfigurationRejected(bucket_id=bucket_id, problems=lines))
            place = PLACE.search("\n".join(lines))
            self._rejected[bucket_id] = place[1] if place else f"{bucket_id}.toml"
            return None
        # A full disk, or an edit just now.
        return " ".join(complaints).strip() or f"`trader config commit` ended with {code}"

    def _show_rejected(self) -> None:
        shown = next(iter(self._rejected.values()), self._device_rejected)
        state = self._screen.state.with_config_rejected(shown, self._screen.now_s())
        self._screen.update(state)

    def _note_problem(self, bucket_id: str, problem: str | None) -> None:
        """Remember what has to be tried again, and report it when it is new."""
        before = self._not_kept.pop(bucket_id, None)
        if problem is None:
            return
        self._not_kept[bucket_id] = problem[:500]
        if self._not_kept[bucket_id] != before:
            event = ConfigurationNotKept(bucket_id=bucket_id, problem=self._not_kept[bucket_id])
            self._recorder.tell(event)

    async def _announce(self, bucket_id: str, version: int) -> None:
        """Record every version that is not in the journal yet, also those that commands made."""
        known = self._recorder.ledger.config_versions.get(bucket_id, 0)
        if known == version:
            return
        newer = await asyncio.to_thread(self._versions_after, bucket_id, known)
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

    def _versions_after(self, bucket_id: str, known: int) -> list[ConfigVersion]:
        """Return the versions after one, oldest first; without one, the active version."""
        found: list[ConfigVersion] = []
        for stored in ConfigHistory(self._home.config_history_dir(bucket_id)).newest_first():
            if stored.meta.version <= known or len(found) >= VERSIONS_TOLD_MAX:
                break
            found.append(stored.meta)
        return found[::-1] if known else found[:1]

    async def _commit(self, bucket_id: str) -> tuple[int, str, list[str]]:
        """Run `trader config commit`; return its exit code, answer and complaints."""
        arguments = ("--home", str(self._home.root), "config", "commit", bucket_id, "--json")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "host.cli", *arguments),  # as the worker: no `host` of where it began
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(COMMIT_MAX_S):
                said, complaints = await process.communicate()
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
            said.decode("utf-8", "replace"),
            complaints.decode(errors="replace").split("\n"),
        )
