"""Whether what stands in the files is in force, and right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host.home.config.active import load_active, open_history, peek
from host.home.storage.problems import ConfigFileError

if TYPE_CHECKING:
    from host.health.probe import Findings, Look
    from host.home.storage.problems import FileRefusedError


def check_config(look: Look, bucket_id: str) -> Findings:
    """Find a configuration that is wrong, or not the one in force."""
    known = look.bucket(bucket_id)
    refused: ConfigFileError | None = None
    loaded = None
    try:
        loaded = peek(look.home, bucket_id)
    except ConfigFileError as error:
        refused = error
    try:
        active = load_active(look.home, bucket_id)
    except ConfigFileError as error:
        yield look.found("config_missing", first_line(error), bucket_id=bucket_id)
        return
    known.config_version = active.version
    known.config_in_force = loaded is not None and loaded.sha256 == active.sha256
    if refused is not None:
        what = f"{first_line(refused)} (version {active.version} stays in force)"
        yield look.found("config_refused", what, bucket_id=bucket_id)
    elif not known.config_in_force:
        what = f"{look.home.bucket_file(bucket_id)}: differs from version {active.version}"
        yield look.found("config_not_picked_up", what, bucket_id=bucket_id)
    problems = open_history(look.home, bucket_id).problems()
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        yield look.found("config_history_damaged", problems[0] + more, bucket_id=bucket_id)


def first_line(error: FileRefusedError) -> str:
    """Return the first problem of a file, and how many there are."""
    more = len(error.lines) - 1
    return error.lines[0] + (f" (and {more} more)" if more else "")
