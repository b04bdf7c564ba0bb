"""Which configuration is in force: the file as edited is picked up, checked and kept as a version.

    pick_up        the file, by the one load path; committed if its bytes are new
    load_active    the newest version that loads: what the daemon plans with
    replace        a command writes file and version together, if nobody else did meanwhile

`replace` writes the file before the version: a crash in between leaves a good file, which the next
load keeps as an edit; only the reason is lost, of a change that nobody was told is done.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from dataclasses import replace as replaced
from typing import TYPE_CHECKING

from host.errors import LostUpdateError, StorageError
from host.home.config.history import ConfigHistory
from host.home.config.store import LoadedConfig, check_document, load_config_file
from host.home.storage.atomic_file import storage_error, write_atomic
from host.home.storage.safe_open import open_file
from host.home.storage.toml_file import ConfigFileError, parse_toml, read_toml
from host.limits import TOML_BYTES_MAX

if TYPE_CHECKING:
    from pathlib import Path

    from host.home.config.history import ChangedBy, ConfigVersion, StoredConfig
    from host.home.home import Home
    from planner_core.modules.registry import Registries

REASON = re.compile(r"#\s*reason:\s*(.+)", re.IGNORECASE)
REASON_LINES = 10
VERSIONS_TRIED = 20
FIRST = "first version"
EDITED = "edited on disk"


@dataclass(frozen=True, slots=True)
class Seen:
    """The active version and the file's hash, as they were when a change began."""

    version: int
    sha256: str
    text: str


def look(home: Home, bucket_id: str) -> Seen:
    """Remember what a change begins with; the file may be missing or wrong."""
    active = open_history(home, bucket_id).active()
    found = _file_bytes(home.bucket_file(bucket_id))
    digest = hashlib.sha256(found).hexdigest()
    return Seen(active.meta.version if active else 0, digest, found.decode("utf-8", "replace"))


def open_history(home: Home, bucket_id: str) -> ConfigHistory:
    """Return the history of a bucket's configuration."""
    return ConfigHistory(home.config_history_dir(bucket_id))


def pick_up(
    home: Home, bucket_id: str, registries: Registries | None = None, reason: str | None = None
) -> LoadedConfig:
    """Load a bucket's file, and commit it if it is not the active version already.

    Raises
    ------
    ConfigFileError
        With all problems; the active version stays.
    StorageError
        When the version could not be kept.
    """
    path = home.bucket_file(bucket_id)
    loaded = _in_history(home, bucket_id, load_config_file(path, registries))
    if loaded.version:
        return loaded
    history = open_history(home, bucket_id)
    with history.locked():
        # Read again: it has to be these bytes that were checked and are committed.
        document = read_toml(path)
        config = check_document(document, registries)
        active = history.active()
        if active is not None and active.meta.sha256 == document.sha256:
            return LoadedConfig(config, document.sha256, active.meta.version, path)
        why = reason or reason_of(document.text, active)
        meta = history.commit_locked(document.data, reason=why)
    return LoadedConfig(config, meta.sha256, meta.version, path)


def load_file(home: Home, bucket_id: str, registries: Registries | None = None) -> LoadedConfig:
    """Load a bucket's file; it is picked up if the disk lets it, and else has version 0."""
    try:
        return pick_up(home, bucket_id, registries)
    except StorageError:
        # A read-only or full disk: planning goes on, and whoever stores the plan will be told.
        return load_config_file(home.bucket_file(bucket_id), registries)


def peek(home: Home, bucket_id: str, registries: Registries | None = None) -> LoadedConfig:
    """Load a bucket's file and write nothing; version 0 if it is not the active one."""
    loaded = load_config_file(home.bucket_file(bucket_id), registries)
    return _in_history(home, bucket_id, loaded)


def load_active(home: Home, bucket_id: str, registries: Registries | None = None) -> LoadedConfig:
    """Load the newest version that can be loaded; the file, if there is no version.

    Raises
    ------
    ConfigFileError
        With the problems of the file, when no version can be loaded either.
    """
    path = home.bucket_file(bucket_id)
    for tried, stored in enumerate(open_history(home, bucket_id).newest_first()):
        if tried >= VERSIONS_TRIED:
            break
        try:
            return load_version(stored, path, registries)
        except ConfigFileError:
            continue  # of an older planner, or a plugin that is gone
    return load_config_file(path, registries)


def load_version(
    stored: StoredConfig, path: Path, registries: Registries | None = None
) -> LoadedConfig:
    """Check a stored version by the one load path."""
    document = parse_toml(stored.text, f"{path.name} version {stored.meta.version}")
    config = check_document(document, registries)
    return LoadedConfig(config, stored.meta.sha256, stored.meta.version, path)


def replace(
    home: Home,
    bucket_id: str,
    text: str,
    *,
    reason: str,
    seen: Seen,
    changed_by: ChangedBy = "user",
) -> ConfigVersion:
    """Write a bucket's file and commit it, if both are still as they were seen.

    Parameters
    ----------
    text : str
        Checked here again, by the one load path.
    reason : str
    seen : Seen
        What the change was made from. A file that no version holds is set aside in the history.

    Raises
    ------
    ConfigFileError, LostUpdateError, StorageError
        Nothing was changed.
    """
    path = home.bucket_file(bucket_id)
    data = text.encode("utf-8")
    check_document(parse_toml(text, str(path)))
    history = open_history(home, bucket_id)
    with history.locked():
        require_unchanged(home, bucket_id, seen)
        active, file_data = history.active(), _file_bytes(path)
        if file_data and (active is None or active.meta.sha256 != seen.sha256):
            history.set_aside_text(file_data)
        write_atomic(path, data)
        return history.commit_locked(data, reason=reason, changed_by=changed_by)


def require_unchanged(home: Home, bucket_id: str, seen: Seen) -> None:
    """Raise LostUpdateError unless version and file are still as they were seen.

    A newer version that holds the very text that was seen is no obstacle. The daemon makes one when
    it commits an edited file.
    """
    history, path = open_history(home, bucket_id), home.bucket_file(bucket_id)
    active = history.active()
    version = active.meta.version if active else 0
    has_same_text = active is not None and active.meta.sha256 == seen.sha256
    if version != seen.version and not has_same_text:
        raise history.lost_update(seen.version, active)
    if hashlib.sha256(_file_bytes(path)).hexdigest() != seen.sha256:
        raise LostUpdateError(
            f"{path}: was edited meanwhile (keep that with `trader config commit"
            f" {bucket_id}`, then do it again)"
        )


def reason_of(text: str, last: StoredConfig | None) -> str:
    """Return the reason that the first lines give, unless the last version gave it already."""
    reason = stated_reason(text)
    if reason and (last is None or reason != stated_reason(last.text)):
        return reason
    return FIRST if last is None else EDITED


def stated_reason(text: str) -> str | None:
    """Return what stands behind `# reason:` in the first lines."""
    for line in text.splitlines()[:REASON_LINES]:
        match = REASON.fullmatch(line.strip())
        if match:
            return match[1].strip()
    return None


def _in_history(home: Home, bucket_id: str, loaded: LoadedConfig) -> LoadedConfig:
    """Give a loaded file its version if it is the active one."""
    active = open_history(home, bucket_id).active()
    if active is None or active.meta.sha256 != loaded.sha256:
        return loaded
    return replaced(loaded, version=active.meta.version)


def _file_bytes(path: Path) -> bytes:
    try:
        with open_file(path) as file:
            return file.read(TOML_BYTES_MAX + 1)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise storage_error(path, "cannot be read", error) from error
