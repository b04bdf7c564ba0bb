"""Make the legal trades: whole lots, priced, taxed, within the limits on single trades.

An opportunity names a value; the trade is the nearest legal one. Its quantity is the value over the
unit value, cut to what the turnover cap leaves, to what is sellable or to what the position cap
allows, and rounded to lots: down, or up for a mandatory sell. A trade that then breaks a limit on
single trades is rejected with the reason. Limits on the plan as a whole are checked on sets, by the
evaluator.

With targets and no opinion, a trade must lead toward them. A buy begins below its target and ends
at the lot nearest to it, or is the smallest legal trade. A sell begins above its target and does
not cross it. Repairs of limits are excepted, as far as the repair needs. Otherwise the covariance
term would buy one security as a stand-in for another.

Three kinds of trades are offered beside those of opportunities:

* Steps toward the targets: the gap to the target, half of it, the smallest legal trade, and for
  buys all idle cash. So a deposit of any size can be spent on what is furthest below its target.
* The rest of the accepted plan. Carrying out the first step of a plan accepts it. Until the plan
  expires, its remaining steps compete with every other set, and the minimum gain applies only to a
  change of plan. Otherwise a last small buy, below that gain by itself, would never be advised.
* Conversions between cash rows, where cash is kept per currency (`multi_currency`). There a foreign
  trade is paid in its own currency, and money moves between currencies by explicit steps. Each size
  offered has a use: the cash that a buy needs, the proceeds of a sell, what a row lacks, and what a
  row can spare. To receive x after a fee f, x / (1 - f) has to be converted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from planner_core.market.costs import BASIS_POINT, realised_gain
from planner_core.market.state import PlanningState
from planner_core.market.valuation import latest_rate
from planner_core.model.candidates import Candidates
from planner_core.model.plan import NO_SECURITY, Action, Opportunity, Rejection, Trade
from planner_core.model.records import Incumbent, Security, Side

FRACTION_STEP = 1e-6
"""The lot of a fractional security, in units."""
MONTH_YEARS = 31 / 365
"""How long a sale stays off target whose loss may not be bought back sooner."""
LOT_TOLERANCE = 1e-9
"""Rounding error forgiven in a number of lots."""
LOT_ROUNDING = 1e-15
"""The same, relative to the number of lots: millions of them where a lot is a millionth."""
GAP_ROUNDING = 1e-14
"""Rounding error of the distance to a target, relative to the holding."""
TARGET = "plan.target"
"""Source of the steps toward the targets."""
INCUMBENT = "plan.incumbent"
"""Source of the trades that are left of the accepted plan."""
INCUMBENT_REASON = "what is left of the plan you accepted"
CONVERSION = "cash.conversion"
"""Source of the conversions between cash rows."""
SMALLEST_TRADE_ROUNDS = 20
"""Fixed-point rounds for the smallest trade worth its costs; two suffice without impact."""
FUNDED_BUYS_MAX = 16
"""Sizes of buys for which every sell is offered in the size that pays for it."""
AMOUNTS_MAX = 24
"""Sizes offered per direction, the largest first."""
SMALLEST_OF_MIN_TRADE = 0.1
"""A conversion below this part of the smallest trade is not offered."""


Identity = tuple[Trade, float]
"""Trade and quantity: two actions with the same identity are the same."""


def identity_of(action: Action) -> Identity:
    """Return trade and quantity of an action."""
    return action.trade, action.quantity


def size_opportunities(
    opportunities: Iterable[tuple[str, Opportunity]], state: PlanningState
) -> tuple[list[Action], list[Rejection]]:
    """Size every opportunity and merge those that come to the same trade.

    Parameters
    ----------
    opportunities : iterable of (module key, Opportunity)
    state : PlanningState

    Returns
    -------
    actions : list of Action
        In order of first appearance; a merged one names all its sources and clauses.
    rejections : list of Rejection
    """
    actions: list[Action] = []
    rejections: list[Rejection] = []
    for key, opportunity in opportunities:
        sized = size(opportunity, key, state)
        if isinstance(sized, Rejection):
            rejections.append(sized)
        else:
            actions.append(sized)
    return merged(actions), rejections


def merged(actions: Iterable[Action]) -> list[Action]:
    """Return the actions, with those that are the same trade merged into one."""
    by_identity: dict[Identity, Action] = {}
    for action in actions:
        identity = identity_of(action)
        same = by_identity.get(identity)
        by_identity[identity] = action if same is None else _merge(same, action)
    return list(by_identity.values())


def size(opportunity: Opportunity, key: str, state: PlanningState) -> Action | Rejection:
    """Return the legal trade of an opportunity, or a rejection with the reason."""
    column = opportunity.security
    blocks = state.limits.buy_block if opportunity.side is Side.BUY else state.limits.sell_block
    if column in blocks:
        return _reject(opportunity, key, state, blocks[column])
    if _needs_estimate(opportunity, state) and not state.follows_targets:
        if not state.is_toward_target(column, opportunity.side):
            return _reject(opportunity, key, state, "its price history is too short to judge it")
        # Not beyond the target either: only an estimate could justify that.
        gap = abs(state.objective.neutral[column] - state.portfolio.weight[column]) * state.nav
        opportunity = replace(opportunity, notional=min(opportunity.notional, float(gap)))
    quantity = _quantity(opportunity, state)
    if quantity <= 0:
        return _reject(opportunity, key, state, _reason_for_no_lot(opportunity, state))
    action = price_trade(state, column, opportunity.side, quantity, temporary=opportunity.temporary)
    complaint = single_trade_complaint(action, state)
    if complaint:
        return _reject(opportunity, key, state, complaint)
    return replace(
        action, sources=(key,), clauses=(opportunity.reason,), mandatory=opportunity.mandatory
    )


def _needs_estimate(opportunity: Opportunity, state: PlanningState) -> bool:
    """Return whether an optional trade has no estimate that could justify it by itself."""
    market = state.market
    suffices = market.has_history if opportunity.side is Side.BUY else market.has_estimate
    return not opportunity.mandatory and not suffices[opportunity.security]


def price_trade(
    state: PlanningState, column: int, side: Side, quantity: float, *, temporary: bool = False
) -> Action:
    """Price a trade of `quantity` units (positive): value, cost, tax and its effect on cash.

    `temporary`: it is undone after MONTH_YEARS, and scored for that time.
    """
    portfolio, charges = state.portfolio, state.charges
    unit_value = float(portfolio.unit_value[column])
    gross = quantity * unit_value
    cost = state.costs.cost(column, gross)
    rules = state.config.costs
    tax = tax_scored = 0.0
    if side is Side.SELL:
        # Interest is taxed when it is paid; a sale realises what the quote gained.
        clean = float(portfolio.clean_unit_value[column])
        gain = realised_gain(portfolio.sellable_lots[column], quantity, clean, rules.tax_lots)
        # Tax per trade, so that it adds up over a set. Relief of a loss counts in the score only:
        # it comes with a tax return, not with the trade.
        tax = rules.tax_rate * max(0.0, gain)
        relief = rules.tax_rate * max(0.0, -gain) if rules.loss_offset else 0.0
        tax_scored = float(charges.tax_factor[column]) * (tax - relief)
    sign = 1.0 if side is Side.BUY else -1.0
    return Action(
        security=column,
        quantity=sign * quantity,
        price=float(portfolio.price[column]),
        accrued=float(portfolio.accrued[column]),
        currency=state.context.securities[column].currency,
        fx_rate=float(portfolio.fx_rate[column]),
        value=sign * gross,
        cost=cost,
        tax=tax,
        # A buy takes value + cost; a sell brings value - cost - tax.
        cash_delta=-sign * gross - cost - tax,
        cost_scored=charges.per_cost(column, side) * (cost - state.costs.fixed)
        + charges.fee(column, side)
        - (_credit_of_return(state, column, gross) if temporary else 0.0),
        tax_scored=tax_scored,
        temporary=temporary,
        sources=(),
    )


def _credit_of_return(state: PlanningState, column: int, sold: float) -> float:
    """Return what the score owes a sale that is bought back after a month, base currency.

    The score charges a year off target, and a year of idle cash: all but the month comes back, less
    what the second trade is charged. Beside other trades the charge of a year stays.
    """
    objective, charges = state.objective, state.charges
    if objective.targets is None:
        return 0.0
    change = -sold / state.nav
    slope = float(objective.gradient(state.portfolio.weight)[column])
    # -(g d - M_ii d^2): what the objective loses by this trade alone.
    loss = float(objective.quadratic[column, column]) * change**2 - slope * change
    year = max(0.0, loss) * state.nav + objective.drag * sold
    second = charges.per_cost_buy[column] * state.costs.rate[column] * sold
    return (1 - MONTH_YEARS) * year - float(second + charges.fee_buy[column])


def lot_step(security: Security) -> float:
    """Return the lot of a security: every quantity is a multiple of it."""
    return FRACTION_STEP if security.fractional else security.lot_size


def largest_quantity(
    state: PlanningState,
    column: int,
    side: Side,
    *,
    mandatory: bool = False,
    temporary: bool = False,
) -> float:
    """Return the largest quantity of whole lots that cap, holdings and targets allow.

    A trade that passes its cool-down only as the rest of an accepted step is no larger than that.
    With `mandatory`, a sell may cross its target as far as repairing the limits takes; with
    `temporary`, as far as it likes.
    """
    portfolio = state.portfolio
    step = lot_step(state.context.securities[column])
    unit_value = float(portfolio.unit_value[column])
    units = float(portfolio.sellable[column])
    if side is Side.BUY:
        # (cap * V0 - value) / unit value
        headroom = state.limits.position_cap[column] * state.nav - portfolio.value[column]
        units = float(headroom) / unit_value
    units = min(units, state.limits.continuation_units.get((column, side), math.inf))
    if state.follows_targets and not temporary:
        allowed = quantity_to_target(state, column, side)
        if mandatory:
            # The credit is what a repair can take at most, costs, tax and a last lot included.
            repair = round_up(state.limits.repair_credit * state.nav / unit_value, step)
            allowed = max(allowed, repair, smallest_quantity(state, column))
        units = min(units, allowed)
    return max(0.0, round_down(units, step))


def quantity_to_target(state: PlanningState, column: int, side: Side) -> float:
    """Return the largest quantity that leads toward the target, in whole lots; 0 for none."""
    step = lot_step(state.context.securities[column])
    unit_value = float(state.portfolio.unit_value[column])
    # (w* - w) V0: positive where a buy is due.
    gap = float(state.objective.neutral[column] - state.portfolio.weight[column]) * state.nav
    lots = gap / unit_value / step
    # A gap is a difference: its rounding error grows with what is held.
    tolerance = LOT_TOLERANCE + GAP_ROUNDING * float(state.portfolio.quantity[column]) / step
    if side is Side.SELL:
        return max(0.0, math.floor(tolerance - lots) * step)
    if lots <= tolerance:
        return 0.0
    # To the nearest lot; what a deposit leaves over may pass the target by a smallest trade.
    nearest = math.floor(lots + 0.5) * step
    return max(nearest, smallest_quantity(state, column))


def smallest_quantity(state: PlanningState, column: int) -> float:
    """Return the smallest legal quantity of a trade, in whole lots."""
    step = lot_step(state.context.securities[column])
    unit_value = float(state.portfolio.unit_value[column])
    return max(step, round_up(smallest_trade(state, column) / unit_value, step))


def smallest_trade(state: PlanningState, column: int) -> float:
    """Return the smallest value above the minimum trade whose costs are within the cost ratio.

    It solves `cost(v) = ratio * v`. With cost(v) = fixed + variable(v), the fixed point of
    `v = fixed / (ratio - variable(v) / v)`; one step is exact without market impact.
    """
    costs = state.costs
    value = max(
        state.limits.min_trade_value, state.context.securities[column].min_trade_value, 1e-9
    )
    for _ in range(SMALLEST_TRADE_ROUNDS):
        # margin = ratio - cost(v) / v: at 0 or above, v is worth its costs.
        margin = state.config.constraints.cost_ratio_max - costs.cost(column, value) / value
        if margin >= 0:
            break
        # ratio - variable(v) / v: the part of the value that can carry the fixed cost.
        fixed_ratio = margin + costs.fixed / value
        if fixed_ratio <= 0:
            # The proportional costs alone exceed the ratio: no value is large enough.
            break
        # A hair more, so that rounding does not leave the ratio exceeded.
        value = costs.fixed / fixed_ratio * (1 + 1e-12)
    return value


def target_steps(state: PlanningState) -> list[Action]:
    """Return steps toward the targets in several sizes; none without targets.

    For each security off its target: the whole gap, half of it, and the smallest legal trade; for
    buys also all idle cash, as far as it leads toward the target.
    """
    targets = state.objective.targets
    if targets is None:
        return []
    actions = []
    priced = ~np.isnan(state.portfolio.unit_value)
    for column in map(int, np.flatnonzero(targets.has_pull & priced)):
        gap = float(targets.weight[column] - state.portfolio.weight[column]) * state.nav
        side = Side.BUY if gap > 0 else Side.SELL
        if gap == 0 or (side is Side.SELL and state.portfolio.quantity[column] <= 0):
            continue
        for notional in _step_values(state, column, side, abs(gap)):
            opportunity = Opportunity(column, side, notional, target_reason(state, column))
            action = size(opportunity, TARGET, state)
            if isinstance(action, Action):
                actions.append(action)
    return actions


def funding_sells(actions: list[Action], state: PlanningState) -> list[Action]:
    """Return sells in the sizes that each buy needs; none unless an opinion may leave the targets.

    An opinion may not add to idle cash, so a sell is only legal beside a buy of its size.
    """
    if state.limits.idle_max == np.inf:
        return []
    needs = sorted({-a.cash_delta for a in actions if a.side is Side.BUY}, reverse=True)
    one_per_security = {a.security: a for a in actions if a.side is Side.SELL}
    offered = []
    for sell in one_per_security.values():
        step = lot_step(state.context.securities[sell.security])
        # What a unit leaves after costs and tax, at the size of the sell that was proposed.
        net = sell.cash_delta / abs(sell.quantity)
        largest = largest_quantity(state, sell.security, Side.SELL)
        for need in needs[:FUNDED_BUYS_MAX]:
            quantity = min(round_up(need / net, step), largest)
            if quantity <= 0:
                continue
            action = price_trade(state, sell.security, Side.SELL, quantity)
            if single_trade_complaint(action, state) is None:
                offered.append(replace(action, sources=sell.sources, clauses=sell.clauses))
    return offered


def _step_values(state: PlanningState, column: int, side: Side, gap: float) -> set[float]:
    """Return the values of the steps of one security toward its target, base currency."""
    unit_value = float(state.portfolio.unit_value[column])
    smallest = smallest_quantity(state, column) * unit_value
    # Half a lot more than the gap rounds a buy to the nearest lot; sells never cross.
    half_lot = lot_step(state.context.securities[column]) * unit_value / 2
    whole = gap + half_lot if side is Side.BUY else gap
    values = {whole, whole / 2, smallest}
    idle = (state.limits.idle_before - state.limits.idle_min) * state.nav
    if side is Side.BUY and 0 < idle < whole:
        # value + cost(value) = idle cash
        rate = float(state.costs.rate[column])
        values.add(max(smallest, (idle - state.costs.fixed) / (1 + rate)))
    return values


def target_reason(state: PlanningState, column: int) -> str:
    """Return where a security stands and where its target is, in words."""
    security = state.context.securities[column]
    weight, target = state.portfolio.weight[column], state.objective.neutral[column]
    return weight_and_target(security.id, float(weight), float(target))


def weight_and_target(name: str, weight: float, target: float) -> str:
    """Return where a security or a group stands, and where its target is, in words."""
    return f"{name} is {weight:.1%} of the portfolio, its target is {target:.1%}"


def round_down(quantity: float, step: float) -> float:
    """Round down to whole steps; a rounding error below a step counts as that step."""
    lots = quantity / step
    return math.floor(lots + _lot_tolerance(lots)) * step


def round_up(quantity: float, step: float) -> float:
    """Round up to whole steps; a rounding error above a step counts as that step."""
    lots = quantity / step
    return math.ceil(lots - _lot_tolerance(lots)) * step


def _lot_tolerance(lots: float) -> float:
    """Return the rounding error forgiven; so that whole lots times a step stay whole lots."""
    return LOT_TOLERANCE + LOT_ROUNDING * abs(lots)


def _quantity(opportunity: Opportunity, state: PlanningState) -> float:
    """Return the quantity of an opportunity in whole lots; 0 or less when none is legal."""
    column = opportunity.security
    step = lot_step(state.context.securities[column])
    unit_value = float(state.portfolio.unit_value[column])
    # Cut to the turnover cap: a large overweight is then sold in part rather than not at all.
    units = min(opportunity.notional, turnover_max(opportunity, state)) / unit_value
    # A repair that falls short by a lot leaves the limit violated: round it up.
    rounded = round_up(units, step) if opportunity.mandatory else round_down(units, step)
    largest = largest_quantity(
        state,
        column,
        opportunity.side,
        mandatory=opportunity.mandatory,
        temporary=opportunity.temporary,
    )
    return min(rounded, largest)


def turnover_max(opportunity: Opportunity, state: PlanningState) -> float:
    """Return the largest value that the turnover cap allows a single trade, base currency."""
    limits = state.limits
    fraction = limits.turnover_left
    if opportunity.side is Side.BUY:
        fraction += limits.deposit_credit
    if opportunity.mandatory:
        fraction += limits.repair_credit
    return fraction * state.nav


def _reason_for_no_lot(opportunity: Opportunity, state: PlanningState) -> str:
    """Return why not a single lot of an opportunity can be traded."""
    column = opportunity.security
    portfolio = state.portfolio
    if opportunity.side is Side.SELL and portfolio.quantity[column] <= 0:
        return "it is not held"
    if opportunity.side is Side.SELL and portfolio.sellable[column] <= 0:
        return (
            "every lot is younger than"
            f" {state.config.constraints.lot_age_min} days or of unknown date"
        )
    if opportunity.side is Side.BUY and (
        portfolio.weight[column] >= state.limits.position_cap[column]
    ):
        return f"it is at its cap of {state.limits.position_cap[column]:.0%}"
    if state.follows_targets and not (opportunity.mandatory or opportunity.temporary):
        weight, target = state.portfolio.weight[column], state.objective.neutral[column]
        beyond = weight >= target if opportunity.side is Side.BUY else weight <= target
        if beyond:
            return "it would lead away from its target"
    if turnover_max(opportunity, state) < opportunity.notional:
        return "the turnover of this window is used up"
    return "it is less than one lot"


def single_trade_complaint(action: Action, state: PlanningState) -> str | None:
    """Return the limit on single trades that the action breaks, in words; None without."""
    limits = state.limits
    gross = abs(action.value)
    security = state.context.securities[action.security]
    smallest = max(limits.min_trade_value, security.min_trade_value)
    if gross < smallest:
        currency = state.context.base_currency
        return (
            f"below the smallest trade of {smallest:,.0f} {currency} (min_trade_value):"
            f" {gross:,.0f} {currency}"
        )
    if action.cost > state.config.constraints.cost_ratio_max * gross:
        return (
            f"it costs {action.cost / gross:.2%} of its value"
            f" (at most {state.config.constraints.cost_ratio_max:.2%})"
        )
    if action.side is Side.SELL:
        return None if action.cash_delta > 0 else "costs and tax exceed the proceeds"
    # No buy may add to a group above its cap, whatever else the plan sells. A fund with less of the
    # group than the cap allows may be bought, as far as the plan's sells lower the group.
    groups = limits.groups
    for row in range(len(groups.names)):
        share = groups.membership[row, action.security]
        if (share == 1 or share > groups.cap[row]) and groups.excess[row] > 0:
            return f"{groups.names[row]} is above its cap of {groups.cap[row]:.0%}"
    return None


def _reject(opportunity: Opportunity, key: str, state: PlanningState, reason: str) -> Rejection:
    return Rejection(
        security=state.context.securities[opportunity.security].id,
        side=opportunity.side,
        value=opportunity.notional,
        sources=(key,),
        reason=reason,
    )


def _merge(first: Action, other: Action) -> Action:
    """Return the first of two equal trades, with the sources and clauses of both."""
    sources = first.sources + tuple(s for s in other.sources if s not in first.sources)
    clauses = first.clauses
    if other.mandatory and not first.mandatory:
        # What a trade repairs comes first.
        clauses = other.clauses + first.clauses
    elif not set(other.sources) <= set(first.sources):
        clauses = first.clauses + other.clauses
    # Otherwise two sizes of one source round to the same trade: the clause of the first will do.
    clauses = tuple(dict.fromkeys(clauses))
    return replace(
        first, sources=sources, clauses=clauses, mandatory=first.mandatory or other.mandatory
    )


# -- the rest of the accepted plan ----------------------------------------------------------


def incumbent_actions(state: PlanningState) -> list[Action]:
    """Return the remaining steps as far as they are still legal, at today's prices."""
    incumbent = _in_force(state)
    if incumbent is None:
        return []
    columns = state.context.security_index()
    actions = []
    for step in incumbent.steps:
        column = columns.get(step.security)
        if column is None:
            continue
        # Sized like any opportunity: units may have been sold since, and a cap may be nearer.
        reason = f"{INCUMBENT_REASON} ({incumbent.trace_id[:8]})"
        unit_value = float(np.nan_to_num(state.portfolio.unit_value[column]))
        opportunity = Opportunity(column, step.side, step.quantity * unit_value, reason)
        action = size(opportunity, INCUMBENT, state)
        if isinstance(action, Action):
            actions.append(action)
    return actions


def incumbent_ids(state: PlanningState, candidates: Candidates) -> tuple[int, ...] | None:
    """Return the ids of the remaining steps; None unless all of them are candidates."""
    incumbent = _in_force(state)
    if incumbent is None or not incumbent.steps:
        return None
    ids = tuple(i for i, action in enumerate(candidates.actions) if INCUMBENT in action.sources)
    return ids if len(ids) == len(incumbent.steps) else None


def _in_force(state: PlanningState) -> Incumbent | None:
    """Return the accepted plan while it is valid."""
    incumbent = state.context.incumbent
    if incumbent is None or state.context.as_of > incumbent.valid_until:
        return None
    return incumbent


# -- conversions between cash rows ----------------------------------------------------------


def conversions(actions: list[Action], state: PlanningState) -> list[Action]:
    """Return the conversions to offer beside these trades; none with a single cash row.

    Parameters
    ----------
    actions : list of Action
        Legal trades.
    state : PlanningState
    """
    rows = state.limits.cash_rows
    offered: list[Action] = []
    # Nothing is converted at a rate that is not believed.
    currencies = [c for c in rows.currencies if c not in state.history.held_currencies]
    for source in currencies:
        for target in currencies:
            if source != target:
                offered.extend(_between(source, target, actions, state))
    return offered


def _between(
    source: str, target: str, actions: list[Action], state: PlanningState
) -> Iterable[Action]:
    """Yield the conversions from one currency to another, the largest first."""
    rows, nav = state.limits.cash_rows, state.nav
    source_row, target_row = rows.row(source), rows.row(target)
    spare = float(rows.free[source_row] - rows.required[source_row])
    # Negative where the target row has more than it needs: a buy then lacks that much less.
    lacking = float(rows.required[target_row] - rows.free[target_row])
    needs = [
        -a.cash_delta for a in actions if a.quantity > 0 and rows.row(a.currency) == target_row
    ]
    proceeds = [
        a.cash_delta for a in actions if a.quantity < 0 and rows.row(a.currency) == source_row
    ]
    values = {need + lacking for need in needs} | {lacking, spare}
    values |= {sale + spare for sale in proceeds}
    # The most that a plan could ever bring into the source row.
    available = spare + sum(sorted(proceeds, reverse=True)[: state.config.max_plan_depth])
    rate = latest_rate(state.history, source)
    fee = state.config.costs.fx_bps * BASIS_POINT
    smallest = SMALLEST_OF_MIN_TRADE * state.limits.min_trade_value
    # Whole units of the source currency, rounded up: a cent short would leave a row below.
    amounts = {
        math.ceil(amount / (1 - fee) / rate)
        for amount in values
        if amount == lacking > 0 or smallest < amount / (1 - fee) <= available
    }
    for amount in sorted(amounts, reverse=True)[:AMOUNTS_MAX]:
        if 0 < amount * rate <= nav:
            yield _conversion(source, target, float(amount), rate, fee, mandatory=lacking > 0)


def _conversion(
    source: str, target: str, amount: float, rate: float, fee: float, *, mandatory: bool
) -> Action:
    """Return a conversion: no weight changes, and the fee is its only effect on total cash."""
    cost = amount * rate * fee
    return Action(
        security=NO_SECURITY,
        quantity=amount,
        price=1.0,
        currency=source,
        fx_rate=rate,
        value=0.0,
        cost=cost,
        tax=0.0,
        cash_delta=-cost,
        sources=(CONVERSION,),
        clauses=(f"the next steps need {target}",),
        mandatory=mandatory,
        convert_to=target,
        cost_scored=cost,
    )
