"""Which home and which bucket a command is about."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from host.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from host.home.home import Home


def open_home(option: str | None) -> Home:
    """Return the home of `--home`, of the environment, or the default one."""
    from host.home.home import Home

    return Home.locate(option, os.environ)


def open_bucket(option: str | None, bucket_id: str) -> Home:
    """Return the home after checking that it has the bucket.

    Raises
    ------
    HomeError, UsageError
        When there is no home, or no such bucket: with the nearest one, and all there are.
    """
    from host.errors import HomeError
    from host.home.home import check_bucket_id

    home = open_home(option)
    known = home.bucket_ids()
    if known and bucket_id not in known:
        check_bucket_id(bucket_id)
        path = home.portfolio_file(bucket_id)
        if os.path.lexists(path):
            raise HomeError(f"{path}: it is no file (put the portfolio there, or remove it)")
        hint = did_you_mean(bucket_id, known, otherwise="")
        names = f"{hint} Buckets: {', '.join(known)}".lstrip()
        raise UsageError(f"no bucket {bucket_id!r:.80} in {home.root} ({names})")
    home.require_bucket(bucket_id)
    return home


def home_option(option: str | None) -> str:
    """Return what a command that is suggested has to end with, so that it is about this home."""
    return "" if option is None else f" --home {shlex.quote(option)}"


def add_bucket_argument(parser: ArgumentParser, *, optional: bool = False) -> None:
    """Add the positional argument BUCKET."""
    parser.add_argument(
        "bucket",
        metavar="BUCKET",
        nargs="?" if optional else None,
        help="a bucket of the home, such as core" + (" (default: all of them)" if optional else ""),
    )
