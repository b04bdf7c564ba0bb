"""Check of a bucket's configuration: valid, and in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host.home.config.load import load_active, load_uncommitted, open_history
from host.home.storage.problems import ConfigFileError

if TYPE_CHECKING:
    from host.health.probe import Findings, HealthProbe
    from host.home.storage.problems import FileRefusedError


def check_config(probe: HealthProbe, bucket_id: str) -> Findings:
    """Find a configuration that is wrong, or not the one in force."""
    bucket = probe.bucket(bucket_id)
    refused: ConfigFileError | None = None
    edited = None
    try:
        edited = load_uncommitted(probe.home, bucket_id)
    except ConfigFileError as error:
        refused = error
    try:
        active = load_active(probe.home, bucket_id)
    except ConfigFileError as error:
        yield probe.finding("config_missing", first_line(error), bucket_id=bucket_id)
        return
    bucket.config_version = active.version
    bucket.config_in_force = edited is not None and edited.sha256 == active.sha256
    for key, reason in active.config.absent_modules.items():
        yield probe.finding("module_absent", f"{key}: {reason}", bucket_id=bucket_id, subject=key)
    if refused is not None:
        what = f"{first_line(refused)} (version {active.version} stays in force)"
        yield probe.finding("config_refused", what, bucket_id=bucket_id)
    elif not bucket.config_in_force:
        what = f"{probe.home.bucket_file(bucket_id)}: differs from version {active.version}"
        yield probe.finding("config_not_picked_up", what, bucket_id=bucket_id)
    problems = open_history(probe.home, bucket_id).problems()
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        yield probe.finding("config_history_damaged", problems[0] + more, bucket_id=bucket_id)


def first_line(error: FileRefusedError) -> str:
    """Return the first problem of a file, and how many more there are."""
    more = len(error.lines) - 1
    return error.lines[0] + (f" (and {more} more)" if more else "")
