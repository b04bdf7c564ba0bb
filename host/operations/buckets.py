"""The bucket that a request names, and the buckets that it is about."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from host.errors import HomeError, NotFoundError, UsageError, did_you_mean
from host.home.home import check_bucket_id

if TYPE_CHECKING:
    from host.home.home import Home


def require_bucket(home: Home, bucket_id: str) -> None:
    """Check that the home has a bucket.

    Raises
    ------
    HomeError, NotFoundError
        When there is no home, or no such bucket; the message names the nearest and all buckets.
    """
    bucket_ids = home.bucket_ids()
    if bucket_ids and bucket_id not in bucket_ids:
        check_bucket_id(bucket_id)
        path = home.portfolio_file(bucket_id)
        if os.path.lexists(path):
            raise HomeError(f"{path}: not a file (put the portfolio there, or remove it)")
        hint = did_you_mean(bucket_id, bucket_ids, otherwise="")
        names = f"{hint} Buckets: {', '.join(bucket_ids)}".lstrip()
        raise NotFoundError(f"no bucket {bucket_id!r:.80} in {home.root} ({names})")
    home.require_bucket(bucket_id)


def select_buckets(home: Home, bucket_id: str | None) -> tuple[str, ...]:
    """Return the named bucket, or with None all buckets of the home; there may be none."""
    if bucket_id is None:
        return home.require_bucket_ids()
    require_bucket(home, bucket_id)
    return (bucket_id,)


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
