"""Evaluate a plan's trades again: all of them or some, under today's or other settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from planner_core.market.costs import BASIS_POINT
from planner_core.market.limits import VIOLATION_TOLERANCE
from planner_core.market.state import PlanningState
from planner_core.market.trade_sizing import price_trade, single_trade_complaint
from planner_core.model.arrays import FloatArray
from planner_core.model.candidates import build_candidates, same_security_conflicts
from planner_core.model.plan import NO_SECURITY, Action, Step
from planner_core.model.records import Side
from planner_core.runtime import Runtime
from planner_core.search.evaluator import LIMIT_TOLERANCE, Evaluator, as_block


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The violation of a set of trades, and each term's change against doing nothing."""

    legal: bool
    violation: float
    terms: Mapping[str, float]

    @property
    def gain(self) -> float:
        """Score less that of doing nothing."""
        return sum(self.terms.values())


class Rescoring:
    """Trades with everything needed to evaluate any part of them.

    Parameters
    ----------
    state : PlanningState
    actions : sequence of Action
        Each is legal alone under this state.
    """

    def __init__(self, state: PlanningState, actions: Sequence[Action]) -> None:
        self.state = state
        self.actions = tuple(actions)
        candidates = build_candidates(
            list(self.actions),
            np.zeros(len(self.actions)),
            same_security_conflicts(list(self.actions)),
        )
        self._evaluator = Evaluator(state, candidates)
        self._cash = state.limits.cash_free / state.nav
        self._before = state.objective.terms(state.portfolio.weight, self._cash)

    @property
    def score_before(self) -> float:
        """Score of doing nothing."""
        return sum(self._before.values())

    def evaluate(self, places: Iterable[int]) -> Evaluation:
        """Evaluate the trades at these places, done together."""
        ids = tuple(places)
        block = as_block([ids], max(1, len(ids)), self._evaluator.null_id)
        check = self._evaluator.check_block(block)
        nav = self.state.nav
        chosen = [self.actions[i] for i in ids]
        after = self.state.objective.terms(
            self.weights_after(ids),
            self._cash + sum(action.cash_delta for action in chosen) / nav,
            cost=sum(action.cost_scored for action in chosen) / nav,
            tax=sum(action.tax_scored for action in chosen) / nav,
            turnover=sum(abs(action.value) for action in chosen) / nav,
        )
        return Evaluation(
            legal=bool(check.legal[0]),
            violation=float(check.violation[0]),
            terms={name: after[name] - self._before[name] for name in after},
        )

    def weights_after(self, places: Iterable[int]) -> FloatArray:
        """Return the weights (of V0) after the trades at these places."""
        return self._evaluator.weights_after(tuple(places))

    def evaluate_all(self) -> Evaluation:
        """Evaluate all trades together."""
        return self.evaluate(range(len(self.actions)))


def repriced(steps: Sequence[Step], state: PlanningState) -> tuple[Action, ...] | None:
    """Return the steps as actions under a state; None if one is not allowed alone there."""
    columns = state.context.security_index()
    trades = [step for step in steps if step.side is not Side.CONVERT]
    if not all(_allowed(step, columns[step.security], state) for step in trades):
        return None
    actions = priced(steps, state)
    complaints = (
        single_trade_complaint(action, state) for action in actions if not action.convert_to
    )
    return None if any(complaint is not None for complaint in complaints) else actions


def priced(steps: Sequence[Step], state: PlanningState) -> tuple[Action, ...]:
    """Return the steps as actions at the prices, costs and charges of a state, allowed or not."""
    columns = state.context.security_index()
    actions = []
    for step in steps:
        if step.side is Side.CONVERT:
            actions.append(_conversion(step))
            continue
        column = columns[step.security]
        action = price_trade(state, column, step.side, step.quantity, temporary=step.temporary)
        action = replace(action, sources=step.sources, reason=step.reason)
        actions.append(replace(action, mandatory=step.mandatory))
    return tuple(actions)


def _conversion(step: Step) -> Action:
    return Action(
        security=NO_SECURITY,
        quantity=step.quantity,
        price=step.price,
        currency=step.currency,
        fx_rate=step.fx_rate,
        value=0.0,
        cost=step.cost,
        tax=0.0,
        cash_delta=-step.cost,
        cost_scored=step.cost,
        sources=step.sources,
        reason=step.reason,
        convert_to=step.security.partition(">")[2],
    )


def _allowed(step: Step, column: int, state: PlanningState) -> bool:
    if step.side is Side.SELL:
        dust = 1.0 + LIMIT_TOLERANCE
        sellable = float(state.portfolio.sellable[column])
        return state.can_sell(column) and step.quantity <= sellable * dust
    after = float(state.portfolio.weight[column]) + step.value / state.nav
    within = after <= float(state.limits.position_cap[column]) + LIMIT_TOLERANCE
    return state.can_buy(column) and within


def is_worth_doing(evaluation: Evaluation, state: PlanningState) -> bool:
    """Return whether the planner's own rule chooses a set over doing nothing."""
    if not evaluation.legal:
        return False
    if level_of(evaluation.violation) < level_of(state.limits.violation):
        return True
    unharmed = level_of(evaluation.violation) == level_of(state.limits.violation)
    return unharmed and evaluation.gain >= state.config.constraints.min_gain_bps * BASIS_POINT


def silent_runtime(runtime: Runtime) -> Runtime:
    """Return a runtime for further plans: the same modules and clock, no events, no proof."""
    return Runtime(
        registries=runtime.registries,
        monotonic=runtime.monotonic,
        is_cancelled=runtime.is_cancelled,
        excluded_modules=runtime.excluded_modules,
    )


def level_of(violation: float) -> int:
    """Return a violation in whole tolerances, by which sets are ranked."""
    return round(violation / VIOLATION_TOLERANCE)
