"""Go from prices and holdings to whole-share trades with one library, in a process of its own.

python -m tools.benchmarks._peer_once LIBRARY CONTEXT RESULT

Each way is the one that the library's own documentation leads to, with what of the task it can
say: long only, 25 % at most in one position, half a per cent kept in cash, costs of 25 bp, and,
where there is a setting for it, turnover.
"""

from __future__ import annotations

import importlib
import json
import pickle
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

WEIGHT_MAX = 0.25
INVESTED = 0.995
COST = 0.0025
RISK_AVERSION = 4.0
TURNOVER = 0.2
CASH = "cash"
DAYS = 252
"""Who maximises a daily utility gets costs per day of a year: else no trade would ever pay."""
VOLUME = 1e8
"""Daily traded value given to cvxportfolio's cost model, which demands one: it never matters."""

Trades = dict[str, float]


def load(library: str) -> dict[str, Any]:
    """Import what the way needs."""
    names = {
        "arduino_trader": (
            "planner_core.modules.builtin",
            "planner_core.config_api.config_loading",
            "planner_core.planner",
        ),
        "skfolio": ("skfolio", "skfolio.optimization", "skfolio.prior", "skfolio.moments"),
        "pypfopt": ("pypfopt",),
        "cvxportfolio": ("cvxportfolio",),
    }
    modules = {name: importlib.import_module(name) for name in names[library]}
    if library != "arduino_trader":
        modules["pandas"] = importlib.import_module("pandas")
    return modules


def ours(modules: dict[str, Any], task: Any) -> Trades:  # noqa: ANN401
    """Plan as shipped: at most five trades."""
    registries = modules["planner_core.modules.builtin"].builtin_registries()
    config = modules["planner_core.config_api.config_loading"].load_config({}, registries)
    plan = modules["planner_core.planner"].plan(task["context"], config)
    return {s.security: s.quantity * (1 if s.side == "buy" else -1) for s in plan.steps}


def frame(modules: dict[str, Any], task: Any) -> Any:  # noqa: ANN401
    """Closes in the base currency, as pandas wants them."""
    dates = modules["pandas"].DatetimeIndex(task["dates"])
    return modules["pandas"].DataFrame(task["prices"], index=dates, columns=task["names"])


def skfolio(modules: dict[str, Any], task: Any) -> Trades:  # noqa: ANN401
    """MeanRisk with costs against the weights held; shares by rounding down, which it has not."""
    optimization, prior = modules["skfolio.optimization"], modules["skfolio.prior"]
    model = optimization.MeanRisk(
        objective_function=optimization.ObjectiveFunction.MAXIMIZE_UTILITY,
        risk_aversion=RISK_AVERSION / 2,
        prior_estimator=prior.EmpiricalPrior(
            covariance_estimator=modules["skfolio.moments"].LedoitWolf()
        ),
        max_weights=WEIGHT_MAX,
        budget=None,
        max_budget=INVESTED,
        min_budget=0.0,
        transaction_costs=COST / DAYS,
        previous_weights=task["weights"],
    )
    model.fit(frame(modules, task).pct_change().dropna())
    shares = (model.weights_ * task["nav"] / task["prices"][-1]).astype(int)
    return changed(task, shares.tolist())


def pypfopt(modules: dict[str, Any], task: Any) -> Trades:  # noqa: ANN401
    """EfficientFrontier on its own estimates, then DiscreteAllocation."""
    library, prices = modules["pypfopt"], frame(modules, task)
    frontier = library.EfficientFrontier(
        library.expected_returns.mean_historical_return(prices),
        library.risk_models.CovarianceShrinkage(prices).ledoit_wolf(),
        weight_bounds=(0, WEIGHT_MAX),
    )
    frontier.add_objective(
        library.objective_functions.transaction_cost, w_prev=task["weights"], k=COST
    )
    frontier.max_quadratic_utility(risk_aversion=RISK_AVERSION)
    allocation, _ = library.DiscreteAllocation(
        frontier.clean_weights(), prices.iloc[-1], total_portfolio_value=INVESTED * task["nav"]
    ).greedy_portfolio()
    return changed(task, [float(allocation.get(name, 0)) for name in task["names"]])


def cvxportfolio(modules: dict[str, Any], task: Any) -> Trades:  # noqa: ANN401
    """SinglePeriodOptimization, executed once: it rounds to whole shares itself."""
    library, pandas, prices = modules["cvxportfolio"], modules["pandas"], frame(modules, task)
    returns = prices.pct_change().shift(-1)
    returns[CASH] = 0.0
    market = library.UserProvidedMarketData(
        returns=returns,
        prices=prices,
        volumes=pandas.DataFrame(VOLUME, index=prices.index, columns=prices.columns),
        cash_key=CASH,
        online_usage=True,
    )
    policy = library.SinglePeriodOptimization(
        library.ReturnsForecast()
        - RISK_AVERSION / 2 * library.FullCovariance()
        - library.StocksTransactionCost(a=COST / DAYS, pershare_cost=None),
        [
            library.LongOnly(),
            library.MaxWeights(WEIGHT_MAX),
            library.MinCashBalance((1 - INVESTED) * task["nav"]),
            library.TurnoverLimit(TURNOVER / 2),
        ],
    )
    held = pandas.Series([*task["values"], task["nav"] - sum(task["values"])], returns.columns)
    _, _, shares = policy.execute(held, market)
    return {name: float(units) for name, units in shares.items() if units}


def changed(task: Any, shares: list[float]) -> Trades:  # noqa: ANN401
    """Return the trades from the holdings to these shares."""
    pairs = zip(task["names"], shares, task["shares"], strict=True)
    return {name: new - old for name, new, old in pairs if new != old}


WAYS: dict[str, Callable[[dict[str, Any], Any], Trades]] = {
    "arduino_trader": ours,
    "skfolio": skfolio,
    "pypfopt": pypfopt,
    "cvxportfolio": cvxportfolio,
}


def main(library: str, task_file: str, result_file: str) -> None:
    """Import, then calculate trades once, as a user would."""
    warnings.simplefilter("ignore")
    begin = time.perf_counter()
    modules = load(library)
    imported = time.perf_counter()
    task = pickle.loads(Path(task_file).read_bytes())  # noqa: S301 - the parent's own file
    started = time.perf_counter()
    trades = WAYS[library](modules, task)
    result = {
        "import_s": imported - begin,
        "trades_s": time.perf_counter() - started,
        "trades": trades,
    }
    Path(result_file).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
