"""`trader data`: accept a move of a price or a rate, and show what a plan uses of a series."""

from __future__ import annotations

import argparse
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from host.cli.home_option import home_option, open_bucket, open_home
from host.errors import EXIT_DONE, HomeError, UsageError
from host.home.config.load import load_active
from host.home.portfolio.accepted_moves import ACCEPT, UNDO, read_accepted_moves, record_move
from host.home.portfolio.daily_series import (
    DailySeries,
    DayUse,
    find_series,
    use_by_day,
    was_ever_suspicious,
)
from host.home.portfolio.portfolio_file import read_portfolio
from host.home.portfolio.snapshot import ROWS_BEYOND_HISTORY
from planner_core.market.prices import suspicious_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from host.cli.output import Output
    from host.home.home import Home

SUGGESTED_MAX = 5


def accept(options: argparse.Namespace, output: Output) -> int:
    """Accept a move, or take that back; it holds for every bucket."""
    home, buckets = _home_and_buckets(options)
    path = home.accepted_moves_file
    move = (options.name, options.date)
    moves = read_accepted_moves(path)
    output.errors(f"{finding.message} ({finding.action})" for finding in moves.findings)
    if options.undo:
        if move not in moves.moves:
            raise UsageError(_not_accepted(home, buckets, options, sorted(moves.moves)))
        record_move(home, move, UNDO)
        _print(options, output, changed=True, description={}, is_accepted=False)
        return EXIT_DONE
    every = find_series(home, buckets, options.name)
    series, row = _require_suspicious(home, every, options.date)
    description = _describe(series, row)
    changed = move not in moves.moves
    if changed:
        record_move(home, move, ACCEPT)
    _print(options, output, changed=changed, description=description, is_accepted=True)
    return EXIT_DONE


def _home_and_buckets(options: argparse.Namespace) -> tuple[Home, tuple[str, ...]]:
    if options.bucket is not None:
        return open_bucket(options.home, options.bucket), (options.bucket,)
    home = open_home(options.home)
    buckets = home.require_bucket_ids()
    if not buckets:
        raise HomeError(f"{home.root}: no bucket (run: trader init, or with --demo)")
    return home, buckets


def _require_suspicious(
    home: Home, every: Sequence[DailySeries], day: date
) -> tuple[DailySeries, int]:
    """Return the series and row of a suspicious move; UsageError with the days that are."""
    for series in every:
        row = series.row_of(day)
        if row is None:
            continue
        config = load_active(home, series.bucket_id).config
        rows_max = config.estimation.history_days + ROWS_BEYOND_HISTORY
        if was_ever_suspicious(series, row, config.constraints.price_move_sigmas, rows_max):
            return series, row
    series = every[0]
    what = "rate" if series.is_currency else "close"
    row = series.row_of(day)
    if row is None:
        near = _near_days(series, day)
        hint = f"near it: {near}" if near else "there are none"
        raise UsageError(f"{series.name} has no {what} of {day} (days with one {hint})")
    sigmas = load_active(home, series.bucket_id).config.constraints.price_move_sigmas
    rows = suspicious_rows(series.dates, series.adjusted, sigmas, is_rate=series.is_currency)
    days = [str(series.dates[r]) for r in rows]
    listed = f"days with one: {', '.join(days[-SUGGESTED_MAX:])}" if days else "it has none"
    change = _change(series, row)
    moved = "is its first" if change is None else f"moved by {change:+.2%}"
    raise UsageError(
        f"{series.name}: the {what} of {day} {moved}, which is no suspicious move: there is"
        f" nothing to accept ({listed})"
    )


def _near_days(series: DailySeries, day: date) -> str:
    """Return the last day with a value before a day, and the first after it."""
    valid = series.dates[~np.isnan(series.written)]
    at = int(np.searchsorted(valid, np.datetime64(day)))
    return ", ".join(str(d) for d in valid[max(0, at - 1) : at + 1])


def _change(series: DailySeries, row: int) -> float | None:
    before = series.adjusted[:row][~np.isnan(series.adjusted[:row])]
    return float(series.adjusted[row] / before[-1] - 1) if before.size else None


def _describe(series: DailySeries, row: int) -> dict[str, object]:
    before = series.adjusted[:row][~np.isnan(series.adjusted[:row])]
    return {
        "before": float(before[-1]),
        "after": float(series.adjusted[row]),
        "change": float(series.adjusted[row] / before[-1] - 1),
        "unit": series.unit,
    }


def _not_accepted(
    home: Home,
    buckets: Sequence[str],
    options: argparse.Namespace,
    accepted: Sequence[tuple[str, date]],
) -> str:
    """Return why a move cannot be taken back, and what can."""
    what = f"{options.name} {options.date} is not in {home.accepted_moves_file}"
    for bucket in buckets:
        portfolio = read_portfolio(home.portfolio_file(bucket))
        for index, table in enumerate(portfolio.tables.accepted_prices):
            if (table.security, table.date) == (options.name, options.date):
                place = portfolio.place("accepted_prices", index)
                return f"{what} (it is accepted in {place}: delete it there)"
    own = [f"{name} {day}" for name, day in accepted if name == options.name] or [
        f"{name} {day}" for name, day in accepted
    ]
    listed = ", ".join(own[-SUGGESTED_MAX:])
    return f"{what} ({f'accepted: {listed}' if own else 'nothing is accepted'})"


def _print(
    options: argparse.Namespace,
    output: Output,
    *,
    changed: bool,
    description: dict[str, object],
    is_accepted: bool,
) -> None:
    if options.json:
        output.json(
            {
                "name": options.name,
                "date": options.date.isoformat(),
                "accepted": is_accepted,
                "changed": changed,
                "move": description or None,
            }
        )
        return
    what = f"{options.name} {options.date}"
    if description:
        before, after, change = (description[key] for key in ("before", "after", "change"))
        what += f", {before:g} to {after:g} {description['unit']} ({change:+.1%})"
    if not is_accepted:
        output.line(f"{what}: taken back; the move is judged by its size again, in every bucket")
    elif changed:
        output.line(f"{what}: accepted as real, in every bucket; plans use it from now on")
    else:
        output.line(f"{what}: was accepted already")
    output.line(f"Next: trader data show {options.name}{home_option(options.home)}")


def show(options: argparse.Namespace, output: Output) -> int:
    """Print the last days of a series: as written, as used, and why they differ."""
    home, buckets = _home_and_buckets(options)
    series = find_series(home, buckets, options.name)[0]
    config = load_active(home, series.bucket_id).config
    days = use_by_day(home, series, config)
    shown = days[-options.days :]
    if options.json:
        output.json(
            {
                "bucket_id": series.bucket_id,
                "name": series.name,
                "kind": "currency" if series.is_currency else "security",
                "unit": series.unit,
                "days": [_day_to_json(day) for day in shown],
            }
        )
        return EXIT_DONE
    _print_days(series, shown, output)
    hidden = len([day for day in days[: -options.days] if day.flags])
    if hidden:
        output.line(f"{hidden} earlier days have a flag too (--days {len(days)} shows all)")
    return EXIT_DONE


def _day_to_json(day: DayUse) -> dict[str, object]:
    return {
        "date": day.on.isoformat(),
        "written": day.written,
        "used": day.used,
        "rate": day.rate,
        "flags": list(day.flags),
    }


def _print_days(series: DailySeries, days: Sequence[DayUse], output: Output) -> None:
    has_rate = any(day.rate not in (None, 1.0) for day in days)
    what = "rates" if series.is_currency else "closes"
    output.line(f"{series.name}: {what} in {series.unit}, as bucket {series.bucket_id} uses them")
    output.line(
        f"{'date':<10} {'written':>14} {'used':>14}{'rate':>12}  flags"
        if has_rate
        else f"{'date':<10} {'written':>14} {'used':>14}  flags"
    )
    for day in days:
        rate = f"{_number(day.rate):>12}" if has_rate else ""
        line = f"{day.on} {_number(day.written):>14} {_number(day.used):>14}{rate}"
        output.line(f"{line}  {', '.join(day.flags)}".rstrip())


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
