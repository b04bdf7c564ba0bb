"""The home and the bucket of a command."""

from __future__ import annotations

import os
import shlex

from host.errors import HomeError, UsageError, did_you_mean
from host.home.home import Home, check_bucket_id


def open_home(option: str | None) -> Home:
    """Return the home of `--home`, of the environment, or the default one."""
    return Home.locate(option, os.environ)


def open_bucket(option: str | None, bucket_id: str) -> Home:
    """Return the home after checking that it has the bucket.

    Raises
    ------
    HomeError, UsageError
        When there is no home, or no such bucket; the message names the nearest and all buckets.
    """
    home = open_home(option)
    bucket_ids = home.bucket_ids()
    if bucket_ids and bucket_id not in bucket_ids:
        check_bucket_id(bucket_id)
        path = home.portfolio_file(bucket_id)
        if os.path.lexists(path):
            raise HomeError(f"{path}: not a file (put the portfolio there, or remove it)")
        hint = did_you_mean(bucket_id, bucket_ids, otherwise="")
        names = f"{hint} Buckets: {', '.join(bucket_ids)}".lstrip()
        raise UsageError(f"no bucket {bucket_id!r:.80} in {home.root} ({names})")
    home.require_bucket(bucket_id)
    return home


def amount_in_base_currency(home: Home, bucket_id: str, request: tuple[float, str] | None) -> float:
    """Return the amount of `--invest`; 0 without the option.

    Raises
    ------
    UsageError
        When its currency is not the base currency of the bucket.
    PortfolioFileError
        When it has a currency, and the portfolio is wrong.
    """
    if request is None:
        return 0.0
    amount, currency = request
    if currency:
        from host.home.portfolio.portfolio_file import read_portfolio  # slow: pydantic

        path = home.portfolio_file(bucket_id)
        base = read_portfolio(path).tables.base_currency
        if currency != base:
            raise UsageError(
                f"--invest: {currency} is not {base}, the base currency of {path}"
                f" (write the amount in {base})"
            )
    return amount


def home_option(option: str | None) -> str:
    """Return the `--home` option for the end of a suggested command."""
    return "" if option is None else f" --home {shlex.quote(option)}"
