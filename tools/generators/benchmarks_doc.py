"""The page of benchmark results, from what `tools/bench.py NAME --save` stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.generators.benchmarks_advice import advice
from tools.generators.benchmarks_api import api
from tools.generators.benchmarks_numbers import markdown_table, number
from tools.generators.benchmarks_reliability import appliance

ROOT = Path(__file__).resolve().parents[2]
SAVED = ROOT / "docs" / "benchmarks.json"

Results = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """The target of one measured key; `at_least` False: at most."""

    benchmark: str
    key: str
    says: str
    bound: float
    at_least: bool = True
    digits: int = 3


TARGETS = (
    Target("evaluator", "pair_f32_vs_python", "scan, times plain Python", 1500, digits=4),
    Target("evaluator", "pair_f32_vs_c", "scan, as a share of compiled C", 0.15),
    Target("evaluator", "lazy_cvar_vs_full", "lazy CVaR95, times full CVaR95", 15),
    Target("search", "captured_mean_d5", "gain found at depth 5, mean", 0.9995, digits=5),
    Target("search", "captured_min_d5", "gain found at depth 5, least", 0.999, digits=5),
    Target("search", "captured_mean_d10", "gain found at depth 10, mean", 0.998, digits=5),
    Target("search", "captured_min_d10", "gain found at depth 10, least", 0.99, digits=5),
    Target("search", "speedup_vs_scip_d5", "search, times SCIP", 100),
    Target(
        "search", "constrained.captured_mean_d5", "the same, all limits, depth 5", 0.999, digits=5
    ),
    Target(
        "search", "constrained.captured_mean_d10", "the same, all limits, depth 10", 0.999, digits=5
    ),
    Target("search", "certificate_vs_scip.false_bounds", "false bounds", 0, at_least=False),
    Target("advice", "on_target_trades", "portfolios on target that trade, of 200", 0, False),
    Target("advice", "deposit_sells", "deposits that lead to a sale, of 200", 0, False),
    Target(
        "advice", "te_at_equal_cost_untaxed_max", "tracking error to 5/25 at equal cost", 1, False
    ),
    Target("advice", "te_at_equal_cost_untaxed_median", "the same, median", 0.95, False),
    Target("advice", "te_at_equal_cost_taxed_max", "the same, with tax", 1.05, False),
    Target("advice", "te_vs_rule_max", "tracking error, times 5/25", 1.15, False),
    Target("advice", "cost_vs_rule_max", "costs, times 5/25", 1.15, False),
    Target("advice", "cost_vs_rule_max_10k", "the same for 10,000", 1.3, False),
    Target("advice", "te_vs_rule_taxed_max", "tracking error with tax, times 5/25", 1.3, False),
    Target("advice", "cost_tax_vs_rule_max", "costs and tax, times 5/25", 0.9, False),
    Target("plan", "sizes.88x10.wall_s", "plan of 88 securities at depth 10, s", 1, at_least=False),
    Target("plan", "sizes.88x10.peak_mb", "its memory, MiB", 120, at_least=False),
    Target("appliance", "press_to_frame_ms", "from a press to its plan, ms", 1000, at_least=False),
    Target(
        "observability",
        "overhead_ratio",
        "a watched plan, times a silent one",
        1.03,
        False,
        4,
    ),
    Target("observability", "max_loop_stall_ms", "the daemon's loop late, ms", 50, at_least=False),
    Target("chaos", "violations", "promises broken in 20 stories", 0, at_least=False),
    Target("api", "errors", "wrong answers of the loaded API", 0, at_least=False),
    Target("api", "events_lost", "events it lost, over all streams", 0, at_least=False),
    Target("api", "lost_presses", "presses lost meanwhile", 0, at_least=False),
)

HEAD = """\
# Benchmarks

All figures are measured. `make bench` runs all benchmarks, and `tools/bench.py NAME --save` runs
one and stores it in `benchmarks.json`, from which this page is generated. Seconds depend on the
machine. Ratios were measured within one run, and depend on it less. Nothing here was measured on
a board.

"""

EVALUATOR = """\
## Scoring sequences

Sequences of K candidate trades are scored with tables of pairs, so the cost of a sequence does
not depend on the number of securities. *Plain Python* is the formula, one sequence at a time,
without CVaR95. *C* is a plain loop over the same tables, compiled with `cc -O3`. With CVaR95 over
500 windows, *full* computes it for every sequence, in numpy. *Lazy* computes it only if a bound
admits a set to the top 10, and finds the same ten. The portfolios are synthetic, with the
covariance of real ones.

"""

SEARCH = """\
## Finding the best set

{instances} portfolios from the demo's real prices at dates from 2016 to 2022, with {low} to
{high} candidate trades each. Shares are of the gain over doing nothing of the best set, which our
certificate proves. Unlike in a plan, sizes are not tuned lot by lot here. SCIP solves the same
problem as a mixed-integer program and stops after {limit5:g} s at depth 5, {limit10:g} s at depth
10. *Rounding* takes our own continuous optimum, rounds it with PyPortfolioOpt's
`DiscreteAllocation`, and keeps as many of the largest trades as depth and limits allow.

"""

PLAN = """\
## A whole plan

Seconds of the planner alone, imported and warm, and the peak memory of its process. On a busy
machine the seconds are more than those of the processor. The 20 securities are the demo's; the
larger portfolios are **synthetic**, simulated from its real returns.

"""

CACHE = """\
## A second plan of the same inputs

The daemon's process keeps the results of calculators ([metrics.md](metrics.md)). A second plan of
the same inputs still reads and checks the files, searches, refines and proves. So it is only a
little faster than the first: the cache saves what the calculators take. Processor time, in one
process.

"""

PEERS = """\
## Beside other libraries

skfolio, PyPortfolioOpt and cvxportfolio choose *weights*, with far more models than we have. Use
them if you want weights. This compares another task: from prices and holdings to a short list of
whole-share trades. Each library does as much of it as it can, as its documentation suggests, in a
new process on the demo's portfolio. The results differ, so only the effort is compared.

"""

LINK = """\
## The link

The Yun's firmware in simavr, on a line of 250,000 baud; times are those of the simulated clock. A
call is a heartbeat or a frame, repeated up to eight times. Bytes are damaged in both directions.
A press that is lost to a full queue is counted and reported.

"""


def benchmarks_markdown(saved: Path = SAVED) -> str:
    """Return the page."""
    return page(json.loads(saved.read_text(encoding="utf-8")))


def page(results: Results) -> str:
    """Return the page of these results; benchmarks without a result are left out."""
    parts = [HEAD, targets(results)]
    for name, write in (
        ("evaluator", evaluator),
        ("search", search),
        ("advice", advice),
        ("plan", plan),
        ("cache", cache),
        ("vs_peers", peers),
        ("link", link),
    ):
        if name in results:
            parts.append(write(results[name]))
    parts.append(appliance(results))
    if "api" in results:
        parts.append(api(results["api"]))
    parts.append(machines(results))
    return "\n".join(part.rstrip("\n") + "\n" for part in parts if part)


def at(result: Results, key: str) -> Any:  # noqa: ANN401 - whatever was stored
    """Return the value under a dotted key, or None."""
    value: Any = result
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def targets(results: Results) -> str:
    """Return the table of targets and measured values."""
    rows = []
    for target in TARGETS:
        value = at(results, f"{target.benchmark}.{target.key}")
        if value is None:
            continue
        met = value >= target.bound if target.at_least else value <= target.bound
        sign = "≥" if target.at_least else "≤"
        rows.append(
            (
                target.says,
                f"{sign} {target.bound:,g}",
                number(value, target.digits),
                "met" if met else "**missed**",
            )
        )
    return markdown_table(("what", "target", "measured", ""), rows)


def evaluator(result: Results) -> str:
    """Speed by size, and growth."""
    rows = [
        (
            size.replace("x", " / "),
            number(row["candidates"]),
            number(row["pair_f32_per_s"] / 1e6),
            number(row["pair_f32_vs_python"], 4),
            number(row["pair_f32_vs_c"], 2),
            number(row["lazy_per_s"] / 1e6),
            number(row["lazy_cvar_vs_full"]),
            f"{row['exact_share']:.2%}",
        )
        for size, row in result["sizes"].items()
    ]
    head = (
        "securities / depth",
        "K",
        "million/s",
        "times Python",
        "of C",
        "lazy, million/s",
        "times full",
        "exact",
    )
    growth = ", ".join(f"{number(s)} s for {n}" for n, s in result["growth_s"].items())
    return (
        EVALUATOR
        + markdown_table(head, rows)
        + f"\nRanking random sequences takes {growth} (exponent"
        f" {number(result['growth_exponent'])}). Memory does not grow with them: a process peaks at"
        f" {number(result['peak_mb_1e4'])} MiB for 1e4 and {number(result['peak_mb_1e7'])} MiB for"
        f" 1e7, {number(abs(result['bytes_per_sequence']), 2)} bytes per sequence.\n"
    )


def search(result: Results) -> str:
    """Shares and seconds in both settings, and the certificate beside SCIP."""
    limits = result["scip_limit_s"]
    text = SEARCH.format(
        instances=result["instances"],
        low=result["candidates_min"],
        high=result["candidates_max"],
        limit5=limits["d5"],
        limit10=limits["d10"],
    )
    rows = []
    for depth in (5, 10):
        for says, setting in (("off", result), ("on", result["constrained"])):
            simpler = setting[f"rivals_d{depth}"]
            rows.append(
                (
                    f"{depth}, {says}",
                    f"{setting[f'captured_mean_d{depth}']:.3%}",
                    f"{setting[f'captured_min_d{depth}']:.3%}",
                    f"{simpler['patterns_only_mean']:.1%}",
                    f"{simpler['greedy_mean']:.1%}",
                    f"{simpler['discrete_allocation_mean']:.1%}",
                    number(setting[f"search_s_d{depth}"], 2),
                    number(setting[f"scip_s_d{depth}"], 2),
                    f"{setting[f'proven_d{depth}']} / {setting[f'scip_closed_d{depth}']}",
                )
            )
    head = (
        "depth, turnover cap",
        "search, mean",
        "least",
        "patterns",
        "greedy",
        "rounding",
        "search, s",
        "SCIP, s",
        "proven: we / SCIP",
    )
    both = result["certificate_vs_scip"]
    return (
        text
        + markdown_table(head, rows)
        + f"\nOf {both['instances']} problems the certificate closed {both['certificate_closed']}"
        f" and SCIP {both['scip_closed']}; on {both['agree']} of the {both['closed']} that both"
        f" closed they agree to 1e-6. Bounds below SCIP's result: {both['false_bounds']}. SCIP"
        f" took {number(both['time_ratio'])} times as long (median).\n"
    )


def plan(result: Results) -> str:
    """Time and memory by size."""
    rows = [
        (
            size.replace("x", " / "),
            number(row["candidates"]),
            number(row["wall_s"]),
            number(row["cpu_s"]),
            number(row["peak_mb"]),
        )
        for size, row in result["sizes"].items()
    ]
    growth = "; ".join(
        f"at depth {depth} time grows with the number of securities to the power"
        f" {number(result[f'cpu_exponent_d{depth}'], 2)}, memory"
        f" {number(result[f'peak_exponent_d{depth}'], 2)}"
        for depth in (5, 10)
    )
    return (
        PLAN
        + markdown_table(("securities / depth", "K", "s", "processor, s", "MiB"), rows)
        + f"\nFrom 20 to 500, {growth}. `trader plan core` on the demo, from files to"
        f" printed JSON: {number(result['cold_wall_s'])} s from a cold process"
        f" ({number(result['peak_mb'])} MiB), {number(result['warm_wall_s'])} s once loaded.\n"
    )


def cache(result: Results) -> str:
    """Speed of a second plan, by size."""
    rows = [
        (
            size,
            number(row["first_ms"]),
            number(row["second_ms"]),
            number(row["speedup"]),
            f"{row['calculators_share']:.0%}",
            number(row["calculators_speedup"]),
        )
        for size, row in result["sizes"].items()
    ]
    head = ("securities", "first, ms", "second, ms", "times", "calculators' share", "times alone")
    return (
        CACHE
        + markdown_table(head, rows)
        + "\nThat is the planner alone. A whole plan of the demo, from its files to the record and"
        f" with the proof of 0.3 s, is {number(result['second_plan_speedup'])} times as fast the"
        f" second time, without the proof {number(result['without_proof_speedup'])} times.\n"
    )


def peers(result: Results) -> str:
    """Effort, and what each can say."""
    answers_of = next(iter(result["abilities"].values()))
    libraries = list(answers_of)
    rows = [
        (
            f"{name} {row['version']}",
            number(row["import_s"], 2),
            number(row["trades_s"], 2),
            number(row["wall_s"], 2),
            number(row["peak_mb"]),
            str(row["n_trades"]),
            f"{row['turnover']:.0%}",
        )
        for name, row in ((name, result[name]) for name in libraries)
    ]
    head = ("", "import, s", "trades, s", "in all, s", "MiB", "trades", "turnover")
    abilities = [
        (what, *(answers[name] for name in libraries))
        for what, answers in result["abilities"].items()
    ]
    table = markdown_table(("what it can say", *libraries), abilities).replace("--:", "---")
    return PEERS + markdown_table(head, rows) + "\n" + table


def link(result: Results) -> str:
    """Times on a good line, and what becomes of calls and presses on a bad one."""
    times = (
        f"A frame is on the matrix {number(result['frame_update_ms'])} ms after its first byte was"
        f" sent, of which simavr takes 6 ms for SPI; {number(result['frames_per_s'])} frames are"
        f" acknowledged in a second. A press is an event {number(result['press_to_event_ms'])} ms"
        f" later (at most {number(result['press_to_event_ms_max'])}), 8 ms of it debouncing. A"
        f" packet takes {result['wire_overhead_bytes']} bytes more than its body, through the"
        f" Uno Q's router {result['router_overhead_bytes']}.\n\n"
    )
    rows = [
        (
            f"{float(key.removeprefix('noise_')):.1%}",
            f"{row['calls_ok']} of {row['calls']}",
            str(row["wrong_answers"]),
            f"{row['presses'] - row['lost_presses']} of {row['presses']}",
            str(row["duplicated_presses"]),
            str(row["counted_losses"]),
        )
        for key, row in result.items()
        if key.startswith("noise_")
    ]
    head = ("bytes damaged", "calls answered", "wrong", "presses", "twice", "edges lost, counted")
    return LINK + times + markdown_table(head, rows)


def machines(results: Results) -> str:
    """Where and when each was measured."""
    rows = [
        (
            name,
            result["machine"]["date"],
            result["machine"]["commit"],
            f"{result['machine']['processor']}, {result['machine']['cores']} cores",
            result["machine"]["python"],
        )
        for name, result in results.items()
    ]
    head = ("benchmark", "date", "commit", "machine", "Python")
    return "## Machine\n\n" + markdown_table(head, rows).replace("--:", "---")
