"""The part of the benchmarks' page about advice: how near to the targets, at what cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.generators.benchmarks_numbers import markdown_table, number

Result = Mapping[str, Any]

HEAD = """\
## Three years of advice

{panels} panels of the demo's real prices: names, start, targets and money are drawn (`--seed N`
draws others). Each is planned once a month for {months} months, with a deposit each time. Orders
are traded at the next close, in whole shares, for 2 and 0.25 %. Figures are means over
{start_days} start days. *TE*, the tracking error, is the annualised standard deviation of the daily
difference to a portfolio that is set back to its targets every day for nothing. *Spent* is costs
and tax in bp of the mean value, a year. *5/25* gives new money to the names furthest below, and
resets a name that is still more than 5 points, or 25 % of its target, away. *Family* is the least
tracking error of this rule with bands from 10 % to 60 %, for what the planner spent. *Unwritten* is
the planner where the monthly deposit does not stand in the portfolio's file. *Old default* is the
nearest there is to the defaults of the first version.

"""


def advice(result: Result) -> str:
    """Return the section."""
    head = (
        "names, money",
        "from",
        "5/25",
        "planner",
        "to 5/25: TE, spent",
        "to the family",
        "unwritten",
        "to 5/25: TE, spent",
        "to the family",
        "monthly",
        "new money only",
        "buy and hold",
        "old default",
    )
    rows = [panel(name, row) for name, row in result["panels"].items()]
    return "\n".join(
        (
            HEAD.format(
                panels=len(result["panels"]),
                months=result["months"],
                start_days=result["start_days"],
            )
            + markdown_table(head, rows),
            "Cells are TE in % / spent / trades a year. " + noise(result["rule_vs_itself"]),
            alone(result),
        )
    )


def panel(name: str, row: Result) -> tuple[str, ...]:
    """Return one line of the table."""
    return (
        name,
        row["from"],
        figures(row["bands_25"]),
        *variant(row, "planner"),
        *variant(row, "planner_unwritten"),
        *(
            figures(row[strategy])
            for strategy in ("monthly", "new_money_only", "buy_and_hold", "old_default")
        ),
    )


def variant(row: Result, name: str) -> tuple[str, str, str]:
    """Return the cells of one variant of the planner."""
    ratios = row[f"ratios_{name}"]
    outside = {"inside": "", "below": " (spent less)", "above": " (spent more)"}[ratios["spending"]]
    return (
        figures(row[name]),
        f"{ratios['te_vs_rule']:.2f}, {ratios['cost_vs_rule']:.2f}",
        f"{ratios['te_at_equal_cost']:.2f}{outside}",
    )


def figures(path: Result) -> str:
    """Return tracking error, costs with tax, and trades."""
    spent = path["cost_bp"] + path["tax_bp"]
    return f"{path['te_pct']:.2f} / {spent:.0f} / {path['trades_per_year']:.0f}"


def noise(ratios: Result) -> str:
    """Return how much start days alone change."""
    return (
        "Start days alone make a difference: the rule over itself, started two days later, has"
        f" tracking errors of {ratios['mean_te_min']:.2f} to {ratios['mean_te_max']:.2f} and spends"
        f" {ratios['mean_spent_min']:.2f} to {ratios['mean_spent_max']:.2f} on the mean; single"
        f" paths ten days apart {ratios['path_te_min']:.2f} to {ratios['path_te_max']:.2f} and"
        f" {ratios['path_spent_min']:.2f} to {ratios['path_spent_max']:.2f}.\n"
    )


def alone(result: Result) -> str:
    """Return how portfolios on their targets are answered, and how long a plan takes."""
    cases = result["on_target_cases"]
    return (
        f"Of {cases} random portfolios on their targets {result['on_target_trades']} were told to"
        f" trade; after a deposit {result['deposit_sells']} of {cases} were told to sell, and"
        f" {result['deposit_waits']} to wait. A plan takes {number(result['ms_per_plan'])} ms of"
        f" processor time (median).\n"
    )
