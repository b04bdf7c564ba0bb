"""Cost of three years of advice, and its distance to the targets, beside rules of thumb."""

from __future__ import annotations

import statistics
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from tools.benchmarks._advised import OLD_DEFAULT, OnTarget, Planner, configured, leave_alone
from tools.benchmarks._panels import Panel, demo_market, draw_panels
from tools.benchmarks._replay import Path, replay
from tools.benchmarks._rules import Bands, BuyAndHold, Monthly, NewMoneyOnly
from tools.measure import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tools.benchmarks._replay import Strategy

FAMILY = (0.10, 0.15, 0.20, 0.25, 0.30, 0.40, 0.50, 0.60)
"""Relative half-widths of the bands, the narrowest first; 0.25 is the 5/25 rule."""
OURS, UNWRITTEN, OLD = "planner", "planner_unwritten", "old_default"
"""The planner where the owner has written the deposit down, where not, and by the old defaults."""
VARIANTS = (OURS, UNWRITTEN)
LATER_DAYS = 2
"""Market days later on which the rule starts when it is compared with itself."""
TEN_DAYS_APART = 2
"""Start days between two single paths of the rule that are compared: each is five days."""
PROCESSES = 2
CHUNKS = 4
"""Parts of the portfolios on target: as many pieces of work."""


def band_name(relative: float) -> str:
    """Return the key of a member of the family."""
    return f"bands_{relative:.0%}".removesuffix("%")


RULE = band_name(0.25)


@dataclass(frozen=True)
class Effort:
    """How much is replayed: months, start days, panels (None: all), portfolios on target."""

    months: int = 36
    offsets: tuple[int, ...] = (0, 5, 10, 15)
    panels: tuple[int, ...] | None = None
    cases: int = 200


QUICK = Effort(months=12, offsets=(0, 5, 10), panels=(7, 11), cases=8)


@dataclass(frozen=True)
class Task:
    """A piece of work for one process: a strategy on a panel from one start day."""

    panel: Panel
    strategy: str
    offset: int
    months: int


@dataclass(frozen=True)
class Result:
    """The path of a task, and what the planner took for it."""

    path: Path
    plan_s: tuple[float, ...]
    held: int


@dataclass(frozen=True)
class Measured:
    """A panel: single paths by strategy and start day, and of the rule from `LATER_DAYS` later."""

    panel: Panel
    paths: Mapping[str, Sequence[Path]]
    later: Sequence[Path]

    def mean(self, strategy: str) -> Path:
        """Return the mean over the start days."""
        return mean_path(self.paths[strategy])


def run(seed: int = 0, *, quick: bool = False) -> dict[str, object]:
    """Replay panels under the planner and under rules of thumb; about ten minutes on two cores.

    A panel is some of the demo's stocks, a start, targets, money and a tax rate; `seed` draws other
    panels of the same twelve kinds. Each is replayed for three years of monthly plans and deposits,
    traded at the next close, and averaged over four start days. The rule is 5/25 with new money
    first; its family has bands from 10 % to 60 % in place of 25 %. `quick` replays two panels for a
    year: it shows that all of it works, and measures nothing.

    Spent is costs plus tax, a year, as a part of the mean value. The tracking error of the family
    at equal spending is the least on the line through its members, in the order of their bands, at
    most at what the planner spent. Where the planner spent less than every member, it is that of
    the cheapest member; where it spent more, the least of all.

    seed, months, start_days
        What was replayed.
    The planner is replayed twice: with the monthly deposit written into the portfolio's file
    (`planner`), and without (`planner_unwritten`). Each key is that of the one that it flatters
    less; `by_variant` has both.

    on_target_trades, deposit_sells, on_target_cases
        Of so many random portfolios on their targets, plans that trade; and plans that sell after
        a deposit of 1 to 10 %. `deposit_waits`: those that then do nothing, though the deposit
        covers the smallest legal trade.
    te_at_equal_cost_untaxed_max, te_at_equal_cost_untaxed_median, te_at_equal_cost_taxed_max
        The planner's tracking error over that of the family at equal spending. `outside_family`:
        panels in which the planner spent less or more than every member.
    te_vs_rule_max, cost_vs_rule_max, cost_vs_rule_max_10k
        Largest ratio to the rule over the panels without tax; costs of panels of 10,000 apart.
    cost_tax_vs_rule_max, te_vs_rule_taxed_max
        The same over the panels with tax, costs and tax together.
    rule_vs_itself
        Least and largest ratio of the rule to itself: `mean_`, averaged over start days that are
        two days later; `path_`, single paths ten days apart. Smaller differences say nothing.
    trades_per_year, ms_per_plan, ms_per_plan_max, held_plans
        Of the planner: mean over the panels; median and largest of the processor's time; plans
        that were held.
    panels
        By panel and strategy: tracking error (te_pct, % a year), cost_bp and tax_bp (of the mean
        value, a year), turnover_pct, trades_per_year, distance_pct (mean distance to the targets);
        `ratios_` of both variants. `old_default` is the nearest there
        is to the defaults of the first version.
    """
    return measure(seed, QUICK if quick else Effort())


def measure(seed: int, effort: Effort) -> dict[str, object]:
    """Replay everything and sum it up."""
    market = demo_market()
    panels = draw_panels(seed, effort.months, market)
    if effort.panels is not None:
        panels = [panels[i] for i in effort.panels]
    strategies = strategies_of(panels[0])
    tasks = [
        Task(panel, strategy, offset, effort.months)
        for panel in panels
        for strategy in strategies
        for offset in effort.offsets
    ]
    later = [
        Task(panel, RULE, offset + LATER_DAYS, effort.months)
        for panel in panels
        for offset in effort.offsets
    ]
    with ProcessPoolExecutor(PROCESSES) as pool:
        size = effort.cases // CHUNKS
        alone = [pool.submit(leave_alone, (seed, part), size, market) for part in range(CHUNKS)]
        results = dict(zip(tasks, pool.map(carry_out, tasks), strict=True))
        later_paths = dict(zip(later, pool.map(carry_out, later), strict=True))
        on_target = [future.result() for future in alone]
    measured = [
        Measured(
            panel,
            {
                strategy: [
                    results[Task(panel, strategy, offset, effort.months)].path
                    for offset in effort.offsets
                ]
                for strategy in strategies
            },
            [
                later_paths[Task(panel, RULE, offset + LATER_DAYS, effort.months)].path
                for offset in effort.offsets
            ],
        )
        for panel in panels
    ]
    planned = [result for task, result in results.items() if task.strategy in VARIANTS]
    return {
        "seed": seed,
        "months": effort.months,
        "start_days": len(effort.offsets),
        **answers(on_target),
        **headline(measured),
        "rule_vs_itself": noise(measured),
        "ms_per_plan": 1000 * statistics.median(s for one in planned for s in one.plan_s),
        "ms_per_plan_max": 1000 * max(s for one in planned for s in one.plan_s),
        "held_plans": sum(one.held for one in planned),
        "panels": {one.panel.name: rows(one) for one in measured},
    }


def strategies_of(panel: Panel) -> dict[str, Strategy]:
    """Return every strategy, new, for one path of a panel."""
    return {
        OURS: Planner(configured({}, panel.tax_rate), written=True),
        UNWRITTEN: Planner(configured({}, panel.tax_rate)),
        OLD: Planner(configured(OLD_DEFAULT, panel.tax_rate)),
        **{band_name(relative): Bands(relative) for relative in FAMILY},
        "monthly": Monthly(),
        "new_money_only": NewMoneyOnly(),
        "buy_and_hold": BuyAndHold(),
    }


def carry_out(task: Task) -> Result:
    """Replay one task."""
    strategy = strategies_of(task.panel)[task.strategy]
    path = replay(task.panel, strategy, task.offset, task.months)
    if isinstance(strategy, Planner):
        return Result(path, tuple(strategy.plan_s), strategy.held)
    return Result(path, (), 0)


def mean_path(paths: Sequence[Path]) -> Path:
    """Return the mean of each figure."""
    columns = zip(*(astuple(path) for path in paths), strict=True)
    return Path(*(statistics.fmean(column) for column in columns))


def family_te(points: Sequence[tuple[float, float]], spent: float) -> float:
    """Return the least tracking error on a line at or below a sum spent.

    Parameters
    ----------
    points : sequence of (spent, tracking error)
        The corners of the line, in the order of the bands.
    spent : float
        Below every corner: the tracking error of the cheapest one.
    """
    reachable = [te for cost, te in points if cost <= spent]
    for (cost, te), (next_cost, next_te) in pairwise(points):
        if min(cost, next_cost) < spent < max(cost, next_cost):
            part = (spent - cost) / (next_cost - cost)
            reachable.append(te + part * (next_te - te))
    return min(reachable) if reachable else min(points)[1]


def family(one: Measured) -> list[tuple[float, float]]:
    """Return what the members of the family spent, and their tracking errors."""
    means = [one.mean(band_name(relative)) for relative in FAMILY]
    return [(mean.spent, mean.te) for mean in means]


def position(one: Measured, variant: str) -> str:
    """Return where the planner's spending lies in that of the family."""
    spending = [spent for spent, _ in family(one)]
    ours = one.mean(variant).spent
    if ours < min(spending):
        return "below"
    return "above" if ours > max(spending) else "inside"


def ratios(one: Measured, variant: str) -> dict[str, float]:
    """Return a variant's figures over those of the rule and of the family."""
    ours, rule = one.mean(variant), one.mean(RULE)
    if not rule.spent:
        raise BenchmarkError(f"{one.panel.name}: the rule never trades, so nothing compares")
    return {
        "te_at_equal_cost": ours.te / family_te(family(one), ours.spent),
        "te_vs_rule": ours.te / rule.te,
        "cost_vs_rule": ours.spent / rule.spent,
    }


def answers(parts: Sequence[OnTarget]) -> dict[str, object]:
    """Return the counts of all portfolios on target."""
    return {
        "on_target_trades": sum(part.trades for part in parts),
        "deposit_sells": sum(part.deposit_sells for part in parts),
        "deposit_waits": sum(part.deposit_waits for part in parts),
        "on_target_cases": sum(part.cases for part in parts),
    }


def headline(panels: Sequence[Measured]) -> dict[str, object]:
    """Return the keys of both variants, and of each the one that flatters less."""
    both = {variant: summary(panels, variant) for variant in VARIANTS}
    keys = both[OURS]
    return {
        **{key: largest(part[key] for part in both.values()) for key in keys},
        "by_variant": both,
    }


def summary(panels: Sequence[Measured], variant: str) -> dict[str, float | None]:
    """Return the keys of a variant; None where no panel has a say."""
    untaxed = [ratios(one, variant) for one in panels if not one.panel.tax_rate]
    taxed = [ratios(one, variant) for one in panels if one.panel.tax_rate]
    small = [ratios(one, variant) for one in panels if one.panel.small and not one.panel.tax_rate]
    large = [row for row in untaxed if row not in small]
    equal = [row["te_at_equal_cost"] for row in untaxed]
    return {
        "te_at_equal_cost_untaxed_max": largest(equal),
        "te_at_equal_cost_untaxed_median": statistics.median(equal) if equal else None,
        "te_at_equal_cost_taxed_max": largest(row["te_at_equal_cost"] for row in taxed),
        "te_vs_rule_max": largest(row["te_vs_rule"] for row in untaxed),
        "cost_vs_rule_max": largest(row["cost_vs_rule"] for row in large),
        "cost_vs_rule_max_10k": largest(row["cost_vs_rule"] for row in small),
        "cost_tax_vs_rule_max": largest(row["cost_vs_rule"] for row in taxed),
        "te_vs_rule_taxed_max": largest(row["te_vs_rule"] for row in taxed),
        "outside_family": sum(position(one, variant) != "inside" for one in panels),
        "trades_per_year": statistics.fmean(one.mean(variant).trades for one in panels),
    }


def largest(values: Iterable[float | None]) -> float | None:
    """Return the largest of the figures that there are; None without any."""
    return max((value for value in values if value is not None), default=None)


def noise(panels: Sequence[Measured]) -> dict[str, float]:
    """Return how far the rule is from itself when it starts on other days."""
    means = [(mean_path(one.later), one.mean(RULE)) for one in panels]
    paths = [
        pair
        for one in panels
        for pair in zip(one.paths[RULE][TEN_DAYS_APART:], one.paths[RULE], strict=False)
    ]
    result = {}
    for name, pairs in (("mean", means), ("path", paths)):
        for figure in ("te", "spent"):
            values = [getattr(later, figure) / getattr(first, figure) for later, first in pairs]
            result[f"{name}_{figure}_min"] = min(values)
            result[f"{name}_{figure}_max"] = max(values)
    return result


def rows(one: Measured) -> dict[str, object]:
    """Return the row of every strategy on a panel, and the planner's ratios."""
    panel = one.panel
    return {
        "from": panel.market.day(panel.start).isoformat(),
        "nav": panel.nav,
        "deposit": panel.deposit,
        "tax_rate": panel.tax_rate,
        "invested": float(panel.targets.sum()),
        **{strategy: row(one.mean(strategy)) for strategy in one.paths},
        **{
            f"ratios_{variant}": {**ratios(one, variant), "spending": position(one, variant)}
            for variant in VARIANTS
        },
    }


def row(path: Path) -> dict[str, float]:
    """Return a path in the units of a table."""
    return {
        "te_pct": 1e2 * path.te,
        "cost_bp": 1e4 * path.cost,
        "tax_bp": 1e4 * path.tax,
        "turnover_pct": 1e2 * path.turnover,
        "trades_per_year": path.trades,
        "distance_pct": 1e2 * path.distance,
    }
