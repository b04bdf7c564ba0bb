"""The planner's problem as SCIP sees it: the same candidates, terms and limits, as one MIQP.

Variables: a binary per candidate, the weight change per security, the factors of the quadratic,
and CVaR95 by the linearisation of Rockafellar and Uryasev (2000). Nothing is taken from the pair
tables or from the certificate but the numbers of the objective and of the limits.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from planner_core.market.returns import TAIL_LEVEL
from planner_core.search.evaluator import Evaluator, as_block
from tools.measure import BenchmarkError

FEASIBILITY = 1e-7
"""SCIP's own default, 1e-6 of NAV, is coarser than the rounding of a lot."""
GAP_CLOSED = 1e-7
"""Of the score: SCIP's bound is not closer than its tolerances."""


@dataclass(frozen=True)
class ScipAnswer:
    """SCIP's solution; `closed`: it is proven optimal. `score` is our exact score of its set.

    `elapsed_s` are processor seconds: SCIP works on one thread, and so do we.
    """

    ids: tuple[int, ...]
    score: float
    bound: float
    closed: bool
    elapsed_s: float


def solve(evaluator: Evaluator, depth: int, limit_s: float) -> ScipAnswer:
    """Find the best set that violates nothing, on one thread.

    Raises
    ------
    BenchmarkError
        pyscipopt is not installed, or SCIP found no set at all.
    """
    try:
        scip = importlib.import_module("pyscipopt")
    except ImportError as error:
        raise BenchmarkError("pyscipopt is missing; run: bash tools/bootstrap.sh bench") from error
    model = scip.Model()
    model.hideOutput()
    model.setParam("limits/time", limit_s)
    model.setParam("numerics/feastol", FEASIBILITY)
    model.setParam("limits/absgap", GAP_CLOSED)
    problem = _Problem(model, scip.quicksum, evaluator)
    problem.limit(depth)
    problem.maximise()
    begin = time.process_time()
    model.optimize()
    elapsed_s = time.process_time() - begin
    if not model.getNSols():
        raise BenchmarkError(f"SCIP found no set within {limit_s:g} s: {model.getStatus()}")
    chosen = tuple(k for k, x in enumerate(problem.take) if model.getVal(x) > 0.5)  # noqa: PLR2004
    score = float(evaluator.exact_scores(as_block([chosen], depth, evaluator.null_id))[0])
    closed = model.getStatus() in {"optimal", "gaplimit"}
    return ScipAnswer(chosen, score, float(model.getDualbound()), closed, elapsed_s)


class _Problem:
    """One model under construction."""

    def __init__(self, model: Any, quicksum: Any, evaluator: Evaluator) -> None:  # noqa: ANN401
        self.model, self.sum, self.evaluator = model, quicksum, evaluator
        self.state, self.candidates = evaluator.state, evaluator.candidates
        n = self.candidates.n
        self.security = [int(i) for i in np.unique(self.candidates.security)]
        self.part = self.candidates.value / self.state.nav
        self.take = [model.addVar(vtype="B", name=f"x{k}") for k in range(n)]
        self.change = {i: self._free(f"d{i}") for i in self.security}
        for i in self.security:
            model.addCons(
                self.change[i] == self._total(np.where(self.candidates.security == i, self.part, 0))
            )

    def _free(self, name: str) -> Any:  # noqa: ANN401 - pyscipopt is not typed
        return self.model.addVar(lb=None, ub=None, name=name)

    def _total(self, coefficient: np.ndarray[Any, Any]) -> Any:  # noqa: ANN401
        """Sum of a coefficient over the candidates that are taken."""
        return self.sum(
            float(c) * x for c, x in zip(coefficient, self.take, strict=True) if c != 0.0
        )

    def _over_securities(self, coefficient: np.ndarray[Any, Any]) -> Any:  # noqa: ANN401
        return self.sum(float(coefficient[i]) * self.change[i] for i in self.security)

    # -- limits ------------------------------------------------------------------------------

    def limit(self, depth: int) -> None:
        """Add every hard limit, with nothing violated."""
        self.model.addCons(self.sum(self.take) <= depth)
        self._conflicts()
        limits, nav = self.state.limits, self.state.nav
        short = (limits.cash_required - limits.cash_free) / nav
        self.model.addCons(self._total(self.candidates.cash_delta / nav) >= short)
        self._turnover()
        if np.isfinite(limits.idle_before):
            # Sells alone only add to cash, so the floor for buys holds for every set.
            self.model.addCons(self._idle() >= min(limits.idle_min, limits.idle_before))
        if np.isfinite(limits.idle_max):
            self.model.addCons(self._idle() <= limits.idle_max)
        groups = limits.groups
        for row in range(len(groups.names)):
            room = float(groups.cap[row] - groups.weight[row])
            self.model.addCons(self._over_securities(groups.membership[row]) <= room)
        excess = self.state.portfolio.weight - limits.position_cap
        for i in np.flatnonzero(excess > 0):
            self.model.addCons(self.change[int(i)] <= -float(excess[i]))
        if np.isfinite(limits.settled_budget):
            paid = np.where(self.candidates.is_buy, -self.candidates.cash_delta / nav, 0.0)
            self.model.addCons(self._total(paid) <= max(0.0, limits.settled_budget) / nav)

    def _conflicts(self) -> None:
        conflicts, security = self.candidates.conflicts, self.candidates.security
        for i in self.security:
            own = np.flatnonzero(security == i)
            self.model.addCons(self.sum(self.take[k] for k in own) <= 1)
        for first, second in np.argwhere(np.triu(conflicts, 1)):
            if security[first] != security[second]:
                self.model.addCons(self.take[first] + self.take[second] <= 1)

    def _buys(self) -> Any:  # noqa: ANN401
        return self._total(np.where(self.candidates.is_buy, self.part, 0.0))

    def _turnover(self) -> None:
        """`sum |d| - min(repair, credit) - min(buys, credit) <= left`."""
        limits, model = self.state.limits, self.model
        repair = model.addVar(lb=0, ub=float(limits.repair_credit), name="repair")
        deployed = model.addVar(lb=0, ub=float(limits.deposit_credit), name="deployed")
        mandatory = np.where(self.candidates.mandatory, np.abs(self.part), 0.0)
        model.addCons(repair <= self._total(mandatory))
        model.addCons(deployed <= self._buys())
        traded = self._total(np.abs(self.part))
        model.addCons(traded - repair - deployed <= float(limits.turnover_left))

    # -- objective ---------------------------------------------------------------------------

    def maximise(self) -> None:
        """Set the objective: the score less that of doing nothing's smooth part."""
        state, model = self.state, self.model
        objective, weight = state.objective, state.portfolio.weight
        spent = (self.candidates.cost_scored + self.candidates.tax_scored) / state.nav
        spent = spent + objective.weights.turnover_penalty * np.abs(self.part)
        terms = objective.terms(weight)
        smooth = sum(v for name, v in terms.items() if name not in ("tail_risk", "idle_cash"))
        # What the tail term has beside CVaR95 is linear: eta c'w.
        smooth += objective.weights.tail_risk_penalty * float(objective.tail_slope @ weight)
        model.setObjective(
            smooth
            + self._over_securities(objective.gradient(weight))
            - self._total(spent)
            - self._quadratic()
            - objective.weights.tail_risk_penalty * self._tail()
            - objective.drag * self._idle_cash(),
            "maximize",
        )

    def _idle_cash(self) -> Any:  # noqa: ANN401
        """`max(0, cash - cash*)`, as a variable above both."""
        if not self.state.objective.drag:
            return 0.0
        idle = self.model.addVar(lb=0, ub=None, name="idle")
        self.model.addCons(idle >= self._idle())
        return idle

    def _idle(self) -> Any:  # noqa: ANN401
        """Cash beyond its neutral share, below zero too."""
        raised = self._total(self.candidates.cash_delta / self.state.nav)
        return float(self.state.limits.idle_before) + raised

    def _quadratic(self) -> Any:  # noqa: ANN401
        """`d'Md` as a sum of squares of factors: separable, so that SCIP's cuts are sharp."""
        own = np.ix_(self.security, self.security)
        values, vectors = np.linalg.eigh(self.state.objective.quadratic[own])
        squares = []
        for value, vector in zip(values, vectors.T, strict=True):
            factor, square = self._free("factor"), self.model.addVar(lb=0, ub=None, name="square")
            row = np.sqrt(max(float(value), 0.0)) * vector
            self.model.addCons(
                factor
                == self.sum(
                    float(c) * self.change[i] for c, i in zip(row, self.security, strict=True)
                )
            )
            self.model.addCons(factor * factor <= square)
            squares.append(square)
        return self.sum(squares)

    def _tail(self) -> Any:  # noqa: ANN401
        scenarios = self.state.objective.scenarios
        if not len(scenarios):
            return 0.0
        before = -(scenarios @ self.state.portfolio.weight)
        threshold = self._free("value_at_risk")
        beyond = []
        for window, loss in zip(scenarios, before, strict=True):
            over = self.model.addVar(lb=0, ub=None, name="over")
            self.model.addCons(over >= float(loss) - self._over_securities(window) - threshold)
            beyond.append(over)
        return threshold + self.sum(beyond) * (1.0 / ((1.0 - TAIL_LEVEL) * len(scenarios)))
