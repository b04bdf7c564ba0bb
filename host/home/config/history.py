"""Every version of a bucket's configuration: `history/config/<bucket>/`, numbered and immutable.

    000003.toml    a line `#@`, metadata as JSON, its hash; then the saved bytes
    HEAD           the newest acknowledged version; the only file that is replaced
    lock           held by the process that writes

A version is one file, so it is whole or missing. It is linked into place, never over another one,
and HEAD follows; only then is it acknowledged. The active version is the newest one that is whole.
HEAD only shows whether an acknowledged version is missing. A damaged file is set aside as
`NAME.corrupt.<time>` and never blocks a commit.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from host.clock import utc_now
from host.errors import HistoryError, LostUpdateError, NoVersionError, StorageError
from host.home.storage.atomic_file import (
    locked_file,
    open_file,
    storage_error,
    sweep_temporaries,
    sync_folders_above,
    write_atomic,
    write_new,
)
from host.limits import CONFIG_REASON_LENGTH_MAX, CONFIG_VERSION_BYTES_MAX

VERSIONS_MAX: Final = 200
CORRUPT_FILES_MAX: Final = 10
FOLDERS_ABOVE: Final = 3
"""Those of `history/config/<bucket>`; each may be new."""
HEAD_NAME: Final = "HEAD"
LOCK_NAME: Final = "lock"
MARK: Final = b"#@ "
VERSION_NAME = re.compile(r"(\d{6,9})\.toml")
CORRUPT_NAME = re.compile(r".+\.corrupt\..+")

ChangedBy = Literal["user", "system"]


@dataclass(frozen=True, slots=True)
class ConfigVersion:
    """The metadata of a version.

    Parameters
    ----------
    version : int
        From 1; never used twice.
    sha256 : str
        Of the text.
    parent : int
        The version before it; 0 for none.
    changed_by : str
        `user`, or `system` for migration and recovery.
    reason : str
    created_at : str
        ISO time, UTC.
    """

    version: int
    sha256: str
    parent: int
    changed_by: str
    reason: str
    created_at: str


@dataclass(frozen=True, slots=True)
class StoredConfig:
    """A version: metadata and bytes."""

    meta: ConfigVersion
    data: bytes

    @property
    def text(self) -> str:
        """The bytes as text; only UTF-8 is ever committed."""
        return self.data.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Recovery:
    """The result of `recover`: removed temporary files, repaired problems, the active version."""

    swept: int
    problems: tuple[str, ...]
    active: ConfigVersion | None


class ConfigHistory:
    """The versions of one bucket. Reading never writes and needs no lock: versions do not change.

    Parameters
    ----------
    folder : Path
        `Home.config_history_dir`; made with the first commit.
    versions_max : int
        Versions to keep; older ones are removed. The active one is the newest, so it stays.
    now : callable returning an aware datetime
    """

    def __init__(
        self,
        folder: Path,
        *,
        versions_max: int = VERSIONS_MAX,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        assert versions_max > 0, "the active version has to stay"
        self.folder = folder
        self._versions_max = versions_max
        self._now = now

    def locked(self) -> AbstractContextManager[None]:
        """Hold the lock for `commit_locked` and the steps that belong to it."""
        return locked_file(self.folder / LOCK_NAME)

    def active(self) -> StoredConfig | None:
        """Return the newest version that is whole; None when there is none."""
        return next(self.newest_first(), None)

    def newest_first(self) -> Iterator[StoredConfig]:
        """Yield every version that is whole, newest first; read one by one."""
        for number in reversed(self._numbers()):
            with suppress(HistoryError):
                yield self.read(number)

    def read(self, number: int) -> StoredConfig:
        """Return a version.

        Raises
        ------
        HistoryError
            When it does not exist, or is damaged.
        StorageError
            When it cannot be read.
        """
        path = self._path(number)
        try:
            with open_file(path) as file:
                data = file.read(CONFIG_VERSION_BYTES_MAX + 1)
        except FileNotFoundError:
            raise NoVersionError(
                f"{self.folder.name}: no version {number} ({self._range()})"
            ) from None
        except OSError as error:
            raise storage_error(path, "cannot be read", error) from error
        try:
            return _decoded(data, number)
        except ValueError as error:
            raise HistoryError(
                f"{path}: damaged, {error} (`trader config verify` sets it aside)"
            ) from None

    def commit(
        self, data: bytes, *, reason: str, changed_by: ChangedBy = "user", parent: int | None = None
    ) -> ConfigVersion:
        """Add a version; when this returns it survives a power cut.

        Parameters
        ----------
        data : bytes
            Checked by the caller.
        reason : str
        changed_by : str
        parent : int, optional
            The version that was edited; 0 for none.

        Raises
        ------
        LostUpdateError
            When `parent` is not the active version any more.
        StorageError
            When it could not be written; the active version stays.
        """
        with self.locked():
            return self.commit_locked(data, reason=reason, changed_by=changed_by, parent=parent)

    def commit_locked(
        self, data: bytes, *, reason: str, changed_by: ChangedBy = "user", parent: int | None = None
    ) -> ConfigVersion:
        """Add a version as `commit` does, within `locked`."""
        active = self.active()
        active_number = active.meta.version if active else 0
        if parent is not None and parent != active_number:
            raise self.lost_update(parent, active)
        number = max([active_number, self._acknowledged(), *self._numbers()]) + 1
        meta = ConfigVersion(
            version=number,
            sha256=hashlib.sha256(data).hexdigest(),
            parent=active_number,
            changed_by=changed_by,
            reason=clean_reason(reason),
            created_at=self._now().astimezone(UTC).isoformat(timespec="milliseconds"),
        )
        if not active_number:
            # A process that was killed may have made the folders without syncing them.
            sync_folders_above(self.folder, FOLDERS_ABOVE)
        if not write_new(self._path(number), _encoded(StoredConfig(meta, data))):
            raise StorageError(f"{self._path(number)}: exists already (move it away)")
        self._write_head(meta)
        self._remove_old()
        return meta

    def lost_update(self, parent: int, active: StoredConfig | None) -> LostUpdateError:
        """Return the error, with advice."""
        bucket = self.folder.name
        if active is None:
            return LostUpdateError(
                f"{bucket}: version {parent} is missing now (see `trader config log {bucket}`)"
            )
        meta = active.meta
        return LostUpdateError(
            f"{bucket}: changed meanwhile: version {meta.version} by {meta.changed_by}"
            f" ({meta.reason}), and you began with {parent} (see `trader config diff"
            f" {bucket} {parent} {meta.version}`, then do this again)"
        )

    def recover(self) -> Recovery:
        """Repair after a crash: remove temporary files, set aside damaged versions, correct HEAD.

        Raises
        ------
        StorageError
            When the disk cannot be written.
        """
        if not self.folder.is_dir():
            return Recovery(0, (), None)
        with self.locked():
            swept = sweep_temporaries(self.folder)
            problems = self.problems()
            for number in self._numbers():
                try:
                    self.read(number)
                except HistoryError:
                    self._set_aside(self._path(number))
            active = self.active()
            if active is not None and active.meta.version != self._acknowledged():
                self._write_head(active.meta)
            return Recovery(swept, tuple(problems), active.meta if active else None)

    def problems(self) -> list[str]:
        """Return the problems of the versions, one line each; changes nothing."""
        problems = []
        for number in self._numbers():
            try:
                self.read(number)
            except HistoryError as error:
                problems.append(str(error))
        numbers, acknowledged = self._numbers(), self._acknowledged()
        if acknowledged > max(numbers, default=0):
            problems.append(
                f"{self.folder}: version {acknowledged} was acknowledged and is missing"
                " (restore it from a backup, or continue with the one before)"
            )
        elif numbers and not acknowledged:
            problems.append(f"{self.folder / HEAD_NAME}: missing or damaged (it is rewritten)")
        return problems

    # --- files -----------------------------------------------------------------------------

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.toml"

    def _numbers(self) -> list[int]:
        """Return the numbers of the versions, oldest first, from the file names."""
        try:
            names = [path.name for path in self.folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise storage_error(self.folder, "cannot be read", error) from error
        return sorted(int(match[1]) for name in names if (match := VERSION_NAME.fullmatch(name)))

    def _range(self) -> str:
        numbers = self._numbers()
        return (
            f"versions {numbers[0]} to {numbers[-1]} exist" if numbers else "no version exists yet"
        )

    def _acknowledged(self) -> int:
        """Return the number in HEAD; 0 when it is missing or damaged."""
        try:
            with open_file(self.folder / HEAD_NAME) as file:
                number, _, digest = file.read(200).decode("ascii").partition(" ")
            return int(number) if len(digest.strip()) == hashlib.sha256().digest_size * 2 else 0
        except (OSError, ValueError):
            return 0

    def _write_head(self, meta: ConfigVersion) -> None:
        write_atomic(self.folder / HEAD_NAME, f"{meta.version} {meta.sha256}\n".encode())

    def set_aside_text(self, data: bytes) -> None:
        """Save a text that no version holds before a command replaces it."""
        write_new(self.folder / f"edit.corrupt.{self._now():%Y%m%dT%H%M%S.%fZ}", data)

    def _set_aside(self, path: Path) -> None:
        aside = path.with_name(f"{path.name}.corrupt.{self._now():%Y%m%dT%H%M%SZ}")
        with suppress(OSError):  # a read-only disk: reading skips it anyway
            path.rename(aside)

    def _remove_old(self) -> None:
        """Remove all but the newest; ignore errors, as the version is committed already."""
        try:
            old = [self._path(number) for number in self._numbers()[: -self._versions_max]]
            corrupt = sorted(p for p in self.folder.iterdir() if CORRUPT_NAME.fullmatch(p.name))
            for path in (*old, *corrupt[:-CORRUPT_FILES_MAX]):
                path.unlink()
        except (OSError, StorageError):
            pass  # the next commit tries again


def clean_reason(reason: str) -> str:
    """Return a reason as one printable line of bounded length."""
    line = " ".join("".join(c if c.isprintable() else " " for c in reason).split())
    return line[:CONFIG_REASON_LENGTH_MAX] or "no reason given"


def _encoded(stored: StoredConfig) -> bytes:
    meta = json.dumps(asdict(stored.meta), separators=(",", ":")).encode("ascii")
    seal = hashlib.sha256(meta).hexdigest().encode("ascii")
    return MARK + meta + b" " + seal + b"\n" + stored.data


def _decoded(data: bytes, number: int) -> StoredConfig:
    """Parse a version's file; ValueError when it is damaged."""
    head, line_end, body = data.partition(b"\n")
    meta_bytes, _, seal = head.removeprefix(MARK).rpartition(b" ")
    if not data.startswith(MARK) or not line_end:
        raise ValueError("no metadata: a write may have been cut off")
    if hashlib.sha256(meta_bytes).hexdigest().encode("ascii") != seal:
        raise ValueError("its metadata was changed")
    try:
        meta = ConfigVersion(**json.loads(meta_bytes))
    except (TypeError, RecursionError):
        raise ValueError("its metadata is from another program") from None
    if meta.version != number:
        raise ValueError(f"it is version {meta.version} under another name")
    if hashlib.sha256(body).hexdigest() != meta.sha256:
        raise ValueError("its text was changed")
    return StoredConfig(meta, body)
