"""The rules of a bucket with targets: the neutral weights, the charges, and what leads there.

Slow and plain, like the reference that uses them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from planner_core.model.records import GroupRule, Security
    from tests.planner_core.reference import Book, Proposal, Reference

DUST = 1e-9
SMALLEST_TARGET = 0.02
OPENING = 1e-6
CAP_FACTOR = 1.25
MATERIAL = 0.001
YEARS_MAX = 5.0
YEARS_MIN = 1 / 24
UNKNOWN_VARIANCE = 0.04


def has_targets(reference: Reference) -> bool:
    """Return whether any security or group has a target."""
    return any(s.target is not None for s in reference.context.securities) or any(
        rule.target is not None for rule in reference.context.group_rules
    )


def alone_decide(reference: Reference) -> bool:
    """Return whether the targets alone decide what may be traded."""
    return reference.neutral is not None and not any(view(reference))


def withdrawn(reference: Reference) -> float:
    """Return the withdrawals that are due, of NAV."""
    return math.fsum(reference.due()) / reference.nav


def is_pulled(reference: Reference, column: int) -> bool:
    """Return whether a target of its own, or one of its group, concerns a security."""
    security = reference.context.securities[column]
    return security.target is not None or any(
        rule.target is not None and part_in_group(security, rule) > 0
        for rule in reference.context.group_rules
    )


def part_in_group(security: Security, rule: GroupRule) -> float:
    """Return the fraction of a security that lies in the group of a rule."""
    return security.group_shares(rule.classification).get(rule.group, 0.0)


def neutral_weights(reference: Reference) -> list[float]:
    """Return w*: targets, else present weights, moved with their groups.

    The least move relative to the weights: with d = sqrt(W) z, the shortest z that closes every
    group's gap, or comes closest.
    """
    context, start = reference.context, reference.book()
    moved = [
        reference.weight(start, i) if s.target is None else s.target
        for i, s in enumerate(context.securities)
    ]
    rules = [rule for rule in context.group_rules if rule.target is not None]
    free = [
        i
        for i, s in enumerate(context.securities)
        if s.target is None and any(part_in_group(s, rule) > 0 for rule in rules)
    ]
    if free:
        parts = [[part_in_group(s, rule) for s in context.securities] for rule in rules]
        missing = [
            (rule.target or 0.0) - math.fsum(p * w for p, w in zip(part, moved, strict=True))
            for rule, part in zip(rules, parts, strict=True)
        ]
        root = [math.sqrt(max(moved[i], OPENING)) for i in free]
        scaled = [[part[i] * r for i, r in zip(free, root, strict=True)] for part in parts]
        shortest = np.linalg.lstsq(np.array(scaled), np.array(missing), rcond=None)[0]
        for i, r, z in zip(free, root, shortest, strict=True):
            moved[i] = max(0.0, moved[i] + r * float(z))
    pulled = [is_pulled(reference, i) for i in range(reference.n)]
    rest = math.fsum(w for w, is_in in zip(moved, pulled, strict=True) if not is_in)
    total = math.fsum(w for w, is_in in zip(moved, pulled, strict=True) if is_in)
    out = withdrawn(reference)
    factor = max(0.0, 1 - out)
    if total > 0:
        factor = min(factor, max(0.0, 1 - out - rest) / total)
    shrunk = [factor * w if is_in else w for w, is_in in zip(moved, pulled, strict=True)]
    return with_new_money(reference, shrunk, pulled)


def with_new_money(reference: Reference, shrunk: list[float], pulled: list[bool]) -> list[float]:
    """Return w* with room for the new money to invest, where cash is below its share."""
    context, nav = reference.context, reference.nav
    share = 1 - math.fsum(shrunk)
    before = (reference.cash - reference.promised() - context.invest) / nav
    must_stay = reference.config.constraints.cash_reserve + withdrawn(reference)
    total = math.fsum(w for w, is_in in zip(shrunk, pulled, strict=True) if is_in)
    room = share - max(before, must_stay)
    if context.invest <= 0 or room <= 0 or total <= 0:
        return shrunk
    return [w + room * w / total if is_in else w for w, is_in in zip(shrunk, pulled, strict=True)]


def cap(reference: Reference, column: int) -> float:
    """Return the cap of a position: own, of all, and none that contradicts a target by default."""
    security, constraints = reference.context.securities[column], reference.config.constraints
    weight = reference.weight(reference.book(), column)
    largest = constraints.position_weight_max
    if reference.neutral is not None and "position_weight_max" not in constraints.model_fields_set:
        if is_pulled(reference, column):
            largest = min(1.0, max(largest, CAP_FACTOR * reference.neutral[column]))
        if security.diversified or not is_pulled(reference, column):
            largest = max(largest, weight)
    if security.cap is not None:
        largest = min(largest, security.cap)
    return forgiven(reference, weight, largest)


def immaterial(reference: Reference) -> float:
    """Return the violation that is not worth a repair, base currency.

    A thousandth of NAV, or what the cheapest legal sell costs.
    """
    costs, limits = reference.config.costs, reference.config.constraints
    cheapest = []
    for i, security in enumerate(reference.context.securities):
        if reference.sellable(i) <= 0:
            continue
        lot_value = 0.0 if security.fractional else security.lot_size * reference.unit(i)
        smallest = min(limits.min_trade_value, 0.01 * reference.nav)
        value = max(smallest, security.min_trade_value, lot_value)
        margin = limits.cost_ratio_max - reference.rate_of_costs(i)
        if margin > 0:
            value = max(value, costs.fixed_cost / margin)
        cheapest.append(reference.cost_of_value(i, value))
    return max(MATERIAL * reference.nav, min(cheapest, default=costs.fixed_cost))


def forgiven(reference: Reference, weight: float, largest: float) -> float:
    """Return a cap, or the weight where it is above the cap by too little for a trade."""
    within = 0 < weight - largest <= immaterial(reference) / reference.nav
    return weight if within else largest


# -- what leads to the targets ---------------------------------------------------------------


def complaint(reference: Reference, proposal: Proposal) -> str:
    """Return why a trade does not lead toward the targets; empty when it does."""
    if not alone_decide(reference):
        return ""
    assert reference.neutral is not None
    i = proposal.security
    weight = reference.weight(reference.book(), i)
    step = lot(reference, i)
    if proposal.temporary:
        return ""
    # Lots from the weight to the target; negative above it.
    lots = (reference.neutral[i] - weight) * reference.nav / reference.unit(i) / step
    size = abs(proposal.quantity) / step
    dust = 1e-6 * max(1.0, size)
    if proposal.is_buy:
        if lots <= 0:
            return "a buy at or above its target"
        largest = max(math.floor(lots + 0.5 + DUST), smallest_lots(reference, i))
        return "a buy beyond its target" if size > largest + dust else ""
    largest = math.floor(-lots + DUST * max(1.0, -lots))
    if proposal.mandatory:
        repair = math.ceil(reference.repair_credit() / reference.unit(i) / step)
        largest = max(largest, repair, smallest_lots(reference, i))
    return "a sell beyond its target" if size > largest + dust else ""


def lot(reference: Reference, column: int) -> float:
    """Return the lot of a security, units."""
    security = reference.context.securities[column]
    return 1e-6 if security.fractional else security.lot_size


def smallest_lots(reference: Reference, column: int) -> int:
    """Return the lots of the smallest legal trade: worth its costs and above the minimum."""
    step = lot(reference, column) * reference.unit(column)
    security, c = reference.context.securities[column], reference.config.constraints
    low = max(min(c.min_trade_value, 0.01 * reference.nav), security.min_trade_value, 1e-9)

    def too_dear(value: float) -> bool:
        return reference.cost_of_value(column, value) > c.cost_ratio_max * value

    high = low
    # Impact grows faster than the value: where 60 doublings do not help, nothing does.
    for _ in range(60):
        if not too_dear(high):
            break
        high *= 2
    if too_dear(high):
        return 0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if too_dear(middle) else (low, middle)
    return max(1, math.ceil(high / step - DUST))


# -- the objective ---------------------------------------------------------------------------


def terms(reference: Reference, book: Book) -> dict[str, float]:
    """Return every term of the objective with targets, at the book."""
    neutral = reference.neutral
    assert neutral is not None
    c, s, n = reference.config.objective, reference.market.covariance, range(reference.n)
    w = [reference.weight(book, i) for i in n]
    d = [w[i] - neutral[i] for i in n]
    cash = (book.cash - reference.promised()) / reference.nav
    group_drift = 0.0
    for rule in reference.context.group_rules:
        if rule.target is not None:
            parts = [part_in_group(security, rule) for security in reference.context.securities]
            group_drift += math.fsum(p * x for p, x in zip(parts, d, strict=True)) ** 2
    return {
        "tracking": -c.tracking_aversion
        / 2
        * math.fsum(d[i] * s[i][j] * d[j] for i in n for j in n),
        "drift": -math.fsum(
            c.drift_penalty * d[i] ** 2 / max(neutral[i], SMALLEST_TARGET)
            for i in n
            if is_pulled(reference, i)
        ),
        "group_drift": -c.group_drift_penalty * group_drift,
        "idle_cash": -c.invested_return_assumed * max(0.0, cash - (1 - math.fsum(neutral))),
        "opinion": math.fsum(v * x for v, x in zip(view(reference), d, strict=True)),
        "concentration": -c.concentration_penalty * math.fsum(x * x for x in d),
        "tail_risk": -c.tail_risk_penalty * tail_beyond(reference, w),
        "cost": -book.charged / reference.nav,
        "tax": -book.tax_charged / reference.nav,
        "turnover": -c.turnover_penalty * book.turnover / reference.nav,
    }


def view(reference: Reference) -> list[float]:
    """Return what history says beyond the returns that the targets imply, less its mean."""
    c, market, neutral = reference.config.objective, reference.market, reference.neutral
    assert neutral is not None
    n = range(reference.n)
    beyond = [
        market.mu[i] - c.risk_aversion * math.fsum(market.covariance[i][j] * neutral[j] for j in n)
        if market.has_history[i]
        else 0.0
        for i in n
    ]
    invested = math.fsum(neutral[i] for i in n if market.has_history[i])
    mean = math.fsum(neutral[i] * beyond[i] for i in n) / invested if invested > 0 else 0.0
    return [c.opinion * (beyond[i] - mean) if market.has_history[i] else 0.0 for i in n]


def tail_beyond(reference: Reference, weight: list[float]) -> float:
    """Return CVaR95 beyond its tangent at the targets."""
    neutral = reference.neutral
    assert neutral is not None
    rows = reference.market.scenarios
    if not rows:
        return 0.0
    worst = sorted(
        rows,
        key=lambda row: -math.fsum(r * x for r, x in zip(row, neutral, strict=True)),
        reverse=True,
    )
    tangent = reference.mean_of_worst(
        [-math.fsum(r * x for r, x in zip(row, weight, strict=True)) for row in worst]
    )
    return reference.cvar95(weight) - tangent


def charges(reference: Reference, proposal: Proposal) -> tuple[float, float]:
    """Return what the score is charged per year for a trade: costs, and tax."""
    costs, o = reference.config.costs, reference.config.objective
    neutral, nav, i = reference.neutral, reference.nav, proposal.security
    cost, fixed = reference.cost(proposal), costs.fixed_cost
    tax = reference.tax(proposal) - reference.relief(proposal)
    if neutral is None:
        return cost, tax
    phi = 1 - 1.04**-costs.tax_deferral_years
    k, s2 = curvature(reference, i), drift_variance(reference, i)
    rate = reference.rate_of_costs(i)
    round_trip = 2 * rate + phi * tax_of_surplus(reference, i)
    per_cost = 0.0
    if round_trip > 0:
        band = (1.5 * round_trip * s2 / k) ** (1 / 3)
        per_cost = max(k * band, round_trip / YEARS_MAX) / round_trip
    fee = max(k / 4 * math.sqrt(24 * fixed * s2 / (k * nav)) * nav, fixed / YEARS_MAX)
    deposits = reference.context.deposits_per_year
    credit = month_credit(reference, proposal, per_cost * rate, fee) if proposal.temporary else 0.0
    if deposits > 0 and proposal.is_buy:
        fee = fixed / years_between_deposits(fixed, deposits, o.invested_return_assumed)
    elif deposits > 0 and is_pulled(reference, i) and neutral[i] > 0:
        surplus = max(reference.weight(reference.book(), i) - neutral[i], 0.0) * nav
        wait = max(surplus / max(deposits * neutral[i], 1e-12) / 2, YEARS_MIN)
        per_cost, fee = max(per_cost, 1 / wait), max(fee, fixed / wait)
    return per_cost * (cost - fixed) + fee - credit, phi * per_cost * tax


def month_credit(reference: Reference, proposal: Proposal, per_value: float, fee: float) -> float:
    """Return what a sale that is bought back after a month does not owe of a year's charge.

    The loss of the objective and the idle cash of the other months, less the charge of the second
    trade: `per_value` and `fee`.
    """
    o, i, nav = reference.config.objective, proposal.security, reference.nav
    assert reference.neutral is not None
    deposits, fixed = reference.context.deposits_per_year, reference.config.costs.fixed_cost
    if deposits > 0:
        fee = fixed / years_between_deposits(fixed, deposits, o.invested_return_assumed)
    sold = reference.value(proposal)
    before, after = reference.book(), reference.book()
    after.quantity[i] += proposal.quantity
    still = ("tracking", "drift", "group_drift", "opinion", "concentration")
    loss = math.fsum(terms(reference, before)[name] for name in still)
    loss -= math.fsum(terms(reference, after)[name] for name in still)
    # The tail term beside CVaR95 is linear, and part of the slope.
    loss += tail_slope(reference, i) * o.tail_risk_penalty * sold / nav
    year = max(0.0, loss) * nav + o.invested_return_assumed * sold
    return (1 - 31 / 365) * year - (per_value * sold + fee)


def tail_slope(reference: Reference, column: int) -> float:
    """Return the mean loss of a security in the windows that are worst for the targets."""
    neutral, rows = reference.neutral, reference.market.scenarios
    assert neutral is not None
    if not rows:
        return 0.0
    worst = sorted(
        rows,
        key=lambda row: -math.fsum(r * x for r, x in zip(row, neutral, strict=True)),
        reverse=True,
    )
    return reference.mean_of_worst([-row[column] for row in worst])


def years_between_deposits(fixed: float, deposits: float, drag: float) -> float:
    """Return the economic order quantity's half, in years."""
    return max(YEARS_MIN, math.sqrt(fixed / (2 * deposits * drag))) if drag > 0 else YEARS_MAX


def curvature(reference: Reference, i: int) -> float:
    """Return 2 M_ii of the objective."""
    o, security = reference.config.objective, reference.context.securities[i]
    assert reference.neutral is not None
    m = o.tracking_aversion / 2 * reference.market.covariance[i][i] + o.concentration_penalty
    if is_pulled(reference, i):
        m += o.drift_penalty / max(reference.neutral[i], SMALLEST_TARGET)
    for rule in reference.context.group_rules:
        if rule.target is not None:
            m += o.group_drift_penalty * part_in_group(security, rule) ** 2
    return max(2 * m, 1e-12)


def drift_variance(reference: Reference, i: int) -> float:
    """Return the variance per year of a weight's own drift from its target."""
    s, neutral, n = reference.market.covariance, reference.neutral, range(reference.n)
    assert neutral is not None
    if s[i][i] <= 0:
        return neutral[i] ** 2 * UNKNOWN_VARIANCE
    # The return of i less that of the targets, as weights: e_i - w*.
    x = [(1.0 if j == i else 0.0) - neutral[j] for j in n]
    variance = math.fsum(x[j] * s[j][k] * x[k] for j in n for k in n)
    return neutral[i] ** 2 * max(0.0, variance)


def tax_of_surplus(reference: Reference, i: int) -> float:
    """Return the tax per value of selling what lies above the target."""
    assert reference.neutral is not None
    surplus = (reference.weight(reference.book(), i) - reference.neutral[i]) * reference.nav
    quantity = min(surplus / reference.unit(i), reference.sellable(i))
    if quantity <= 0:
        return 0.0
    gain = max(0.0, reference.gain_of_units(i, quantity))
    return reference.config.costs.tax_rate * gain / (quantity * reference.unit(i))
