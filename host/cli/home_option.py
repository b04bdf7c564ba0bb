"""The home and the bucket of a command."""

from __future__ import annotations

import os
import shlex

from host.home.home import Home
from host.operations.buckets import require_bucket


def open_home(option: str | None) -> Home:
    """Return the home of `--home`, of the environment, or the default one."""
    return Home.locate(option, os.environ)


def open_bucket(option: str | None, bucket_id: str) -> Home:
    """Return the home after checking that it has the bucket, as `require_bucket` does."""
    home = open_home(option)
    require_bucket(home, bucket_id)
    return home


def home_option(option: str | None) -> str:
    """Return the `--home` option for the end of a suggested command."""
    return "" if option is None else f" --home {shlex.quote(option)}"
