"""Do not buy two securities that are nearly the same bet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner_core.market.state import PlanningState
from planner_core.model.candidates import Candidates
from planner_core.modules.module import Filter, ModuleMetadata, ModuleParameters, parameter


class CorrelationAwareParameters(ModuleParameters):
    """The correlation above which two buys count as the same bet."""

    correlation_max: float = parameter(
        0.7, unit="correlation", gt=0, le=1, description="two buys above it exclude each other"
    )


class CorrelationAware(Filter[CorrelationAwareParameters]):
    """Make pairs of *buys* with a correlation above the limit exclude each other.

    Swapping one for the other (a sell and a buy) stays allowed. Two securities that both have a
    target are no such pair: the owner wants both.

    Source: our own rule, on Pearson's correlation of daily returns over the history.
    """

    metadata = ModuleMetadata(
        name="correlation_aware",
        version="1.0.0",
        description="Do not buy two securities that are nearly the same bet",
        tags=("risk",),
    )
    parameters_model = CorrelationAwareParameters

    def conflicts(
        self, candidates: Candidates, state: PlanningState, parameters: CorrelationAwareParameters
    ) -> NDArray[np.bool_]:
        """Return the pairs of buys that exclude each other; (K, K)."""
        # corr_ij = S_ij / (sigma_i sigma_j); 0 where a security does not move at all.
        volatility = np.sqrt(np.maximum(np.diag(state.market.covariance), 0.0))
        scale = np.outer(volatility, volatility)
        correlation = np.divide(
            state.market.covariance, scale, out=np.zeros_like(scale), where=scale > 0
        )
        close = correlation[np.ix_(candidates.column, candidates.column)]
        # Two sizes of one security exclude each other anyway.
        both_buy = np.outer(candidates.is_buy, candidates.is_buy)
        different = candidates.security[:, None] != candidates.security[None, :]
        excluded: NDArray[np.bool_] = (close > parameters.correlation_max) & both_buy & different
        if state.objective.targets is not None:
            targeted = state.objective.targets.has_pull[candidates.column]
            excluded &= ~np.outer(targeted, targeted)
        return excluded
