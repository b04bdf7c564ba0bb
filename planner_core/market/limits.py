"""Turn the limits into numbers: what is required, what is blocked, what may still be traded.

A plan is chosen on two levels: first the total violation of the limits is made as small as
possible, then the score as large as possible. The violation, as a fraction of NAV, is

    sum_rows max(0, required - free) / NAV + sum_i max(0, w_i - cap_i) + sum_g max(0, w_g - cap_g)

Turnover within a window of days is capped as well, with two credits. Repairing a violation must not
fail for lack of turnover, and a fresh deposit must be free to be invested. A trade counts against
the cap as

    charged = turnover - min(repairs, repair credit) - min(buys, deposit credit) <= turnover left

Blocks forbid a side of a security outright: switched off by the owner, no believed price, a pending
order, a refused step, a cool-down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from planner_core.market.costs import CostModel
from planner_core.market.doubtful_value import (
    NavRange,
    certain_caps,
    doubt_finding,
    nav_range,
    sells_for_weight,
)
from planner_core.market.groups import group_membership
from planner_core.market.materiality import (
    MATERIAL_CONVERSION,
    cap_findings,
    cash_finding,
    eased_caps,
    eased_minimum,
    immaterial_amount,
)
from planner_core.market.prices import PriceHistory
from planner_core.market.targets import TargetPortfolio
from planner_core.market.valuation import Portfolio, latest_rate
from planner_core.model.arrays import FloatArray
from planner_core.model.config import ConstraintsConfig, PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.currencies import exact_amount
from planner_core.model.records import CashFlow, Finding, Security, Severity, Side

MIN_TRADE_NAV_FRACTION = 0.01
"""A small portfolio may trade this part of its NAV, below the configured smallest trade."""
REPAIR_COSTS = 0.02
"""Assumed costs of a repair per value, where the limit on costs allows that much."""
NET_PROCEEDS_MIN = 0.05
"""Floor under the assumed net proceeds per value sold, at extreme tax rates."""
TARGET_CAP_FACTOR = 1.25
"""A default cap leaves a target this much room to grow: the relative band of the 5/25 rule."""
VIOLATION_TOLERANCE = 1e-9
"""Violations closer than this fraction of NAV count as equal."""


@dataclass(frozen=True, slots=True, eq=False)
class GroupLimits:
    """The capped groups.

    Parameters
    ----------
    names : tuple of str
    membership : ndarray of shape (n_groups, n_securities), fractions
        Part of each security that lies in the group: 0 or 1, or between for a fund that splits.
    weight, cap : ndarray of shape (n_groups,)
    """

    names: tuple[str, ...]
    membership: FloatArray
    weight: FloatArray
    cap: FloatArray

    @property
    def excess(self) -> FloatArray:
        """Weight of each group above its cap; (n_groups,)."""
        return np.maximum(self.weight - self.cap, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class CashRows:
    """The cash balances, each with its own requirement: one row, or one per currency.

    Money is in base currency.

    Parameters
    ----------
    currencies : tuple of str
        The base currency first; the only one unless cash is kept per currency.
    free, required : ndarray of shape (n_rows,)
        Cash less what pending buys will take; the least that must stay.
    """

    currencies: tuple[str, ...]
    free: FloatArray
    required: FloatArray

    @property
    def missing(self) -> FloatArray:
        """Shortfall of each row; (n_rows,)."""
        return np.maximum(self.required - self.free, 0.0)

    def row(self, currency: str) -> int:
        """Return the row that a trade in a currency settles in."""
        return self.currencies.index(currency) if currency in self.currencies else 0


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """The limits of one run; fractions are of the NAV before trading.

    Parameters
    ----------
    cash_required : float, base currency
        Reserve plus withdrawals that fall due.
    cash_free : float, base currency
        Cash of all accounts less what pending buys will take.
    cash_rows : CashRows
        The same, per row.
    settled_budget : float, base currency
        What all buys and their costs may use in settled-cash mode; infinite otherwise.
    position_cap : ndarray of shape (n_securities,), weight
    groups : GroupLimits
    turnover_left : float, fraction
        Discretionary turnover still allowed in the window.
    repair_credit : float, fraction
        Turnover of mandatory sells that does not count: what repairing the violations takes.
    deposit_credit : float, fraction
        Turnover of buys that does not count: recent deposits not yet deployed.
    idle_before : float, fraction
        Cash beyond the neutral share; negative below it, -inf without targets.
    idle_min : float, fraction
        What a set with buys must leave of it: 0, or less where the owner asks for new money to be
        invested although cash is below its neutral share.
    idle_max : float, fraction
        What any set may leave of it; inf unless an opinion could move the share of cash.
    min_trade_value : float, base currency
    buy_block, sell_block : mapping of column to reason
    continuation_units : mapping of (column, side) to units
        Steps of the accepted plan that were filled in part. They pass their cool-downs, but with no
        more than these units.
    violation : float, fraction
        Total violation before trading.
    findings : tuple of Finding
        Limits that are violated by too little to sell for, and withdrawals beyond the NAV.
    """

    cash_required: float
    cash_free: float
    cash_rows: CashRows
    settled_budget: float
    position_cap: FloatArray
    groups: GroupLimits
    turnover_left: float
    repair_credit: float
    deposit_credit: float
    idle_before: float
    idle_min: float
    idle_max: float
    min_trade_value: float
    buy_block: Mapping[int, str]
    sell_block: Mapping[int, str]
    continuation_units: Mapping[tuple[int, Side], float]
    violation: float
    findings: tuple[Finding, ...] = ()

    @property
    def cash_deficit(self) -> float:
        """Cash that is missing, base currency."""
        return max(0.0, self.cash_required - self.cash_free)


def build_limits(
    context: PlanningContext,
    history: PriceHistory,
    portfolio: Portfolio,
    config: PlannerConfig,
    costs: CostModel,
    targets: TargetPortfolio | None,
) -> Limits:
    """Build the limits of a run. Needs a positive NAV."""
    constraints, nav = config.constraints, portfolio.nav
    # free = cash - what pending buys will take
    free = portfolio.cash - portfolio.cash_pending
    # A small portfolio could not trade at all if only the configured amount counted.
    min_trade_value = min(constraints.min_trade_value, MIN_TRADE_NAV_FRACTION * nav)
    values = nav_range(context, history, portfolio)
    eased = _eased_limits(
        context, history, portfolio, values, constraints, costs, targets, min_trade_value
    )
    position_cap, groups, cash_rows = eased.position_cap, eased.groups, eased.cash_rows
    # The formula at the top, at the weights before trading.
    violation = (
        float(cash_rows.missing.sum()) / nav
        + float(np.maximum(portfolio.weight - position_cap, 0.0).sum())
        + float(groups.excess.sum())
    )
    turnover_left, deposit_credit = _turnover(context, nav, constraints)
    idle_before = free / nav - targets.cash if targets is not None else -np.inf
    # New money is spent even where cash is still below its neutral share.
    idle_min = min(0.0, idle_before - context.invest / nav) if targets is not None else -np.inf
    if targets is not None:
        # Cash beyond its neutral share is new money, listed as a deposit or not.
        deposit_credit = max(deposit_credit, idle_before - idle_min)
    buy_block, sell_block = _blocks(context, history, constraints)
    if values.is_wide and _block_for_doubt(
        portfolio, values, targets, eased, buy_block, sell_block
    ):
        # Only what repairs a limit is sold: the rest of a larger sell would be for a weight.
        turnover_left = 0.0
    return Limits(
        cash_required=eased.cash_required,
        cash_free=free,
        cash_rows=cash_rows,
        # Costs leave cash with the buys: the budget is for both.
        settled_budget=(
            portfolio.cash_settled - portfolio.cash_pending - eased.cash_required
            if constraints.settled_cash_only
            else np.inf
        ),
        position_cap=position_cap,
        groups=groups,
        turnover_left=turnover_left,
        repair_credit=_repair_credit(
            context,
            portfolio,
            violation + _dilution(groups, portfolio),
            constraints,
            config.costs.tax_rate,
        ),
        deposit_credit=deposit_credit,
        idle_before=idle_before,
        idle_min=idle_min,
        idle_max=_idle_max(config, idle_before, min_trade_value / nav, violation),
        min_trade_value=min_trade_value,
        buy_block=buy_block,
        sell_block=sell_block,
        continuation_units=_continuation_units(context),
        violation=violation,
        findings=eased.findings,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _EasedLimits:
    """Caps and cash requirements without violations that are too small for a trade."""

    cash_required: float
    cash_rows: CashRows
    position_cap: FloatArray
    groups: GroupLimits
    findings: tuple[Finding, ...]


def _eased_limits(
    context: PlanningContext,
    history: PriceHistory,
    portfolio: Portfolio,
    values: NavRange,
    constraints: ConstraintsConfig,
    costs: CostModel,
    targets: TargetPortfolio | None,
    min_trade_value: float,
) -> _EasedLimits:
    """Return caps and cash requirements, and what was eased, with `materiality.py`."""
    nav, free = portfolio.nav, portfolio.cash - portfolio.cash_pending
    immaterial = immaterial_amount(context, portfolio, constraints, costs, min_trade_value)
    withdrawals = -sum(flow.amount for flow in withdrawals_due(context, constraints))
    full_requirement = constraints.cash_reserve * nav + withdrawals
    is_doubtful = values.is_wide
    # Targets say how much cash is wanted: a default reserve blocks buys, and forces no sell. While
    # a holding may be worth another amount, no weight and no NAV is a reason to sell the others.
    is_default = targets is not None and "cash_reserve" not in constraints.model_fields_set
    reserve_waits = is_default or is_doubtful
    required = eased_minimum(
        full_requirement, free, withdrawals, immaterial, reserve_waits=reserve_waits
    )
    strict_cap = _position_caps(context, portfolio.weight, constraints, targets)
    if is_doubtful and "position_weight_max" not in constraints.model_fields_set:
        strict_cap = np.maximum(strict_cap, np.minimum(portfolio.weight, _own_caps(context)))
    position_cap = eased_caps(portfolio.weight, strict_cap, immaterial / nav)
    if is_doubtful:
        position_cap = certain_caps(values, portfolio, targets, position_cap)
    strict_groups = _group_limits(context, portfolio.weight)
    groups = replace(
        strict_groups,
        cap=eased_caps(strict_groups.weight, strict_groups.cap, immaterial / nav),
    )
    strict_rows = _cash_rows(context, history, portfolio, full_requirement, free, constraints)
    cents = min(immaterial, MATERIAL_CONVERSION * min_trade_value)
    cash_rows = _eased_rows(
        strict_rows, required, withdrawals, immaterial, cents, reserve_waits=reserve_waits
    )
    return _EasedLimits(
        cash_required=required,
        cash_rows=cash_rows,
        position_cap=position_cap,
        groups=groups,
        findings=(
            *(() if is_doubtful else _row_findings(context, strict_rows, cash_rows)),
            *((doubt_finding(context, values),) if is_doubtful else ()),
            *cap_findings(
                [security.id for security in context.securities],
                portfolio.weight,
                strict_cap,
                position_cap,
            ),
            *cap_findings(list(groups.names), groups.weight, strict_groups.cap, groups.cap),
            *_withdrawal_findings(context, withdrawals, nav),
        ),
    )


def _block_for_doubt(
    portfolio: Portfolio,
    values: NavRange,
    targets: TargetPortfolio | None,
    eased: _EasedLimits,
    buy_block: dict[int, str],
    sell_block: dict[int, str],
) -> bool:
    """Block what is not certain to be right while the NAV is in doubt; see `doubtful_value`.

    Return whether a limit needs a sell.
    """
    # What a violated limit needs: cash is raised from any security, a cap from its own.
    in_excess = eased.groups.membership[eased.groups.excess > 0] > 0
    repairs = (portfolio.weight > eased.position_cap) | in_excess.any(axis=0)
    is_short = bool(eased.cash_rows.missing.any())
    if is_short:
        repairs[:] = True
    for column, reason in sells_for_weight(values, portfolio, targets, repairs).items():
        sell_block.setdefault(column, reason)
    for column in np.flatnonzero(eased.position_cap <= portfolio.weight).tolist():
        buy_block.setdefault(
            column,
            f"it may be above its target or limit: the value of {values.subject} is in doubt",
        )
    if is_short:
        for column in range(portfolio.weight.size):
            buy_block.setdefault(
                column, f"cash is missing, and the value of {values.subject} is in doubt"
            )
    return bool(repairs.any())


def _eased_rows(
    rows: CashRows,
    required: float,
    withdrawals: float,
    immaterial: float,
    cents: float,
    *,
    reserve_waits: bool,
) -> CashRows:
    """Return the rows, each with what is required where only an immaterial part is missing.

    A single row is the total, with what the total requires. A foreign account below zero by `cents`
    or less, which is never converted, waits for the next money in its currency.
    """
    if len(rows.currencies) == 1:
        return replace(rows, required=np.array([required]))
    base = eased_minimum(
        float(rows.required[0]),
        float(rows.free[0]),
        withdrawals,
        immaterial,
        reserve_waits=reserve_waits,
    )
    foreign = [eased_minimum(0.0, float(free), 0.0, cents) for free in rows.free[1:]]
    return replace(rows, required=np.array([base, *foreign]))


def _row_findings(context: PlanningContext, strict: CashRows, eased: CashRows) -> Iterator[Finding]:
    """Yield the accounts that are short by too little to trade for."""
    for row, currency in enumerate(strict.currencies):
        missing = float(strict.required[row] - eased.required[row])
        place = "" if len(strict.currencies) == 1 else f" in the {currency} account"
        yield from cash_finding(missing, context.base_currency, place)


def _withdrawal_findings(
    context: PlanningContext, withdrawals: float, nav: float
) -> Iterator[Finding]:
    """Yield that the withdrawals that are due are more than everything is worth."""
    if withdrawals > nav:
        currency = context.base_currency
        yield Finding(
            "withdrawals_exceed_nav",
            Severity.WARNING,
            f"withdrawals of {exact_amount(withdrawals, currency)} are due, but the bucket is worth"
            f" {exact_amount(nav, currency)}",
            f"lower them in portfolios/{context.bucket_id}.toml, or pay money in",
        )


def _position_caps(
    context: PlanningContext,
    weight: FloatArray,
    constraints: ConstraintsConfig,
    targets: TargetPortfolio | None,
) -> FloatArray:
    """Return the cap of each position, a weight.

    The stricter of the security's own cap and that of all positions. Where the owner has targets
    and did not write the cap of all positions, that default must not contradict them: it leaves a
    target room to grow, and where nothing is targeted, or a fund is diversified by itself, it
    blocks buys and forces no sell.
    """
    caps = np.full(context.n_securities, constraints.position_weight_max)
    if targets is not None and "position_weight_max" not in constraints.model_fields_set:
        # The present weight of a security without a target is not a target.
        room = np.where(targets.has_pull, TARGET_CAP_FACTOR * targets.weight, 0.0)
        caps = np.minimum(1.0, np.maximum(caps, room))
        forces_sells = targets.has_pull & ~np.array([s.diversified for s in context.securities])
        caps = np.where(forces_sells, caps, np.maximum(caps, weight))
    strictest: FloatArray = np.minimum(caps, _own_caps(context))
    return strictest


def _own_caps(context: PlanningContext) -> FloatArray:
    """Return the cap that each security has of its own; infinite without one.

    Not 1: with cash below zero a weight is above 1, and the missing cash is the violation.
    """
    return np.array([np.inf if s.cap is None else s.cap for s in context.securities])


def _idle_max(
    config: PlannerConfig, idle_before: float, smallest: float, violation: float
) -> float:
    """Return the most idle cash that a set may leave, a fraction of NAV.

    An opinion tilts the mix; without this limit it would sell into cash. Lots may leave as much as
    the smallest trade.
    """
    if config.objective.opinion == 0 or violation > 0 or idle_before == -np.inf:
        return np.inf
    return max(idle_before, 0.0) + smallest


def _cash_rows(
    context: PlanningContext,
    history: PriceHistory,
    portfolio: Portfolio,
    required: float,
    free: float,
    constraints: ConstraintsConfig,
) -> CashRows:
    """Return one row, or a row per currency in use; reserve and withdrawals are in the base."""
    if not constraints.multi_currency:
        # One row for the total: every trade settles in it, converted.
        return CashRows((context.base_currency,), np.array([free]), np.array([required]))
    foreign = {security.currency for security in context.securities}
    foreign |= {balance.currency for balance in context.cash}
    # Sorted, because the order of a set is not defined and the rows must be the same in every run.
    currencies = (context.base_currency, *sorted(foreign - {context.base_currency}))
    rows = CashRows(currencies, np.zeros(len(currencies)), np.zeros(len(currencies)))
    for balance in context.cash:
        rate = latest_rate(history, balance.currency)
        rows.free[rows.row(balance.currency)] += (balance.settled + balance.unsettled) * rate
    # A pending buy is paid from the row of its own currency.
    for currency, reserved in portfolio.pending_by_currency.items():
        rows.free[rows.row(currency)] -= reserved
    # A foreign row needs no reserve: it may become empty, but not negative.
    rows.required[0] = required
    return rows


def _repair_credit(
    context: PlanningContext,
    portfolio: Portfolio,
    to_sell: float,
    constraints: ConstraintsConfig,
    tax_rate: float,
) -> float:
    """Return the turnover that repairing a violation can take, as a fraction of NAV.

        to_sell / (1 - costs - tax) + the largest lot or smallest trade / NAV

    More than `to_sell` itself, the violation with its dilution: only net proceeds repair, and the
    last lot may overshoot. With the bare violation as credit, a used-up turnover cap would leave an
    account below zero.
    """
    if to_sell <= 0:
        return 0.0
    # A unit sold leaves 1 - costs - tax in cash, as if all of it were gain.
    costs = min(constraints.cost_ratio_max, REPAIR_COSTS)
    net = max(1 - costs - tax_rate, NET_PROCEEDS_MIN)
    # The last sell is at least a lot and at least the smallest trade, so it may sell too much.
    last = min(constraints.min_trade_value, MIN_TRADE_NAV_FRACTION * portfolio.nav)
    for security, sellable, unit in zip(
        context.securities, portfolio.sellable, portfolio.unit_value, strict=True
    ):
        if sellable > 0:
            lot = 0.0 if security.fractional else security.lot_size
            last = max(last, security.min_trade_value, lot * float(unit))
    return to_sell / net + last / portfolio.nav


def _dilution(groups: GroupLimits, portfolio: Portfolio) -> float:
    """Return the weight to sell beyond the groups' excess, because members lie in them in part.

    Selling x of a fund takes only share * x from its group. The largest shares are sold first.
    """
    extra = 0.0
    sellable = portfolio.sellable * np.nan_to_num(portfolio.unit_value) / portfolio.nav
    for row in np.flatnonzero(groups.excess > 0):
        share, excess = groups.membership[row], float(groups.excess[row])
        for column in np.argsort(-share, kind="stable"):
            if excess <= 0 or share[column] <= 0:
                break
            sold = min(float(sellable[column]), excess / float(share[column]))
            extra += sold * (1 - float(share[column]))
            excess -= sold * float(share[column])
    return extra


def withdrawals_due(context: PlanningContext, constraints: ConstraintsConfig) -> list[CashFlow]:
    """Return the withdrawals within `withdrawal_notice_days`; their amounts are negative."""
    horizon = context.as_of + timedelta(days=constraints.withdrawal_notice_days)
    return [
        flow
        for flow in context.cash_flows
        if flow.amount < 0 and context.as_of <= flow.on <= horizon
    ]


def _group_limits(context: PlanningContext, weight: FloatArray) -> GroupLimits:
    """Return the groups that have a cap."""
    capped = [rule for rule in context.group_rules if rule.cap is not None]
    membership = group_membership(context, [(r.classification, r.group) for r in capped])
    # w_g = sum of w_i over its members = (C w)_g
    return GroupLimits(
        names=tuple(f"{rule.classification} {rule.group}" for rule in capped),
        membership=membership,
        weight=membership @ weight,
        cap=np.array([rule.cap for rule in capped], dtype=np.float64),
    )


def _turnover(
    context: PlanningContext, nav: float, constraints: ConstraintsConfig
) -> tuple[float, float]:
    """Return the turnover left under the cap, and the recent deposits not yet invested.

    Both are fractions of NAV.
    """
    # The window is (as_of - days, as_of]: a trade exactly that many days ago is outside.
    since = context.as_of - timedelta(days=constraints.turnover_window_days)
    recent = [trade for trade in context.trades if trade.on > since]
    bought = sum(trade.value for trade in recent if trade.side is Side.BUY)
    traded = sum(trade.value for trade in recent)
    deposits = sum(
        flow.amount
        for flow in context.cash_flows
        if flow.amount > 0 and since < flow.on <= context.as_of
    )
    # Buys up to the deposits only invested fresh money: they do not count.
    deployed = min(deposits, bought)
    # What an accepted plan's fills repaired was credited when it was made, and still is: otherwise
    # carrying out its first steps would leave no turnover for the others.
    accepted = context.incumbent
    in_force = accepted is not None and context.as_of <= accepted.valid_until
    repaired = min(accepted.repaired, traded - deployed) if accepted and in_force else 0.0
    # Of the cap is left: cap - (traded - deployed - repaired) / NAV.
    turnover_left = max(0.0, constraints.turnover_max - (traded - deployed - repaired) / nav)
    return turnover_left, (deposits - deployed) / nav


def _blocks(
    context: PlanningContext, history: PriceHistory, constraints: ConstraintsConfig
) -> tuple[dict[int, str], dict[int, str]]:
    """Return why each security may not be bought, and why not sold."""
    buy: dict[int, str] = {}
    sell: dict[int, str] = {}
    # A security has one reason per side: a later check replaces an earlier one, but cool-downs,
    # which end by themselves, come only where nothing else blocks.
    for column, security in enumerate(context.securities):
        if not security.allow_buy:
            buy[column] = "buying is switched off (allow_buy = false)"
        if not security.allow_sell:
            sell[column] = "selling is switched off (allow_sell = false)"
        if context.buy_only:
            sell[column] = "only buys were requested"
        both = (
            context.held_back.get(security.id)
            or _matured(security, context.as_of)
            or _untradable(column, history, constraints)
        )
        if both:
            buy[column] = sell[column] = both
    columns = context.security_index()
    # A second order beside a pending one could trade twice, or against itself: block both sides.
    for order in context.pending_orders:
        reason = f"a {order.side.value} order for it is pending"
        buy[columns[order.security]] = sell[columns[order.security]] = reason
    for step in context.refused:
        # The refusal of a security that is no longer in the portfolio has no effect.
        if context.as_of < step.until and step.security in columns:
            blocked = buy if step.side is Side.BUY else sell
            why = f": {step.reason}" if step.reason else ""
            blocked[columns[step.security]] = f"you refused it until {step.until}{why}"
    _block_cooldowns(context, constraints, columns, buy, sell)
    return buy, sell


def _matured(security: Security, as_of: date) -> str | None:
    """Return that a bond was paid back already; None for all others."""
    if security.bond is None or security.bond.maturity > as_of:
        return None
    return f"it matured on {security.bond.maturity}"


def _untradable(column: int, history: PriceHistory, constraints: ConstraintsConfig) -> str | None:
    """Return why a security's price allows no trade on either side; None when it does."""
    # First the reason that the owner can act on: a move that has to be accepted or declared.
    if column in history.quarantined:
        return history.quarantined[column]
    if np.isnan(history.price[column]):
        return "it has no price"
    if history.age[column] > constraints.price_age_days_max:
        return (
            f"its last close is {history.age[column]} market days old"
            f" (at most {constraints.price_age_days_max})"
        )
    return None


def days_ago(days: int) -> str:
    """Return a number of days ago in words."""
    if days == 0:
        return "today"
    return "1 day ago" if days == 1 else f"{days} days ago"


def _continuation_units(context: PlanningContext) -> dict[tuple[int, Side], float]:
    """Return the units left of each accepted step that was filled in part."""
    accepted = context.incumbent
    if accepted is None or context.as_of > accepted.valid_until:
        return {}
    columns = context.security_index()
    # A fill of the same security on the same side counts as the start of the step.
    traded = {(trade.security, trade.side) for trade in context.trades}
    return {
        (columns[step.security], step.side): step.quantity
        for step in accepted.steps
        if step.security in columns and (step.security, step.side) in traded
    }


def _block_cooldowns(
    context: PlanningContext,
    constraints: ConstraintsConfig,
    columns: Mapping[str, int],
    buy: dict[int, str],
    sell: dict[int, str],
) -> None:
    """Block what the ledger says was traded too recently."""
    continuations = _continuation_units(context)
    # A cool-down of d days ends on day d: `days < d` blocks.
    for trade in context.trades:
        column = columns.get(trade.security)
        if column is None:
            continue
        days = (context.as_of - trade.on).days
        # The fills of a step must not stop the rest of it.
        continues = (column, trade.side) in continuations
        if trade.side is Side.BUY and days < constraints.buy_cooldown_days and not continues:
            buy.setdefault(
                column,
                f"bought {days_ago(days)} (buy_cooldown_days = {constraints.buy_cooldown_days})",
            )
        # The wash-sale window counts its last day too (26 U.S.C. 1091): 30 means not on day 30.
        window = constraints.rebuy_after_sell_days
        if trade.side is Side.SELL and window and days <= window:
            buy.setdefault(
                column,
                f"sold {days_ago(days)}"
                f" (rebuy_after_sell_days = {constraints.rebuy_after_sell_days})",
            )
        if trade.side is Side.SELL and days < constraints.sell_cooldown_days and not continues:
            sell.setdefault(
                column,
                f"sold {days_ago(days)} (sell_cooldown_days = {constraints.sell_cooldown_days})",
            )
