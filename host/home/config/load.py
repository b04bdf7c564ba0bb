"""A bucket's configuration: from the edited file, and from the versions that its history holds.

Every path goes file -> TOML -> checked config through `check_document`. `trader config check` and
the daemon share it, so a file that passes the check is accepted.

    load_config_file   the file alone                                          reads only
    load_uncommitted   the file, with its version if it is the active one      reads only
    load_active        the newest version that loads: the daemon plans with it reads only
    load_version       one stored version                                      reads only
    commit_edit        the file; new bytes become a version                    writes a version
    try_commit_edit    the same, but goes on where the disk cannot be written  writes a version
    replace_config     a command's text, if nothing changed meanwhile          writes file, version

`replace_config` writes the file before the version. A crash in between leaves a valid file, and the
next `commit_edit` makes a version of it. Only the reason is lost, and the command had not yet
reported success.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from host.errors import LostUpdateError, StorageError
from host.home.config.history import ConfigHistory
from host.home.config.plugin_catalogue import modules_of
from host.home.storage.atomic_file import open_file, storage_error, write_atomic
from host.home.storage.toml_file import (
    HOME_ADVICE,
    ConfigFileError,
    locate_problems,
    parse_toml,
    read_toml,
)
from host.limits import TOML_BYTES_MAX
from planner_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from host.home.config.history import ChangedBy, ConfigVersion, StoredConfig
    from host.home.home import Home
    from host.home.storage.toml_file import TomlDocument
    from planner_core.model.config import PlannerConfig
    from planner_core.modules.registry import Registries

UNCOMMITTED = 0
REASON = re.compile(r"#\s*reason:\s*(.+)", re.IGNORECASE)
REASON_LINES = 10
"""A reason belongs at the top of a file; a comment further down is about a setting."""
VERSIONS_TRIED = 20
"""Each invalid one costs a read and a check before every plan."""
FIRST = "first version"
EDITED = "edited on disk"


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A valid configuration, and the bytes it came from.

    Parameters
    ----------
    config : PlannerConfig
    sha256 : str
        Hex digest of the file's bytes.
    version : int
        0: no version holds these bytes yet.
    path : Path
    """

    config: PlannerConfig
    sha256: str
    version: int
    path: Path


@dataclass(frozen=True, slots=True)
class EditBase:
    """The active version and the file when a change began: the change is refused if they moved."""

    version: int
    sha256: str
    text: str


def open_history(home: Home, bucket_id: str) -> ConfigHistory:
    """Return the history of a bucket's configuration."""
    return ConfigHistory(home.config_history_dir(bucket_id))


# --- reads only ----------------------------------------------------------------------------


def check_document(document: TomlDocument, registries: Registries | None = None) -> PlannerConfig:
    """Turn a parsed document into a configuration, or raise ConfigFileError with all problems.

    `registries` are the modules it may name; by default those shipped with the planner.
    """
    # Imported here: these need numpy and pydantic, which `trader --help` must not wait for.
    from planner_core.config_api.config_loading import load_config
    from planner_core.modules.builtin import builtin_registries

    try:
        return load_config(document.mapping, registries or builtin_registries())
    except ConfigError as error:
        raise ConfigFileError(locate_problems(document, error.problems)) from None


def load_config_file(
    path: Path, registries: Registries | None = None, *, advice: str = HOME_ADVICE
) -> LoadedConfig:
    """Read and check a file; its version is 0. `advice` is for a file that is missing.

    Raises
    ------
    ConfigFileError
        With all problems of the file, each with its place.
    """
    document = read_toml(path, advice=advice)
    config = check_document(document, registries)
    return LoadedConfig(config, document.sha256, UNCOMMITTED, path)


def load_uncommitted(
    home: Home, bucket_id: str, registries: Registries | None = None
) -> LoadedConfig:
    """Load a bucket's file as it is on disk; its version is 0 unless it is the active one.

    The text of the active version was valid when it was stored: see `load_version`.
    """
    registries = registries or modules_of(home)
    path = home.bucket_file(bucket_id)
    document = read_toml(path)
    active = open_history(home, bucket_id).active()
    if active is None or active.meta.sha256 != document.sha256:
        config = check_document(document, registries)
        return LoadedConfig(config, document.sha256, UNCOMMITTED, path)
    config = _check_stored(document, registries)
    return LoadedConfig(config, document.sha256, active.meta.version, path)


def load_active(home: Home, bucket_id: str, registries: Registries | None = None) -> LoadedConfig:
    """Load the newest version that is still valid; the file, if there is none.

    Only the newest 20 versions (`VERSIONS_TRIED`) are tried.

    Raises
    ------
    ConfigFileError
        With the problems of the file, when none of these versions can be loaded either.
    """
    registries = registries or modules_of(home)
    path = home.bucket_file(bucket_id)
    for tried, stored in enumerate(open_history(home, bucket_id).newest_first()):
        if tried >= VERSIONS_TRIED:
            break
        try:
            return load_version(stored, path, registries)
        except ConfigFileError:
            continue  # made by another version of the planner
    return load_config_file(path, registries)


def load_version(stored: StoredConfig, path: Path, registries: Registries) -> LoadedConfig:
    """Check a stored version as `load_config_file` checks a file.

    It was valid when it was stored. So what a newer version of a plugin refuses in it costs that
    plugin's module, and not the configuration.
    """
    document = parse_toml(stored.text, f"{path.name} version {stored.meta.version}")
    config = _check_stored(document, registries)
    return LoadedConfig(config, stored.meta.sha256, stored.meta.version, path)


def _check_stored(document: TomlDocument, registries: Registries) -> PlannerConfig:
    """Check a document; leave out the modules of plugins that the problems are about."""
    from planner_core.config_api.config_loading import load_config

    try:
        return load_config(document.mapping, registries)
    except ConfigError as error:
        left_out: dict[str, str] = {}
        for problem in error.problems:
            key = ".".join(map(str, problem.path[:2]))
            if key not in registries.origins:
                raise ConfigFileError(locate_problems(document, error.problems)) from None
            left_out.setdefault(key, f"{registries.origins[key]}: {problem.sentence()}")
    return _without(document, left_out, registries)


def _without(
    document: TomlDocument, left_out: Mapping[str, str], registries: Registries
) -> PlannerConfig:
    """Check a document with some modules switched off: key -> reason."""
    from planner_core.config_api.config_loading import load_config

    mapping = dict(document.mapping)
    for key in left_out:
        kind, _, name = key.partition(".")
        section = mapping.get(kind, {})
        assert isinstance(section, dict), "a problem of a module lies in its section"
        mapping[kind] = {**section, name: False}
    try:
        config = load_config(mapping, registries)
    except ConfigError as error:
        raise ConfigFileError(locate_problems(document, error.problems)) from None
    return config.with_absent_modules({**config.absent_modules, **left_out})


def read_edit_base(home: Home, bucket_id: str) -> EditBase:
    """Return the state that a change begins with; the file may be missing or wrong."""
    active = open_history(home, bucket_id).active()
    data = _file_bytes(home.bucket_file(bucket_id))
    digest = hashlib.sha256(data).hexdigest()
    return EditBase(active.meta.version if active else 0, digest, data.decode("utf-8", "replace"))


def require_unchanged(home: Home, bucket_id: str, base: EditBase) -> None:
    """Raise LostUpdateError unless version and file are still as in `base`.

    A newer version with the same text is allowed. The daemon makes one when it commits an edited
    file.
    """
    history, path = open_history(home, bucket_id), home.bucket_file(bucket_id)
    active = history.active()
    version = active.meta.version if active else 0
    has_same_text = active is not None and active.meta.sha256 == base.sha256
    if version != base.version and not has_same_text:
        raise history.lost_update(base.version, active)
    if hashlib.sha256(_file_bytes(path)).hexdigest() != base.sha256:
        raise LostUpdateError(
            f"{path}: was edited meanwhile (keep that edit with `trader config commit"
            f" {bucket_id}`, then do this again)"
        )


# --- writes --------------------------------------------------------------------------------


def commit_edit(
    home: Home, bucket_id: str, registries: Registries | None = None, reason: str | None = None
) -> LoadedConfig:
    """Load a bucket's file, and commit it if it is not the active version already.

    Raises
    ------
    ConfigFileError
        With all problems; the active version stays.
    StorageError
        When the version could not be written.
    """
    registries = registries or modules_of(home)
    path = home.bucket_file(bucket_id)
    loaded = load_uncommitted(home, bucket_id, registries)
    if loaded.version:
        return loaded
    history = open_history(home, bucket_id)
    with history.locked():
        # Read again under the lock: the bytes that are checked have to be those committed.
        document = read_toml(path)
        active = history.active()
        if active is not None and active.meta.sha256 == document.sha256:
            config = _check_stored(document, registries)
            return LoadedConfig(config, document.sha256, active.meta.version, path)
        config = check_document(document, registries)
        why = reason or reason_of(document.text, active)
        meta = history.commit_locked(document.data, reason=why)
    return LoadedConfig(config, meta.sha256, meta.version, path)


def try_commit_edit(
    home: Home, bucket_id: str, registries: Registries | None = None
) -> LoadedConfig:
    """Do as `commit_edit`; where the disk cannot be written, only load (version 0)."""
    try:
        return commit_edit(home, bucket_id, registries)
    except StorageError:
        # A read-only or full disk: planning goes on, and saving the plan reports the disk.
        return load_config_file(home.bucket_file(bucket_id), registries or modules_of(home))


def replace_config(
    home: Home,
    bucket_id: str,
    text: str,
    *,
    reason: str,
    base: EditBase,
    changed_by: ChangedBy = "user",
) -> ConfigVersion:
    """Write a bucket's file and commit it, if both are still as in `base`.

    Parameters
    ----------
    text : str
        Checked here again.
    reason : str
    base : EditBase
        The state that the change was made from. A file that no version holds is set aside in the
        history.

    Raises
    ------
    ConfigFileError, LostUpdateError, StorageError
        Nothing was changed.
    """
    path = home.bucket_file(bucket_id)
    data = text.encode("utf-8")
    check_document(parse_toml(text, str(path)), modules_of(home))
    history = open_history(home, bucket_id)
    with history.locked():
        require_unchanged(home, bucket_id, base)
        active, file_data = history.active(), _file_bytes(path)
        if file_data and (active is None or active.meta.sha256 != base.sha256):
            history.set_aside_text(file_data)
        write_atomic(path, data)
        return history.commit_locked(data, reason=reason, changed_by=changed_by)


def reason_of(text: str, last: StoredConfig | None) -> str:
    """Return the reason in the first lines, unless the last version has the same one."""
    reason = stated_reason(text)
    if reason and (last is None or reason != stated_reason(last.text)):
        return reason
    return FIRST if last is None else EDITED


def stated_reason(text: str) -> str | None:
    """Return the text after `# reason:` in the first lines."""
    for line in text.splitlines()[:REASON_LINES]:
        match = REASON.fullmatch(line.strip())
        if match:
            return match[1].strip()
    return None


def _file_bytes(path: Path) -> bytes:
    """Return the bytes of a file; none when there is no file."""
    try:
        with open_file(path) as file:
            return file.read(TOML_BYTES_MAX + 1)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise storage_error(path, "cannot be read", error) from error
