"""Why this plan: what each step does to each term, what binds, and what would change the answer.

Everything here is computed from the plan by planning and scoring again; nothing is a story told
after the fact. The steps' effects are those of their order of execution, and add up exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from planner_core.config import PlannerConfig
from planner_core.context import FloatArray, PlanningContext, Side
from planner_core.objective import TERMS
from planner_core.plan import Outcome, Plan, Step
from planner_core.planner import plan as make_plan
from planner_core.runtime import Runtime
from planner_core.state import PlanningState, assess, value

BINDING = 0.98
"""A limit that is used to this part is said to bind."""
SAME_GAIN = 1e-6
"""Gains closer than this, in score units, are called the same."""


@dataclass(frozen=True, slots=True)
class StepEffect:
    """What one step does to the score, in the order of execution.

    `terms` holds its change of each term and `gain` their sum; `gain_without` is the gain that the
    other steps would reach if this one were left out, and None where they could not be done then
    (a buy without the sell that pays for it).
    """

    security: str
    side: Side
    terms: Mapping[str, float]
    gain: float
    gain_without: float | None


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How far a limit is used: `used` and `limit` in the limit's own unit."""

    name: str
    used: float
    limit: float
    unit: str

    @property
    def binds(self) -> bool:
        """Whether the plan stands at the limit."""
        return self.limit > 0 and self.used >= BINDING * self.limit


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The plan under one other setting: `gain` None when none could be made."""

    setting: str
    value_now: str
    value_then: str
    outcome: Outcome
    gain: float | None
    n_steps: int
    same_steps: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """The reasons of a plan."""

    steps: tuple[StepEffect, ...] = ()
    limits: tuple[LimitUse, ...] = ()
    what_if: tuple[WhatIf, ...] = ()
    weights: tuple[tuple[str, float, float, float | None], ...] = field(default=())
    risk_before: tuple[float, ...] = ()
    risk_after: tuple[float, ...] = ()


def explain(
    context: PlanningContext, config: PlannerConfig, plan: Plan, runtime: Runtime | None = None
) -> Explanation:
    """Explain a plan that was made from this context and configuration.

    Parameters
    ----------
    context : PlanningContext
    config : PlannerConfig
    plan : Plan
    runtime : Runtime, optional
        Registries and clock of the what-if plans; their events are not emitted.

    Returns
    -------
    Explanation
        `weights` are (security, before, after, target) of everything held, bought or targeted;
        `risk_before` and `risk_after` the share of each in the portfolio's variance, in the same
        order. Empty for a HELD plan.

    Notes
    -----
    One more plan per what-if: about ten times the time of the plan itself.
    """
    if plan.score is None:
        return Explanation()
    history, portfolio = value(context, config)
    state = assess(context, config, history, portfolio)
    rows = _rows_of_interest(plan, state)
    after = _weights_after(plan.steps, state)
    return Explanation(
        steps=step_effects(plan, state),
        limits=limits_used(plan, state),
        what_if=what_if(context, config, plan, runtime or Runtime()),
        weights=tuple(
            (
                context.securities[row].id,
                float(portfolio.weight[row]),
                float(after[row]),
                context.securities[row].target,
            )
            for row in rows
        ),
        risk_before=_risk_shares(portfolio.weight, rows, state),
        risk_after=_risk_shares(after, rows, state),
    )


def step_effects(plan: Plan, state: PlanningState) -> tuple[StepEffect, ...]:
    """Return the effect of each step on each term, in the order of execution."""
    effects = []
    known = _terms((), state)
    before = sum(known.values())
    for number, step in enumerate(plan.steps, start=1):
        terms = _terms(plan.steps[:number], state)
        change = {name: terms[name] - known[name] for name in TERMS}
        others = (*plan.steps[: number - 1], *plan.steps[number:])
        effects.append(
            StepEffect(
                security=step.security,
                side=step.side,
                terms=change,
                gain=sum(change.values()),
                gain_without=(
                    sum(_terms(others, state).values()) - before
                    if _affordable(others, state)
                    else None
                ),
            )
        )
        known = terms
    return tuple(effects)


def limits_used(plan: Plan, state: PlanningState) -> tuple[LimitUse, ...]:
    """Return how far the plan uses the limits that could stop it from doing more."""
    constraints, nav = state.config.constraints, state.nav
    traded = sum(step.value for step in plan.steps) / nav
    limits = state.limits
    credit = min(_repair_turnover(plan.steps), limits.repair_credit * nav) / nav
    uses = [
        LimitUse("steps", len(plan.steps), state.config.max_plan_depth, "steps"),
        LimitUse(
            "turnover",
            max(0.0, traded - credit),
            limits.turnover_left + limits.deposit_credit,
            "fraction of NAV",
        ),
        LimitUse(
            "largest position",
            plan.metrics_after.get("largest_weight", 0.0),
            constraints.position_weight_max,
            "weight",
        ),
    ]
    if plan.cash_after is not None:
        spendable = limits.cash_free - limits.cash_required + _proceeds(plan.steps)
        spent = sum(step.value + step.cost for step in plan.steps if step.side is Side.BUY)
        uses.append(LimitUse("cash", spent, max(spendable, 0.0), state.context.base_currency))
    after = _weights_after(plan.steps, state)
    groups = limits.groups
    uses.extend(
        LimitUse(name, float(groups.membership[row] @ after), float(groups.cap[row]), "weight")
        for row, name in enumerate(groups.names)
    )
    return tuple(uses)


def what_if(
    context: PlanningContext, config: PlannerConfig, plan: Plan, runtime: Runtime
) -> tuple[WhatIf, ...]:
    """Plan again under other settings, one at a time, and say what comes of it."""
    found = []
    for setting, now, then, other in _other_settings(config):
        silent = Runtime(
            registries=runtime.registries,
            monotonic=runtime.monotonic,
            is_cancelled=runtime.is_cancelled,
        )
        outcome = make_plan(context, other, silent)
        found.append(
            WhatIf(
                setting=setting,
                value_now=now,
                value_then=then,
                outcome=outcome.outcome,
                gain=outcome.score.gain if outcome.score else None,
                n_steps=len(outcome.steps),
                same_steps=_trades(outcome) == _trades(plan),
            )
        )
    return tuple(found)


def _other_settings(config: PlannerConfig) -> list[tuple[str, str, str, PlannerConfig]]:
    """Return (key, value now, value then, configuration) of the settings worth asking about."""
    constraints, objective, costs = config.constraints, config.objective, config.costs
    others: list[tuple[str, str, str, PlannerConfig]] = []

    def ask(section: str, key: str, now: float, then: float) -> None:
        if now == then:
            return
        part = getattr(config, section).model_copy(update={key: then})
        changed = config.model_copy(update={section: part})
        others.append((f"{section}.{key}", f"{now:g}", f"{then:g}", changed))

    depth = config.max_plan_depth
    for then in (depth - 1, depth + 1):
        if 1 <= then <= 10:  # noqa: PLR2004 - the bounds of max_plan_depth
            changed = config.model_copy(update={"max_plan_depth": then})
            others.append(("max_plan_depth", str(depth), str(then), changed))
    ask("constraints", "turnover_max", constraints.turnover_max, constraints.turnover_max * 1.5)
    ask("constraints", "lot_age_min", constraints.lot_age_min, 0)
    ask("constraints", "sell_cooldown_days", constraints.sell_cooldown_days, 0)
    ask("constraints", "cash_reserve", constraints.cash_reserve, 0.05)
    ask("objective", "risk_aversion", objective.risk_aversion, objective.risk_aversion * 2)
    ask("objective", "drift_penalty", objective.drift_penalty, objective.drift_penalty * 3)
    ask("costs", "cost_bps", costs.cost_bps, costs.cost_bps * 3)
    return others


def _terms(steps: tuple[Step, ...], state: PlanningState) -> dict[str, float]:
    nav = state.nav
    return state.objective.terms(
        _weights_after(steps, state),
        cost=sum(step.cost for step in steps) / nav,
        tax=sum(step.tax for step in steps) / nav,
        turnover=sum(step.value for step in steps) / nav,
    )


def _weights_after(steps: tuple[Step, ...], state: PlanningState) -> FloatArray:
    columns = state.context.security_index()
    weight = state.portfolio.weight.copy()
    for step in steps:
        sign = 1.0 if step.side is Side.BUY else -1.0
        weight[columns[step.security]] += sign * step.value / state.nav
    return weight


def _affordable(steps: tuple[Step, ...], state: PlanningState) -> bool:
    spent = sum(step.value + step.cost for step in steps if step.side is Side.BUY)
    spare = state.limits.cash_free - state.limits.cash_required + _proceeds(steps)
    return spent == 0 or spent <= spare + 1e-9 * state.nav


def _proceeds(steps: tuple[Step, ...]) -> float:
    return sum(s.value - s.cost - s.tax for s in steps if s.side is Side.SELL)


def _repair_turnover(steps: tuple[Step, ...]) -> float:
    """Return the value of the sells that limits demand, base currency."""
    key = "opportunity_calculators.cash_raise"
    return sum(s.value for s in steps if s.side is Side.SELL and key in s.sources)


def _rows_of_interest(plan: Plan, state: PlanningState) -> list[int]:
    traded = {step.security for step in plan.steps}
    rows = [
        column
        for column, security in enumerate(state.context.securities)
        if state.portfolio.weight[column] > 0 or security.target or security.id in traded
    ]
    return sorted(rows, key=lambda column: (-state.portfolio.weight[column], column))


def _risk_shares(weight: FloatArray, rows: list[int], state: PlanningState) -> tuple[float, ...]:
    """Return each security's share of the variance: `w_i (Sw)_i / w'Sw`."""
    pull = state.objective.covariance @ weight
    variance = float(weight @ pull)
    if variance <= 0:
        return tuple(0.0 for _ in rows)
    return tuple(float(weight[row] * pull[row]) / variance for row in rows)


def _trades(plan: Plan) -> set[tuple[str, str, float]]:
    return {(step.side.value, step.security, step.quantity) for step in plan.steps}
