"""Judge the moves of a table of closes or rates: real, a bad print, a split, another unit.

A move is suspicious when its log return exceeds

    price_move_sigmas * sigma_t * sqrt(days since the value before)

where sigma_t is the series' own daily volatility as it was before that day, an exponentially
weighted mean as in RiskMetrics, and the move still exceeds it after the market's own move of that
day is taken off: a crash of the market is no error of the data. What a suspicious move is:

* undone within a week: a bad print, which is dropped;
* near a ratio of splits, near 100 or 1000, or beyond any real day: a break. Values on its two
  sides are not comparable, so one side is used, however long ago it was, until it is accepted;
* large: real, a spin-off, or the closes of something else. Not used while it is recent;
* anything else: an ordinary day with news, used from the first day on.

Over 663 years of 20 large US shares (1990 to 2022) 51 moves exceed 8 sigma. None of them was undone
within a week. 22 were larger than 20 %, and 2 beyond 5/3, of which one was near the ratio of a
split.

Source: J. P. Morgan, "RiskMetrics - Technical Document", 4th ed. (1996), for the decay of 0.94.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from planner_core.market.market_days import weekday_numbers
from planner_core.model.arrays import BoolArray, DateArray, FloatArray, IntArray

REVERSAL_DAYS = 5
"""A move that is undone within this many of the series' own days was a bad print."""
REVERSAL_FRACTION = 0.25
"""A move counts as undone when less than this part of it is left."""
GAP_DAYS_MAX = 5
"""A gap without values allows a larger move, up to this many weekdays."""
MAD_TO_SIGMA = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
WINSOR_SIGMAS = 10
"""Returns beyond this many typical deviations are cut to it."""
EWMA_DAYS = 100
"""Length of the exponential weights: 0.94**100 = 0.2 % is left out."""
EWMA_DECAY = 0.94
"""Decay per day of the weights in a volatility."""
LARGE_SIGMAS = 2.0
"""A large move is this many times `price_move_sigmas`: 8.0 gives 16, above the days with news of
quiet shares, which reach 12."""
MARKET_NAMES_MIN = 3
"""Other series that a market's move needs: the median of two is not robust."""
MARKET_MOVE_MAX = 0.15
"""Log move of a market that is believed: the worst days of 2020 and 2008 are within it."""
SPLIT_MAX = 50
"""Largest number of new units per old one."""
SPLIT_TOLERANCE = 0.02
"""The day's own move, beside a ratio of n:1."""
FRACTIONS = ((3, 2, 0.01), (4, 3, 0.005), (5, 4, 0.005))
"""Splits into fractions, with their tolerance: tighter, because real days come near them."""
UNITS = (100, 1000)
"""Parts of a currency's unit: pence, fils."""
DECIMAL = 10
"""A decimal point in the wrong place, for rates; prices split 10:1 as well."""
LEVEL_TOLERANCE = np.log(1.1)
"""Values are on the same level again within a few days' own moves."""


class MoveKind(StrEnum):
    """Kinds of suspicious moves."""

    SPIKE = "spike"
    NEWS = "news"
    """Beyond the volatility, but not larger than days with news are."""
    JUMP = "jump"
    SPLIT = "split"
    UNIT = "unit"
    INVERSE = "inverse"
    """A rate per foreign unit after one per base unit, or the other way round."""
    IMPLAUSIBLE = "implausible"
    """Near no ratio, but larger than real days are."""


BREAKS = frozenset({MoveKind.SPLIT, MoveKind.UNIT, MoveKind.INVERSE, MoveKind.IMPLAUSIBLE})
"""Kinds that no waiting makes believable."""


@dataclass(frozen=True, slots=True)
class MoveLimits:
    """Bounds of a kind of series.

    Parameters
    ----------
    volatility_min : float, per day
        Floor under the volatility of a quiet series.
    large_min, large_max : float, log moves
        Bounds of what counts as a large move.
    break_factor : float
        A move by this factor is believed only when it is accepted.
    guard_days : int, own days
        A large move this recent is not used.
    returns_min : int
        Values that one side of a break needs to be the one that is used.
    is_rate : bool
        Rates do not split, but may be inverted.
    """

    volatility_min: float
    large_min: float
    large_max: float
    break_factor: float
    guard_days: int
    returns_min: int
    is_rate: bool


@dataclass(frozen=True, slots=True)
class Move:
    """A suspicious move.

    Parameters
    ----------
    row : int
        Of the value after the move.
    ratio : float
        That value over the one before.
    kind : MoveKind
    nominal : tuple of (int, int)
        New and old units of a split or unit change, such as (4, 1); (1, 1) without one.
    is_open : bool
        It stops the series: not undone, and neither accepted nor old enough.
    """

    row: int
    ratio: float
    kind: MoveKind
    nominal: tuple[int, int] = (1, 1)
    is_open: bool = False

    @property
    def log_level(self) -> float:
        """Change of the level, log: that of the nominal ratio where there is one."""
        new, old = self.nominal
        return float(np.log(old / new)) if new != old else float(np.log(self.ratio))


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """The verdict on one series.

    Parameters
    ----------
    used : ndarray of shape (n_days,)
        Values that can be compared with each other; NaN elsewhere.
    continued : ndarray of shape (n_days,)
        All values on the level of the first: after a break divided by its ratio, after a large
        move that is not believed yet the value before it.
    moves : tuple of Move
    """

    used: FloatArray
    continued: FloatArray
    moves: tuple[Move, ...] = ()

    @property
    def open_move(self) -> Move | None:
        """The last move that stops the series."""
        return next((move for move in reversed(self.moves) if move.is_open), None)


@dataclass(frozen=True, slots=True, eq=False)
class _Series:
    """The values of a series on its own days, and what bounds its moves."""

    rows: IntArray
    values: FloatArray
    large: float
    limits: MoveLimits


def judge_table(
    dates: DateArray,
    values: FloatArray,
    has_value: BoolArray,
    accepted: Sequence[Collection[int]],
    sigmas: float,
    limits: MoveLimits,
) -> list[Judgement]:
    """Judge each series of a table.

    Parameters
    ----------
    dates : ndarray of shape (n_days,), datetime64[D]
    values : ndarray of shape (n_days, n)
    has_value : ndarray of shape (n_days, n), bool
        The series' own days; other values are ignored.
    accepted : sequence of collections of int
        Per series, the rows whose move the owner accepted.
    sigmas : float, daily standard deviations
    limits : MoveLimits
    """
    numbers = weekday_numbers(dates)
    log_moves = np.full(values.shape, np.nan)
    series: list[_Series] = []
    suspects: list[list[tuple[int, float]]] = []
    for column in range(values.shape[1]):
        rows = np.flatnonzero(has_value[:, column])
        own = values[rows, column]
        moves = np.diff(np.log(own))
        log_moves[rows[1:], column] = moves
        bounds, typical = move_limits(moves, numbers[rows], sigmas, limits.volatility_min)
        large = np.clip(LARGE_SIGMAS * sigmas * typical, limits.large_min, limits.large_max)
        series.append(_Series(rows, own, float(large), limits))
        suspects.append(
            [(int(k) + 1, float(bounds[k])) for k in np.flatnonzero(np.abs(moves) > bounds)]
        )
    judgements = []
    for column, own_series in enumerate(series):
        beyond: dict[int, float] = {}
        for place, limit in suspects[column]:
            excess = _beyond_the_market(log_moves, int(own_series.rows[place]), column)
            if excess > limit:
                beyond[place] = excess
        judgements.append(_judge(own_series, beyond, accepted[column], len(dates)))
    return judgements


def move_limits(
    moves: FloatArray, numbers: IntArray, sigmas: float, volatility_min: float
) -> tuple[FloatArray, float]:
    """Return the limit of each log move, (n_moves,), and the typical daily volatility.

    Parameters
    ----------
    moves : ndarray of shape (n_moves,), log
    numbers : ndarray of shape (n_moves + 1,)
        Number of the weekday of each value.
    sigmas : float
    volatility_min : float, per day
    """
    if not moves.size:
        return np.empty(0), volatility_min
    # The median ignores jumps: it gives a robust level to start from and to winsorise at.
    typical = max(float(np.median(np.abs(moves))) * MAD_TO_SIGMA, volatility_min)
    # Volatility grows with the square root of time.
    days = np.clip(np.diff(numbers), 1, GAP_DAYS_MAX)
    return sigmas * _ewma_volatility(moves, typical, volatility_min) * np.sqrt(days), typical


def _ewma_volatility(moves: FloatArray, typical: float, volatility_min: float) -> FloatArray:
    """Return the volatility *before* each move: a jump must not raise its own limit."""
    # One bad print must not hide the next.
    squared = np.minimum(moves**2, (WINSOR_SIGMAS * typical) ** 2)
    # sigma_t^2 = sum_k (1 - decay) decay^k r_{t-1-k}^2 over EWMA_DAYS days, as one convolution.
    weights = (1 - EWMA_DECAY) * EWMA_DECAY ** np.arange(EWMA_DAYS)
    # The past of the first move is the typical variance. The last move is before no other.
    padded = np.concatenate([np.full(EWMA_DAYS, typical**2), squared[:-1]])
    last = EWMA_DAYS - 1
    variance = np.convolve(padded, weights, mode="full")[last : last + moves.size]
    # The weights were cut: divide by their sum.
    volatility: FloatArray = np.maximum(np.sqrt(variance / weights.sum()), volatility_min)
    return volatility


def _beyond_the_market(log_moves: FloatArray, row: int, column: int) -> float:
    """Return the size of a move, log, or of what is left of it without the market's if less."""
    move = float(log_moves[row, column])
    others = np.delete(log_moves[row], column)
    others = others[~np.isnan(others)]
    if others.size < MARKET_NAMES_MIN:
        return abs(move)
    market = float(np.clip(np.median(others), -MARKET_MOVE_MAX, MARKET_MOVE_MAX))
    return min(abs(move), abs(move - market))


def _judge(
    series: _Series, suspects: Mapping[int, float], accepted: Collection[int], n_days: int
) -> Judgement:
    """Judge one series by its suspicious moves, place -> size, oldest first."""
    size = series.values.size
    is_bad_print = np.zeros(size, dtype=np.bool_)
    # Log level of each value over that of the first, by the breaks alone.
    level = np.zeros(size)
    moves: list[Move] = []
    trusted, skip_until = size, 0
    for place, size_of_move in suspects.items():
        # The way back of a spike is part of it.
        if place <= skip_until or int(series.rows[place]) in accepted:
            continue
        move, bad_prints = _classify(series, place, size_of_move)
        if move.kind is MoveKind.SPIKE:
            is_bad_print[bad_prints] = True
            skip_until = bad_prints.stop
        elif move.kind in BREAKS:
            level[place:] += move.log_level
        elif move.is_open:
            trusted = place
        moves.append(move)
        if trusted < size:
            break
    # The same unit again: exactly, not but for rounding.
    level[np.abs(level) <= LEVEL_TOLERANCE] = 0.0
    if level[-1:].any():
        moves = [replace(move, is_open=move.is_open or move.kind in BREAKS) for move in moves]
    is_used = ~is_bad_print & (np.arange(size) < trusted)
    continued = series.values / np.exp(level)
    if trusted < size:
        # What is not believed yet continues at the value before it.
        continued[trusted:] = continued[trusted - 1]
    return Judgement(
        used=_on_rows(series, is_used & _one_level(level, is_used, series.limits), n_days),
        continued=_on_rows(replace(series, values=continued), ~is_bad_print, n_days),
        moves=tuple(moves),
    )


def _on_rows(series: _Series, is_valid: BoolArray, n_days: int) -> FloatArray:
    """Return the valid values of a series on the rows of the table, NaN elsewhere."""
    values = np.full(n_days, np.nan)
    values[series.rows[is_valid]] = series.values[is_valid]
    return values


def _one_level(level: FloatArray, is_used: BoolArray, limits: MoveLimits) -> BoolArray:
    """Return which values are on one level: that of the last, unless they are too few.

    Then that with the most values: an estimate from before the break is better than none.
    """
    if not level.any():
        return np.ones(level.size, dtype=np.bool_)
    now: BoolArray = np.abs(level - level[-1]) <= LEVEL_TOLERANCE
    if (now & is_used).sum() > limits.returns_min:
        return now
    sides = [np.abs(level - other) <= LEVEL_TOLERANCE for other in np.unique(level)]
    longest: BoolArray = max(sides, key=lambda side: int((side & is_used).sum()))
    return longest


def _classify(series: _Series, place: int, size: float) -> tuple[Move, slice]:
    """Return a suspicious move with its kind, and the places of the bad prints of a spike.

    `size` is the log move beyond the market's.
    """
    values, limits = series.values, series.limits
    before, ratio = float(values[place - 1]), float(values[place] / values[place - 1])
    bad_prints = _bad_prints(values, place, limits)
    kind, nominal = MoveKind.NEWS, (1, 1)
    if bad_prints.stop:
        kind = MoveKind.SPIKE
    elif (nominal := _nominal_ratio(ratio, limits)) != (1, 1):
        is_unit = max(nominal) in UNITS or limits.is_rate
        kind = MoveKind.UNIT if is_unit else MoveKind.SPLIT
    elif limits.is_rate and abs(ratio * before**2 - 1) <= SPLIT_TOLERANCE:
        # After / before = 1 / before^2: the new value is the inverse of the old one.
        kind = MoveKind.INVERSE
    elif size >= np.log(limits.break_factor):
        kind = MoveKind.IMPLAUSIBLE
    elif size >= series.large:
        kind = MoveKind.JUMP
    is_open = kind is MoveKind.JUMP and values.size - place <= limits.guard_days
    return Move(int(series.rows[place]), ratio, kind, nominal, is_open), bad_prints


def _nominal_ratio(ratio: float, limits: MoveLimits) -> tuple[int, int]:
    """Return new and old units of the split or unit that a ratio of values is near; or (1, 1)."""
    growth = max(ratio, 1 / ratio)
    nominal = (1, 1)
    whole = round(growth)
    # Rates do not split: a round factor is a wrong decimal point.
    is_whole = whole == DECIMAL if limits.is_rate else 1 < whole <= SPLIT_MAX
    if is_whole and abs(growth / whole - 1) <= SPLIT_TOLERANCE:
        nominal = (whole, 1)
    for unit in UNITS:
        if abs(growth / unit - 1) <= SPLIT_TOLERANCE:
            nominal = (unit, 1)
    for new, old, tolerance in () if limits.is_rate else FRACTIONS:
        if abs(growth * old / new - 1) <= tolerance:
            nominal = (new, old)
    # A split into more units lowers the price.
    return nominal if ratio < 1 else (nominal[1], nominal[0])


def _bad_prints(values: FloatArray, place: int, limits: MoveLimits) -> slice:
    """Return the places that a move within a week of its undoing makes bad prints; else none."""
    moves = np.abs(np.log(values[place : place + REVERSAL_DAYS + 1] / values[place - 1]))
    # moves[0] is the move itself, the others are what is left of it later.
    undone = np.flatnonzero(moves[1:] < REVERSAL_FRACTION * moves[0])
    if undone.size:
        return slice(place, place + 1 + int(undone[0]))
    # The way there may be before the first day: a spike must stop nothing when it leaves the table.
    is_break = moves[0] >= np.log(limits.break_factor)
    if is_break and place <= REVERSAL_DAYS and values.size > place + limits.returns_min:
        return slice(0, place)
    return slice(0, 0)
