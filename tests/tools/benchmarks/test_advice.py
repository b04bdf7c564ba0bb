"""The replay of advice: rules by hand, trades at the next close, costs and tracking error apart."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from planner_core.model.records import TaxLot
from planner_core.planner import plan
from tests.builders import LONG_AGO, price_paths, weekdays
from tools.benchmarks import _advised, advice
from tools.benchmarks._panels import KINDS, MONTH_DAYS, Market, Panel, demo_market, draw_panels
from tools.benchmarks._replay import Account, Order, Path, after_sale, open_account, replay
from tools.benchmarks._rules import Bands, BuyAndHold, Monthly, NewMoneyOnly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

START = 600


def market_of(prices: NDArray[np.float64]) -> Market:
    names = tuple(chr(65 + column) * 3 for column in range(prices.shape[1]))
    return Market(names, weekdays(len(prices)), prices)


def flat_market(n_names: int, price: float = 100.0) -> Market:
    return market_of(np.full((START + 3 * MONTH_DAYS + 30, n_names), price))


def panel_of(market: Market, targets: Sequence[float], **overrides: float) -> Panel:
    money = {"nav": 50_000.0, "deposit": 1_000.0, "tax_rate": 0.0, **overrides}
    return Panel("test", market, np.array(targets), start=START, **money)


def account_of(panel: Panel, units: Sequence[float], cash: float) -> Account:
    names = panel.market.names
    lots = [
        [TaxLot(name, held, 80.0, 1.0, LONG_AGO)] if held else []
        for name, held in zip(names, units, strict=True)
    ]
    return Account(panel, lots, cash)


def as_units(orders: Sequence[Order]) -> dict[int, float]:
    return {order.column: order.units for order in orders}


@dataclass
class Scripted:
    """Orders by the number of the plan; notes the row of each."""

    script: dict[int, list[Order]]
    rows: list[int] = field(default_factory=list)

    def orders(self, account: Account, row: int) -> list[Order]:
        assert account.panel.start <= row
        self.rows.append(row)
        return self.script.get(len(self.rows) - 1, [])


# -- the rules ------------------------------------------------------------------------------

FOUR = (0.40, 0.30, 0.20, 0.09)
"""Of 50,000: 20,000, 15,000, 10,000, 4,500, and 500 of cash. The bands of the 5/25 rule are 2,500
wide for the first three, and 25 % x 4,500 = 1,125 for the last."""


def test_new_money_goes_to_the_largest_gap_and_inside_the_bands_nothing_is_sold() -> None:
    # 19,000 + 17,000 + 9,000 + 3,500 + 1,500 of cash: gaps of 1,000, -2,000, 1,000 and 1,000.
    account = account_of(panel_of(flat_market(4), FOUR), (190, 170, 90, 35), 1_500.0)
    # 1,000 may be spent, less 2 and 0.25 %: 9 units of the first of equals; no more is legal.
    assert as_units(Bands(0.25).orders(account, START)) == {0: 9}
    assert as_units(NewMoneyOnly().orders(account, START)) == {0: 9}


def test_a_name_outside_its_band_goes_to_its_target_and_pays_for_the_largest_gaps() -> None:
    # Gaps of 2,000, -3,000, 1,000, 0; cash at its floor. Only the second is outside (2,500).
    account = account_of(panel_of(flat_market(4), FOUR), (180, 180, 90, 45), 500.0)
    # It is sold to its target: 30 units bring 3,000 - 9.50: 20 units cost 2,007, then 9 units.
    assert as_units(Bands(0.25).orders(account, START)) == {1: -30, 0: 20, 2: 9}
    # Nothing is outside a band of 0.40 / 8 pp = 4,000.
    assert Bands(0.40).orders(account, START) == []


def test_a_name_that_is_too_low_is_paid_for_by_the_one_furthest_above() -> None:
    # Gaps of -1,000, -600, 0 and 1,600: the last is outside (1,125), and no cash is spare.
    account = account_of(panel_of(flat_market(4), FOUR), (210, 156, 100, 29), 500.0)
    # 10 units bring 995.50 less than the 1,600 needed, 6 units more 596.50: 15 units in all.
    assert as_units(Bands(0.25).orders(account, START)) == {0: -10, 1: -6, 3: 15}


def test_monthly_trades_every_name_that_a_legal_trade_brings_nearer() -> None:
    # Gaps of 2,000, -1,700, -300 and 0; the smallest trade is 400.
    account = account_of(panel_of(flat_market(4), FOUR), (180, 167, 103, 45), 500.0)
    assert as_units(Monthly().orders(account, START)) == {1: -17, 0: 16}


def test_a_name_that_no_lot_brings_nearer_is_not_outside() -> None:
    # Units of 3,000: 4,500 is as near to one as to two, and 15,000 to five.
    market = flat_market(4, 3_000.0)
    account = account_of(panel_of(market, FOUR), (7, 5, 3, 1), 2_000.0)
    assert Bands(0.10).orders(account, START) == []


def test_buy_and_hold_spends_deposits_in_proportion_once_they_are_a_legal_trade() -> None:
    panel = panel_of(flat_market(2), (0.6, 0.39))
    account = account_of(panel, (600, 0), 500.0)
    account.deposit(1_000.0, START)
    # A right to 600 and to 390: the second is below the smallest trade, whatever is held.
    assert as_units(BuyAndHold().orders(account, START)) == {0: 6}


# -- the replay -----------------------------------------------------------------------------


def test_orders_are_traded_at_the_next_close_and_every_strategy_has_the_same_occasions() -> None:
    market = market_of(price_paths(START + 3 * MONTH_DAYS + 30, [100.0, 50.0]))
    panel = panel_of(market, (0.5, 0.4))
    strategy = Scripted({1: [Order(0, 3.0)]})
    replay(panel, strategy, 5, 3)
    assert strategy.rows == [START + 5 + MONTH_DAYS * month for month in range(3)]
    account = open_account(panel, START)
    account.execute([Order(0, 3.0)], START + 1)
    (trade,) = account.trades
    assert trade.price == market.prices[START + 1, 0]


def test_the_next_close_decides_what_a_replay_pays() -> None:
    prices = np.full((START + MONTH_DAYS + 30, 1), 100.0)
    prices[START + 1 :] = 110.0
    path = replay(panel_of(market_of(prices), (0.5,)), Scripted({0: [Order(0, 10.0)]}), 0, 1)
    # 10 units at 110, of a mean value of 21 days of 53,500 - 4.75 and one of 51,000.
    mean_nav = (21 * (51_000.0 + 250 * 10 - 4.75) + 51_000.0) / 22
    assert path.turnover == pytest.approx(1_100 / mean_nav * 12)
    assert path.cost == pytest.approx(4.75 / mean_nav * 12)
    assert path.trades == pytest.approx(12)


def test_tracking_error_is_that_of_daily_returns_against_daily_fixed_weights() -> None:
    market = market_of(price_paths(START + MONTH_DAYS + 30, [100.0, 50.0]))
    panel = panel_of(market, (0.5, 0.4), deposit=0.0)
    path = replay(panel, Scripted({}), 0, 1)
    account = open_account(panel, START)
    days = market.prices[START : START + MONTH_DAYS + 1]
    values = days @ account.units + account.cash
    fixed = (days[1:] / days[:-1] - 1) @ panel.targets
    differences = values[1:] / values[:-1] - 1 - fixed
    assert path.te == pytest.approx(np.std(differences, ddof=1) * math.sqrt(252))
    assert path.te > 1e-4


def test_deposits_costs_and_trades_are_no_returns() -> None:
    # Prices stand still: flows are all that changes the value.
    panel = panel_of(flat_market(4), FOUR)
    path = replay(panel, Monthly(), 0, 3)
    assert path.cost > 0
    assert path.te < 1e-12


def test_a_portfolio_that_moves_from_its_targets_has_no_tracking_error() -> None:
    # It starts exactly on them, prices move once, and stand still from then on.
    prices = np.full((START + MONTH_DAYS + 30, 2), 100.0)
    prices[START + 1 :] = (110.0, 70.0)
    market = market_of(prices)
    panel = panel_of(market, (0.3, 0.2), deposit=0.0, nav=100_000.0)
    assert replay(panel, Scripted({}), 0, 1).te < 1e-12


def test_sells_come_first_and_a_buy_is_cut_to_what_cash_pays_for() -> None:
    account = account_of(panel_of(flat_market(2), (0.5, 0.49)), (10, 0), 50.0)
    account.execute([Order(1, 99.0), Order(0, -5.0)], START)
    # 50 + 500 - 3.25 = 546.75 pays for 5 units (503.25), not for 99.
    assert list(account.units) == [5.0, 5.0]
    assert account.cash == pytest.approx(546.75 - 503.25)
    assert account.cost == pytest.approx(6.5)


def test_a_sale_takes_the_lots_of_the_highest_cost_and_pays_tax_on_its_gain() -> None:
    panel = panel_of(flat_market(1), (0.9,), tax_rate=0.25)
    lots = [TaxLot("AAA", 10, 60.0), TaxLot("AAA", 10, 90.0)]
    account = Account(panel, [lots], 0.0)
    account.execute([Order(0, -15.0)], START)
    # 10 x (100 - 90) + 5 x (100 - 60) = 300
    assert account.tax == pytest.approx(75.0)
    assert account.cash == pytest.approx(1_500 - 75 - 5.75)
    assert after_sale(lots, 15) == [TaxLot("AAA", 5, 60.0)]


def test_an_account_opens_on_its_targets_with_its_reserve() -> None:
    panel = panel_of(flat_market(4), (0.40, 0.30, 0.20, 0.10))
    account = open_account(panel, START)
    # The reserve of 250 lacks: three of the names, each on its target, give a unit.
    assert account.cash == pytest.approx(300.0)
    assert account.nav(START) == pytest.approx(50_000.0)
    assert account.distance(START) == pytest.approx(300 / 50_000)
    assert all(len(lots) == 3 for lots in account.lots)


# -- comparing ------------------------------------------------------------------------------

LINE = [(30.0, 1.0), (20.0, 1.2), (10.0, 2.0)]


@pytest.mark.parametrize(
    ("spent", "te"),
    [
        (30.0, 1.0),
        (25.0, 1.1),
        (15.0, 1.6),
        (5.0, 2.0),  # below every member: the cheapest
        (99.0, 1.0),  # above every member: the least
    ],
)
def test_the_family_is_a_line_through_its_members(spent: float, te: float) -> None:
    assert advice.family_te(LINE, spent) == pytest.approx(te)


def test_a_cheaper_and_better_member_counts_as_much() -> None:
    assert advice.family_te([*LINE, (8.0, 0.9)], 25.0) == pytest.approx(0.9)


def test_panels_are_the_same_for_a_seed_and_others_for_another() -> None:
    market = demo_market()
    first, again, other = (draw_panels(seed, 36, market) for seed in (0, 0, 1))
    assert len(first) == len(KINDS)
    for one, same, different in zip(first, again, other, strict=True):
        assert one.start == same.start
        assert np.array_equal(one.targets, same.targets)
        assert one.nav != different.nav
        assert 0.9 < one.targets.sum() < 1
        assert one.start + 36 * MONTH_DAYS + 20 < len(market.dates)
    assert {bool(panel.tax_rate) for panel in first} == {True, False}
    assert {len(panel.targets) for panel in first} >= {2, 20}


# -- the planner ----------------------------------------------------------------------------


def test_the_planner_sees_nothing_after_its_day_and_its_steps_are_the_orders() -> None:
    market = market_of(price_paths(START + 60, [100.0] * 5))
    panel = panel_of(market, (0.2, 0.2, 0.2, 0.2, 0.19))
    account = account_of(panel, (150, 100, 100, 100, 50), 2_000.0)
    account.deposit(1_000.0, START)
    context = _advised.context_of(account, START)
    assert context.dates[-1] == market.dates[START] == np.datetime64(context.as_of)
    assert context.cash[0].settled == 3_000.0
    assert [flow.amount for flow in context.cash_flows] == [1_000.0]
    assert context.deposits_per_year == 0
    assert _advised.context_of(account, START, written=True).deposits_per_year == 12_000.0
    result = plan(context, _advised.configured({}, 0.0))
    assert result.steps
    orders = _advised.Planner(_advised.configured({}, 0.0)).orders(account, START)
    names = market.names
    assert [(names[o.column], abs(o.units), o.units > 0) for o in orders] == [
        (step.security, step.quantity, step.side == "buy") for step in result.steps
    ]


def test_a_large_move_counts_as_accepted() -> None:
    prices = price_paths(START + 60, [100.0, 100.0])
    prices[START - 3 :, 0] *= 2
    account = account_of(panel_of(market_of(prices), (0.5, 0.4)), (100, 100), 1_000.0)
    accepted = plan(_advised.context_of(account, START), _advised.configured({}, 0.0))
    assert not [finding for finding in accepted.findings if finding.id.startswith("price_")]


def test_portfolios_on_target_are_at_their_nearest_lots() -> None:
    generator = np.random.default_rng(3)
    market = demo_market()
    for _ in range(5):
        drawn = _advised.draw_on_target(generator, market)
        weights = drawn.units * drawn.market.prices[drawn.row] / drawn.nav
        lots = drawn.market.prices[drawn.row] / drawn.nav
        assert (np.abs(weights - drawn.targets) <= lots / 2 + 1e-12).all()
        spare = drawn.cash / drawn.nav - (1 - drawn.targets.sum())
        assert 0 <= spare * drawn.nav < 400
        assert sum(lot.quantity for lot in drawn.context().lots) == drawn.units.sum()


def test_a_plan_that_trades_on_target_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng([14, 0])
    market = demo_market()
    drawn = _advised.draw_on_target(generator, market)
    moving = market_of(price_paths(START + 60, [100.0] * 5))
    panel = panel_of(moving, (0.2, 0.2, 0.2, 0.2, 0.19))
    account = account_of(panel, (300, 50, 50, 50, 45), 300.0)
    trading = plan(_advised.context_of(account, START), drawn.config)
    assert any(step.side == "sell" for step in trading.steps)
    monkeypatch.setattr(_advised, "plan", lambda *_: trading)
    monkeypatch.setattr(_advised, "draw_on_target", lambda *_: drawn)
    counted = _advised.leave_alone((0,), 2, market)
    assert (counted.cases, counted.trades, counted.deposit_sells) == (2, 2, 2)
    idle = replace(trading, steps=())
    monkeypatch.setattr(_advised, "plan", lambda *_: idle)
    counted = _advised.leave_alone((0,), 2, market)
    assert (counted.trades, counted.deposit_sells) == (0, 0)


def test_a_trial_run_has_every_key() -> None:
    effort = advice.Effort(months=4, offsets=(0, 5, 10), panels=(7, 11), cases=4)
    result = advice.measure(0, effort)
    json.dumps(result, allow_nan=False)
    assert result["on_target_cases"] == 4
    panels = result["panels"]
    assert isinstance(panels, dict)
    assert len(panels) == 2
    for rows in panels.values():
        assert {*advice.VARIANTS, advice.OLD, advice.RULE, "monthly", "buy_and_hold"} <= set(rows)
        assert rows["monthly"]["cost_bp"] >= rows["new_money_only"]["cost_bp"]
    documented = advice.run.__doc__ or ""
    assert [key for key in result if key not in documented] == []


def test_the_variant_that_a_figure_flatters_less_is_the_headline() -> None:
    panel = panel_of(flat_market(2), (0.5, 0.4))
    path = Path(te=0.01, cost=0.002, tax=0.0, turnover=0.3, trades=9.0, distance=0.02)
    names = (advice.OURS, *map(advice.band_name, advice.FAMILY))
    paths = {name: [path] for name in names}
    paths[advice.UNWRITTEN] = [replace(path, te=0.02, cost=0.001)]
    keys = advice.headline([advice.Measured(panel, paths, [path])])
    assert keys["te_vs_rule_max"] == pytest.approx(2.0)
    assert keys["cost_vs_rule_max"] == pytest.approx(1.0)
    assert keys["cost_vs_rule_max_10k"] is None
    assert keys["te_at_equal_cost_taxed_max"] is None


def test_the_planner_compared_with_itself_is_even() -> None:
    panel = panel_of(flat_market(2), (0.5, 0.4))
    path = Path(te=0.01, cost=0.002, tax=0.001, turnover=0.3, trades=9.0, distance=0.02)
    one = advice.Measured(
        panel,
        {name: [path] * 3 for name in (advice.OURS, *map(advice.band_name, advice.FAMILY))},
        [path] * 3,
    )
    assert set(advice.ratios(one, advice.OURS).values()) == {1.0}
    assert set(advice.noise([one]).values()) == {1.0}
    assert advice.position(one, advice.OURS) == "inside"
