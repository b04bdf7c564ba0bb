"""How robust a plan is: the least change of a price, or of a fill, that makes it another one.

A plan is carried out step by step, at prices that move and in fills that may be partial. So the
question is how far one price may move until the first step is no longer in the plan, and how much
of the first step may be filled until its rest is not. Both are answered by planning again.

A move scales the security's whole price history: its returns, and so every estimate, stay the same.
Steps of 0.1 % are searched by bisection. That finds a move at which the plan changes and below
which, one step smaller, it does not; a plan need not change back and forth, but may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from planner_core.explain.rescoring import silent_runtime
from planner_core.market.costs import in_selling_order
from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import lot_step, price_trade
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Plan, Step
from planner_core.model.records import CashBalance, Incumbent, IncumbentStep, Side, TaxLot, Trade
from planner_core.planner import plan as make_plan
from planner_core.runtime import Runtime

MOVE_STEP = 0.001
MOVE_STEPS_MAX = 200
"""Moves of up to 20 %."""
PROBES = (20, 50, 100, MOVE_STEPS_MAX)
"""Moves of the first step's security that are tried before the bisection, in steps."""
FILL_PROBES = (0.25, 0.5, 0.75, 1.0)
"""Parts of the first step that are filled; the last one leaves one lot."""
FILL_STEPS_MAX = 1000
"""Fills that are told apart."""
SECURITIES_MAX = 6
PLANS_MAX = 48
SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class PriceMove:
    """A move of one price that changes the plan: -0.031 is a fall of 3.1 %.

    `instead` is the first step then; None: nothing is traded.
    """

    security: str
    move: float
    instead: Step | None


@dataclass(frozen=True, slots=True)
class PartialFill:
    """A fill of a part of the first step after which the rest of it is no longer in the plan."""

    quantity: float
    instead: Step | None


@dataclass(frozen=True, slots=True)
class Robustness:
    """Changes that take the first step out of the plan.

    Parameters
    ----------
    price_move : PriceMove, optional
        The smallest; None: none within 20 % does.
    partial_fill : PartialFill, optional
        The smallest; None: none does, or the step cannot be filled in parts.
    can_fill_in_part : bool
        The first step has more than one lot.
    is_complete : bool
        Everything was tried in time. If not, a smaller move or fill may exist.
    n_plans : int
    """

    price_move: PriceMove | None
    partial_fill: PartialFill | None
    can_fill_in_part: bool
    is_complete: bool
    n_plans: int


class _OutOfTimeError(Exception):
    """The plans or the seconds are used up."""


class _Replanner:
    """Plans again, a bounded number of times."""

    def __init__(self, state: PlanningState, plan: Plan, runtime: Runtime) -> None:
        self.state = state
        self.first = plan.steps[0] if plan.steps else None
        self.n_plans = 0
        self._runtime = silent_runtime(runtime)
        self._out_of_time = runtime.countdown(SECONDS_MAX)

    def instead(self, context: PlanningContext) -> tuple[bool, Step | None]:
        """Return whether the plan of a context lacks the first step, and its own first step.

        When today's plan is to do nothing: whether the other one does something.
        """
        self._runtime.check_cancelled()
        if self.n_plans >= PLANS_MAX or self._out_of_time():
            raise _OutOfTimeError
        self.n_plans += 1
        steps = make_plan(context, self.state.config, self._runtime).steps
        other = steps[0] if steps else None
        if self.first is None:
            return bool(steps), other
        trades = {(step.side, step.security) for step in steps}
        return (self.first.side, self.first.security) not in trades, other


def robustness(state: PlanningState, plan: Plan, runtime: Runtime) -> Robustness:
    """Return the least move of a price and the least partial fill that change the first step.

    Parameters
    ----------
    state : PlanningState
        Of the plan.
    plan : Plan
    runtime : Runtime
        Registries, clock and cancellation; no events are emitted.
    """
    replanner = _Replanner(state, plan, runtime)
    # What was learned before the time is up counts: `extend` keeps it.
    moves: list[PriceMove] = []
    fills: list[PartialFill] = []
    n_lots = _lots_of(replanner.first, state)
    is_complete = True
    try:
        # The fill first: it takes fewer plans.
        if n_lots > 1 and replanner.first is not None:
            fills.extend(_smallest_fills(replanner, replanner.first, n_lots, plan))
        moves.extend(_smaller_and_smaller_moves(replanner, _concerned(plan, state)))
    except _OutOfTimeError:
        is_complete = False
    return Robustness(
        price_move=moves[-1] if moves else None,
        partial_fill=fills[-1] if fills else None,
        can_fill_in_part=n_lots > 1,
        is_complete=is_complete,
        n_plans=replanner.n_plans,
    )


def _concerned(plan: Plan, state: PlanningState) -> list[int]:
    """Return the columns whose prices may matter: of the steps, of other good plans, by weight."""
    columns = state.context.security_index()
    traded = [columns[s.security] for s in plan.steps if s.side is not Side.CONVERT]
    others = [a.security for other in plan.alternatives for a in other.actions if not a.convert_to]
    largest = [int(c) for c in np.argsort(-state.portfolio.weight, kind="stable")]
    held = [column for column in largest if state.portfolio.weight[column] > 0]
    return list(dict.fromkeys((*traded, *others, *held)))[:SECURITIES_MAX]


def _smaller_and_smaller_moves(replanner: _Replanner, columns: list[int]) -> Iterator[PriceMove]:
    """Yield moves that change the plan, each smaller than the one before."""
    best = MOVE_STEPS_MAX + 1
    securities = replanner.state.context.securities
    for turn, column in enumerate(columns):
        for sign in (-1, 1):
            # Only a smaller move than the best one matters.
            probes = [p for p in PROBES if p < best] if turn == 0 else [best - 1]

            def trial(steps: int, column: int = column, sign: int = sign) -> PlanningContext:
                return with_move(replanner.state.context, column, sign * steps * MOVE_STEP)

            for steps, other in _bisected(replanner, trial, [p for p in probes if p > 0]):
                best = steps
                yield PriceMove(securities[column].id, sign * steps * MOVE_STEP, other)


def _smallest_fills(
    replanner: _Replanner, first: Step, n_lots: int, plan: Plan
) -> Iterator[PartialFill]:
    """Yield partial fills after which the rest of the step is not in the plan, each smaller."""
    # A fractional step has a million lots: fills are counted in thousandths of it then.
    n_parts = min(n_lots, FILL_STEPS_MAX)
    lot = first.quantity / n_lots

    def quantity_of(parts: int) -> float:
        return round(parts * n_lots / n_parts) * lot

    def trial(parts: int) -> PlanningContext:
        return with_fill(replanner.state, plan, quantity_of(parts))

    probes = sorted({max(1, min(n_parts - 1, round(part * n_parts))) for part in FILL_PROBES})
    for parts, other in _bisected(replanner, trial, probes):
        yield PartialFill(quantity_of(parts), other)


def _bisected(
    replanner: _Replanner, trial: Callable[[int], PlanningContext], probes: list[int]
) -> Iterator[tuple[int, Step | None]]:
    """Yield ever smaller numbers at which the plan changes; none if no probe changes it."""
    low = 0
    for high in probes:
        changed, other = replanner.instead(trial(high))
        if changed:
            yield high, other
            break
        low = high
    else:
        return
    while high - low > 1:
        middle = (low + high) // 2
        changed, other = replanner.instead(trial(middle))
        if changed:
            high = middle
            yield high, other
        else:
            low = middle


def with_move(context: PlanningContext, column: int, move: float) -> PlanningContext:
    """Return the context with all closes of a security scaled by `1 + move`."""
    prices = context.prices.copy()
    prices[:, column] *= 1.0 + move
    return replace(context, prices=prices)


def _lots_of(first: Step | None, state: PlanningState) -> int:
    """Return the number of lots of a step; 0 for none and for a conversion."""
    if first is None or first.side is Side.CONVERT:
        return 0
    security = state.context.securities[state.context.security_index()[first.security]]
    return round(first.quantity / lot_step(security))


def with_fill(state: PlanningState, plan: Plan, quantity: float) -> PlanningContext:
    """Return the context after a fill of a part of the first step, which the owner wrote down.

    The rest of the plan is the accepted plan, as it is when the ledger has a fill.
    """
    context, first = state.context, plan.steps[0]
    column = context.security_index()[first.security]
    priced = price_trade(state, column, first.side, quantity)
    incumbent = Incumbent(
        trace_id=plan.trace_id,
        valid_until=plan.valid_until or context.as_of,
        steps=tuple(
            IncumbentStep(s.security, s.side, s.quantity - (quantity if s is first else 0.0))
            for s in plan.steps
            if s.side is not Side.CONVERT
        ),
        repaired=abs(priced.value) if first.mandatory else 0.0,
    )
    fill = Trade(
        context.as_of, first.security, first.side, quantity, first.price, first.fx_rate,
        first.accrued,
    )  # fmt: skip
    return replace(
        context,
        lots=_lots_after(state, column, first, quantity),
        cash=_cash_after(state, first, priced.cash_delta),
        trades=(*context.trades, fill),
        incumbent=incumbent,
    )


def _lots_after(
    state: PlanningState, column: int, first: Step, quantity: float
) -> tuple[TaxLot, ...]:
    context = state.context
    if first.side is Side.BUY:
        paid = first.price + first.accrued
        bought = TaxLot(first.security, quantity, paid, first.fx_rate, context.as_of)
        return (*context.lots, bought)
    own = [lot for lot in context.lots if lot.security == first.security]
    sellable = [lot for lot in own if lot in state.portfolio.sellable_lots[column]] or own
    after = [lot for lot in own if lot not in sellable]
    to_sell = quantity
    for lot in in_selling_order(sellable, state.config.costs.tax_lots):
        part = min(lot.quantity, to_sell)
        to_sell -= part
        if lot.quantity > part:
            after.append(replace(lot, quantity=lot.quantity - part))
    return (*(lot for lot in context.lots if lot.security != first.security), *after)


def _cash_after(state: PlanningState, first: Step, delta: float) -> tuple[CashBalance, ...]:
    """Return the accounts after a fill; with one cash row, the base currency pays."""
    cash, base = state.context.cash, state.context.base_currency
    currency = first.currency if state.config.constraints.multi_currency else base
    amount = delta / first.fx_rate if currency != base else delta
    if all(balance.currency != currency for balance in cash):
        return (*cash, CashBalance(currency, amount))
    paid = next(place for place, balance in enumerate(cash) if balance.currency == currency)
    return tuple(
        replace(balance, settled=balance.settled + amount) if place == paid else balance
        for place, balance in enumerate(cash)
    )
