"""Buy only what your own rules allow."""

from __future__ import annotations

import math

from planner_core.market.state import PlanningState
from planner_core.model.candidates import Candidates
from planner_core.model.records import PERCENT
from planner_core.modules.module import Filter, ModuleMetadata, ModuleParameters, parameter


class EligibilityParameters(ModuleParameters):
    """The rules that a buy must satisfy."""

    quality_min: float = parameter(
        0.0, unit="score 0-1", ge=0, le=1, description="minimum quality of a buy, where it is known"
    )
    price_min: float = parameter(
        0.0, unit="base currency per unit", ge=0, le=1e9, description="no buy of anything cheaper"
    )
    excluded: tuple[str, ...] = parameter(
        (), unit="security ids", max_length=2000, description="never buy these"
    )
    excluded_groups: tuple[str, ...] = parameter(
        (),
        unit="group names",
        max_length=200,
        description="never buy a member of these, nor a fund with a part in them",
    )


class Eligibility(Filter[EligibilityParameters]):
    """Drop buys of low quality, of penny stocks and of excluded securities or groups.

    Sells always pass: what is not wanted must be able to go.

    Source: our own rule.
    """

    metadata = ModuleMetadata(
        name="eligibility",
        version="1.0.0",
        description="Buy only what your own rules allow",
        tags=("buy",),
    )
    parameters_model = EligibilityParameters

    def reject(
        self, candidates: Candidates, state: PlanningState, parameters: EligibilityParameters
    ) -> dict[int, str]:
        """Return the buys that are not admitted."""
        rejected: dict[int, str] = {}
        for candidate in candidates.buys():
            column = int(candidates.security[candidate])
            reason = _objection(state, column, parameters)
            if reason:
                rejected[candidate] = reason
        return rejected


def _objection(state: PlanningState, column: int, parameters: EligibilityParameters) -> str | None:
    """Return why a security may not be bought; None when it may."""
    security = state.context.securities[column]
    quality = state.quality[column]
    if security.id in parameters.excluded:
        return "it is excluded"
    for classification in security.groups:
        for group, share in security.group_shares(classification).items():
            if share > 0 and group in parameters.excluded_groups:
                part = "its group" if share == 1 else f"{share:.0%} of it is in {group}, which"
                return f"{part} is excluded"
    if not math.isnan(quality) and quality < parameters.quality_min:
        return f"its quality {quality:.2f} is below {parameters.quality_min:.2f}"
    # A unit of a bond in percent is 1 of nominal: cheap, but not for a bad reason.
    is_nominal = security.quote_unit == PERCENT
    if not is_nominal and state.portfolio.unit_value[column] < parameters.price_min:
        return f"its price is below {parameters.price_min:g}"
    return None
