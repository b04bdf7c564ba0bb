"""Import time, memory and time to a list of trades beside skfolio, PyPortfolioOpt, cvxportfolio."""

from __future__ import annotations

import importlib.metadata
import json
import pickle
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np

from tools.benchmarks._portfolios import config_with, demo_context, state_of
from tools.measure import BenchmarkError, child

REPEATS = 5
LIBRARIES = {
    "arduino_trader": "arduino-trader",
    "skfolio": "skfolio",
    "pypfopt": "pyportfolioopt",
    "cvxportfolio": "cvxportfolio",
}
HISTORY_DAYS = 757

ABILITIES: dict[str, tuple[str, str, str, str]] = {
    "whole shares": (
        "searched as such",
        "no: weights",
        "by rounding afterwards (DiscreteAllocation)",
        "by rounding afterwards (execute)",
    ),
    "at most N trades": (
        "yes, 1 to 10",
        "no; at most N positions, with a mixed-integer solver (cardinality)",
        "no",
        "no",
    ),
    "a fixed cost per trade": (
        "yes",
        "no; linear costs (transaction_costs)",
        "no; linear costs (transaction_cost)",
        "no; linear, per share and 3/2-power impact (StocksTransactionCost)",
    ),
    "cash reserve after costs": (
        "yes, in money",
        "as a budget on weights",
        "as a smaller amount to allocate",
        "yes (MinCashBalance)",
    ),
    "tax lots, tax on gains": ("yes, HIFO or FIFO", "no", "no", "no"),
    "minimum age of a lot": ("yes", "no", "no", "no"),
    "cool-downs after a trade": (
        "yes, from the ledger",
        "no",
        "no",
        "by listing days yourself (NoTrade)",
    ),
    "turnover cap": (
        "yes, with recent trades counted",
        "per asset (max_turnover)",
        "no; as a custom constraint",
        "yes (TurnoverLimit)",
    ),
    "a bound on how good the trades are": (
        "yes, over sets of whole-lot trades (--prove)",
        "for the weights, from a convex solver",
        "for the weights, from a convex solver",
        "for the weights, from a convex solver",
    ),
    "why each trade": ("yes", "no", "no", "no"),
    "any convex objective or constraint of your own": (
        "no: modules for trades, a fixed objective",
        "yes",
        "yes",
        "yes",
    ),
    "many risk measures": (
        "variance and CVaR",
        "yes, 15 and more",
        "yes, some",
        "yes, factor models",
    ),
    "model selection, back-test of a strategy": (
        "no",
        "yes, on scikit-learn",
        "no",
        "yes",
    ),
}
"""What each can express, in the order of LIBRARIES; from the documentation that is installed."""


def run() -> dict[str, object]:
    """Go from the demo's prices and holdings to whole-share trades, each library in its own way.

    The tasks are not the same: each says as much of it as it can (`abilities`). Each run is a
    process of its own and finds trades once. For each library:

    version
        That was measured.
    import_s
        Median seconds to import what the way needs.
    trades_s
        Median seconds from prices and holdings in memory to trades.
    wall_s, peak_mb
        Median seconds of the whole process, and its peak memory, MiB.
    n_trades, turnover
        What came out: trades, and what they move as a fraction of the portfolio, both sides.

    And:

    abilities
        What each can express.
    repeats
        Runs that the medians are taken over.
    """
    task = the_task()
    with tempfile.TemporaryDirectory() as folder:
        task_file = Path(folder) / "task.pickle"
        task_file.write_bytes(pickle.dumps(task))
        results = {library: measured(library, task_file, task) for library in LIBRARIES}
    return {
        **results,
        "abilities": {
            what: dict(zip(LIBRARIES, answers, strict=True)) for what, answers in ABILITIES.items()
        },
        "repeats": REPEATS,
    }


def the_task() -> dict[str, object]:
    """The demo's bucket `core` on its day: the context for us, plain numbers for the others."""
    context = demo_context()
    state = state_of(context, config_with(5))
    portfolio, closes = state.portfolio, state.history.base[-HISTORY_DAYS:]
    if np.isnan(closes).any():
        raise BenchmarkError("the demo's prices have gaps, which the others do not take")
    return {
        "context": context,
        "names": [security.id for security in context.securities],
        "dates": context.dates[-HISTORY_DAYS:].astype("datetime64[ns]"),
        "prices": closes,
        "shares": portfolio.quantity.tolist(),
        "values": portfolio.value.tolist(),
        "weights": portfolio.weight,
        "nav": state.nav,
    }


def measured(library: str, task_file: Path, task: dict[str, object]) -> dict[str, object]:
    """Medians of one library."""
    try:
        version = importlib.metadata.version(LIBRARIES[library])
    except importlib.metadata.PackageNotFoundError as error:
        raise BenchmarkError(f"{library} is missing; run: bash tools/bootstrap.sh bench") from error
    result_file = task_file.with_name("result.json")
    command = [sys.executable, "-m", "tools.benchmarks._peer_once", library]
    processes, results = [], []
    for _ in range(REPEATS + 1):
        processes.append(child([*command, str(task_file), str(result_file)]))
        results.append(json.loads(result_file.read_text(encoding="utf-8")))
    # The first one only fills the caches.
    processes, results = processes[1:], results[1:]
    trades: dict[str, float] = results[-1]["trades"]
    return {
        "version": version,
        "import_s": statistics.median(result["import_s"] for result in results),
        "trades_s": statistics.median(result["trades_s"] for result in results),
        "wall_s": statistics.median(process.wall_s for process in processes),
        "peak_mb": statistics.median(process.peak_mb for process in processes),
        "n_trades": len(trades),
        "turnover": turnover(trades, task),
    }


def turnover(trades: dict[str, float], task: dict[str, object]) -> float:
    """Traded value over the portfolio's."""
    names, prices = task["names"], task["prices"]
    assert isinstance(names, list)
    assert isinstance(prices, np.ndarray)
    moved = sum(abs(units) * float(prices[-1, names.index(name)]) for name, units in trades.items())
    nav = task["nav"]
    assert isinstance(nav, float)
    return moved / nav
