"""A slow reference of the planner's rules, to compare the fast planner with.

    mu'w - (lambda/2) w'Sw - kappa*HHI - eta*CVaR95 - cost/V0 - tax/V0 - rho*turnover

With targets it is the objective of `target_rule.py`.

It uses Python floats and loops only. Trades are carried out one by one, lot by lot, on a book of
the holdings. Nothing is collapsed, cached or vectorised. Of the planner only the input types are
imported. Estimates (mu, S, scenarios) and believed prices are input.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations

from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.records import GroupRule, Side, TaxLot
from tests.planner_core import target_rule
from tests.planner_core.accepted_rule import continues_accepted_step
from tests.planner_core.repair_rule import repair_credit

DUST = 1e-9
"""Of NAV: limits forgive this much, and violations this close are equal."""


@dataclass(frozen=True)
class Market:
    """Estimates and believed prices, per column of the context; plain lists."""

    price: list[float]
    rate: list[float]
    mu: list[float]
    covariance: list[list[float]]
    scenarios: list[list[float]]
    daily_volatility: list[float]
    has_history: list[bool]
    correlation_max: float = math.inf  # two buys with a higher correlation exclude each other


@dataclass(frozen=True)
class Proposal:
    """A proposed trade: column, signed quantity, and whether it repairs a limit.

    A temporary one is bought back after a month.
    """

    security: int
    quantity: float
    mandatory: bool = False
    temporary: bool = False

    @property
    def is_buy(self) -> bool:
        return self.quantity > 0


@dataclass
class Book:
    """Holdings while a sequence is carried out; `spent` is costs and tax so far."""

    quantity: list[float]
    cash: float
    spent: float = 0.0
    cost: float = 0.0
    tax: float = 0.0
    charged: float = 0.0
    tax_charged: float = 0.0
    turnover: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """Result of the rules for a set; an empty `complaint` means legal."""

    complaint: str
    violation: float
    score: float
    book: Book


class Reference:
    """The rules for one context, configuration and market."""

    def __init__(self, context: PlanningContext, config: PlannerConfig, market: Market) -> None:
        self.context = context
        self.config = config
        self.market = market
        self.n = len(context.securities)
        columns = {security.id: i for i, security in enumerate(context.securities)}
        self.columns = columns
        self.lots: list[list[TaxLot]] = [[] for _ in range(self.n)]
        for lot in context.lots:
            self.lots[columns[lot.security]].append(lot)
        self.held = [math.fsum(lot.quantity for lot in lots) for lots in self.lots]
        self.cash = math.fsum(
            (balance.settled + balance.unsettled) * self.rate_of(balance.currency)
            for balance in context.cash
        )
        self.nav = self.cash + math.fsum(
            self.held[i] * self.unit(i) for i in range(self.n) if self.held[i] > 0
        )
        self.neutral: list[float] | None = None
        if target_rule.has_targets(self) and self.nav > 0:
            self.neutral = target_rule.neutral_weights(self)
        self.violation_before = self.violation(self.book())

    def rate_of(self, currency: str) -> float:
        """Return base units per unit of a currency: the last rate of the series."""
        if currency == self.context.base_currency:
            return 1.0
        rates = [float(rate) for rate in self.context.fx_rates[currency] if not math.isnan(rate)]
        return rates[-1]

    def unit(self, column: int) -> float:
        """Return the value of one unit in base currency."""
        return self.clean_unit(column) + self.accrued(column) * self.market.rate[column]

    def clean_unit(self, column: int) -> float:
        """Return the value of one unit at its quote, without accrued interest."""
        return self.market.price[column] * self.market.rate[column]

    def accrued(self, column: int) -> float:
        """Return the interest of a bond's unit that the quote leaves out, in trade currency."""
        return self.context.securities[column].accrued or 0.0

    def value(self, proposal: Proposal) -> float:
        return abs(proposal.quantity) * self.unit(proposal.security)

    def cost(self, proposal: Proposal) -> float:
        return self.cost_of_value(proposal.security, self.value(proposal))

    def cost_of_value(self, column: int, value: float) -> float:
        """Return the ticket, commission, half the spread, conversion, and square-root impact."""
        c, security = self.config.costs, self.context.securities[column]
        cost = c.fixed_cost + value * self.rate_of_costs(column)
        if security.adv_value:
            sigma = self.market.daily_volatility[column]
            cost += value * c.impact_coefficient * sigma * math.sqrt(value / security.adv_value)
        return cost

    def rate_of_costs(self, column: int) -> float:
        """Return commission, half the spread and conversion, per value."""
        c, security = self.config.costs, self.context.securities[column]
        spread = c.half_spread_bps if security.half_spread_bps is None else security.half_spread_bps
        at_home = security.currency == self.context.base_currency
        conversion = 0.0 if at_home or self.config.constraints.multi_currency else c.fx_bps
        return (c.cost_bps + spread + conversion) / 10_000

    def tax(self, proposal: Proposal) -> float:
        """Return the rate times the gain; 0 for a loss."""
        return self.config.costs.tax_rate * max(0.0, self.gain(proposal))

    def relief(self, proposal: Proposal) -> float:
        """Return the tax that a loss saves with `loss_offset`: part of the score, not of cash."""
        costs = self.config.costs
        return costs.tax_rate * max(0.0, -self.gain(proposal)) if costs.loss_offset else 0.0

    def gain(self, proposal: Proposal) -> float:
        """Return the gain of the sold lots: highest cost first, or oldest first."""
        return 0.0 if proposal.is_buy else self.gain_of_units(proposal.security, -proposal.quantity)

    def gain_of_units(self, column: int, units: float) -> float:
        """Return the gain of selling units of a position."""
        lots = [lot for lot in self.lots[column] if self.old_enough(lot)]
        if self.config.costs.tax_lots == "fifo":
            # Of one day's lots the cheaper goes first: tax is then never underestimated.
            lots.sort(key=lambda lot: (lot.acquired or date.min, lot.unit_cost * lot.fx_rate))
        else:
            lots.sort(key=lambda lot: lot.unit_cost * lot.fx_rate, reverse=True)
        remaining, gain = units, 0.0
        for lot in lots:
            quantity = min(remaining, lot.quantity)
            worth = quantity * self.clean_unit(column)
            gain += worth - quantity * lot.unit_cost * lot.fx_rate
            remaining -= quantity
        return gain

    def required(self) -> float:
        """Return reserve and withdrawals due, less what lacks of the reserve by too little."""
        due = math.fsum(self.due())
        required = self.config.constraints.cash_reserve * self.nav + due
        free, least = self.cash - self.promised(), target_rule.immaterial(self)
        if self.neutral is not None and "cash_reserve" not in (
            self.config.constraints.model_fields_set
        ):
            required = min(required, max(free, due))
        return free if 0 < required - free <= least and free >= due - least else required

    def due(self) -> list[float]:
        """Return the withdrawals within the notice, as amounts above zero."""
        last = self.context.as_of + timedelta(days=self.config.constraints.withdrawal_notice_days)
        return [
            -flow.amount
            for flow in self.context.cash_flows
            if flow.amount < 0 and self.context.as_of <= flow.on <= last
        ]

    def promised(self) -> float:
        """Return the cash that pending buys will use."""
        total = 0.0
        for order in self.context.pending_orders:
            if order.side is Side.BUY:
                i = self.columns[order.security]
                price = self.market.price[i] if order.limit_price is None else order.limit_price
                total += order.quantity * (price + self.accrued(i)) * self.market.rate[i]
        return total

    # -- limits ------------------------------------------------------------------------------

    def old_enough(self, lot: TaxLot) -> bool:
        least = self.config.constraints.lot_age_min
        if least == 0:
            return True
        return lot.acquired is not None and (self.context.as_of - lot.acquired).days >= least

    def sellable(self, column: int) -> float:
        """Return the units in lots that are old enough, less those of pending sells."""
        units = math.fsum(lot.quantity for lot in self.lots[column] if self.old_enough(lot))
        for order in self.context.pending_orders:
            if order.side is Side.SELL and self.columns[order.security] == column:
                units -= order.quantity
        return max(0.0, units)

    def cap(self, column: int) -> float:
        return target_rule.cap(self, column)

    def weight(self, book: Book, column: int) -> float:
        """Return the weight of a position, as a fraction of the NAV before trading."""
        return book.quantity[column] * self.unit(column) / self.nav if book.quantity[column] else 0

    def group_weight(self, book: Book, rule: GroupRule) -> float:
        return math.fsum(self.weight(book, i) * self.group_share(i, rule) for i in range(self.n))

    def group_share(self, column: int, rule: GroupRule) -> float:
        """Return the part of a security that lies in a group."""
        return target_rule.part_in_group(self.context.securities[column], rule)

    def group_cap(self, rule: GroupRule) -> float:
        assert rule.cap is not None
        return target_rule.forgiven(self, self.group_weight(self.book(), rule), rule.cap)

    def violation(self, book: Book) -> float:
        """Return missing cash plus weight above caps of positions and groups; fractions of NAV."""
        total = max(0.0, self.required() - (book.cash - self.promised())) / self.nav
        for i in range(self.n):
            total += max(0.0, self.weight(book, i) - self.cap(i))
        for rule in self.context.group_rules:
            if rule.cap is not None:
                total += max(0.0, self.group_weight(book, rule) - self.group_cap(rule))
        return total

    def blocked(self, proposal: Proposal) -> str:
        """Return the rule on dates, switches or orders that forbids the trade; empty without."""
        c, security = self.config.constraints, self.context.securities[proposal.security]
        if not (security.allow_buy if proposal.is_buy else security.allow_sell):
            return "switched off"
        if self.context.buy_only and not proposal.is_buy:
            return "only buys"
        if any(order.security == security.id for order in self.context.pending_orders):
            return "an order is pending"
        for step in self.context.refused:
            same = step.security == security.id and (step.side is Side.BUY) == proposal.is_buy
            if same and self.context.as_of < step.until:
                return "refused"
        for trade in self.context.trades:
            days = (self.context.as_of - trade.on).days
            if trade.security != security.id:
                continue
            if proposal.is_buy:
                window = c.rebuy_after_sell_days + (c.rebuy_after_sell_days > 0)  # the last day too
                quiet = c.buy_cooldown_days if trade.side is Side.BUY else window
            else:
                quiet = c.sell_cooldown_days if trade.side is Side.SELL else 0
            if days < quiet and not continues_accepted_step(self.context, proposal, trade):
                return f"{trade.side.value} {days} days ago"
        return ""

    def trade_complaint(self, proposal: Proposal) -> str:
        """Return the limit on a single trade that is broken; empty without."""
        c, security = self.config.constraints, self.context.securities[proposal.security]
        step = 1e-6 if security.fractional else security.lot_size
        steps = abs(proposal.quantity) / step
        value = self.value(proposal)
        smallest = max(min(c.min_trade_value, 0.01 * self.nav), security.min_trade_value)
        weight = self.held[proposal.security] * self.unit(proposal.security) / self.nav
        breaks = {
            self.blocked(proposal): bool(self.blocked(proposal)),
            target_rule.complaint(self, proposal): bool(target_rule.complaint(self, proposal)),
            "not whole lots": abs(steps - round(steps)) > 1e-6 * max(1.0, steps),
            "too small": value < smallest * (1 - DUST),
            "too dear": self.cost(proposal) > c.cost_ratio_max * value * (1 + DUST),
        }
        if proposal.is_buy:
            breaks["above the cap"] = (
                weight + value / self.nav
                > self.cap(proposal.security) + DUST + step * DUST * weight
            )
        else:
            units = self.sellable(proposal.security)
            breaks["oversold"] = -proposal.quantity > units * (1 + DUST)
            breaks["eaten by costs"] = value <= self.cost(proposal) + self.tax(proposal)
        return next((complaint for complaint, broken in breaks.items() if broken), "")

    def conflict(self, proposals: Sequence[Proposal]) -> str:
        """Return why two of the trades exclude each other; empty if none do."""
        for one, other in combinations(proposals, 2):
            if one.security == other.security:
                return "two trades of one security"
            # The owner wants both of two securities that have a target.
            both = all(target_rule.is_pulled(self, trade.security) for trade in (one, other))
            if one.is_buy and other.is_buy and not both:
                s = self.market.covariance
                i, j = one.security, other.security
                scale = math.sqrt(max(s[i][i], 0.0)) * math.sqrt(max(s[j][j], 0.0))
                if scale > 0 and s[i][j] / scale > self.market.correlation_max:
                    return "two buys of one bet"
        return ""

    def turnover_complaint(self, proposals: Sequence[Proposal]) -> str:
        """Return a complaint if turnover exceeds its cap; repairs and deposits have credits."""
        c = self.config.constraints
        since = self.context.as_of - timedelta(days=c.turnover_window_days)
        recent = [trade for trade in self.context.trades if trade.on > since]
        bought = math.fsum(t.quantity * t.price * t.fx_rate for t in recent if t.side is Side.BUY)
        sold = math.fsum(t.quantity * t.price * t.fx_rate for t in recent if t.side is Side.SELL)
        deposits = math.fsum(
            flow.amount
            for flow in self.context.cash_flows
            if flow.amount > 0 and since < flow.on <= self.context.as_of
        )
        deployed = min(deposits, bought)
        remaining = max(0.0, c.turnover_max * self.nav - (bought + sold - deployed))
        buys = math.fsum(self.value(proposal) for proposal in proposals if proposal.is_buy)
        sells = math.fsum(self.value(proposal) for proposal in proposals if not proposal.is_buy)
        repairs = math.fsum(self.value(proposal) for proposal in proposals if proposal.mandatory)
        charged = buys + sells - min(repairs, self.repair_credit())
        charged -= min(buys, max(deposits - deployed, self.idle_of_buys() * self.nav))
        return "turnover" if charged > remaining + DUST * self.nav else ""

    def repair_credit(self) -> float:
        """Return the turnover that repairs are granted, base currency."""
        return repair_credit(self)

    def idle(self, book: Book) -> float:
        """Return cash beyond its neutral share, of NAV; below 0 where it lacks."""
        cash = (book.cash - self.promised()) / self.nav
        return math.inf if self.neutral is None else cash - (1 - math.fsum(self.neutral))

    def idle_of_buys(self) -> float:
        """Return the idle cash that buys may use, of NAV; 0 without targets."""
        idle = self.idle(self.book())
        return 0.0 if self.neutral is None else max(idle, self.context.invest / self.nav, 0.0)

    def book(self) -> Book:
        return Book(quantity=list(self.held), cash=self.cash)

    def carry_out(self, book: Book, proposal: Proposal) -> None:
        """Change the book by one trade; costs and tax leave cash."""
        cost, tax, value = self.cost(proposal), self.tax(proposal), self.value(proposal)
        book.quantity[proposal.security] += proposal.quantity
        book.cash += (-value if proposal.is_buy else value) - cost - tax
        book.cost += cost
        book.tax += tax
        charged, tax_charged = target_rule.charges(self, proposal)
        book.charged += charged
        book.tax_charged += tax_charged
        book.spent += cost + tax
        book.turnover += value

    def judge(self, proposals: Sequence[Proposal]) -> Verdict:
        """Carry out a set, sells first, and check every limit after every step."""
        complaint = self.conflict(proposals) or self.turnover_complaint(proposals)
        book, start = self.book(), self.book()
        settled = math.fsum(b.settled * self.rate_of(b.currency) for b in self.context.cash)
        budget = settled - self.promised() - self.required()
        for proposal in sorted(proposals, key=lambda proposal: proposal.is_buy):
            self.carry_out(book, proposal)
            if proposal.is_buy and book.cash - self.promised() < self.required() - DUST * self.nav:
                complaint = complaint or "cash"
            floor = self.idle(start) - self.idle_of_buys()
            if proposal.is_buy and self.idle(book) < floor - DUST:
                complaint = complaint or "the neutral share of cash"
            if proposal.is_buy and self.config.constraints.settled_cash_only:
                budget -= self.value(proposal) + self.cost(proposal)
                if budget < -DUST * self.nav:
                    complaint = complaint or "settled cash"
            for rule in self.context.group_rules:
                if rule.cap is not None and self.group_weight(book, rule) > DUST + max(
                    self.group_cap(rule), self.group_weight(start, rule)
                ):
                    complaint = complaint or "group cap"
        if not self.keeps_share_of_cash(book, start):
            complaint = complaint or "an opinion moves the share of cash"
        return Verdict(complaint, self.violation(book), self.score(book), book)

    def keeps_share_of_cash(self, book: Book, start: Book) -> bool:
        """Return whether an opinion leaves no more idle cash than before, but a smallest trade."""
        if self.neutral is None or self.config.objective.opinion == 0 or self.violation_before > 0:
            return True
        smallest = min(self.config.constraints.min_trade_value / self.nav, 0.01)
        return self.idle(book) <= max(self.idle(start), 0.0) + smallest + DUST

    # -- the objective -----------------------------------------------------------------------

    def terms(self, book: Book) -> dict[str, float]:
        """Return the contribution of every term; their sum is the score."""
        if self.neutral is not None:
            return target_rule.terms(self, book)
        c, m, n = self.config.objective, self.market, range(self.n)
        w = [self.weight(book, i) for i in n]
        variance = math.fsum(w[i] * m.covariance[i][j] * w[j] for i in n for j in n)
        return {
            "expected_return": math.fsum(m.mu[i] * w[i] for i in n),
            "risk": -c.risk_aversion / 2 * variance,
            "concentration": -c.concentration_penalty * math.fsum(x * x for x in w),
            "drift": 0.0,
            "group_drift": 0.0,
            "tail_risk": -c.tail_risk_penalty * self.cvar95(w),
            "cost": -book.charged / self.nav,
            "tax": -book.tax_charged / self.nav,
            "turnover": -c.turnover_penalty * book.turnover / self.nav,
        }

    def score(self, book: Book) -> float:
        return math.fsum(self.terms(book).values())

    def cvar95(self, weight: Sequence[float]) -> float:
        """Return the mean of the worst twentieth of the 21-day losses, the last one in part."""
        if not self.market.scenarios:
            return 0.0
        losses = [
            -math.fsum(r * w for r, w in zip(row, weight, strict=True))
            for row in self.market.scenarios
        ]
        return self.mean_of_worst(sorted(losses, reverse=True))

    @staticmethod
    def mean_of_worst(losses: Sequence[float]) -> float:
        """Return the mean of the first twentieth of the losses, the last one in part."""
        whole, twentieths = divmod(len(losses), 20)
        total = math.fsum(losses[:whole])
        if twentieths:
            total += losses[whole] * twentieths / 20
        return total / (len(losses) / 20)

    def best_sets(
        self, candidates: Sequence[Proposal], depth: int
    ) -> list[tuple[tuple[int, ...], Verdict]]:
        """Return every legal set, best first: least violation, then the highest score."""
        ranked = []
        k = len(candidates)
        for ids in [ids for n in range(min(k, depth) + 1) for ids in combinations(range(k), n)]:
            verdict = self.judge([candidates[i] for i in ids])
            if not verdict.complaint:
                ranked.append((ids, verdict))

        def rank(pair: tuple[tuple[int, ...], Verdict]) -> tuple[object, ...]:
            ids, verdict = pair
            return round(verdict.violation / DUST), -verdict.score, len(ids), ids

        return sorted(ranked, key=rank)
