"""States for tests with numbers that a person has computed: a few closes, holdings and cash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import numpy as np

from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import price_trade
from planner_core.model.candidates import Candidates
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Action
from planner_core.model.records import CashBalance, Security, Side, TaxLot
from planner_core.search.ranking import SearchSpace
from planner_core.testing.sample_contexts import AS_OF, LONG_AGO, weekdays
from planner_core.testing.sample_states import candidates_of, everything_on, space_of, state_of

CURRENCY = "EUR"
"""Of all securities and of the cash: no exchange rate stands in a table by hand."""


def make_state(
    closes: Mapping[str, Sequence[float]],
    *,
    held: Mapping[str, float] | None = None,
    cash: float = 10_000.0,
    targets: Mapping[str, float] | None = None,
    quality: Mapping[str, float] | None = None,
    as_of: date = AS_OF,
) -> PlanningState:
    """Return the state of a small portfolio in EUR, for a test of a module.

    Parameters
    ----------
    closes : mapping of security id to a sequence of float, EUR per unit
        One close per weekday, oldest first, up to `as_of`; all of the same length. NaN: none.
        A jump of 20 % and more in a day is held to be an error of the file, as it is in a plan.
    held : mapping of security id to float, units
        Bought long ago, at the last close.
    cash : float, EUR
    targets : mapping of security id to float, weights
    quality : mapping of security id to float, scores from 0 to 1
    as_of : date
        The day of the plan.

    Examples
    --------
    >>> state = make_state({"AAA": [100.0, 101.0], "BBB": [50.0, 50.0]}, held={"AAA": 20})
    >>> round(state.nav)
    12020
    """
    targets, quality = targets or {}, quality or {}
    prices = np.array(list(closes.values()), dtype=np.float64).T
    context = PlanningContext(
        bucket_id="core",
        as_of=as_of,
        base_currency=CURRENCY,
        securities=tuple(
            Security(
                id=name,
                name=name,
                currency=CURRENCY,
                target=targets.get(name),
                quality=quality.get(name),
            )
            for name in closes
        ),
        dates=weekdays(len(prices), as_of),
        prices=prices,
        lots=tuple(
            TaxLot(
                security=name, quantity=units, unit_cost=float(closes[name][-1]), acquired=LONG_AGO
            )
            for name, units in (held or {}).items()
        ),
        cash=(CashBalance(CURRENCY, cash),),
    )
    return state_of(context, everything_on())


def make_candidates(state: PlanningState, trades: Mapping[str, float]) -> Candidates:
    """Return candidates for a test of a filter or a generator.

    Parameters
    ----------
    state : PlanningState
    trades : mapping of security id to float, units
        Negative: a sell. The id of a candidate is its place.
    """
    return candidates_of(state, [_action(state, name, units) for name, units in trades.items()])


def _action(state: PlanningState, name: str, units: float) -> Action:
    """Return a priced trade; no limit is looked at."""
    side = Side.BUY if units > 0 else Side.SELL
    action = price_trade(state, state.context.security_index()[name], side, abs(units))
    return replace(action, sources=("opportunity_calculators.test",), clauses=("a test wants it",))


def make_space(state: PlanningState, candidates: Candidates, depth: int = 3) -> SearchSpace:
    """Return a search that has just begun, for a test of a sequence generator.

    Parameters
    ----------
    state : PlanningState
    candidates : Candidates
    depth : int
        Steps that a sequence may have.
    """
    return space_of(state, candidates, depth)
