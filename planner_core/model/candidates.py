"""The candidate actions as columns, for patterns, generators and the evaluator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner_core.model.arrays import BoolArray, FloatArray, IntArray
from planner_core.model.plan import Action
from planner_core.model.records import Side


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """K legal actions; the id of an action is its index. All money in base currency.

    Parameters
    ----------
    actions : tuple of Action
    security : ndarray of shape (K,), int
        Column in the context; a negative number per pair of currencies for conversions, which
        change no weight.
    is_buy, is_sell, mandatory : ndarray of shape (K,), bool
    value : ndarray of shape (K,)
        Signed.
    cost, tax, cash_delta : ndarray of shape (K,)
    cost_scored, tax_scored : ndarray of shape (K,)
        What the score is charged, per year.
    gain : ndarray of shape (K,)
        Score of each action alone, less that of doing nothing.
    conflicts : ndarray of shape (K, K), bool
        Pairs that must not be in one plan; symmetric, True on the diagonal.
    """

    actions: tuple[Action, ...]
    security: IntArray
    is_buy: BoolArray
    is_sell: BoolArray
    mandatory: BoolArray
    value: FloatArray
    cost: FloatArray
    tax: FloatArray
    cost_scored: FloatArray
    tax_scored: FloatArray
    cash_delta: FloatArray
    gain: FloatArray
    conflicts: NDArray[np.bool_]

    @property
    def n(self) -> int:
        """Number of candidates."""
        return len(self.actions)

    @property
    def column(self) -> IntArray:
        """`security` as a column index.

        A conversion points at column 0: its weight change is 0, so the column does not matter.
        """
        return np.maximum(self.security, 0)

    @property
    def null_id(self) -> int:
        """The id of no action in a block of sequences."""
        return len(self.actions)

    def from_source(self, *names: str) -> list[int]:
        """Return ids whose sources include a module of one of the short names, best gain first."""
        short_names = set(names)
        ids = [
            i
            for i, action in enumerate(self.actions)
            if short_names & {source.rsplit(".", 1)[-1] for source in action.sources}
        ]
        return self.by_gain(ids)

    def by_gain(self, ids: list[int]) -> list[int]:
        """Return ids ordered by their gain alone, best first; ties by id."""
        return sorted(ids, key=lambda i: (-self.gain[i], i))

    def buys(self) -> list[int]:
        """Return the ids of buys, best gain first."""
        return self.by_gain(list(map(int, np.flatnonzero(self.is_buy))))

    def sells(self) -> list[int]:
        """Return the ids of sells, best gain first."""
        return self.by_gain(list(map(int, np.flatnonzero(self.is_sell))))


def build_candidates(
    actions: list[Action], gain: FloatArray, conflicts: NDArray[np.bool_]
) -> Candidates:
    """Turn actions into columns."""

    def column(name: str) -> FloatArray:
        return np.array([getattr(action, name) for action in actions], dtype=np.float64)

    return Candidates(
        actions=tuple(actions),
        security=traded(actions),
        is_buy=np.array([action.side is Side.BUY for action in actions], dtype=bool),
        is_sell=np.array([action.side is Side.SELL for action in actions], dtype=bool),
        mandatory=np.array([action.mandatory for action in actions], dtype=bool),
        value=column("value"),
        cost=column("cost"),
        tax=column("tax"),
        cost_scored=column("cost_scored"),
        tax_scored=column("tax_scored"),
        cash_delta=column("cash_delta"),
        gain=gain,
        conflicts=conflicts,
    )


def traded(actions: list[Action]) -> IntArray:
    """Return the column that each action trades; a negative number for a pair of currencies."""
    pairs = sorted({_pair(action) for action in actions if action.convert_to})
    return np.array(
        [
            -1 - pairs.index(_pair(action)) if action.convert_to else action.security
            for action in actions
        ],
        dtype=np.int64,
    )


def _pair(action: Action) -> tuple[str, str]:
    """Return the two currencies of a conversion, in either direction."""
    first, second = sorted((action.currency, action.convert_to))
    return first, second


def same_security_conflicts(actions: list[Action]) -> NDArray[np.bool_]:
    """Return the pairs that trade the same security, the diagonal included; (K, K)."""
    security = traded(actions)
    same: NDArray[np.bool_] = security[:, None] == security[None, :]
    return same
